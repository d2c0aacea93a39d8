package oncall

import "time"

// A Handoff is when a rotation began: the civil date of the first handoff and
// the wall-clock time of day of all of them, in the schedule's zone.
type Handoff struct {
	Date         Date
	Hour, Minute int
}

// A Layer is one rotation: Users in turn, each for Every days. The rotation
// reaches back before its first handoff and on without end; From and Until
// bound it. A layer without users, or with Every below 1
// or above a hundred years, has nobody.
type Layer struct {
	Users   []string
	Every   int // days between handoffs: 1 daily, 7 weekly
	Handoff Handoff
	Only    []Hours   // when the layer has somebody; empty is always
	From    time.Time // before it the layer has nobody; zero is no bound
	Until   time.Time // from it on the layer has nobody; zero is no bound
}

// maxEvery keeps dates inside what time.Time counts; it is a hundred years.
const maxEvery = 36525

// staffed tells whether the layer ever has anybody.
func (l Layer) staffed() bool {
	return len(l.Users) > 0 && l.Every >= 1 && l.Every <= maxEvery
}

// at returns the unbroken stretch around t of one turn of the layer.
func (l Layer) at(t time.Time, zone *time.Location) (Shift, bool) {
	if !l.staffed() {
		return Shift{}, false
	}
	n := l.turn(t, zone)
	for _, s := range l.pieces(n, zone) {
		if s.holds(t) {
			return s, true
		}
	}
	return Shift{}, false
}

// shifts returns what the layer covers of [from, to), in order.
func (l Layer) shifts(from, to time.Time, zone *time.Location) []Shift {
	if !l.staffed() {
		return nil
	}
	if l.From.After(from) {
		from = l.From
	}
	if !l.Until.IsZero() && l.Until.Before(to) {
		to = l.Until
	}
	if !from.Before(to) {
		return nil
	}
	var out []Shift
	for n := l.turn(from, zone); l.handoff(n, zone).Before(to); n++ {
		for _, s := range l.pieces(n, zone) {
			if s, ok := s.clip(from, to); ok {
				out = append(out, s)
			}
		}
	}
	return out
}

// pieces returns the stretches of turn n: one, or several where Only says so,
// or none.
func (l Layer) pieces(n int, zone *time.Location) []Shift {
	turn := Shift{
		User: l.Users[mod(n, len(l.Users))],
		From: l.handoff(n, zone),
		To:   l.handoff(n+1, zone),
	}
	if !l.From.IsZero() && turn.From.Before(l.From) {
		turn.From = l.From.In(zone)
	}
	if !l.Until.IsZero() && l.Until.Before(turn.To) {
		turn.To = l.Until.In(zone)
	}
	if !turn.From.Before(turn.To) {
		return nil // wholly skipped by the clocks, or outside the bounds
	}
	if len(l.Only) == 0 {
		return []Shift{turn}
	}
	return windows(turn, l.Only, zone)
}

// handoff returns when turn n begins. Days are added to the date, and never
// hours to an instant: a handoff at nine stays at nine when summer time comes.
func (l Layer) handoff(n int, zone *time.Location) time.Time {
	return Instant(l.Handoff.Date.Add(n*l.Every), l.Handoff.Hour, l.Handoff.Minute, zone)
}

// turn returns the last turn that has begun at t: handoff(n) <= t < handoff(n+1).
func (l Layer) turn(t time.Time, zone *time.Location) int {
	days := DateOf(t.In(zone)).number() - l.Handoff.Date.number()
	n := (days - mod(days, l.Every)) / l.Every
	for l.handoff(n, zone).After(t) {
		n--
	}
	for !l.handoff(n+1, zone).After(t) {
		n++
	}
	return n
}

// mod is the remainder that is never negative.
func mod(n, m int) int { return (n%m + m) % m }
