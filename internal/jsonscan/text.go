package jsonscan

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// scanString reads the string whose opening quote is at i. It returns the
// offset after the closing quote and the flags, or the offset of what is wrong
// and why.
//
// Eight bytes are looked at together. Subtracting below borrows only upwards,
// so the lowest marked byte is always a true one; a false mark above it is
// looked at again later.
func scanString(data []byte, i int) (end int, flags uint32, bad string) {
	begin := i + 1
	watch := uint64(highs) // marks bytes from 0x80 up, until there is one
	for i++; ; {
		for i+8 <= len(data) {
			w := binary.LittleEndian.Uint64(data[i:])
			quote, slash := w^(ones*'"'), w^(ones*'\\')
			m := (w-ones*' ')&^w | (quote-ones)&^quote | (slash-ones)&^slash
			if m = m&highs | w&watch; m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		if i >= len(data) {
			return len(data), 0, "the text ends within a string"
		}
		switch c := data[i]; {
		case c == '"':
			if flags&nonASCII != 0 && !utf8.Valid(data[begin:i]) {
				flags |= broken
			}
			return i + 1, flags, ""
		case c == '\\':
			n, lone, wrong := scanEscape(data, i)
			if wrong != "" {
				return i, 0, wrong
			}
			flags |= escaped
			if lone {
				flags |= broken
			}
			i += n
		case c < ' ':
			return i, 0, fmt.Sprintf("a bare control character U+%04X in a string; write it as an escape", c)
		case c >= 0x80:
			flags |= nonASCII
			watch = 0
			i++
		default:
			i++
		}
	}
}

// scanEscape reads the escape sequence at i and returns its length, and whether
// it is half of a surrogate pair. The two halves of a pair are read as one.
func scanEscape(data []byte, i int) (n int, lone bool, bad string) {
	if i+1 >= len(data) {
		return 0, false, "the text ends within an escape sequence"
	}
	switch data[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, false, ""
	case 'u':
	default:
		return 0, false, "an unknown escape sequence in a string"
	}
	r, ok := hex4(data, i+2)
	switch {
	case !ok && i+6 > len(data):
		return 0, false, "the text ends within an escape sequence"
	case !ok:
		return 0, false, `\u wants four hexadecimal digits`
	case !utf16.IsSurrogate(r):
		return 6, false, ""
	}
	if i+8 <= len(data) && data[i+6] == '\\' && data[i+7] == 'u' {
		if low, ok := hex4(data, i+8); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
			return 12, false, ""
		}
	}
	return 6, true, ""
}

// hex4 reads four hexadecimal digits.
func hex4(data []byte, i int) (rune, bool) {
	if i+4 > len(data) {
		return 0, false
	}
	var r rune
	for _, c := range data[i : i+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unquote decodes what stands between the quotes of a valid string.
func unquote(in []byte) []byte {
	out := make([]byte, 0, len(in))
	for i := 0; i < len(in); {
		switch c := in[i]; {
		case c == '\\' && in[i+1] == 'u':
			n, lone, _ := scanEscape(in, i)
			r, _ := hex4(in, i+2)
			if lone {
				r = utf8.RuneError
			} else if n == 12 {
				low, _ := hex4(in, i+8)
				r = utf16.DecodeRune(r, low)
			}
			out = utf8.AppendRune(out, r)
			i += n
		case c == '\\':
			out = append(out, unescape(in[i+1]))
			i += 2
		case c < utf8.RuneSelf:
			out = append(out, c)
			i++
		default:
			r, size := utf8.DecodeRune(in[i:])
			out = utf8.AppendRune(out, r)
			i += size
		}
	}
	return out
}

func unescape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}
