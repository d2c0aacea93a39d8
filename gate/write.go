package gate

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An Output is one form in which a verdict is written.
type Output struct {
	Name  string
	Help  string
	Write func(to io.Writer, v Verdict, view View) error
}

// A View is how a person looks at text; other outputs take no note of it.
type View struct {
	Colour bool // the terminal shows colours
	Width  int  // of a line, in characters; 0: not known
}

// Outputs are all outputs.
var Outputs = []Output{
	{"text", "for people", writeText},
	{"json", "for programs, and for the server", writeJSON},
	{"sarif", "SARIF 2.1.0, for code scanning", writeSARIF},
	{"junit", "JUnit XML, for test reports", writeJUnit},
	{"codequality", "GitLab's Code Quality report", writeCodeQuality},
	{"markdown", "a comment on a merge or pull request", writeMarkdown},
}

// A share is a part of a verdict's findings.
type share struct {
	blocking []Finding // new ones of a severity of which there are too many
	allowed  []Finding // new ones within the budget
	accepted []Finding // known to the baseline
}

// shares parts the findings by what they do to the gate.
func (v Verdict) shares() share {
	n := map[Severity]int{}
	for _, f := range v.Findings {
		if f.Standing != Accepted {
			n[f.Severity]++
		}
	}
	var s share
	for _, f := range v.Findings {
		most := v.Budget[f.Severity]
		switch {
		case f.Standing == Accepted:
			s.accepted = append(s.accepted, f)
		case most != Unlimited && n[f.Severity] > most:
			s.blocking = append(s.blocking, f)
		default:
			s.allowed = append(s.allowed, f)
		}
	}
	return s
}

// visible is text of a report in one line, where nothing is hidden: what moves
// the cursor, reorders or cannot be seen is written as its number.
func visible(s string) string {
	hidden := func(c rune) bool { return c < ' ' || c > '~' }
	if strings.IndexFunc(s, hidden) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case c == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case c == '\n' || c == '\t' || c == '\r':
			b.WriteByte(' ')
		case unicode.IsGraphic(c):
			b.WriteRune(c)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(c), "'"))
		}
		i += size
	}
	return b.String()
}

// shorten cuts a text that is visible to n characters.
func shorten(s string, n int) string {
	if n < 1 || utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// title is what a finding is, in a few words.
func (f Finding) title() string {
	if f.At.Function == "" {
		return f.Kind
	}
	return f.Kind + " in " + f.At.Function
}

// place is file:line:column, as far as it is known.
func (f Frame) place() string {
	switch {
	case f.File == "":
		return f.Object
	case f.Line == 0:
		return f.File
	case f.Column == 0:
		return f.File + ":" + strconv.Itoa(f.Line)
	}
	return f.File + ":" + strconv.Itoa(f.Line) + ":" + strconv.Itoa(f.Column)
}

// line is a frame in one line.
func (f Frame) line() string {
	switch place := f.place(); {
	case f.Function == "":
		return place
	case place == "":
		return f.Function
	default:
		return f.Function + " " + place
	}
}

// amounts are how much and how often, "" for what is told once and without size.
func (f Finding) amounts() string {
	var parts []string
	if f.Bytes > 0 {
		s := counted64(f.Bytes, "byte")
		if f.Blocks > 0 {
			s += " in " + counted64(f.Blocks, "block")
		}
		parts = append(parts, s)
	}
	if f.Count > 1 {
		parts = append(parts, "told "+strconv.Itoa(f.Count)+" times")
	}
	return strings.Join(parts, ", ")
}

func counted64(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.FormatInt(n, 10) + " " + what
}

// problems are what keeps a verdict from being a whole one, beside findings.
func (v Verdict) problems() []string {
	var out []string
	for _, r := range v.Reports {
		for _, b := range r.Broken {
			out = append(out, r.Name+": "+b)
		}
	}
	if v.Omitted > 0 {
		out = append(out, counted(v.Omitted, "finding")+" more than are kept")
	}
	return out
}
