package detect

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// maxAhead is how far ahead of now a record may be and still be kept, to be
// counted when its time has come. One further ahead comes from a wrong clock
// or zone, and is only counted.
const maxAhead = 3600

// Change is a series' step into or out of Firing. Other changes of state (too
// few records, enough again) are not told: a rule with sparse groups would
// tell of nothing else. Status has them.
type Change struct {
	Series             string            // canonical, as Labels reads it; "" without By
	Labels             map[string]string // what Series stands for
	At                 time.Time         // the second judged, UTC
	From, To           State
	Episode            time.Time // when the episode began: At of the change to Firing
	Bad, Total         int64     // counts of the window that ends at At
	Ratio              float64   // Bad/Total; 0 without records
	PeakBad, PeakTotal int64     // the window with the episode's largest ratio so far, the first of equals
}

// Bucket is what a series counted in one second: a second s holds the records
// later than s-1 and not later than s.
type Bucket struct {
	Series string `json:"series"`
	Second int64  `json:"second"` // Unix
	Bad    int64  `json:"bad"`
	Total  int64  `json:"total"`
}

// Tracker applies one rule to records as they come. It judges event time: the
// watermark, up to which every second is judged once, follows the newest
// record at a distance of the rule's Lateness.
//
// The intended round is: Observe what is new, Advance, then Dirty and
// Snapshot, stored in one transaction with the place in the source. A Tracker
// is not safe for use by several goroutines.
type Tracker struct {
	rule   Rule
	limits limits
	namer  namer
	series map[string]*series
	last   *series // where the record before went
	groups int     // series but for Overflow

	watermark int64       // every second up to here is judged; never before the first record
	head      time.Time   // the newest record that is not ahead of now: what the watermark follows
	ahead     []time.Time // the newest records of each second later than head, in order
	moved     time.Time   // the now at which head last moved: idle since
	now       time.Time   // of the last Advance

	late, future, overflowed int64
	unsaved                  map[place]cell // what Dirty has to tell of cells no longer kept
}

type series struct {
	name   string
	window window
	judge  judge
	dirty  int64 // no second before it is dirty
}

type place struct {
	series string
	second int64
}

// NewTracker returns a tracker that has seen nothing. The rule's zero values
// stand for the defaults that Rule documents.
func NewTracker(r Rule) *Tracker {
	return &Tracker{
		rule:      r,
		limits:    r.limits(),
		namer:     newNamer(r.By),
		series:    map[string]*series{},
		watermark: never,
		unsaved:   map[place]cell{},
	}
}

// Observe counts a record by its own time. Any record shows that its source
// is alive; only one that the rule's Where is true of is counted. One not
// later than the watermark is late: it counts in windows still to be judged
// and in Dirty, and changes no judgement made. One older than the whole window
// is late, and nothing else.
func (t *Tracker) Observe(rec *Record) {
	if rec.Time.After(t.head) {
		t.tick(rec.Time)
	}
	if !t.rule.Where.Match(rec) {
		return
	}
	sec := second(rec.Time)
	if sec <= t.watermark {
		t.late++
		if sec <= t.watermark-t.limits.window {
			return
		}
	}
	s := t.of(rec)
	bad := int64(0)
	if t.rule.Bad.Match(rec) {
		bad = 1
	}
	s.window.add(sec, bad, 1)
	s.dirty = min(s.dirty, sec)
}

// of returns the series of a record.
func (t *Tracker) of(rec *Record) *series {
	key := t.namer.key(rec)
	if t.last != nil && t.last.name == string(key) {
		return t.last
	}
	s := t.series[string(key)]
	if s == nil {
		if t.groups >= t.limits.maxGroups {
			t.overflowed++
			key = []byte(Overflow)
		}
		if s = t.series[string(key)]; s == nil {
			s = t.open(string(key))
		}
		if s.name == Overflow {
			return s // not remembered as last: overflowed counts each record
		}
	}
	t.last = s
	return s
}

func (t *Tracker) open(name string) *series {
	s := &series{
		name:   name,
		window: window{width: t.limits.window, at: t.watermark},
		judge:  judge{state: Insufficient, below: never},
		dirty:  forever,
	}
	t.series[name] = s
	if name != Overflow {
		t.groups++
	}
	return s
}

// Advance judges every second that the watermark passes and returns the
// changes in order of time, then series.
//
// The watermark is the newest record's time less Lateness. A record ahead of
// now does not move it before its time has come. When nothing newer has come
// for longer than Lateness, the source is idle and the watermark follows now
// less Lateness, so that an alert can end without traffic. A pause between two
// calls that is longer than that (the process was down, the machine
// suspended) is not held against the source: what it wrote in the meantime is
// still to be read. Call it about once a second.
func (t *Tracker) Advance(now time.Time) []Change {
	now = now.Round(0) // the wall clock alone, as a restored tracker has it
	t.dropFuture(now)
	paused := now.Sub(t.now) > t.limits.lateness+2*time.Second
	if t.arrive(now) || paused || now.Before(t.moved) { // the last: the clock was set back
		t.moved = now
	}
	t.now = now
	if t.head.IsZero() { // nothing yet
		return nil
	}
	mark := t.head
	if idle := now.Sub(t.moved) > t.limits.lateness; idle && now.After(mark) {
		mark = now
	}
	return t.judge(mark.Add(-t.limits.lateness).Unix())
}

// judge moves the watermark to a second and lets go of what no longer matters.
func (t *Tracker) judge(to int64) []Change {
	if to <= t.watermark {
		return nil
	}
	t.watermark = to
	var out []Change
	for name, s := range t.series {
		sweep(&s.window, &s.judge, &t.limits, to, func(v verdict) { out = append(out, change(name, v)) })
		if s.window.lo == len(s.window.cells) && s.judge.state != Firing {
			t.keepUnsaved(s, s.window.cells)
			t.close(s)
		} else if s.window.lo > 64 && s.window.lo > len(s.window.cells)/2 {
			t.keepUnsaved(s, s.window.cells[:s.window.lo])
			s.window.forget()
		}
	}
	slices.SortFunc(out, func(a, b Change) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Series, b.Series))
	})
	return out
}

func (t *Tracker) close(s *series) {
	delete(t.series, s.name)
	if s.name != Overflow {
		t.groups--
	}
	if t.last == s {
		t.last = nil
	}
}

func change(name string, v verdict) Change {
	c := Change{
		Series: name, Labels: Labels(name), At: at(v.at), From: v.from, To: v.to, Episode: at(v.episode),
		Bad: v.bad, Total: v.total, PeakBad: v.peakBad, PeakTotal: v.peakTotal,
	}
	if v.total > 0 {
		c.Ratio = float64(v.bad) / float64(v.total)
	}
	return c
}

// tick remembers the time of a record newer than head.
func (t *Tracker) tick(at time.Time) {
	sec := second(at)
	i := len(t.ahead)
	if i == 0 || second(t.ahead[i-1]) != sec {
		i, _ = slices.BinarySearchFunc(t.ahead, sec, func(a time.Time, sec int64) int {
			return cmp.Compare(second(a), sec+1)
		})
	}
	if i == 0 || second(t.ahead[i-1]) != sec {
		t.ahead = slices.Insert(t.ahead, i, at)
	} else if at.After(t.ahead[i-1]) {
		t.ahead[i-1] = at
	}
}

// arrive moves head to the newest record that is not ahead of now, and reports
// whether there was one.
func (t *Tracker) arrive(now time.Time) bool {
	i := len(t.ahead)
	for i > 0 && t.ahead[i-1].After(now) {
		i--
	}
	if i == 0 {
		return false
	}
	t.head = t.ahead[i-1]
	t.ahead = slices.Delete(t.ahead, 0, i)
	return true
}

// dropFuture lets go of records too far ahead of now.
func (t *Tracker) dropFuture(now time.Time) {
	limit := now.Unix() + maxAhead
	n := len(t.ahead)
	for n > 0 && second(t.ahead[n-1]) > limit {
		n--
	}
	if n == len(t.ahead) {
		return
	}
	t.ahead = t.ahead[:n]
	for _, s := range t.series {
		w := &s.window
		keep := len(w.cells)
		for keep > w.hi && w.cells[keep-1].second > limit {
			keep--
			c := w.cells[keep]
			t.future += c.total
			if c.stored {
				t.unsaved[place{s.name, c.second}] = cell{}
			}
		}
		w.cells = slices.Delete(w.cells, keep, len(w.cells))
		if keep == w.lo && s.judge.state != Firing {
			t.keepUnsaved(s, w.cells)
			t.close(s)
		}
	}
}

// keepUnsaved remembers for Dirty the cells about to go that it has not handed out.
func (t *Tracker) keepUnsaved(s *series, cells []cell) {
	for _, c := range cells {
		if c.dirty {
			t.unsaved[place{s.name, c.second}] = c
		}
	}
}

// Dirty returns the buckets in which something was counted since the last
// call, in order of series and second. They hold all that the second counted
// so far, and replace what is stored of it. (One without records takes back a
// bucket so far in the future that Advance let go of it.) Call it regularly;
// the tracker keeps what it has not handed out.
func (t *Tracker) Dirty() []Bucket {
	var out []Bucket
	for name, s := range t.series {
		for i := len(s.window.cells) - 1; i >= 0 && s.window.cells[i].second >= s.dirty; i-- {
			c := &s.window.cells[i]
			if c.dirty {
				out = append(out, Bucket{name, c.second, c.bad, c.total})
				c.dirty, c.stored = false, true
				delete(t.unsaved, place{name, c.second})
			}
		}
		s.dirty = forever
	}
	for p, c := range t.unsaved {
		out = append(out, Bucket{p.series, p.second, c.bad, c.total})
	}
	clear(t.unsaved)
	slices.SortFunc(out, func(a, b Bucket) int {
		return cmp.Or(cmp.Compare(a.Series, b.Series), cmp.Compare(a.Second, b.Second))
	})
	return out
}

// Late returns how many records came after their second was judged.
func (t *Tracker) Late() int64 { return t.late }

// Future returns how many records were more than an hour ahead of now, and not
// counted: a sign of a wrong clock or zone.
func (t *Tracker) Future() int64 { return t.future }

// Overflowed returns how many records went into the series Overflow.
func (t *Tracker) Overflowed() int64 { return t.overflowed }

// Watermark returns the last second judged; the zero time before the first.
func (t *Tracker) Watermark() time.Time {
	if t.watermark == never {
		return time.Time{}
	}
	return at(t.watermark)
}

// Counts returns what a series counted later than from and not later than to,
// in whole seconds as Bucket has them. The tracker knows of the last Window
// before the watermark and of what came later; for longer, ask the store of
// the buckets.
func (t *Tracker) Counts(series string, from, to time.Time) (bad, total int64) {
	s := t.series[series]
	if s == nil {
		return 0, 0
	}
	first, last := from.Unix(), to.Unix()
	for _, c := range s.window.cells {
		if c.second > first && c.second <= last {
			bad += c.bad
			total += c.total
		}
	}
	return bad, total
}

// Status is what a tracker knows of a series at the watermark.
type Status struct {
	Series     string
	State      State
	Episode    time.Time // when firing: since when
	Bad, Total int64     // of the window
}

// Status returns the series of which the window has records or which fire, in
// order of their names.
func (t *Tracker) Status() []Status {
	var out []Status
	for _, name := range slices.Sorted(maps.Keys(t.series)) {
		s := t.series[name]
		st := Status{Series: name, State: s.judge.state, Bad: s.window.bad, Total: s.window.total}
		if st.State == Firing {
			st.Episode = at(s.judge.episode)
		}
		out = append(out, st)
	}
	return out
}
