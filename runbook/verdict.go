package runbook

import (
	"time"
)

// Verdict is what a run came to, judged on the signal that fired it.
type Verdict string

// The verdicts.
const (
	Recovered Verdict = "recovered"
	Unchanged Verdict = "unchanged"
	Worse     Verdict = "worse"
	Unknown   Verdict = "unknown"
)

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
	Before     float64 // the ratio when the action began, a fraction; negative: not known
}

// Judge says what a run came to; done is false while it is too early to tell.
func Judge(q Question) (verdict Verdict, reason string, done bool) {
	return Unknown, errNotYet.Error(), false
}
