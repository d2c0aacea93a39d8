package event

import "strings"

// severity maps what senders call severities and priorities to ours. Exact
// tells that s is one of our own words, in any case.
//
// What it does not know becomes an error and not less: somebody meant
// something by it, and a page too many costs less than a page too few.
func severity(s string) (mapped Severity, exact bool) {
	switch s := strings.ToLower(strings.TrimSpace(s)); s {
	case "critical", "error", "warning", "info":
		return Severity(s), true
	case "crit", "fatal", "emergency", "emerg", "panic", "disaster", "blocker", "urgent", "highest", "p1", "sev1", "sev-1":
		return SeverityCritical, false
	case "err", "high", "page", "major", "severe", "p2", "sev2", "sev-2":
		return SeverityError, false
	case "warn", "medium", "moderate", "average", "minor", "p3", "sev3", "sev-3":
		return SeverityWarning, false
	case "information", "informational", "none", "low", "lowest", "notice", "debug", "ok", "normal", "trivial",
		"p4", "p5", "sev4", "sev5", "sev-4", "sev-5":
		return SeverityInfo, false
	}
	return SeverityError, false
}

func (s Severity) known() bool {
	switch s {
	case SeverityCritical, SeverityError, SeverityWarning, SeverityInfo:
		return true
	}
	return false
}
