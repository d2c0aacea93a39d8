package gate

import (
	"bytes"
	"errors"

	"github.com/musterhq/muster/internal/xmlscan"
)

// xmlRoot is the name of the outermost element of the XML that head begins, and
// "" if there is none.
func xmlRoot(head []byte) string {
	name, err := xmlscan.New(bytes.NewReader(head)).Root()
	if err != nil {
		return ""
	}
	return name
}

// xmlBroken reports whether err is of the text that was read, not of reading.
func xmlBroken(err error) (*xmlscan.Error, bool) {
	var wrong *xmlscan.Error
	return wrong, errors.As(err, &wrong)
}
