package ticket

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is written, in characters. GitLab takes 255 and 1,048,576.
const (
	maxTitle = 255
	maxBody  = 20000
)

// joiner is U+2060, which nobody sees and which ends a name: a mention or a
// reference that has it after its sign is none, in every version of GitLab.
const joiner = "\u2060"

// clean takes out what could hide or turn text: control characters but line
// breaks, marks of direction, characters without width.
func clean(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\t", " ", "\u2028", "\n", "\u2029", "\n", "\u0085", "\n").Replace(strings.ToValidUTF8(s, "\uFFFD"))
	return strings.Map(func(r rune) rune {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			return -1
		}
		return r
	}, s)
}

// cut ends a text after so many characters.
func cut(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	runes := []rune(s)
	return strings.TrimSpace(string(runes[:most-1])) + "…"
}

// title makes one line of a title in which nobody is mentioned and nothing is
// referred to. GitLab reads no Markdown there, so that nothing is escaped.
func title(s string) string {
	s = strings.Join(strings.Fields(clean(s)), " ")
	var out strings.Builder
	for i, r := range s {
		out.WriteRune(r)
		if refers(s, i, r) {
			out.WriteString(joiner)
		}
	}
	if out.Len() == 0 {
		return "incident without a title"
	}
	return cut(out.String(), maxTitle)
}

// refers says that the sign at s[i] and what follows would mention somebody or
// refer to something. The @ of an address, behind a letter, does not.
func refers(s string, i int, sign rune) bool {
	if !strings.ContainsRune("@#!&~%$^", sign) {
		return false
	}
	if sign == '@' && i > 0 && inWord(s[i-1]) {
		return false
	}
	r, _ := utf8.DecodeRuneInString(s[i+1:])
	return r == '_' || r == '"' || r == '.' || r == '-' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

func inWord(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z'
}

// link is an address that may stand as it is, between angle brackets.
var link = regexp.MustCompile(`^https?://[A-Za-z0-9][A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*$`)

// markdown writes plain text so that GitLab shows it as it is, line by line:
// no quick action, no mention, no reference, no HTML, no picture, no link but
// those that show where they lead.
func markdown(s string) string {
	lines := strings.Split(cut(strings.TrimSpace(clean(s)), maxBody), "\n")
	for i, line := range lines {
		words := strings.Split(strings.TrimSpace(line), " ")
		for j, w := range words {
			if link.MatchString(w) {
				words[j] = "<" + w + ">"
			} else {
				words[j] = escape(w, j == 0)
			}
		}
		lines[i] = strings.Join(words, " ")
	}
	var out strings.Builder
	for i, line := range lines {
		out.WriteString(line)
		switch {
		case i == len(lines)-1:
		case line != "" && lines[i+1] != "":
			out.WriteString("\\\n") // a line break, and not a space
		default:
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// escape puts a backslash before what means something in Markdown; first says
// that the word begins a line.
func escape(word string, first bool) string {
	var out strings.Builder
	digits := true
	for i, r := range word {
		switch {
		case r == '@' && i > 0 && inWord(word[i-1]): // an address
		case strings.ContainsRune("\\`*_[]<>|~#!$^&%@", r):
			out.WriteByte('\\')
		case first && i == 0 && strings.ContainsRune("/+-=:>", r): // a quick action, a list, a heading, a fence
			out.WriteByte('\\')
		case first && digits && i > 0 && i == len(word)-1 && (r == '.' || r == ')'): // a numbered list
			out.WriteByte('\\')
		}
		digits = digits && r >= '0' && r <= '9'
		out.WriteRune(r)
		if refers(word, i, r) {
			out.WriteString(joiner)
		}
	}
	return out.String()
}
