package jsonscan

import (
	"bytes"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Position returns the line and column of the byte at offset, both from 1. A
// line ends with a line feed; a column counts characters (Unicode code points;
// a bad byte counts as one). An offset outside the text is moved to its end.
func Position(data []byte, offset int) (line, column int) {
	before := data[:min(max(offset, 0), len(data))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte{'\n'}) + 1, utf8.RuneCount(before[start:]) + 1
}

// Position returns the line and column where the value begins.
func (v Value) Position() (line, column int) {
	if v.doc == nil {
		return 1, 1
	}
	return Position(v.doc.data, v.Offset())
}

// Pointer returns the JSON pointer (RFC 6901) to the value. A name longer than
// 64 bytes is cut, with an ellipsis, as a pointer is for people to read.
func (v Value) Pointer() string {
	if v.doc == nil {
		return ""
	}
	return v.PointerFrom(v.doc.Root())
}

// PointerFrom returns the JSON pointer that leads from root, a value around v,
// to v. To ask for it costs in proportion to what stands between the two.
func (v Value) PointerFrom(root Value) string {
	if v.doc == nil {
		return ""
	}
	var p []byte
	at := root
	for at.at < v.at {
		n, inner := 0, at
		for name, child := range at.children() {
			if inner = child; v.at < v.doc.after(child.at) {
				if name.doc != nil {
					p = appendToken(p, name.Text())
				} else {
					p = appendIndex(p, n)
				}
				break
			}
			n++
		}
		if inner == at { // a name of at, not a value
			break
		}
		at = inner
	}
	return string(p)
}

// maxToken is how much of a name a pointer shows.
const maxToken = 64

func appendToken(p []byte, name string) []byte {
	if len(name) > maxToken {
		cut := maxToken
		for cut > 0 && !utf8.RuneStart(name[cut]) {
			cut--
		}
		name = name[:cut] + "…"
	}
	p = append(p, '/')
	for i := range len(name) {
		switch c := name[i]; c {
		case '~':
			p = append(p, "~0"...)
		case '/':
			p = append(p, "~1"...)
		default:
			p = append(p, c)
		}
	}
	return p
}

func appendIndex(p []byte, n int) []byte {
	return strconv.AppendInt(append(p, '/'), int64(n), 10)
}

// tokens yields the decoded reference tokens of a JSON pointer.
func tokens(pointer string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if pointer == "" {
			return
		}
		for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
			token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
			if !yield(token) {
				return
			}
		}
	}
}
