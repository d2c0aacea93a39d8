package detect

import "time"

// limits are a rule's numbers with its defaults filled in, in whole seconds.
type limits struct {
	above        threshold
	window       int64
	minTotal     int64
	resolveAfter int64
	lateness     time.Duration
	maxGroups    int
}

func (r Rule) limits() limits {
	return limits{
		above:        newThreshold(r.Above),
		window:       max(1, ceilSeconds(r.Window)),
		minTotal:     max(1, r.MinTotal),
		resolveAfter: max(0, ceilSeconds(either(r.ResolveAfter, time.Minute))),
		lateness:     max(0, either(r.Lateness, 5*time.Second)),
		maxGroups:    max(1, either(r.MaxGroups, 1000)),
	}
}

func either[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func ceilSeconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second > 0 {
		s++
	}
	return s
}

// A judge keeps the state of one series: the hysteresis and the peak. It is
// told the sums of the window at every second at which they change, and at its
// own deadline; in between nothing can happen.
type judge struct {
	state              State
	episode            int64 // when firing: since when
	below              int64 // when firing: the first second not above since it was last above; never if above
	peakBad, peakTotal int64 // when firing: the window with the largest ratio, the first of equals
}

// A verdict is a change into or out of Firing, with the judge after and, for
// an end, the episode that it ends.
type verdict struct {
	at                 int64
	from, to           State
	episode            int64
	bad, total         int64
	peakBad, peakTotal int64
}

// deadline returns when the series ends its episode if nothing more comes.
func (j *judge) deadline(l *limits) int64 {
	if j.state != Firing || j.below == never {
		return forever
	}
	return j.below + l.resolveAfter
}

// see judges the window that ends at t. An episode begins at the first second
// that is above; it ends at s+ResolveAfter, where s is the first second not
// above and every second from s to s+ResolveAfter is not above either. Seconds
// with too few records are not above, and cannot be a peak.
func (j *judge) see(t, bad, total int64, l *limits) (verdict, bool) {
	state := OK
	if total < l.minTotal {
		state = Insufficient
	}
	above := state == OK && l.above.exceeded(bad, total)
	from := j.state
	switch {
	case from != Firing && above:
		*j = judge{state: Firing, episode: t, below: never, peakBad: bad, peakTotal: total}
	case from != Firing:
		j.state = state
		return verdict{}, false
	case above:
		j.below = never
		if less(uint64(j.peakBad), uint64(j.peakTotal), bad, total) {
			j.peakBad, j.peakTotal = bad, total
		}
		return verdict{}, false
	default:
		if j.below == never {
			j.below = t
		}
		if t < j.below+l.resolveAfter {
			return verdict{}, false
		}
		j.state = state
	}
	return verdict{t, from, j.state, j.episode, bad, total, j.peakBad, j.peakTotal}, true
}

// sweep judges every second up to and including to at which anything can
// happen, and calls emit with the changes. The tracker and the backtest share it.
func sweep(w *window, j *judge, l *limits, to int64, emit func(verdict)) {
	for {
		// A deadline can lie behind when a rule was edited between two runs.
		t := max(min(w.next(), j.deadline(l)), w.at+1)
		if t > to {
			break
		}
		w.move(t)
		if v, changed := j.see(t, w.bad, w.total, l); changed {
			emit(v)
		}
	}
	if to > w.at {
		w.move(to)
	}
}
