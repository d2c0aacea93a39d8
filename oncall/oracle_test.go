package oncall_test

import (
	"archive/zip"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the same zones on every machine

	"github.com/musterhq/muster/oncall"
)

// zones lists all zones of the IANA database that the toolchain has.
func zones(t testing.TB) []string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatalf("where Go is installed: %v", err)
	}
	path := filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip")
	archive, err := zip.OpenReader(path)
	if err != nil {
		t.Fatalf("no list of time zones: %v", err)
	}
	defer archive.Close()
	var out []string
	for _, f := range archive.File {
		if _, err := time.LoadLocation(f.Name); err == nil && !strings.HasSuffix(f.Name, "/") {
			out = append(out, f.Name)
		}
	}
	if len(out) < 400 {
		t.Fatalf("only %d zones in %s", len(out), path)
	}
	return out
}

// transitions returns all changes of a zone's clocks in [2020, 2036).
func transitions(z *time.Location) []time.Time {
	var out []time.Time
	end := time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC)
	for at := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC); ; {
		_, next := at.In(z).ZoneBounds()
		if next.IsZero() || !next.Before(end) {
			return out
		}
		out = append(out, next)
		at = next
	}
}

// The oracle knows nothing of offsets. It walks through time minute by minute
// and reads the clock on the wall. Something that is due at a wall time
// happens in the first minute in which the wall shows that time or a later
// one, and having happened it does not happen again.

// wall is a reading of the clock, as a number that grows with it.
func wall(t time.Time) int64 {
	y, m, d := t.Date()
	return civil(oncall.Date{Year: y, Month: m, Day: d}, t.Hour()*60+t.Minute())
}

func civil(d oncall.Date, minutes int) int64 {
	return time.Date(d.Year, d.Month, d.Day, 0, minutes, 0, 0, time.UTC).Unix() / 60
}

// walker follows one layer.
type walker struct {
	layer oncall.Layer
	turn  int
	spans []*span
}

// span is one window of Only.
type span struct {
	from, to    int64
	begun, over bool
}

func walk(l oncall.Layer, start time.Time) *walker {
	w := &walker{layer: l}
	now := wall(start)
	for w.handoff(w.turn) > now {
		w.turn--
	}
	for w.handoff(w.turn+1) <= now {
		w.turn++
	}
	for d := -2; d < 8; d++ {
		date := oncall.DateOf(start).Add(d)
		for _, h := range l.Only {
			if len(h.Days) > 0 && !slices.Contains(h.Days, date.Weekday()) {
				continue
			}
			to := h.To
			if to <= h.From {
				to += 24 * 60
			}
			w.spans = append(w.spans, &span{from: civil(date, h.From), to: civil(date, to)})
		}
	}
	return w
}

func (w *walker) handoff(n int) int64 {
	h := w.layer.Handoff
	return civil(h.Date.Add(n*w.layer.Every), h.Hour*60+h.Minute)
}

// see lets a minute pass and returns who is on call in it, or "".
func (w *walker) see(t time.Time) string {
	now := wall(t)
	for w.handoff(w.turn+1) <= now {
		w.turn++
	}
	on := len(w.spans) == 0
	for _, s := range w.spans {
		s.begun = s.begun || s.from <= now
		s.over = s.over || s.to <= now
		on = on || s.begun && !s.over
	}
	if !on || !w.layer.From.IsZero() && t.Before(w.layer.From) || !w.layer.Until.IsZero() && !t.Before(w.layer.Until) {
		return ""
	}
	n := len(w.layer.Users)
	return w.layer.Users[((w.turn%n)+n)%n]
}

// TestShiftsMatchTheWall compares the final schedule with the oracle, minute by
// minute, around changes of the clocks in every zone there is: random
// rotations, hours, bounds and overrides, most of them near the change. Zones
// with odd clocks are looked at in all their changes, the others in a sample.
func TestShiftsMatchTheWall(t *testing.T) {
	odd := []string{
		"Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "Africa/El_Aaiun", "Europe/Dublin", "Antarctica/Troll",
		"America/New_York", "Europe/Berlin", "America/Havana", "Asia/Beirut", "Africa/Cairo", "America/Nuuk", "Pacific/Chatham",
		"Asia/Gaza", "Antarctica/Casey", "America/Asuncion", "Asia/Tehran", "Pacific/Norfolk",
	}
	sample := 4
	if testing.Short() {
		sample = 1
	}
	r := rand.New(rand.NewPCG(2026, 11))
	all := zones(t)
	changes, minutes := 0, 0
	for _, name := range append(slices.Clone(odd), all...) {
		z := zone(t, name)
		at := transitions(z)
		if len(at) == 0 {
			at = []time.Time{time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)} // a leap day, then
		}
		if testing.Short() || !slices.Contains(odd, name) {
			r.Shuffle(len(at), func(i, j int) { at[i], at[j] = at[j], at[i] })
			at = at[:min(len(at), sample)]
		}
		for _, change := range at {
			s, overrides := scene(r, change, z)
			minutes += compare(t, s, overrides, change.Add(-36*time.Hour), change.Add(36*time.Hour), r)
			changes++
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d zones, %d changes, %d minutes", len(all), changes, minutes)
	if changes < 500 {
		t.Errorf("only %d changes were looked at", changes)
	}
}

// scene makes a schedule whose times lie near a change of the clocks.
func scene(r *rand.Rand, change time.Time, z *time.Location) (oncall.Schedule, []oncall.Override) {
	near := func() time.Time { // within three hours, or a day and a half
		span := 6 * 60
		if r.IntN(2) == 0 {
			span = 72 * 60
		}
		return change.Add(time.Duration(r.IntN(span)-span/2) * time.Minute)
	}
	clock := func() int {
		t := near().In(z)
		minutes := t.Hour()*60 + t.Minute()
		if r.IntN(2) == 0 {
			minutes -= minutes % 30
		}
		return minutes
	}
	s := oncall.Schedule{Zone: z}
	for range 1 + r.IntN(3) {
		every := 1
		if r.IntN(3) == 0 {
			every = 1 + r.IntN(14)
		}
		minutes := clock()
		l := oncall.Layer{
			Users:   []string{"ana", "bob", "chi", "dan", "eve"}[r.IntN(3):],
			Every:   every,
			Handoff: oncall.Handoff{Date: oncall.DateOf(near().In(z)).Add(every * (r.IntN(400) - 200)), Hour: minutes / 60, Minute: minutes % 60},
		}
		for range r.IntN(3) {
			h := oncall.Hours{From: clock(), To: clock()}
			if h.From == h.To {
				h.From, h.To = 0, 24*60
			}
			if r.IntN(2) == 0 {
				h.Days = []time.Weekday{time.Weekday(r.IntN(7)), change.In(z).Weekday()}
			}
			l.Only = append(l.Only, h)
		}
		if r.IntN(5) == 0 {
			l.From = near()
		}
		if r.IntN(5) == 0 {
			l.Until = near()
		}
		s.Layers = append(s.Layers, l)
	}
	var overrides []oncall.Override
	for i := range r.IntN(4) {
		from := near()
		overrides = append(overrides, oncall.Override{ID: fmt.Sprint(i), User: fmt.Sprint("stand-in ", i), From: from,
			To: from.Add(time.Duration(r.IntN(20*60)) * time.Minute)})
	}
	return s, overrides
}

// compare walks from one instant to the other and checks what Shifts and At
// say of each minute.
func compare(t *testing.T, s oncall.Schedule, overrides []oncall.Override, from, to time.Time, r *rand.Rand) int {
	t.Helper()
	// The walkers begin earlier, so that a change shortly before from is seen.
	warm := from.Add(-30 * time.Hour).In(s.Zone)
	var walkers []*walker
	for _, l := range s.Layers {
		walkers = append(walkers, walk(l, warm))
	}
	shifts := s.Shifts(from, to, overrides)
	for i, shift := range shifts {
		switch {
		case !shift.From.Before(shift.To), shift.From.Before(from), to.Before(shift.To):
			t.Errorf("shift %v is empty or outside of the range", shift)
		case i > 0 && shift.From.Before(shifts[i-1].To):
			t.Errorf("shifts %v and %v overlap", shifts[i-1], shift)
		}
	}
	next, minutes := 0, 0
	probe := r.IntN(97)
	for at := warm; at.Before(to); at = at.Add(time.Minute) {
		who := ""
		for _, w := range walkers {
			if user := w.see(at); user != "" {
				who = user
			}
		}
		for _, o := range overrides {
			if !at.Before(o.From) && at.Before(o.To) {
				who = o.User
			}
		}
		if at.Before(from) {
			continue
		}
		minutes++
		for next < len(shifts) && !at.Before(shifts[next].To) {
			next++
		}
		var got oncall.Shift
		if next < len(shifts) && !at.Before(shifts[next].From) {
			got = shifts[next]
		}
		if got.User != who {
			t.Errorf("%v at %v: %q is on call, the wall says %q\n%+v\n%+v", s.Zone, at, got.User, who, s.Layers, overrides)
			return minutes
		}
		if probe++; probe%97 != 0 && !at.Equal(got.From) {
			continue
		}
		one, ok := s.At(at, overrides)
		if ok != (who != "") || one.User != who {
			t.Errorf("%v at %v: At says %q, the wall says %q\n%+v\n%+v", s.Zone, at, one.User, who, s.Layers, overrides)
			return minutes
		}
		if !ok {
			continue
		}
		// At is not cut to the range; Shifts is.
		if got.From.After(from) && !one.From.Equal(got.From) || got.To.Before(to) && !one.To.Equal(got.To) {
			t.Errorf("%v at %v: At says %v to %v, Shifts %v to %v", s.Zone, at, one.From, one.To, got.From, got.To)
			return minutes
		}
	}
	return minutes
}

// TestNoGapInAnyZone follows plain rotations over sixteen years in every zone:
// each instant has one person, the next person follows the one before, and the
// clock shows the handoff's time wherever there is such a time.
func TestNoGapInAnyZone(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 26))
	from, to := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC)
	users := []string{"ana", "bob", "chi"}
	for _, name := range zones(t) {
		h := oncall.Handoff{Date: oncall.Date{Year: 2026, Month: 3, Day: 2}, Hour: r.IntN(24), Minute: 15 * r.IntN(4)}
		s := oncall.Schedule{Zone: zone(t, name), Layers: []oncall.Layer{{Users: users, Every: 1 + r.IntN(9), Handoff: h}}}
		at, odd := from, 0
		shifts := s.Shifts(from, to, nil)
		for i, shift := range shifts {
			if !shift.From.Equal(at) {
				t.Fatalf("%s: a gap or an overlap between %v and %v", name, at, shift.From)
			}
			at = shift.To
			if i == 0 {
				continue
			}
			if before := slices.Index(users, shifts[i-1].User); users[(before+1)%3] != shift.User {
				t.Fatalf("%s: %s follows %s at %v", name, shift.User, shifts[i-1].User, shift.From)
			}
			if shift.From.Hour() != h.Hour || shift.From.Minute() != h.Minute {
				odd++
				if start, _ := shift.From.ZoneBounds(); !start.Equal(shift.From) {
					t.Fatalf("%s: handoff at %v, not at %02d:%02d", name, shift.From, h.Hour, h.Minute)
				}
			}
		}
		if !at.Equal(to) {
			t.Fatalf("%s: nobody from %v", name, at)
		}
		if odd > 40 {
			t.Fatalf("%s: %d handoffs at another time", name, odd)
		}
	}
}

func BenchmarkAt(b *testing.B) {
	s := weekly(b)
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for b.Loop() {
		s.At(at, nil)
	}
}

func BenchmarkShiftsOfAYear(b *testing.B) {
	s := weekly(b)
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		s.Shifts(from, from.AddDate(1, 0, 0), nil)
	}
}
