package detect

import (
	"maps"
	"slices"
	"time"
)

// Snapshot is what a Tracker remembers but for the counts, which Dirty hands
// out. It is made to be stored as JSON.
type Snapshot struct {
	Watermark  time.Time     `json:"watermark,omitzero"` // every second up to here is judged
	Head       time.Time     `json:"head,omitzero"`      // the newest record not ahead of now
	Ahead      []time.Time   `json:"ahead,omitempty"`    // records ahead of now, one a second
	Moved      time.Time     `json:"moved,omitzero"`     // the now at which Head last moved
	Now        time.Time     `json:"now,omitzero"`       // of the last Advance
	Late       int64         `json:"late,omitempty"`
	Future     int64         `json:"future,omitempty"`
	Overflowed int64         `json:"overflowed,omitempty"`
	Series     []SeriesState `json:"series,omitempty"` // in order of their names
}

// SeriesState is one series of a Snapshot.
type SeriesState struct {
	Series    string    `json:"series"`
	State     State     `json:"state"`
	Episode   time.Time `json:"episode,omitzero"` // when firing: since when
	Below     time.Time `json:"below,omitzero"`   // when firing: not above since
	PeakBad   int64     `json:"peak_bad,omitempty"`
	PeakTotal int64     `json:"peak_total,omitempty"`
}

// Snapshot returns what Restore needs besides the buckets that Dirty has
// handed out. Take it together with Dirty, after Advance.
func (t *Tracker) Snapshot() Snapshot {
	s := Snapshot{
		Watermark: t.Watermark(), Head: t.head, Ahead: slices.Clone(t.ahead), Moved: t.moved, Now: t.now,
		Late: t.late, Future: t.future, Overflowed: t.overflowed,
	}
	for _, name := range slices.Sorted(maps.Keys(t.series)) {
		j := t.series[name].judge
		state := SeriesState{Series: name, State: j.state}
		if j.state == Firing {
			state.Episode, state.PeakBad, state.PeakTotal = at(j.episode), j.peakBad, j.peakTotal
			if j.below != never {
				state.Below = at(j.below)
			}
		}
		s.Series = append(s.Series, state)
	}
	return s
}

// Restore returns the tracker that s was taken of. The buckets are those later
// than s.Watermark less r.Window, of every series; earlier ones do no harm. The
// rule may have been edited, but with another By, Where or Bad the old counts
// would speak of something else: begin anew with NewTracker then.
func Restore(r Rule, s Snapshot, buckets []Bucket) *Tracker {
	t := NewTracker(r)
	t.head, t.ahead, t.moved, t.now = s.Head, slices.Clone(s.Ahead), s.Moved, s.Now
	t.late, t.future, t.overflowed = s.Late, s.Future, s.Overflowed
	first := int64(never)
	if !s.Watermark.IsZero() {
		t.watermark = s.Watermark.Unix()
		first = t.watermark - t.limits.window
	}
	for _, state := range s.Series {
		j := &t.open(state.Series).judge
		j.state = state.State
		if j.state == Firing {
			j.episode, j.peakBad, j.peakTotal = state.Episode.Unix(), state.PeakBad, state.PeakTotal
			if !state.Below.IsZero() {
				j.below = state.Below.Unix()
			}
		}
	}
	for _, b := range buckets {
		if b.Second <= first || b.Total <= 0 {
			continue
		}
		s := t.series[b.Series]
		if s == nil {
			s = t.open(b.Series)
		}
		s.window.add(b.Second, b.Bad, b.Total)
	}
	for _, s := range t.series {
		for i := range s.window.cells {
			s.window.cells[i].dirty, s.window.cells[i].stored = false, true
		}
	}
	return t
}
