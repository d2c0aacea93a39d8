package oncall

import (
	"time"
)

// A Schedule says who is on call in one zone. Layers are in order: where two
// of them have somebody at the same time, the later one wins.
type Schedule struct {
	Slug   string
	Zone   *time.Location // nil is UTC
	Layers []Layer
}

// An Override puts one user on call in [From, To), whatever the layers say.
// Where overrides overlap, the later one in the slice wins. An override
// without a user, or that ends before it begins, counts for nothing: a slip of
// the pen must not take everybody off call.
type Override struct {
	ID, User string
	From, To time.Time
}

// A Shift is one unbroken stretch of one user being on call.
type Shift struct {
	User     string
	From, To time.Time
	Override string // id of the override that it comes from, or ""
	Layer    int    // index of the layer that it comes from; -1 for an override
}

// At returns who is on call at t, with the whole unbroken stretch around t:
// the same shift that Shifts gives when its range holds that stretch. It
// returns false where nobody is.
func (s Schedule) At(t time.Time, overrides []Override) (Shift, bool) {
	for i := len(overrides) - 1; i >= 0; i-- {
		shift, ok := overrides[i].shift(s.zone())
		if ok && shift.holds(t) {
			return shift.cut(t, valid(overrides[i+1:], s.zone())), true
		}
	}
	for i := len(s.Layers) - 1; i >= 0; i-- {
		shift, ok := s.Layers[i].at(t, s.zone())
		if !ok {
			continue
		}
		shift.Layer = i
		for j := i + 1; j < len(s.Layers); j++ {
			shift = shift.cut(t, s.Layers[j].shifts(shift.From, shift.To, s.zone()))
		}
		return shift.cut(t, valid(overrides, s.zone())), true
	}
	return Shift{}, false
}

// Shifts returns the final schedule of [from, to): ordered, without overlap,
// cut to the range. Stretches where nobody is on call are left out; Gaps has
// them. A handoff from a user to herself ends one shift and begins another.
func (s Schedule) Shifts(from, to time.Time, overrides []Override) []Shift {
	if !from.Before(to) {
		return nil
	}
	var all []Shift
	for i, layer := range s.Layers {
		shifts := layer.shifts(from, to, s.zone())
		for j := range shifts {
			shifts[j].Layer = i
		}
		all = lay(all, shifts)
	}
	for _, shift := range valid(overrides, s.zone()) {
		if shift, ok := shift.clip(from, to); ok {
			all = lay(all, []Shift{shift})
		}
	}
	for i := range all {
		all[i].From, all[i].To = all[i].From.In(s.zone()), all[i].To.In(s.zone())
	}
	return all
}

// A Gap is a stretch in which nobody is on call.
type Gap struct{ From, To time.Time }

// Gaps returns the stretches of [from, to) in which nobody is on call, in
// order. It is computed from the shifts, not sampled: what it does not name is
// covered.
func (s Schedule) Gaps(from, to time.Time, overrides []Override) []Gap {
	var gaps []Gap
	at := from.In(s.zone())
	for _, shift := range s.Shifts(from, to, overrides) {
		if at.Before(shift.From) {
			gaps = append(gaps, Gap{at, shift.From})
		}
		at = shift.To
	}
	if at.Before(to) {
		gaps = append(gaps, Gap{at, to.In(s.zone())})
	}
	return gaps
}

func (s Schedule) zone() *time.Location {
	if s.Zone == nil {
		return time.UTC
	}
	return s.Zone
}
