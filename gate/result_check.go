package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Bounds of what a gate reports, in bytes unless it says otherwise.
const (
	maxID         = 200     // of what names a result or a finding; more is refused
	maxName       = 200     // of a suite, a tool, a format
	maxResultLine = 8 << 10 // of any other text; the rest is cut off
	maxReports    = 10_000
	maxChecks     = 1000
)

// Wrong is what is wrong with a reported Result or Selftest, and where.
type Wrong struct {
	Pointer string // RFC 6901
	Detail  string
}

// Error says it in one line.
func (w Wrong) Error() string { return w.Pointer + ": " + w.Detail }

// Check returns the first Wrong of a Result, if there is one: what names things
// must, and lists have a bound. All other text is bounded by Cut.
func (r Result) Check() error {
	switch {
	case r.Verdict != "pass" && r.Verdict != "fail":
		return Wrong{"/verdict", fmt.Sprintf("want pass or fail; has %q", brief(r.Verdict))}
	case r.Suite == "":
		return Wrong{"/suite", "is missing"}
	case len(r.Findings) > maxFindings:
		return Wrong{"/findings", fmt.Sprintf("at most %d are taken; has %d: leave some out and count them in omitted", maxFindings, len(r.Findings))}
	case len(r.Reports) > maxReports:
		return Wrong{"/reports", fmt.Sprintf("at most %d are taken; has %d", maxReports, len(r.Reports))}
	case r.Omitted < 0:
		return Wrong{"/omitted", "is less than 0"}
	}
	if err := cmp.Or(checkName("/id", r.ID), checkName("/suite", r.Suite)); err != nil {
		return err
	}
	for i, f := range r.Findings {
		if err := f.check(fmt.Sprintf("/findings/%d", i)); err != nil {
			return err
		}
	}
	return nil
}

func (f ResultFinding) check(at string) error {
	switch {
	case f.Fingerprint == "":
		return Wrong{at + "/fingerprint", "is missing"}
	case !slices.Contains(Classes, f.Class):
		return Wrong{at + "/class", fmt.Sprintf("there is no class %q", brief(string(f.Class)))}
	case !slices.Contains(Severities, f.Severity):
		return Wrong{at + "/severity", fmt.Sprintf("there is no severity %q", brief(string(f.Severity)))}
	case f.Line < 0:
		return Wrong{at + "/line", "is less than 0"}
	}
	return checkName(at+"/fingerprint", f.Fingerprint)
}

// Check is that of a Selftest.
func (t Selftest) Check() error {
	if len(t.Checks) > maxChecks {
		return Wrong{"/checks", fmt.Sprintf("at most %d are taken; has %d", maxChecks, len(t.Checks))}
	}
	return checkName("/id", t.ID)
}

// checkName checks what names something, and goes where neither ends of lines nor
// NUL may stand.
func checkName(at, name string) error {
	switch {
	case len(name) > maxID:
		return Wrong{at, fmt.Sprintf("is longer than %d bytes", maxID)}
	case strings.ContainsFunc(name, unicode.IsControl):
		return Wrong{at, "has a control character"}
	}
	return nil
}

// Cut returns a Result whose texts are bounded: a template of C++ can have a name
// of a megabyte, and is a finding all the same.
func (r Result) Cut() Result {
	r.Reason, r.Source = bounded(r.Reason, maxResultLine), r.Source.cut()
	r.Findings = slices.Clone(r.Findings)
	for i := range r.Findings {
		f := &r.Findings[i]
		for _, text := range []*string{&f.Tool, &f.Kind, &f.Message, &f.File, &f.Function, &f.Owner} {
			*text = bounded(*text, maxResultLine)
		}
		f.Stack = slices.Clone(f.Stack[:min(len(f.Stack), keptStack)])
		for j := range f.Stack {
			f.Stack[j] = bounded(f.Stack[j], maxResultLine)
		}
	}
	return r
}

// Cut returns a Selftest whose texts are bounded.
func (t Selftest) Cut() Selftest {
	t.Detail, t.Source = bounded(t.Detail, maxResultLine), t.Source.cut()
	t.Checks = slices.Clone(t.Checks)
	for i := range t.Checks {
		t.Checks[i].Name, t.Checks[i].Detail = bounded(t.Checks[i].Name, maxResultLine), bounded(t.Checks[i].Detail, maxResultLine)
	}
	return t
}

func (s Source) cut() Source {
	return Source{Commit: bounded(s.Commit, maxResultLine), Branch: bounded(s.Branch, maxResultLine), Default: s.Default, Pipeline: bounded(s.Pipeline, maxResultLine), Project: bounded(s.Project, maxResultLine)}
}

// brief is a text for a message.
func brief(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}
