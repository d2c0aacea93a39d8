package event

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// cleanLine makes one line of s: valid UTF-8 without control characters. Line
// breaks and tabs become spaces, and the ends are trimmed.
func cleanLine(s string) string {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f {
			return strings.TrimSpace(rewrite(s, false))
		}
	}
	if s == "" || s[0] != ' ' && s[len(s)-1] != ' ' {
		return s
	}
	return strings.Trim(s, " ")
}

// cleanLines makes valid UTF-8 of s, without control characters other than line
// feeds and tabs. A carriage return, alone or before a line feed, becomes one.
func cleanLines(s string) string {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\n' && c != '\t' || c >= 0x7f {
			return rewrite(s, true)
		}
	}
	return s
}

func rewrite(s string, lines bool) string {
	var b strings.Builder
	b.Grow(len(s))
	for i, r := range s { // a bad byte reads as utf8.RuneError
		switch {
		case r == '\r' && i+1 < len(s) && s[i+1] == '\n':
		case r == '\n' || r == '\r' || r == '\t' || r == '\u0085' || r == '\u2028' || r == '\u2029':
			switch {
			case !lines:
				r = ' '
			case r != '\t':
				r = '\n'
			}
			b.WriteRune(r)
		case !unicode.IsControl(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hasControls says whether s has control characters that are not white space,
// which cleaning takes out.
func hasControls(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) })
}

// cut shortens s, which must be valid UTF-8, to at most limit bytes without
// splitting a character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return strings.TrimRight(s[:limit], " ")
}

// quote shows the beginning of a hostile text in a message.
func quote(s string) string {
	if len(s) > 40 {
		s = cut(strings.ToValidUTF8(s[:40], "\uFFFD"), 40) + "…"
	}
	return fmt.Sprintf("%q", s)
}
