package gate

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Bounds of what a gate may report, in bytes unless it says otherwise.
const (
	maxID         = 200
	maxName       = 200     // of a suite, a tool, a report
	maxResultLine = 8 << 10 // of any other text
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

// Check returns the first Wrong of a Result, if there is one. What it lets pass
// is bounded, and still hostile.
func (r Result) Check() error {
	if r.Verdict != "pass" && r.Verdict != "fail" {
		return Wrong{"/verdict", fmt.Sprintf("want pass or fail; has %q", brief(r.Verdict))}
	}
	if r.Suite == "" {
		return Wrong{"/suite", "is missing"}
	}
	if len(r.Findings) > maxFindings {
		return Wrong{"/findings", fmt.Sprintf("at most %d are taken; has %d: leave some out and count them in omitted", maxFindings, len(r.Findings))}
	}
	if len(r.Reports) > maxReports {
		return Wrong{"/reports", fmt.Sprintf("at most %d are taken; has %d", maxReports, len(r.Reports))}
	}
	if r.Omitted < 0 {
		return Wrong{"/omitted", "is less than 0"}
	}
	fields := append(r.Source.texts(), resultText{"id", r.ID, maxID}, resultText{"suite", r.Suite, maxName}, resultText{"reason", r.Reason, maxResultLine})
	if err := checkTexts("", fields); err != nil {
		return err
	}
	for i, f := range r.Findings {
		if err := f.check(fmt.Sprintf("/findings/%d", i)); err != nil {
			return err
		}
	}
	for i, p := range r.Reports {
		if err := checkTexts(fmt.Sprintf("/reports/%d", i), []resultText{{"name", p.Name, maxResultLine}, {"format", p.Format, maxName}, {"sha256", p.Digest, maxName}}); err != nil {
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
	case len(f.Stack) > maxFrames:
		return Wrong{at + "/stack", fmt.Sprintf("at most %d lines are taken; has %d", maxFrames, len(f.Stack))}
	}
	fields := []resultText{
		{"fingerprint", f.Fingerprint, maxID}, {"tool", f.Tool, maxName}, {"kind", f.Kind, maxResultLine}, {"message", f.Message, maxResultLine}, {"file", f.File, maxResultLine},
		{"function", f.Function, maxResultLine}, {"owner", f.Owner, maxResultLine}, {"until", f.Until, maxName},
	}
	for i, line := range f.Stack {
		fields = append(fields, resultText{fmt.Sprintf("stack/%d", i), line, maxResultLine})
	}
	return checkTexts(at, fields)
}

// Check is that of a Selftest.
func (t Selftest) Check() error {
	if len(t.Checks) > maxChecks {
		return Wrong{"/checks", fmt.Sprintf("at most %d are taken; has %d", maxChecks, len(t.Checks))}
	}
	fields := append(t.Source.texts(), resultText{"id", t.ID, maxID}, resultText{"detail", t.Detail, maxResultLine})
	for i, c := range t.Checks {
		fields = append(fields, resultText{fmt.Sprintf("checks/%d/name", i), c.Name, maxName}, resultText{fmt.Sprintf("checks/%d/detail", i), c.Detail, maxResultLine})
	}
	return checkTexts("", fields)
}

func (s Source) texts() []resultText {
	return []resultText{
		{"commit", s.Commit, maxName}, {"branch", s.Branch, maxResultLine}, {"pipeline", s.Pipeline, maxResultLine}, {"project", s.Project, maxResultLine},
	}
}

// A resultText is a field that holds one, and how long it may be.
type resultText struct {
	field, value string
	most         int
}

func checkTexts(at string, fields []resultText) error {
	for _, f := range fields {
		if len(f.value) > f.most {
			return Wrong{at + "/" + f.field, fmt.Sprintf("is longer than %d bytes", f.most)}
		}
		// What names something goes where neither ends of lines nor NUL may stand.
		if f.most <= maxID && strings.ContainsFunc(f.value, unicode.IsControl) {
			return Wrong{at + "/" + f.field, "has a control character"}
		}
	}
	return nil
}

// brief is a text for a message.
func brief(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}
