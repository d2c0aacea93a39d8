package gate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"path"
	"strings"
)

// A qualityIssue is one of GitLab's Code Quality report:
// https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
type qualityIssue struct {
	Description string          `json:"description"`
	CheckName   string          `json:"check_name"`
	Fingerprint string          `json:"fingerprint"`
	Severity    string          `json:"severity"`
	Location    qualityLocation `json:"location"`
}

type qualityLocation struct {
	Path  string       `json:"path"`
	Lines qualityLines `json:"lines"`
}

type qualityLines struct {
	Begin int `json:"begin"`
}

// writeCodeQuality writes an issue for each finding that counts, and for each
// report that is broken. What the baseline accepts is left out.
func writeCodeQuality(to io.Writer, v Verdict, _ View) error {
	issues := []qualityIssue{}
	seen := map[string]bool{} // GitLab wants each fingerprint once
	add := func(i qualityIssue) {
		if !seen[i.Fingerprint] {
			seen[i.Fingerprint] = true
			issues = append(issues, i)
		}
	}
	for _, f := range v.Findings {
		if f.Standing == Accepted {
			continue
		}
		add(qualityIssue{
			Description: visible(cmp.Or(f.Message, f.title())),
			CheckName:   visible(cmp.Or(f.Kind, string(f.Class), "finding")),
			Fingerprint: f.Fingerprint,
			Severity:    map[Severity]string{Critical: "blocker", Error: "critical", Warning: "major", Info: "info"}[f.Severity],
			Location:    qualityPlace(cmp.Or(f.At.File, f.Report), f.At.Line),
		})
	}
	for _, r := range v.Reports {
		if len(r.Broken) == 0 {
			continue
		}
		sum := sha256.Sum256([]byte("broken report\n" + v.Suite + "\n" + r.Name))
		add(qualityIssue{
			Description: visible("The report does not say everything: " + strings.Join(r.Broken, "; ")),
			CheckName:   "broken-report",
			Fingerprint: hex.EncodeToString(sum[:16]),
			Severity:    "blocker",
			Location:    qualityPlace(r.Name, 0),
		})
	}
	return writeIndented(to, issues)
}

// qualityPlace is a place as GitLab wants it: relative to the repository, and
// with a line.
func qualityPlace(file string, line int) qualityLocation {
	file = strings.TrimLeft(path.Clean("/"+strings.ReplaceAll(visible(file), `\`, "/")), "/")
	return qualityLocation{Path: cmp.Or(file, "unknown"), Lines: qualityLines{Begin: max(1, line)}}
}
