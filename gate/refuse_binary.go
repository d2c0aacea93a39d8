package gate

import (
	"bytes"
	"unicode/utf8"
)

// refuseBinary says what a file is that is no text.
func refuseBinary(head []byte) string {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.begins)) {
			return m.is
		}
	}
	if binary(head) {
		return "the file is binary"
	}
	return ""
}

// magics are what files begin with that people give by mistake.
var magics = []struct{ begins, is string }{
	{"\x1f\x8b", "the file is packed with gzip: unpack it (zcat); a heaptrack file that is packed is no report but a recording"},
	{"\x28\xb5\x2f\xfd", "the file is packed with zstd: unpack it (zstdcat); a heaptrack file that is packed is no report but a recording"},
	{"\xfd7zXZ\x00", "the file is packed with xz: unpack it (xzcat)"},
	{"BZh", "the file is packed with bzip2: unpack it (bzcat)"},
	{"PK\x03\x04", "the file is a zip archive: unpack it and give the reports in it"},
	{"PK\x05\x06", "the file is an empty zip archive"},
	{"7z\xbc\xaf\x27\x1c", "the file is a 7z archive: unpack it and give the reports in it"},
	{"\x7fELF", "the file is a program, not what a tool wrote about it"},
	{"MZ\x90", "the file is a Windows program, not what a tool wrote about it"},
	{"\xcf\xfa\xed\xfe", "the file is a macOS program, not what a tool wrote about it"},
	{"\x89PNG\r\n\x1a\n", "the file is a PNG image"},
	{"\xff\xd8\xff", "the file is a JPEG image"},
	{"GIF8", "the file is a GIF image"},
	{"%PDF-", "the file is a PDF document"},
	{"SQLite format 3\x00", "the file is an SQLite database"},
	{"\xff\xfe", "the text is UTF-16, as PowerShell's > writes it: write UTF-8 (Out-File -Encoding utf8)"},
	{"\xfe\xff", "the text is UTF-16: write UTF-8"},
}

// binary says whether no person wrote or was to read this: of text, few bytes
// are control characters, even if a program wrote some rubbish into its log.
func binary(head []byte) bool {
	control := 0
	for rest := head; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 || r < ' ' && !bytes.ContainsRune([]byte("\t\n\v\f\r\b\x1b\x16"), r) {
			control++
		}
		rest = rest[size:]
	}
	return control > len(head)/10
}
