package oncall

import (
	"slices"
	"time"
)

// Hours is a part of the week, by the clock on the wall: on each of Days from
// From to To, both in minutes after midnight (0 to 1440). Where To is not
// after From it lies on the next day: 22:00 to 06:00 of Friday ends on
// Saturday. No Days means every day.
type Hours struct {
	Days     []time.Weekday
	From, To int
}

// windows returns the parts of turn that lie inside only, in order and merged
// where they touch.
func windows(turn Shift, only []Hours, zone *time.Location) []Shift {
	// A window that begins on the day before may reach into the turn; a date
	// may be skipped, hence one more.
	first, last := DateOf(turn.From.In(zone)).Add(-2), DateOf(turn.To.In(zone)).Add(1)
	var out []Shift
	for d := first; d.number() <= last.number(); d = d.Add(1) {
		for _, h := range only {
			if len(h.Days) > 0 && !slices.Contains(h.Days, d.Weekday()) {
				continue
			}
			end := d
			if h.To <= h.From {
				end = d.Add(1)
			}
			piece := turn
			piece, ok := piece.clip(Instant(d, h.From/60, h.From%60, zone), Instant(end, h.To/60, h.To%60, zone))
			if ok {
				out = append(out, piece)
			}
		}
	}
	slices.SortFunc(out, func(a, b Shift) int { return a.From.Compare(b.From) })
	merged := out[:0]
	for _, s := range out {
		if n := len(merged); n > 0 && !s.From.After(merged[n-1].To) {
			if s.To.After(merged[n-1].To) {
				merged[n-1].To = s.To
			}
			continue
		}
		merged = append(merged, s)
	}
	return merged
}
