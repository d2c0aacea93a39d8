package gate

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Case is all that a verdict rests on.
type Case struct {
	Suite    string
	Source   Source
	Reports  []Report
	Exit     *Exit // of the program that wrote them, where the gate knows it
	Baseline Baseline
	Budget   Budget
	Tree     *Tree                      // nil: no repository is at hand
	Owners   func(path string) []string // of a file of the repository; nil: nobody's
	Fallback []string                   // owners of what has none
	Tickets  func(Finding) bool         // which findings get a ticket; nil: none
	Now      time.Time                  // UTC
}

// Judge decides. It fails closed: only reports that are whole, a program that
// ended well, and findings that the baseline knows or the budget allows pass.
func Judge(c Case) Verdict {
	v := Verdict{Suite: c.Suite, Source: c.Source, Exit: c.Exit, Budget: c.Budget, At: c.Now}
	tree := c.Tree
	if tree == nil {
		tree = NewTree("", nil, nil)
	}
	var all []Finding
	omitted := 0
	for _, r := range c.Reports {
		all = append(all, r.Findings...)
		omitted += r.Total
		for _, f := range r.Findings {
			omitted -= f.Count
		}
		r.Findings = nil
		v.Reports = append(v.Reports, r)
	}
	v.Omitted = omitted
	v.Findings = identify(all, tree)
	for i := range v.Findings {
		f := &v.Findings[i]
		f.Standing, f.Known = c.Baseline.standing(f.Fingerprint, c.Now)
		if c.Owners != nil && f.At.File != "" {
			f.Owners = c.Owners(f.At.File)
		}
		if len(f.Owners) == 0 {
			f.Owners = c.Fallback
		}
		f.Ticket = c.Tickets != nil && c.Tickets(*f)
	}
	slices.SortStableFunc(v.Findings, worstFirst)
	v.Complete = complete(v)
	if v.Complete {
		v.Gone = c.Baseline.gone(v.Findings)
	}
	v.Pass, v.Reason = decide(v)
	return v
}

// standing says how a fingerprint stands on a day.
func (b Baseline) standing(fingerprint string, now time.Time) (Standing, Known) {
	known, ok := b[fingerprint]
	switch {
	case !ok:
		return New, Known{}
	case !known.Until.IsZero() && !now.Before(known.Until.AddDate(0, 0, 1)):
		return Expired, known
	}
	return Accepted, known
}

// gone are the entries that no finding bears out, by fingerprint.
func (b Baseline) gone(found []Finding) []Known {
	var gone []Known
	for fingerprint, known := range b {
		if !slices.ContainsFunc(found, func(f Finding) bool { return f.Fingerprint == fingerprint }) {
			gone = append(gone, known)
		}
	}
	slices.SortFunc(gone, func(a, b Known) int { return strings.Compare(a.Fingerprint, b.Fingerprint) })
	return gone
}

// worstFirst orders findings: what blocks before what is accepted, then by
// severity, then by place.
func worstFirst(a, b Finding) int {
	rank := func(f Finding) int {
		if f.Standing == Accepted {
			return 1
		}
		return 0
	}
	if d := rank(a) - rank(b); d != 0 {
		return d
	}
	if d := slices.Index(Severities, a.Severity) - slices.Index(Severities, b.Severity); d != 0 {
		return d
	}
	if d := strings.Compare(a.At.File, b.At.File); d != 0 {
		return d
	}
	if d := a.At.Line - b.At.Line; d != 0 {
		return d
	}
	return strings.Compare(a.Fingerprint, b.Fingerprint)
}

// complete says whether what is not among the findings is not there: all that
// was to run has run to its end. A program that a finding stopped, or a test
// that failed, may have ended before the place of another defect.
func complete(v Verdict) bool {
	if len(v.Reports) == 0 || v.Omitted > 0 || v.Exit != nil && (v.Exit.Code != 0 || v.Exit.Signal != "") {
		return false
	}
	if slices.ContainsFunc(v.Reports, func(r Report) bool { return len(r.Broken) > 0 || r.Stopped }) {
		return false
	}
	return !slices.ContainsFunc(v.Findings, func(f Finding) bool { return f.Class == Crash || f.Class == TestFailure })
}

// decide says whether the gate opens, and the reason in one line: what is worst
// first.
func decide(v Verdict) (pass bool, reason string) {
	var against []string
	if len(v.Reports) == 0 {
		against = append(against, "there is no report: nothing was checked")
	}
	broken := 0
	for _, r := range v.Reports {
		if len(r.Broken) > 0 {
			if broken++; broken == 1 {
				against = append(against, r.Name+": "+r.Broken[0])
			}
		}
	}
	if broken > 1 {
		against[len(against)-1] += fmt.Sprintf(" (and %s more)", counted(broken-1, "report"))
	}
	if s := overBudget(v); s != "" {
		against = append(against, s)
	}
	if s := unexplained(v); s != "" {
		against = append(against, s)
	}
	if len(against) > 0 {
		return false, strings.Join(against, "; ")
	}
	if s := cutShort(v); s != "" {
		return false, s
	}
	return true, passed(v)
}

// overBudget says which new findings are too many.
func overBudget(v Verdict) string {
	n := map[Severity]int{}
	for _, f := range v.Findings {
		if f.Standing != Accepted {
			n[f.Severity]++
		}
	}
	var parts []string
	for _, s := range Severities {
		most := v.Budget[s]
		if n[s] == 0 || most == Unlimited || n[s] <= most {
			continue
		}
		part := fmt.Sprintf("%d %s", n[s], s)
		if most > 0 {
			part += fmt.Sprintf(" (%d allowed)", most)
		}
		parts = append(parts, part)
	}
	var said []string
	if len(parts) > 0 {
		said = append(said, "new findings: "+strings.Join(parts, ", "))
	}
	if v.Omitted > 0 {
		said = append(said, counted(v.Omitted, "finding")+" more than are kept")
	}
	return strings.Join(said, "; ")
}

// unexplained says what is odd about how the program ended. A finding of a
// sanitizer or a test ends a program with an error, be it accepted or not; one
// of Valgrind does not, as the gate calls it.
func unexplained(v Verdict) string {
	switch {
	case v.Exit == nil:
		return ""
	case v.Exit.Signal != "":
		return "the program was ended by a signal: " + v.Exit.Signal
	case v.Exit.Code == 0:
		return ""
	}
	explains := func(f Finding) bool {
		return f.Severity != Info && !slices.Contains([]string{"memcheck", "helgrind", "drd"}, f.Tool)
	}
	if slices.ContainsFunc(v.Findings, explains) {
		return ""
	}
	return fmt.Sprintf("the program ended with status %d, which no finding explains", v.Exit.Code)
}

// cutShort says that a finding which may pass has ended the program: nobody looked
// at what comes after it.
func cutShort(v Verdict) string {
	wentOn := v.Exit != nil && v.Exit.Code == 0 && v.Exit.Signal == ""
	i := slices.IndexFunc(v.Reports, func(r Report) bool { return r.Stopped })
	if i < 0 || wentOn {
		return ""
	}
	return v.Reports[i].Name + ": the program was stopped by a finding that may pass, and what comes after it was not looked at; " +
		"let the tool go on (halt_on_error=0), or, if it did, say so by the exit status 0"
}

// passed says what passed.
func passed(v Verdict) string {
	accepted, fresh := 0, 0
	for _, f := range v.Findings {
		if f.Standing == Accepted {
			accepted++
		} else {
			fresh++
		}
	}
	in := " in " + counted(len(v.Reports), "report")
	var parts []string
	if fresh > 0 {
		parts = append(parts, counted(fresh, "new finding")+" within the budget")
	}
	if accepted > 0 {
		parts = append(parts, counted(accepted, "known finding"))
	}
	if len(parts) == 0 {
		return "no findings" + in
	}
	return strings.Join(parts, ", ") + in
}

// counted is 1 report, 2 reports.
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
