package gate

import (
	"encoding/json"
	"io"
	"strings"
)

// listed is how many findings a Result names, and how many lines of a stack.
const (
	listedFindings = 5_000
	listedFrames   = 64
)

// Result is the verdict as JSON shows it.
func (v Verdict) Result() Result {
	r := Result{
		Verdict:  v.Word(),
		Reason:   v.Reason,
		Suite:    v.Suite,
		Complete: v.Complete,
		At:       v.At.UTC(),
		Source:   v.Source,
		Findings: []ResultFinding{},
		Reports:  []ResultReport{},
		Omitted:  v.Omitted,
	}
	for i, f := range v.Findings {
		if i == listedFindings {
			r.Omitted += len(v.Findings) - i
			break
		}
		r.Findings = append(r.Findings, f.result())
	}
	for _, report := range v.Reports {
		r.Reports = append(r.Reports, ResultReport{
			Name:       report.Name,
			Format:     report.Format,
			Digest:     report.Digest,
			Findings:   report.Total,
			Suppressed: report.Suppressed,
			Tests:      report.Tests,
			Broken:     report.Broken,
		})
	}
	return r
}

func (f Finding) result() ResultFinding {
	r := ResultFinding{
		Fingerprint: f.Fingerprint,
		Tool:        f.Tool,
		Kind:        f.Kind,
		Class:       f.Class,
		Severity:    f.Severity,
		Message:     f.Message,
		File:        f.At.File,
		Line:        f.At.Line,
		Function:    f.At.Function,
		Bytes:       f.Bytes,
		Blocks:      f.Blocks,
		Count:       f.Count,
		Owner:       strings.Join(f.Owners, " "),
		New:         f.Standing != Accepted,
		Until:       dayText(f.Known.Until),
		Ticket:      f.Ticket,
	}
	if len(f.Stacks) > 0 {
		for i, frame := range f.Stacks[0].Frames {
			if i == listedFrames {
				break
			}
			r.Stack = append(r.Stack, frame.line())
		}
	}
	return r
}

// writeJSON writes a Result.
func writeJSON(to io.Writer, v Verdict, _ View) error {
	return writeIndented(to, v.Result())
}

// writeIndented writes JSON that a person can read too.
func writeIndented(to io.Writer, what any) error {
	e := json.NewEncoder(to)
	e.SetIndent("", "  ")
	return e.Encode(what)
}
