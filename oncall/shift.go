package oncall

import "time"

func (s Shift) holds(t time.Time) bool {
	return !t.Before(s.From) && t.Before(s.To)
}

// clip returns the part of s inside [from, to).
func (s Shift) clip(from, to time.Time) (Shift, bool) {
	if s.From.Before(from) {
		s.From = from
	}
	if to.Before(s.To) {
		s.To = to
	}
	return s, s.From.Before(s.To)
}

// cut returns the part of s around t that none of others covers; none of them
// holds t.
func (s Shift) cut(t time.Time, others []Shift) Shift {
	for _, o := range others {
		if !o.To.After(t) && o.To.After(s.From) {
			s.From = o.To
		}
		if o.From.After(t) && o.From.Before(s.To) {
			s.To = o.From
		}
	}
	return s
}

// lay puts top over base. Both are ordered and without overlap, and so is the
// result.
func lay(base, top []Shift) []Shift {
	if len(base) == 0 {
		return top
	}
	out := make([]Shift, 0, len(base)+len(top))
	for _, b := range base {
		for len(top) > 0 && !top[0].To.After(b.From) { // wholly before b
			out = append(out, top[0])
			top = top[1:]
		}
		for len(top) > 0 && top[0].From.Before(b.To) {
			if left, ok := b.clip(b.From, top[0].From); ok {
				out = append(out, left)
			}
			if b.From = top[0].To; !b.From.Before(b.To) { // b ends under it; so may the next base
				break
			}
			out = append(out, top[0])
			top = top[1:]
		}
		if b.From.Before(b.To) {
			out = append(out, b)
		}
	}
	return append(out, top...)
}

func (o Override) shift(zone *time.Location) (Shift, bool) {
	s := Shift{User: o.User, From: o.From.In(zone), To: o.To.In(zone), Override: o.ID, Layer: -1}
	return s, o.User != "" && o.From.Before(o.To)
}

// valid returns the shifts of the overrides that count, in the same order.
func valid(overrides []Override, zone *time.Location) []Shift {
	var out []Shift
	for _, o := range overrides {
		if s, ok := o.shift(zone); ok {
			out = append(out, s)
		}
	}
	return out
}
