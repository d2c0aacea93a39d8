package detect

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Overflow is the series that takes the records of groups beyond a rule's
// MaxGroups. It cannot be the name of a group: those hold a "=".
const Overflow = "overflow"

// maxLabel bounds a group's value, in bytes. Values alike up to there share a
// series: what a log says must not decide how much memory a series takes.
const maxLabel = 200

// namer makes the series texts of one rule: "service=checkout,zone=eu", the
// names sorted, with \ before , = and \ in a value. What is not printable
// UTF-8 becomes U+FFFD, since a series goes into databases, pages and
// messages. Without names the one series is "".
type namer struct {
	names []string
	buf   []byte
}

func newNamer(by []string) namer {
	names := slices.Clone(by)
	slices.Sort(names)
	return namer{names: slices.Compact(names)}
}

// key returns the series of a record, in memory that the next call overwrites.
func (n *namer) key(rec *Record) []byte {
	n.buf = n.buf[:0]
	for i, name := range n.names {
		if i > 0 {
			n.buf = append(n.buf, ',')
		}
		n.buf = appendEscaped(n.buf, []byte(name))
		n.buf = append(n.buf, '=')
		value, _ := rec.Get(name)
		n.buf = appendEscaped(n.buf, value)
	}
	return n.buf
}

func appendEscaped(to, value []byte) []byte {
	if len(value) > maxLabel {
		cut := maxLabel
		for cut > maxLabel-utf8.UTFMax && !utf8.RuneStart(value[cut]) {
			cut--
		}
		value = value[:cut]
	}
	for i := 0; i < len(value); {
		c := value[i]
		switch {
		case c == '\\' || c == ',' || c == '=':
			to = append(to, '\\', c)
			i++
		case ' ' <= c && c < 0x7f:
			to = append(to, c)
			i++
		default:
			r, size := utf8.DecodeRune(value[i:])
			if !unicode.IsPrint(r) {
				r = utf8.RuneError
			}
			to = utf8.AppendRune(to, r)
			i += size
		}
	}
	return to
}

// Labels returns the names and values that a series text stands for: nil for
// "" and for Overflow.
func Labels(series string) map[string]string {
	if series == "" || series == Overflow {
		return nil
	}
	labels := map[string]string{}
	var name string
	var b strings.Builder
	put := func() {
		labels[name] = b.String()
		b.Reset()
	}
	named := false
	for i := 0; i < len(series); i++ {
		switch c := series[i]; {
		case c == '\\' && i+1 < len(series):
			i++
			b.WriteByte(series[i])
		case c == '=' && !named:
			name, named = b.String(), true
			b.Reset()
		case c == ',':
			put()
			name, named = "", false
		default:
			b.WriteByte(c)
		}
	}
	put()
	return labels
}
