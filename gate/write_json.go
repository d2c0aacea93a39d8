package gate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// What a Result lists, so that a server takes it (result_check.go) and a body
// stays small.
const (
	listedFindings = 5_000
	listedFrames   = 64
	listedFrame    = 1 << 10  // bytes of one
	listedStacks   = 12 << 20 // bytes of JSON from which findings are listed without their stacks
	listedBytes    = 20 << 20 // of all findings
)

// Result is the verdict as JSON shows it. Check lets it pass, whatever reports
// say.
func (v Verdict) Result() Result {
	r := Result{
		Verdict:  v.Word(),
		Reason:   bounded(v.Reason, maxResultLine),
		Suite:    named(suiteName(v)),
		Complete: v.Complete,
		At:       v.At.UTC(),
		Source:   v.Source,
		Findings: []ResultFinding{},
		Reports:  []ResultReport{},
		Omitted:  v.Omitted,
	}
	size := 0
	for i, f := range v.Findings {
		listed := f.result()
		length := lengthOf(listed)
		if size+length > listedStacks {
			listed.Stack = nil
			length = lengthOf(listed)
		}
		if size += length; i == listedFindings || size > listedBytes {
			r.Omitted += len(v.Findings) - i
			break
		}
		r.Findings = append(r.Findings, listed)
	}
	for _, report := range listedReports(v.Reports) {
		var broken []string
		for _, why := range report.Broken {
			broken = append(broken, bounded(why, maxResultLine))
		}
		r.Reports = append(r.Reports, ResultReport{
			Name:       bounded(report.Name, maxResultLine),
			Format:     named(report.Format),
			Digest:     report.Digest,
			Findings:   report.Total,
			Suppressed: report.Suppressed,
			Tests:      report.Tests,
			Broken:     broken,
		})
	}
	return r
}

// lengthOf is how many bytes a finding takes in JSON.
func lengthOf(f ResultFinding) int {
	text, _ := json.Marshal(f) // which has nothing that JSON cannot hold
	return len(text)
}

// listedReports are the reports that are listed. Where there are too many, as of a
// build that starts a process for each file, those that tell nothing are left out.
func listedReports(all []Report) []Report {
	if len(all) <= maxReports {
		return all
	}
	var some []Report
	for _, silent := range []bool{false, true} {
		for _, r := range all {
			if (r.Total == 0 && len(r.Broken) == 0) == silent && len(some) < maxReports {
				some = append(some, r)
			}
		}
	}
	return some
}

func (f Finding) result() ResultFinding {
	r := ResultFinding{
		Fingerprint: f.Fingerprint,
		Tool:        named(f.Tool),
		Kind:        bounded(f.Kind, maxResultLine),
		Class:       f.Class,
		Severity:    f.Severity,
		Message:     bounded(f.Message, maxResultLine),
		File:        bounded(f.At.File, maxResultLine),
		Line:        max(0, f.At.Line),
		Function:    bounded(f.At.Function, maxResultLine),
		Bytes:       f.Bytes,
		Blocks:      f.Blocks,
		Count:       f.Count,
		Owner:       bounded(strings.Join(f.Owners, " "), maxResultLine),
		New:         f.Standing != Accepted,
		Until:       dayText(f.Known.Until),
		Ticket:      f.Ticket,
	}
	if len(f.Stacks) > 0 {
		for _, frame := range f.Stacks[0].Frames[:min(listedFrames, len(f.Stacks[0].Frames))] {
			r.Stack = append(r.Stack, bounded(frame.line(), listedFrame))
		}
	}
	return r
}

// bounded is text of n bytes at most, as JSON will hold it.
func bounded(s string, n int) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n-len("…")], "") + "…"
}

// named is text that names something: short, and without what cannot be seen.
func named(s string) string { return bounded(visible(s), maxName) }

// writeJSON writes a Result.
func writeJSON(to io.Writer, v Verdict, _ View) error {
	return writeIndented(to, v.Result())
}

// writeIndented writes JSON that a person can read too. What hides or reorders
// text is escaped, which changes nothing of what is said.
func writeIndented(to io.Writer, what any) error {
	var plain bytes.Buffer
	e := json.NewEncoder(&plain)
	e.SetIndent("", "  ")
	if err := e.Encode(what); err != nil {
		return err
	}
	var out bytes.Buffer
	for _, c := range plain.String() {
		switch high, low := utf16.EncodeRune(c); {
		case c == '\n' || unicode.IsGraphic(c):
			out.WriteRune(c)
		case high != utf8.RuneError:
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, c)
		}
	}
	_, err := to.Write(out.Bytes())
	return err
}
