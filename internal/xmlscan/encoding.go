package xmlscan

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"
)

// decode looks at the beginning of the document for its encoding.
func (s *Scanner) decode() error {
	s.need(256)
	head := s.buf[:min(256, s.end)]
	switch {
	case bytes.HasPrefix(head, []byte("\ufeff")):
		s.take(3)
		head = head[3:]
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return s.fail("the text is in UTF-16, and is not read")
	}
	switch name := declared(head); strings.ToLower(name) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
	case "iso-8859-1", "iso8859-1", "latin1", "windows-1252", "cp1252":
		s.from, s.err = &western{from: s.from, err: s.err, raw: bytes.Clone(s.buf[s.at:s.end])}, nil
		s.at, s.end = 0, 0
	default:
		return s.fail("the encoding is %q, which is not read", clip([]byte(name)))
	}
	return nil
}

// declared returns the encoding that the declaration at the beginning names.
func declared(head []byte) string {
	declaration, _, ok := bytes.Cut(head, []byte("?>"))
	if !ok || !bytes.HasPrefix(declaration, []byte("<?xml")) {
		return ""
	}
	_, value, ok := bytes.Cut(declaration, []byte("encoding"))
	value = bytes.TrimLeft(value, " \t\r\n=")
	if !ok || len(value) == 0 || value[0] != '"' && value[0] != '\'' {
		return ""
	}
	name, _, _ := bytes.Cut(value[1:], value[:1])
	return string(name)
}

// western makes UTF-8 of windows-1252. That is ISO-8859-1 with characters in
// place of controls, and is what is meant by either name.
type western struct {
	from io.Reader
	err  error  // of from
	raw  []byte // read, and not yet made UTF-8
}

func (w *western) Read(p []byte) (int, error) {
	if len(w.raw) == 0 {
		if w.err != nil {
			return 0, w.err
		}
		w.raw = make([]byte, 4<<10)
		var n int
		n, w.err = w.from.Read(w.raw)
		w.raw = w.raw[:n]
	}
	n := 0
	for len(w.raw) > 0 && len(p)-n >= utf8.UTFMax {
		n += utf8.EncodeRune(p[n:], windows1252(w.raw[0]))
		w.raw = w.raw[1:]
	}
	return n, nil
}

// windows1252 is the character of a byte. The table is of the bytes 0x80 to 0x9f;
// the five that have none stay what they are in ISO-8859-1.
func windows1252(c byte) rune {
	if c < 0x80 || c > 0x9f {
		return rune(c)
	}
	return [...]rune{
		'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8d, 'Ž', 0x8f,
		0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9d, 'ž', 'Ÿ',
	}[c-0x80]
}
