package detect_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	diff "github.com/google/go-cmp/cmp"
	"github.com/musterhq/muster/detect"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func after(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

// event is one record of a test.
type event struct {
	at    time.Time
	group string
	bad   bool
}

func (e event) record() *detect.Record {
	status := "200"
	if e.bad {
		status = "503"
	}
	return record(e.at, "status", status, "zone", e.group)
}

// episodes is the semantics once more, as slow and plain as can be: every
// second of every group is judged by counting all events anew, with fractions
// of any size. It knows nothing of the code under test.
func episodes(events []event, window, resolve, minTotal int64, above *big.Rat, last int64) []string {
	groups := map[string][]event{}
	for _, e := range events {
		groups[e.group] = append(groups[e.group], e)
	}
	var out []string
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		first := int64(1 << 60)
		for _, e := range groups[group] {
			first = min(first, e.at.Unix())
		}
		var firing bool
		var began, quiet, peakBad, peakTotal int64
		for t := first; t <= last; t++ {
			var bad, total int64
			for _, e := range groups[group] {
				counts := !e.at.After(time.Unix(t, 0)) && e.at.After(time.Unix(t-window, 0))
				if counts && e.bad {
					bad++
				}
				if counts {
					total++
				}
			}
			ratio := new(big.Rat)
			if total > 0 {
				ratio.SetFrac64(bad, total)
			}
			hot := total >= max(1, minTotal) && ratio.Cmp(above) > 0
			switch {
			case hot && !firing:
				firing, began, quiet, peakBad, peakTotal = true, t, 0, bad, total
				out = append(out, fmt.Sprintf("%d %q fires %d/%d", t, group, bad, total))
			case hot:
				quiet = 0
				if ratio.Cmp(big.NewRat(peakBad, peakTotal)) > 0 {
					peakBad, peakTotal = bad, total
				}
			case firing:
				if quiet++; quiet > resolve { // t is the first quiet second + resolve
					firing = false
					out = append(out, fmt.Sprintf("%d %q ends %d/%d, began %d, peak %d/%d", t, group, bad, total, began, peakBad, peakTotal))
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b string) int {
		return cmp.Compare(a[:strings.IndexByte(a, ' ')], b[:strings.IndexByte(b, ' ')])
	})
	return out
}

func told(changes []detect.Change) []string {
	var out []string
	for _, c := range changes {
		group := c.Labels["zone"]
		if c.To == detect.Firing {
			out = append(out, fmt.Sprintf("%d %q fires %d/%d", c.At.Unix(), group, c.Bad, c.Total))
		} else {
			out = append(out, fmt.Sprintf("%d %q ends %d/%d, began %d, peak %d/%d", c.At.Unix(), group, c.Bad, c.Total, c.Episode.Unix(), c.PeakBad, c.PeakTotal))
		}
	}
	return out
}

func genEvents(t *rapid.T) []event {
	n := rapid.IntRange(1, 120).Draw(t, "n")
	var out []event
	ms := int64(0)
	for range n {
		// Mostly close together, sometimes a long gap, often on the second.
		switch rapid.IntRange(0, 9).Draw(t, "gap") {
		case 0:
			ms += rapid.Int64Range(0, 40_000).Draw(t, "ms")
		case 1, 2, 3:
			ms = (ms/1000 + rapid.Int64Range(0, 2).Draw(t, "s")) * 1000
		default:
			ms += rapid.Int64Range(0, 900).Draw(t, "ms")
		}
		out = append(out, event{
			at:    noon.Add(time.Duration(ms) * time.Millisecond),
			group: rapid.SampledFrom([]string{"", "eu", "us"}).Draw(t, "group"),
			bad:   rapid.IntRange(0, 3).Draw(t, "bad") == 0,
		})
	}
	return out
}

func genRule(t *rapid.T) detect.Rule {
	bad, _ := detect.ParseCondition("status >= 500")
	return detect.Rule{
		Slug: "r", Bad: bad, By: []string{"zone"},
		Above:        float64(rapid.SampledFrom([]int{0, 5, 250, 333, 500}).Draw(t, "above")) / 1000,
		Window:       time.Duration(rapid.IntRange(1, 20).Draw(t, "window")) * time.Second,
		MinTotal:     int64(rapid.IntRange(0, 4).Draw(t, "min total")),
		ResolveAfter: time.Duration(rapid.IntRange(1, 15).Draw(t, "resolve after")) * time.Second,
		Lateness:     time.Duration(rapid.IntRange(1, 6).Draw(t, "lateness")) * time.Second,
	}
}

func oracle(r detect.Rule, events []event, last int64) []string {
	above := new(big.Rat)
	above.SetString(fmt.Sprint(r.Above))
	return episodes(events, int64(r.Window/time.Second), int64(r.ResolveAfter/time.Second), r.MinTotal, above, last)
}

// live feeds events to a tracker as they would come, each up to the rule's
// lateness late, with an Advance a second, and restarts it where restart says so.
func live(rt *rapid.T, r detect.Rule, events []event, until time.Time, restart func() bool) []detect.Change {
	type arrival struct {
		event
		at time.Time
	}
	var queue []arrival
	for _, e := range events {
		delay := rapid.Int64Range(0, max(0, r.Lateness.Milliseconds()-1)).Draw(rt, "delay")
		queue = append(queue, arrival{e, e.at.Add(time.Duration(delay) * time.Millisecond)})
	}
	slices.SortStableFunc(queue, func(a, b arrival) int { return a.at.Compare(b.at) })
	tr := detect.NewTracker(r)
	stored := map[detect.Bucket]detect.Bucket{}
	var changes []detect.Change
	for now := noon; !now.After(until); now = now.Add(time.Second) {
		for len(queue) > 0 && !queue[0].at.After(now) {
			tr.Observe(queue[0].record())
			queue = queue[1:]
		}
		changes = append(changes, tr.Advance(now)...)
		if !restart() {
			continue
		}
		for _, b := range tr.Dirty() {
			stored[detect.Bucket{Series: b.Series, Second: b.Second}] = b
		}
		text, err := json.Marshal(tr.Snapshot())
		if err != nil {
			rt.Fatal(err)
		}
		var s detect.Snapshot
		if err := json.Unmarshal(text, &s); err != nil {
			rt.Fatal(err)
		}
		tr = detect.Restore(r, s, slices.Collect(maps.Values(stored)))
	}
	if tr.Late() > 0 {
		rt.Fatalf("%d late", tr.Late())
	}
	return changes
}

// TestTrackerProperty: whatever comes within the lateness, in whatever order,
// the tracker tells what counting by hand tells.
func TestTrackerProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r, events := genRule(rt), genEvents(rt)
		until := events[len(events)-1].at.Add(r.Window + r.ResolveAfter + 3*r.Lateness + 5*time.Second)
		got := told(live(rt, r, events, until, func() bool { return false }))
		var ended int64
		for _, e := range events {
			ended = max(ended, e.at.Unix())
		}
		want := oracle(r, events, ended+int64((r.Window+r.ResolveAfter)/time.Second)+2)
		if d := diff.Diff(want, got); d != "" {
			rt.Fatalf("rule %+v\n%s", r, d)
		}
	})
}

// TestRestartProperty: restarts at any point change nothing.
func TestRestartProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r, events := genRule(rt), genEvents(rt)
		until := events[len(events)-1].at.Add(r.Window + r.ResolveAfter + 3*r.Lateness + 5*time.Second)
		got := told(live(rt, r, events, until, func() bool { return rapid.IntRange(0, 4).Draw(rt, "restart") == 0 }))
		var ended int64
		for _, e := range events {
			ended = max(ended, e.at.Unix())
		}
		want := oracle(r, events, ended+int64((r.Window+r.ResolveAfter)/time.Second)+2)
		if d := diff.Diff(want, got); d != "" {
			rt.Fatalf("rule %+v\n%s", r, d)
		}
	})
}

// TestRestartOfAnything compares a tracker that is restarted after every
// Advance with one that never is, on input of every sort: late, far in the
// future, more groups than fit, a clock that jumps.
func TestRestartOfAnything(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := genRule(rt)
		r.MaxGroups = rapid.IntRange(1, 3).Draw(rt, "groups")
		whole, parts := detect.NewTracker(r), detect.NewTracker(r)
		stored := map[detect.Bucket]detect.Bucket{}
		kept := map[detect.Bucket]detect.Bucket{}
		add := func(to map[detect.Bucket]detect.Bucket, buckets []detect.Bucket) {
			for _, b := range buckets {
				to[detect.Bucket{Series: b.Series, Second: b.Second}] = b
			}
		}
		now, latest := noon, noon
		for range rapid.IntRange(1, 60).Draw(rt, "rounds") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 300, 1000, 1000, 1000, 2500, 9000, -500}).Draw(rt, "step")) * time.Millisecond)
			for range rapid.IntRange(0, 6).Draw(rt, "records") {
				e := event{
					at:    now.Add(time.Duration(rapid.SampledFrom([]int{-100_000, -8000, -1500, -900, -200, 0, 700, 3000, 3_500_000, 9_000_000}).Draw(rt, "offset")) * time.Millisecond),
					group: rapid.SampledFrom([]string{"", "a", "b", "c", "d"}).Draw(rt, "group"),
					bad:   rapid.Bool().Draw(rt, "bad"),
				}
				whole.Observe(e.record())
				parts.Observe(e.record())
			}
			a, b := whole.Advance(now), parts.Advance(now)
			if d := diff.Diff(a, b); d != "" {
				rt.Fatalf("restarts change the changes\n%s", d)
			}
			if d := diff.Diff(whole.Status(), parts.Status()); d != "" {
				rt.Fatalf("restarts change the status\n%s", d)
			}
			if now.After(latest) {
				latest = now
			}
			if w := whole.Watermark(); w.After(latest) {
				rt.Fatalf("watermark %v beyond any now, %v", w, latest)
			}
			add(stored, parts.Dirty())
			parts = detect.Restore(r, parts.Snapshot(), slices.Collect(maps.Values(stored)))
			if rapid.IntRange(0, 3).Draw(rt, "keep") == 0 {
				add(kept, whole.Dirty())
			}
		}
		if d := diff.Diff(whole.Snapshot(), parts.Snapshot()); d != "" {
			rt.Fatalf("restarts change the snapshot\n%s", d)
		}
		add(kept, whole.Dirty())
		for _, m := range []map[detect.Bucket]detect.Bucket{kept, stored} {
			maps.DeleteFunc(m, func(_, b detect.Bucket) bool { return b.Total == 0 && b.Bad == 0 })
		}
		if d := diff.Diff(kept, stored); d != "" {
			rt.Fatalf("restarts change what is stored\n%s", d)
		}
	})
}

func fiveHundreds(t *testing.T) detect.Rule {
	return detect.Rule{Slug: "r", Bad: condition(t, "status >= 500"), Above: 0.5, Window: 10 * time.Second, ResolveAfter: 5 * time.Second}
}

func feed(tr *detect.Tracker, events ...event) {
	for _, e := range events {
		tr.Observe(e.record())
	}
}

// TestHysteresis writes out one episode by the second.
func TestHysteresis(t *testing.T) {
	tr := detect.NewTracker(fiveHundreds(t))
	feed(tr, event{at: after(0.4), bad: true}, event{at: after(20)})
	got := tr.Advance(after(21)) // watermark 15
	at := func(s float64) time.Time { return after(s) }
	// Counts from 12:00:01; the window (0, 10] is the last to hold it; 11 is the
	// first second not above, and the episode ends at 11 + 5.
	want := []detect.Change{{
		At: at(1), From: detect.Insufficient, To: detect.Firing, Episode: at(1), Bad: 1, Total: 1, Ratio: 1, PeakBad: 1, PeakTotal: 1,
	}}
	if d := diff.Diff(want, got); d != "" {
		t.Error(d)
	}
	feed(tr, event{at: after(21)})
	got = tr.Advance(after(22))
	want = []detect.Change{{
		At: at(16), From: detect.Firing, To: detect.Insufficient, Episode: at(1), PeakBad: 1, PeakTotal: 1,
	}}
	if d := diff.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestIdleSource: without traffic the watermark follows now, so that an
// episode ends; a pause of the process is not the source's.
func TestIdleSource(t *testing.T) {
	tr := detect.NewTracker(fiveHundreds(t))
	feed(tr, event{at: after(0), bad: true})
	var got []string
	for s := 0.0; s <= 30; s++ {
		for _, c := range tr.Advance(after(s)) {
			got = append(got, fmt.Sprint(s, " ", c.At.Sub(noon), " ", c.To))
		}
	}
	// Idle from 6 on: newer than 5 s ago nothing came. The end is at 10 + 5.
	if d := diff.Diff([]string{"6 0s firing", "20 15s insufficient"}, got); d != "" {
		t.Error(d)
	}

	tr = detect.NewTracker(fiveHundreds(t))
	feed(tr, event{at: after(0), bad: true}, event{at: after(5), bad: true})
	tr.Advance(after(5))
	if c := tr.Advance(after(3600)); len(c) != 0 {
		t.Errorf("after an hour's pause the backlog is not waited for: %v", c)
	}
	feed(tr, event{at: after(12), bad: true})
	tr.Advance(after(3600.5))
	if tr.Late() != 0 {
		t.Error("the backlog is late")
	}
}

func TestLateRecords(t *testing.T) {
	tr := detect.NewTracker(fiveHundreds(t))
	feed(tr, event{at: after(0)}, event{at: after(20)})
	tr.Advance(after(20)) // watermark 15
	feed(tr, event{at: after(14), bad: true}, event{at: after(15), bad: true}, event{at: after(1), bad: true}, event{at: after(16), bad: true})
	if c := tr.Advance(after(20)); len(c) != 0 || tr.Late() != 3 {
		t.Errorf("changes %v, %d late; want none, 3", c, tr.Late())
	}
	feed(tr, event{at: after(22)})
	c := tr.Advance(after(22)) // watermark 17: (6, 16] holds 14, 15 and 16
	if len(c) != 1 || c[0].At != after(16) || c[0].Bad != 3 || c[0].Total != 3 {
		t.Errorf("changes %+v; want one at 16 s of 3/3", c)
	}
	var n int64
	for _, b := range tr.Dirty() {
		n += b.Total
	}
	if n != 6 {
		t.Errorf("%d records in Dirty, want all 7 but the one that is older than the window", n)
	}
	feed(tr, event{at: after(22), bad: true})
	want := []detect.Bucket{{Second: after(22).Unix(), Bad: 1, Total: 2}}
	if d := diff.Diff(want, tr.Dirty()); d != "" {
		t.Errorf("Dirty tells more than the whole of the second that changed:\n%s", d)
	}
}

func TestFutureRecords(t *testing.T) {
	tr := detect.NewTracker(fiveHundreds(t))
	tr.Advance(noon)
	feed(tr, event{at: after(1)}, event{at: after(5 * 3600), bad: true}, event{at: after(30), bad: true})
	tr.Advance(after(2))
	if w := tr.Watermark(); w != after(-4) {
		t.Errorf("watermark %v, want 4 s before noon", w)
	}
	if tr.Future() != 1 {
		t.Errorf("%d in the future, want 1", tr.Future())
	}
	for _, b := range tr.Dirty() {
		if b.Second > after(3600).Unix() {
			t.Errorf("kept %+v", b)
		}
	}
	var got []detect.Change
	for s := 3.0; s < 60; s++ {
		got = append(got, tr.Advance(after(s))...)
	}
	if len(got) != 2 || got[0].At != after(30) { // counted when its time came
		t.Errorf("changes %+v", got)
	}
}

func TestGroupsAreBounded(t *testing.T) {
	r := fiveHundreds(t)
	r.By, r.MaxGroups = []string{"zone"}, 50
	tr := detect.NewTracker(r)
	for i := range 5000 {
		feed(tr, event{at: after(0), group: fmt.Sprint(i), bad: true})
	}
	got := tr.Advance(after(0))
	got = append(got, tr.Advance(after(6))...)
	if len(got) != 51 || tr.Overflowed() != 4950 {
		t.Fatalf("%d series fired, %d records overflowed; want 51, 4950", len(got), tr.Overflowed())
	}
	if c := got[0]; c.Series != detect.Overflow || c.Total != 4950 || c.Labels != nil {
		t.Errorf("overflow: %+v", c)
	}
	for s := 7.0; s < 40; s++ {
		tr.Advance(after(s))
	}
	if n := len(tr.Status()); n != 0 {
		t.Errorf("%d idle series kept", n)
	}
	feed(tr, event{at: after(40), group: "new"})
	tr.Advance(after(40))
	if s := tr.Status(); len(s) != 1 || s[0].Series != "zone=new" {
		t.Errorf("a new group finds no room: %+v", s)
	}
}

func TestSeriesText(t *testing.T) {
	r := detect.Rule{Bad: condition(t, "status >= 500"), By: []string{"b", "a"}, Window: time.Second}
	long := strings.Repeat("é", 300)
	for _, tt := range []struct{ a, b, series, label string }{
		{"x", "y", "a=x,b=y", "x"},
		{`a,b=c\d`, "", `a=a\,b\=c\\d,b=`, `a,b=c\d`},
		{"\x00\n\x1b[2J\xff", "", "a=\uFFFD\uFFFD\uFFFD[2J\uFFFD,b=", "\uFFFD\uFFFD\uFFFD[2J\uFFFD"},
		{"\u202e", "", "a=\uFFFD,b=", "\uFFFD"},
		{long, "", "a=" + long[:200] + ",b=", long[:200]},
	} {
		tr := detect.NewTracker(r)
		tr.Observe(record(noon, "a", tt.a, "b", tt.b))
		got := tr.Dirty()
		if len(got) != 1 || got[0].Series != tt.series {
			t.Errorf("%q, %q: %+v, want %q", tt.a, tt.b, got, tt.series)
			continue
		}
		if d := diff.Diff(map[string]string{"a": tt.label, "b": tt.b}, detect.Labels(got[0].Series)); d != "" {
			t.Error(d)
		}
	}
	tr := detect.NewTracker(r)
	tr.Observe(record(noon, "b", "y"))
	if got := tr.Dirty(); got[0].Series != "a=,b=y" {
		t.Errorf("absent field: %+v", got)
	}
}

func TestCounts(t *testing.T) {
	tr := detect.NewTracker(fiveHundreds(t))
	feed(tr, event{at: after(1)}, event{at: after(1.5), bad: true}, event{at: after(2)}, event{at: after(2.1)})
	for _, tt := range []struct {
		from, to   float64
		bad, total int64
	}{{0, 1, 0, 1}, {1, 2, 1, 2}, {0, 9, 1, 4}, {2, 3, 0, 1}, {3, 9, 0, 0}} {
		if bad, total := tr.Counts("", after(tt.from), after(tt.to)); bad != tt.bad || total != tt.total {
			t.Errorf("(%v, %v]: %d of %d, want %d of %d", tt.from, tt.to, bad, total, tt.bad, tt.total)
		}
	}
}

func TestObserveDoesNotAllocate(t *testing.T) {
	r := fiveHundreds(t)
	// No regular expression: under the race detector their pool drops things on purpose.
	r.By, r.Where = []string{"zone"}, condition(t, `status != 404 and zone != "west"`)
	tr, c := detect.NewTracker(r), detect.NewCounter(r)
	recs := []*detect.Record{event{at: noon, group: "eu"}.record(), event{at: noon, group: "east", bad: true}.record()}
	if n := testing.AllocsPerRun(100, func() {
		for _, rec := range recs {
			tr.Observe(rec)
			c.Observe(rec)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	r := detect.Rule{Bad: condition(b, "status >= 500"), By: []string{"zone"}, Window: 5 * time.Minute}
	tr := detect.NewTracker(r)
	recs := []*detect.Record{event{group: "eu"}.record(), event{group: "us", bad: true}.record()}
	for i := 0; b.Loop(); i++ {
		rec := recs[i&1]
		rec.Time = noon.Add(time.Duration(i) * 10 * time.Microsecond)
		tr.Observe(rec)
	}
}
