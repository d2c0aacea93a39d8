package gate

import "cmp"

// refuse says what a file is that is no report, from its beginning.
func refuse(head []byte) string {
	return cmp.Or(refusal(head), "the file is not known")
}

// refusal says what a file is, if it is known to be no report that is read.
func refusal(head []byte) string {
	for _, known := range []func(head []byte) string{
		refuseBinary,
		refuseXML,
		refuseValgrind,
		refuseHeaptrack,
		refuseSARIF,
		refuseJSON,
	} {
		if what := known(head); what != "" {
			return what
		}
	}
	return ""
}
