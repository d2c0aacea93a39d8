package detect

import (
	"cmp"
	"slices"
	"time"
)

// Interval is one episode of a rule over recorded records.
type Interval struct {
	Rule  string     `json:"rule"`
	Group string     `json:"group"` // the series; "" without By
	From  time.Time  `json:"from"`  // UTC, the first second above
	To    *time.Time `json:"to"`    // UTC, when it ended; nil: still firing at the last second of the log
	Peak  float64    `json:"peak"`  // the largest ratio, Bad/Total
	Bad   int64      `json:"bad"`   // counts of the first window with that ratio
	Total int64      `json:"total"`
}

// Intervals judges what was counted as a Tracker would judge it that missed
// nothing, up to the second of the last record, and returns the episodes in
// order of From, then Group; an empty list, not nil, if there were none.
func (c *Counter) Intervals() []Interval {
	out := []Interval{}
	for name, p := range c.groups {
		w, j := p.window(c.limits.window), judge{state: Insufficient, below: never}
		sweep(&w, &j, &c.limits, c.final, func(v verdict) {
			if v.to != Firing {
				end := at(v.at)
				out = append(out, c.interval(name, v.episode, &end, v.peakBad, v.peakTotal))
			}
		})
		if j.state == Firing {
			out = append(out, c.interval(name, j.episode, nil, j.peakBad, j.peakTotal))
		}
	}
	slices.SortFunc(out, func(a, b Interval) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Group, b.Group))
	})
	return out
}

func (c *Counter) interval(group string, from int64, to *time.Time, bad, total int64) Interval {
	return Interval{
		Rule: c.rule.Slug, Group: group, From: at(from), To: to,
		Peak: float64(bad) / float64(total), Bad: bad, Total: total,
	}
}

// Sample is the window that ends at an instant.
type Sample struct {
	At         time.Time
	Bad, Total int64
}

// Curve returns what a series looked like from one instant to another, for a
// chart: of each of n equal stretches the window with the largest ratio, so
// that no peak is lost. Windows without records are left out.
func (c *Counter) Curve(group string, from, to time.Time, n int) []Sample {
	p := c.groups[group]
	first, last := from.Unix(), to.Unix()
	if p == nil || n < 1 || last < first {
		return nil
	}
	w := p.window(c.limits.window)
	w.move(first - 1)
	var out []Sample
	for i := range int64(n) {
		end := first + (last-first)*(i+1)/int64(n)
		var best Sample
		for w.at < end {
			w.move(max(w.at+1, min(w.next(), end)))
			if w.total > 0 && (best.Total == 0 || less(uint64(best.Bad), uint64(best.Total), w.bad, w.total)) {
				best = Sample{at(w.at), w.bad, w.total}
			}
		}
		if best.Total > 0 {
			out = append(out, best)
		}
	}
	return out
}
