package runbook

import (
	"fmt"
	"time"
)

// A Budget is how many runs of one runbook against one target there may be
// within any stretch of time of that length. The zero Budget allows none.
type Budget struct {
	Runs int           `json:"runs"`
	Per  time.Duration `json:"per"` // nanoseconds
}

// DefaultBudget stands in where a runbook names none.
func DefaultBudget() Budget { return Budget{Runs: 2, Per: time.Hour} }

func (b Budget) String() string { return fmt.Sprintf("%d per %v", b.Runs, b.Per) }

// Left is how many more runs may begin now, given when the earlier ones began.
// A run counts for exactly Per; one that began later than now (clocks differ)
// counts too.
func (b Budget) Left(earlier []time.Time, now time.Time) int {
	left := b.Runs
	for _, t := range earlier {
		if now.Sub(t) < b.Per {
			left--
		}
	}
	return max(left, 0)
}

// Limits are what keeps automation from running away.
type Limits struct {
	Off      string        // the kill switch: why nothing may run; "" lets it
	Budget   Budget        // of (runbook, target)
	Cooldown time.Duration // from the end of a run to the next beginning
	MaxDepth int           // how many runs may stand in the chain of causes; at least 1
}

// Past is what was before a run, of the same runbook and target.
type Past struct {
	Began []time.Time // when earlier runs began their first step
	Ended time.Time   // when the last of them ended; zero for none
	Open  string      // id of another run that has begun and not ended; "" for none
	Depth int         // how many runs led to the alert that this run answers
}

// Check returns why a run may not begin now, for Refuse, or "". It is asked
// before people are, and again before the first step: what counts is Began.
func (l Limits) Check(p Past, now time.Time) string {
	switch {
	case l.Off != "":
		return "automation is switched off: " + l.Off
	case p.Depth >= max(l.MaxDepth, 1):
		return fmt.Sprintf("it would answer an alert that %d runs led to; at most %d may follow each other", p.Depth, max(l.MaxDepth, 1))
	case p.Open != "":
		return fmt.Sprintf("run %s acts on the same target", p.Open)
	case !p.Ended.IsZero() && now.Sub(p.Ended) < l.Cooldown:
		return fmt.Sprintf("it cools down for %v until %s", l.Cooldown, clock(p.Ended.Add(l.Cooldown)))
	case l.Budget.Left(p.Began, now) == 0:
		return fmt.Sprintf("the budget of %v is used up", l.Budget)
	}
	return ""
}
