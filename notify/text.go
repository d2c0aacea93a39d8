package notify

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean makes hostile text plain: valid UTF-8 without control characters but
// line feed and tab, and without those that reorder or hide text (bidirectional
// controls, zero-width characters, tags). It does not escape: each channel does
// that in its own way, as the last step.
func clean(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r', r == '\u2028', r == '\u2029', r == '\u0085':
			return '\n'
		case unicode.Is(unicode.Cc, r):
			return -1
		case r == '\u200D': // joins emoji, and letters of several scripts
			return r
		case unicode.Is(unicode.Cf, r): // bidi controls, zero-width space, tags, byte order mark
			return -1
		}
		return r
	}, s)
}

// line is clean text on one line, for titles, headers and names.
func line(s string, most int) string {
	return cut(strings.Join(strings.Fields(clean(s)), " "), most)
}

// block is clean text of several lines.
func block(s string, most int) string { return cut(strings.TrimSpace(clean(s)), most) }

// cut shortens a text to a number of characters, with an ellipsis as the last.
func cut(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	n := 0
	for i := range s {
		if n == most-1 {
			return strings.TrimRight(s[:i], " \n\t") + "…"
		}
		n++
	}
	return s
}

// link returns the URL in its canonical, escaped form if it is an absolute http
// or https URL, otherwise "": a link to anything else is an attack.
func link(s string) string {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil {
		return ""
	}
	return u.String()
}

// httpURL checks the URL of a connection. Its error does not show it, since it
// may hold a secret.
func httpURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" {
		return errors.New("url: want http://… or https://…")
	}
	return nil
}

// headline says on one line what the message is about.
func headline(m Message) string {
	var parts []string
	if m.Number != "" {
		parts = append(parts, "#"+line(m.Number, 20))
	}
	if m.Status != "" {
		parts = append(parts, line(m.Status, 20))
	}
	if m.Severity != "" {
		parts = append(parts, line(m.Severity, 20))
	}
	title := line(m.Title, 200)
	if title == "" {
		title = "(no title)"
	}
	if len(parts) == 0 {
		return title
	}
	return "[" + strings.Join(parts, " ") + "] " + title
}
