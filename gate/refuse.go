package gate

// refuse says what a file is that is no report, from its beginning.
func refuse(head []byte) string {
	return "the file is not known"
}
