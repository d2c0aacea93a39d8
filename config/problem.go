package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Problem is one mistake in a configuration. It never holds the value of a
// secret.
type Problem struct {
	File         string // "" for a Doc that was not parsed from files
	Line, Column int    // from 1; 0 where unknown
	Path         string // services.checkout.team, policies.p.steps[0].wait
	Detail       string
	Suggestion   string // the nearest correct word, or ""
}

// Error writes file:line:column: path: detail (did you mean "x"?).
func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File + ":")
	}
	if p.Line > 0 {
		fmt.Fprintf(&b, "%d:", p.Line)
	}
	if p.Line > 0 && p.Column > 0 {
		fmt.Fprintf(&b, "%d:", p.Column)
	}
	if b.Len() > 0 {
		b.WriteString(" ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Detail)
	if p.Suggestion != "" {
		fmt.Fprintf(&b, " (did you mean %q?)", p.Suggestion)
	}
	return b.String()
}

// Errors are all mistakes of a configuration, sorted by place.
type Errors []Problem

// Error writes one problem a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// sorted returns the problems by place, without repeats, or nil if there are none.
func (e Errors) sorted() error {
	if len(e) == 0 {
		return nil
	}
	out := slices.Clone(e)
	slices.SortStableFunc(out, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Detail, b.Detail))
	})
	return slices.Compact(out)
}

// A place is where something stands in a file.
type place struct {
	File         string
	Line, Column int
}

// places are known by path.
type places map[string]place

// at makes a Problem at the place of path, or of the nearest thing around it.
func (p places) at(path, detail, suggestion string) Problem {
	for at := path; ; {
		if found, ok := p[at]; ok {
			return Problem{found.File, found.Line, found.Column, path, detail, suggestion}
		}
		i := strings.LastIndexAny(at, ".[")
		if i < 0 {
			return Problem{Path: path, Detail: detail, Suggestion: suggestion}
		}
		at = at[:i]
	}
}
