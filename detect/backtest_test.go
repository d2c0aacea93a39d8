package detect_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	diff "github.com/google/go-cmp/cmp"
	"github.com/musterhq/muster/detect"
	"pgregory.net/rapid"
)

// TestBacktestProperty: records in any order, in any parts, give the episodes
// that counting by hand gives.
func TestBacktestProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r, events := genRule(rt), genEvents(rt)
		last := int64(0)
		for _, e := range events {
			sec := e.at.Unix()
			if e.at.Nanosecond() > 0 {
				sec++
			}
			last = max(last, sec)
		}
		want := oracle(r, events, last)

		parts := []*detect.Counter{detect.NewCounter(r), detect.NewCounter(r), detect.NewCounter(r)}
		for _, e := range rapid.Permutation(events).Draw(rt, "order") {
			parts[rapid.IntRange(0, 2).Draw(rt, "part")].Observe(e.record())
		}
		for _, p := range parts[1:] {
			parts[0].Merge(p)
		}
		ended := map[string]int{}
		for _, line := range want {
			ended[line]++
		}
		for _, i := range parts[0].Intervals() {
			group := detect.Labels(i.Group)["zone"]
			matched := 0
			for line := range ended {
				var at, bad, total, began, peakBad, peakTotal int64
				var g string
				if n, _ := fmt.Sscanf(line, "%d %q ends %d/%d, began %d, peak %d/%d", &at, &g, &bad, &total, &began, &peakBad, &peakTotal); n == 7 {
					if i.To != nil && g == group && at == i.To.Unix() && began == i.From.Unix() && peakBad == i.Bad && peakTotal == i.Total {
						matched++
					}
				}
			}
			if i.To != nil && matched != 1 {
				rt.Fatalf("%+v is not among %v", i, want)
			}
			began := 0
			for line := range ended {
				var at int64
				var g string
				if n, _ := fmt.Sscanf(line, "%d %q fires", &at, &g); n == 2 && g == group && at == i.From.Unix() {
					began++
				}
			}
			if began != 1 {
				rt.Fatalf("%+v begins out of nothing: %v", i, want)
			}
		}
		var fires int
		for line := range ended {
			var at int64
			var g, verb string
			if fmt.Sscanf(line, "%d %q %s", &at, &g, &verb); verb == "fires" {
				fires++
			}
		}
		if got := len(parts[0].Intervals()); got != fires {
			rt.Fatalf("%d intervals, want %d: %v", got, fires, want)
		}
	})
}

func TestIntervalJSON(t *testing.T) {
	c := detect.NewCounter(fiveHundreds(t))
	if text, _ := json.Marshal(c.Intervals()); string(text) != "[]" {
		t.Errorf("no records: %s", text)
	}
	for _, e := range []event{{at: after(30.5)}, {at: after(0), bad: true}, {at: after(30.2), bad: true}, {at: after(30.1), bad: true}} {
		c.Observe(e.record())
	}
	got, err := json.Marshal(c.Intervals())
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"rule":"r","group":"","from":"2026-11-22T12:00:00Z","to":"2026-11-22T12:00:15Z","peak":1,"bad":1,"total":1},` +
		`{"rule":"r","group":"","from":"2026-11-22T12:00:31Z","to":null,"peak":0.6666666666666666,"bad":2,"total":3}]`
	if d := diff.Diff(want, string(got)); d != "" {
		t.Error(d)
	}
}

// TestQuietYears: a gap costs nothing, however long.
func TestQuietYears(t *testing.T) {
	c := detect.NewCounter(fiveHundreds(t))
	for _, year := range []int{1, 1970, 2026, 9999} {
		c.Observe(event{at: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), bad: true}.record())
	}
	if n := len(c.Intervals()); n != 4 {
		t.Errorf("%d intervals, want 4", n)
	}
	first, last := c.Span()
	if n := len(c.Curve("", first, last, 100)); n != 4 {
		t.Errorf("%d samples, want 4", n)
	}
}

// TestCurveKeepsPeaks: one second's peak shows in a chart of few points.
func TestCurveKeepsPeaks(t *testing.T) {
	r := fiveHundreds(t)
	r.Window = time.Second
	c := detect.NewCounter(r)
	for s := range 1000 {
		c.Observe(event{at: after(float64(s)), bad: s == 777}.record())
	}
	first, last := c.Span()
	curve := c.Curve("", first, last, 10)
	if len(curve) != 10 || curve[7].At != after(777) || curve[7].Bad != 1 || curve[6].Bad != 0 {
		t.Errorf("%+v", curve)
	}
}
