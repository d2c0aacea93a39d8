package xmlscan

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// characters reads text up to the next tag.
func (s *Scanner) characters() error {
	s.text = s.text[:0]
	for s.need(1) {
		b := s.buf[s.at:s.end]
		n, lines := plain(b)
		if n > 0 { // which is most of a document
			if len(s.text) < MaxText {
				s.text = append(s.text, b[:min(n, MaxText)]...)
			}
			s.at += n
			s.line += lines
			continue
		}
		if b[0] == '<' {
			return nil
		}
		if b[0] == '&' {
			if err := s.reference(); err != nil {
				return err
			}
			continue
		}
		if n = bytes.IndexAny(b, "<&"); n < 0 {
			n = whole(b)
		}
		b = b[:n]
		if len(b) == 0 { // half a character, or half an end of a line
			if s.more() {
				continue
			}
			b = s.buf[s.at:s.end]
		}
		s.keep(b)
		s.take(len(b))
	}
	return nil
}

// plain returns how many bytes b begins with that stand for themselves, and how
// many lines end in them.
func plain(b []byte) (n, lines int) {
	for ; n < len(b); n++ {
		switch c := b[n]; {
		case c == '<' || c == '&' || c >= utf8.RuneSelf:
			return n, lines
		case c >= ' ' || c == '\t':
		case c == '\n':
			lines++
		default:
			return n, lines
		}
	}
	return n, lines
}

// reference reads the reference at the place of reading.
func (s *Scanner) reference() error {
	s.need(maxReference)
	r, n := reference(s.buf[s.at:s.end])
	if n == 0 {
		return s.badReference(s.buf[s.at:s.end])
	}
	s.take(n)
	if len(s.text) < MaxText {
		s.text = utf8.AppendRune(s.text, r)
	}
	return nil
}

// attribute keeps the value of an attribute.
func (s *Scanner) attribute(value []byte) error {
	for len(value) > 0 {
		if value[0] == '&' {
			r, n := reference(value)
			if n == 0 {
				return s.badReference(value)
			}
			s.text = utf8.AppendRune(s.text, r)
			value = value[n:]
			continue
		}
		n := bytes.IndexByte(value, '&')
		if n < 0 {
			n = len(value)
		}
		s.text = appendClean(s.text, value[:n])
		value = value[n:]
	}
	return nil
}

func (s *Scanner) badReference(b []byte) error {
	if n := bytes.IndexByte(b[:min(len(b), maxReference)], ';'); n > 0 {
		return s.fail("%s is no entity that XML knows", clip(b[:n+1]))
	}
	return s.fail("an & begins no reference")
}

// maxReference is the length of the longest reference that is read, in bytes.
const maxReference = 16

// reference reads the reference that b begins with, and returns its length: 0 if
// it is none.
func reference(b []byte) (rune, int) {
	end := bytes.IndexByte(b[:min(len(b), maxReference)], ';')
	if end < 2 {
		return 0, 0
	}
	name := b[1:end]
	switch string(name) { // the entities that need no declaration
	case "lt":
		return '<', end + 1
	case "gt":
		return '>', end + 1
	case "amp":
		return '&', end + 1
	case "quot":
		return '"', end + 1
	case "apos":
		return '\'', end + 1
	}
	if name[0] != '#' {
		return 0, 0
	}
	digits, base := string(name[1:]), 10
	if len(digits) > 0 && digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	code, err := strconv.ParseUint(digits, base, 32)
	if err != nil {
		return 0, 0
	}
	if r := rune(code); code <= utf8.MaxRune && known(r) {
		return r, end + 1
	}
	return utf8.RuneError, end + 1
}

// known reports whether XML 1.0 has the character.
func known(r rune) bool {
	switch {
	case r < ' ':
		return r == '\t' || r == '\n' || r == '\r'
	case r >= 0xd800 && r <= 0xdfff, r == 0xfffe, r == 0xffff:
		return false
	}
	return true
}

// until reads what stands between begin, which is at the place of reading, and
// end.
func (s *Scanner) until(begin, end string) error {
	s.take(len(begin))
	s.text = s.text[:0]
	for {
		b := s.buf[s.at:s.end]
		n := bytes.Index(b, []byte(end))
		if n >= 0 {
			s.keep(b[:n])
			s.take(n + len(end))
			return nil
		}
		n = whole(b[:max(0, len(b)-len(end)+1)])
		s.keep(b[:n])
		s.take(n)
		if !s.more() {
			return s.cut()
		}
	}
}

// keep adds characters to the text, as long as there is room.
func (s *Scanner) keep(b []byte) {
	if len(s.text) < MaxText {
		s.text = appendClean(s.text, b[:min(len(b), MaxText)])
	}
}

// appendClean appends characters as XML has them: an end of a line is \n, and
// U+FFFD stands for what is no character.
func appendClean(dst, b []byte) []byte {
	from := 0
	for i := 0; i < len(b); {
		c := b[i]
		if c >= ' ' && c < utf8.RuneSelf || c == '\n' || c == '\t' {
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		switch {
		case c == '\r':
			dst = append(append(dst, b[from:i]...), '\n')
			if i+1 < len(b) && b[i+1] == '\n' {
				n = 2
			}
			from = i + n
		case r == utf8.RuneError || !known(r):
			dst = utf8.AppendRune(append(dst, b[from:i]...), utf8.RuneError)
			from = i + n
		}
		i += n
	}
	return append(dst, b[from:]...)
}

// whole returns the length of b without a character, or an end of a line, that
// may go on behind it.
func whole(b []byte) int {
	if n := len(b); n > 0 && b[n-1] == '\r' {
		return n - 1
	}
	for k := 1; k <= min(3, len(b)); k++ {
		if at := len(b) - k; utf8.RuneStart(b[at]) {
			if !utf8.FullRune(b[at:]) {
				return at
			}
			break
		}
	}
	return len(b)
}
