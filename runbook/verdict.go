package runbook

import (
	"fmt"
	"strconv"
	"time"
)

// Verdict is what a run came to, judged on the signal that fired it.
type Verdict string

// The verdicts.
const (
	Recovered Verdict = "recovered" // the rule resolved after the action, and the counts after it agree
	Unchanged Verdict = "unchanged" // still above the threshold
	Worse     Verdict = "worse"     // above it, and by far more than before
	Unknown   Verdict = "unknown"   // nothing proves either
)

// worseBy is how many times the ratio before must be exceeded to call it worse.
const worseBy = 1.5

// lateData is how long after the deadline data that are still missing are
// waited for.
const lateData = time.Minute

// A Question is all that a verdict depends on.
type Question struct {
	Done      time.Time // when the last step ended
	Now       time.Time
	Watermark time.Time // up to where the signal's data are complete; Now if zero
	Deadline  time.Time // Done + recovers_within

	Resolved   bool      // the rule's series is resolved now
	ResolvedAt time.Time // when it resolved, by the data

	Bad, Total int64   // requests strictly after Done, up to the watermark
	Threshold  float64 // the rule fires above it; a fraction, 0.005 for 0.5 %
	MinTotal   int64   // fewer requests than this prove nothing; at least 1
	Before     float64 // the largest ratio from the firing until the action was done, a fraction; negative: not known
}

// Judge says what a run came to and why; done is false while it is too early to
// tell, and the reason then says what is waited for.
//
// Recovered is the one verdict that may fall early: the rule resolved after the
// action and not after the deadline, and of at least MinTotal requests after the
// action, at most the threshold were bad. Everything else is judged at the
// deadline, by the clock of the data; data that stay away for a minute more
// prove nothing.
func Judge(q Question) (verdict Verdict, reason string, done bool) {
	seen := q.Watermark
	if seen.IsZero() {
		seen = q.Now
	}
	least := max(q.MinTotal, 1)
	sane := q.Bad >= 0 && q.Bad <= q.Total
	enough := sane && q.Total >= least
	ratio := 0.0
	if q.Total > 0 {
		ratio = float64(q.Bad) / float64(q.Total)
	}
	calm := enough && ratio <= q.Threshold
	inTime := q.Resolved && q.ResolvedAt.After(q.Done) && !q.ResolvedAt.After(q.Deadline)
	figures := fmt.Sprintf("%d of %d requests after the action were bad (%s, threshold %s)", q.Bad, q.Total, percent(ratio), percent(q.Threshold))

	switch {
	case calm && inTime:
		return Recovered, fmt.Sprintf("the rule resolved at %s; %s", clock(q.ResolvedAt), figures), true
	case q.Now.Before(q.Deadline):
		return "", fmt.Sprintf("watching until %s: %s", clock(q.Deadline), figures), false
	case seen.Before(q.Deadline) && q.Now.Before(q.Deadline.Add(lateData)):
		return "", fmt.Sprintf("the data reach to %s only, and are waited for", clock(seen)), false
	case seen.Before(q.Deadline):
		return Unknown, fmt.Sprintf("the data reach to %s only, not to the deadline at %s", clock(seen), clock(q.Deadline)), true
	case !sane:
		return Unknown, fmt.Sprintf("the counts make no sense: %d bad of %d", q.Bad, q.Total), true
	case !enough:
		return Unknown, fmt.Sprintf("only %d requests after the action, at least %d are needed", q.Total, least), true
	case !calm && q.Before >= 0 && ratio > worseBy*q.Before:
		return Worse, fmt.Sprintf("%s; before, it was %s at its worst", figures, percent(q.Before)), true
	case !calm:
		return Unchanged, figures, true
	case !q.Resolved:
		return Unknown, figures + ", but the rule has not resolved yet", true
	case !q.ResolvedAt.After(q.Done):
		return Unknown, fmt.Sprintf("%s, but the rule had resolved at %s, before the action was done", figures, clock(q.ResolvedAt)), true
	default:
		return Unknown, fmt.Sprintf("%s, but the rule resolved at %s, after the deadline", figures, clock(q.ResolvedAt)), true
	}
}

// percent writes a fraction for people, to four digits.
func percent(f float64) string { return strconv.FormatFloat(100*f, 'g', 4, 64) + " %" }
