package engine

import (
	"math/rand/v2"
	"time"
)

// Pace says how sending goes on when something fails, and how often the auditor
// looks. A field that is zero has
// the value of a server, named beside it; tests in which hours must not pass
// have shorter ones.
type Pace struct {
	// Patience is how long after a page was first due the person's next contact
	// method is tried, unless the page was accepted: 15 s, or half of what is
	// left until the policy's next step, if that is less.
	Patience time.Duration
	// Tries is how often a page fails before the person's next contact method
	// is tried: 3.
	Tries int
	// Retry is the most that passes before the second try. It doubles with
	// each, up to RetryMost: 2 s, 1 min.
	Retry, RetryMost time.Duration
	// Probe is the most that passes between two tries of a destination that
	// fails: 15 s.
	Probe time.Duration
	// Stall is for how long all hands of a destination may be busy, without one
	// that comes back, until it counts as failing: 5 s.
	Stall time.Duration
	// GiveUp is for how long after it was first due a row is tried: a day.
	GiveUp time.Duration
	// EditFor is for how long an edit of a message is tried; the next change
	// tries again: 6 h.
	EditFor time.Duration
	// Audit is the time between two looks of the auditor: 15 s.
	Audit time.Duration
	// Check is the least time between the checks of two tables of SQLite's file:
	// a minute.
	Check time.Duration
	// Jitter returns a random part of a duration, from 0 to the whole. What was
	// put off together must not come back together.
	Jitter func(most time.Duration) time.Duration
}

func (p Pace) filled() Pace {
	standard := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	standard(&p.Patience, 15*time.Second)
	standard(&p.Retry, 2*time.Second)
	standard(&p.RetryMost, time.Minute)
	standard(&p.Probe, 15*time.Second)
	standard(&p.Stall, 5*time.Second)
	standard(&p.GiveUp, 24*time.Hour)
	standard(&p.EditFor, 6*time.Hour)
	standard(&p.Audit, auditEvery)
	standard(&p.Check, time.Minute)
	if p.Tries <= 0 {
		p.Tries = 3
	}
	if p.Jitter == nil {
		p.Jitter = func(most time.Duration) time.Duration { return rand.N(most + 1) }
	}
	return p
}

// retry is how long after a failure the next try comes, n tries having failed
// before it. It is spread over the whole range ("full jitter"), but for its first
// eighth, so that nothing is tried in a loop. What the other side asked for,
// after, is kept, and some of it is added.
func (p Pace) retry(n int, after time.Duration) time.Duration {
	if after > 0 {
		return after + p.Jitter(min(after/10, 5*time.Second))
	}
	return p.spread(min(p.RetryMost, p.Retry<<min(n, 10)))
}

// probe is how long after a failure a destination that fails is tried again, n
// such tries having failed before. What it asked for is kept up to a minute: it
// was asked of another row, and may hold for that one only.
func (p Pace) probe(n int, after time.Duration) time.Duration {
	return max(p.spread(min(p.Probe, p.Retry<<min(n, 10))), min(after, p.RetryMost)).Truncate(time.Microsecond) // as now is
}

func (p Pace) spread(most time.Duration) time.Duration { return max(most/8, p.Jitter(most)) }

// passAt is when the person's next contact method is tried, for a page that was
// first due at an instant and whose policy goes on at another (zero: never).
func (p Pace) passAt(first, deadline time.Time) time.Time {
	wait := p.Patience
	if left := deadline.Sub(first); !deadline.IsZero() && left > 0 {
		wait = min(wait, left/2)
	}
	return first.Add(wait)
}
