package gate

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// How much of a verdict is shown to people; the rest is counted.
const (
	shownFindings = 50
	shownLines    = 200
	shownFrames   = 24
	shownWidth    = 200 // characters of a line, where the width is not known
)

// writeText writes a verdict for people: the reason first, then what blocks,
// worst first, with the code around it, then what passes and why.
func writeText(to io.Writer, v Verdict, view View) error {
	p := &printer{view: view}
	if p.view.Width < 40 {
		p.view.Width = shownWidth
	}
	colour := red
	if v.Pass {
		colour = green
	}
	p.line("%s %s", p.in(colour+bold, strings.ToUpper(v.Word())), visible(suiteName(v)+": "+v.Reason))
	if s := v.Source.text(); s != "" {
		p.line("%s", p.in(dim, visible(s)))
	}
	for _, problem := range v.problems() {
		if strings.Contains(v.Reason, problem) {
			continue // it was said
		}
		p.line("  %s %s", p.in(red, "!"), visible(problem))
	}
	s := v.shares()
	for i, f := range s.blocking {
		if i == shownFindings {
			p.line("\n… and %s more that block; the other outputs name them", counted(len(s.blocking)-i, "finding"))
			break
		}
		p.finding(f)
	}
	p.list("Within the budget ("+v.Budget.String()+")", s.allowed, func(f Finding) string {
		return strings.Join(nonEmpty(string(f.Severity), f.title(), f.At.place(), strings.Join(f.Owners, " ")), "  ")
	})
	p.list("Accepted by the baseline", s.accepted, func(f Finding) string { return f.acceptedLine(v) })
	if len(v.Gone) > 0 {
		p.heading("In the baseline, and not found any more", len(v.Gone))
		for i, k := range v.Gone {
			if i == shownLines {
				p.line("  … and %d more", len(v.Gone)-i)
				break
			}
			p.cut("  " + visible(strings.Join(nonEmpty(k.Fingerprint, k.Kind, k.Where, k.Owner), "  ")))
		}
	}
	_, err := to.Write(p.out.Bytes())
	return err
}

func suiteName(v Verdict) string {
	if v.Suite == "" {
		return "gate"
	}
	return v.Suite
}

// text names what was judged, as far as it is known.
func (s Source) text() string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+" "+value)
		}
	}
	add("project", s.Project)
	add("branch", s.Branch)
	add("commit", s.Commit)
	add("pipeline", s.Pipeline)
	return strings.Join(parts, ", ")
}

func nonEmpty(parts ...string) []string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return out
}

// acceptedLine says of an accepted finding who has it, how long already, how
// long still and why.
func (f Finding) acceptedLine(v Verdict) string {
	until := "for good"
	if !f.Known.Until.IsZero() {
		until = "until " + dayText(f.Known.Until)
	}
	owner := strings.Join(f.Owners, " ")
	if owner == "" {
		owner = f.Known.Owner
	}
	if owner == "" {
		owner = "no owner"
	}
	return fmt.Sprintf("%s  %s, %s, %s: %s", strings.Join(nonEmpty(f.title(), f.At.place()), " at "), owner, age(f.Known.Since, v.At), until, f.Known.Reason)
}

// The codes of a terminal.
const (
	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
	plain  = "\x1b[0m"
)

// A printer writes for a person. What it gets of reports has passed visible.
type printer struct {
	out  bytes.Buffer
	view View
}

func (p *printer) line(format string, args ...any) {
	fmt.Fprintf(&p.out, format+"\n", args...)
}

// cut writes one line, no longer than is shown.
func (p *printer) cut(s string) { p.line("%s", shorten(s, p.view.Width)) }

// in gives text a colour.
func (p *printer) in(colour, s string) string {
	if !p.view.Colour {
		return s
	}
	return colour + s + plain
}

func (p *printer) heading(what string, n int) {
	p.line("\n%s", p.in(bold, fmt.Sprintf("%s: %d", what, n)))
}

func (p *printer) list(what string, findings []Finding, text func(Finding) string) {
	if len(findings) == 0 {
		return
	}
	p.heading(what, len(findings))
	for i, f := range findings {
		if i == shownLines {
			p.line("  … and %d more", len(findings)-i)
			return
		}
		p.cut("  " + visible(text(f)))
	}
}

// finding writes all that a person needs to begin.
func (p *printer) finding(f Finding) {
	colour := map[Severity]string{Critical: red + bold, Error: red, Warning: yellow, Info: cyan}[f.Severity]
	p.line("\n%s %s", p.in(colour, string(f.Severity)), p.in(bold, visible(f.title())))
	if place := f.At.place(); place != "" {
		p.line("  at %s", visible(place))
	}
	p.line("  %s", visible(f.Message))
	owner := strings.Join(f.Owners, " ")
	if owner == "" {
		owner = "nobody"
	}
	p.line("  owner %s, fingerprint %s", visible(owner), visible(f.Fingerprint))
	p.line("  %s", visible(strings.Join(nonEmpty(f.Tool, f.standing(), f.amounts(), "in "+f.Report), ", ")))
	p.code(f.Excerpt, f.At)
	for i, s := range f.Stacks {
		p.stack(s, i)
	}
}

// standing says why a finding counts.
func (f Finding) standing() string {
	if f.Standing == Expired {
		return fmt.Sprintf("accepted until %s: its time is over", dayText(f.Known.Until))
	}
	return string(f.Standing)
}

// code shows the lines around a place, and marks it.
func (p *printer) code(e Excerpt, at Frame) {
	for _, l := range e.marked(at) {
		text := shorten(l.text, p.view.Width)
		if l.hit {
			text = p.in(bold, text)
		}
		p.line("%s", text)
	}
}

// A markedLine is a line of code as it is shown.
type markedLine struct {
	text string
	hit  bool // of the place itself
}

// marked numbers the lines of an excerpt, with > at the place's line and ^ below
// its column.
func (e Excerpt) marked(at Frame) []markedLine {
	digits := len(fmt.Sprint(e.First + len(e.Lines)))
	var out []markedLine
	for i, source := range e.Lines {
		number := e.First + i
		mark := " "
		if number == at.Line {
			mark = ">"
		}
		code := visible(strings.ReplaceAll(source, "\t", "    "))
		out = append(out, markedLine{fmt.Sprintf("  %s %*d | %s", mark, digits, number, code), number == at.Line})
		if number == at.Line && at.Column > 0 && at.Column <= len(source)+1 {
			before := visible(strings.ReplaceAll(strings.ToValidUTF8(source[:at.Column-1], ""), "\t", "    "))
			out = append(out, markedLine{fmt.Sprintf("    %*s | %s^", digits, "", strings.Repeat(" ", len([]rune(before)))), true})
		}
	}
	return out
}

// stack shows the calls, the innermost first, and marks our own.
func (p *printer) stack(s Stack, number int) {
	title := s.Title
	if title == "" && number > 0 {
		title = "and"
	}
	if title != "" {
		p.line("  %s:", visible(title))
	}
	for i, f := range s.Frames {
		if i == shownFrames {
			p.line("      … and %s more", counted(len(s.Frames)-i, "call"))
			return
		}
		if foreign(f) {
			p.line("%s", p.in(dim, shorten("      "+visible(f.line()), p.view.Width)))
		} else {
			p.cut("    * " + visible(f.line()))
		}
	}
}
