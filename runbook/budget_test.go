package runbook

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestLimits(t *testing.T) {
	limits := Limits{Budget: Budget{2, time.Hour}, Cooldown: 10 * time.Minute, MaxDepth: 2}
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	tests := []struct {
		name string
		edit func(*Limits, *Past)
		want string
	}{
		{"nothing before", func(*Limits, *Past) {}, ""},
		{"one left", func(_ *Limits, p *Past) { p.Began = []time.Time{ago(30 * time.Minute)} }, ""},
		{"used up", func(_ *Limits, p *Past) { p.Began = []time.Time{ago(59 * time.Minute), ago(20 * time.Minute)} }, "the budget of 2 per 1h0m0s is used up"},
		{"free again after just an hour", func(_ *Limits, p *Past) { p.Began = []time.Time{ago(time.Hour), ago(20 * time.Minute)} }, ""},
		{"a clock that is ahead counts", func(_ *Limits, p *Past) { p.Began = []time.Time{ago(-time.Minute), ago(0)} }, "budget"},
		{"no budget allows nothing", func(l *Limits, _ *Past) { l.Budget = Budget{} }, "budget"},
		{"cooling down", func(_ *Limits, p *Past) { p.Ended = ago(9*time.Minute + 59*time.Second) }, "cools down for 10m0s until 2026-03-02 12:00:01 UTC"},
		{"cooled down", func(_ *Limits, p *Past) { p.Ended = ago(10 * time.Minute) }, ""},
		{"another run acts", func(_ *Limits, p *Past) { p.Open = "r7" }, "run r7 acts on the same target"},
		{"too deep", func(_ *Limits, p *Past) { p.Depth = 2 }, "2 runs led to"},
		{"deep enough", func(_ *Limits, p *Past) { p.Depth = 1 }, ""},
		{"no depth is one", func(l *Limits, p *Past) { l.MaxDepth, p.Depth = 0, 1 }, "at most 1"},
		{"kill switch", func(l *Limits, _ *Past) { l.Off = "by ana: release freeze" }, "switched off: by ana: release freeze"},
	}
	for _, tt := range tests {
		l, p := limits, Past{}
		tt.edit(&l, &p)
		if got := l.Check(p, noon); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestBudgetHoldsInEveryWindow lets runs be asked for at any time, and counts
// those that were allowed, in every window there is.
func TestBudgetHoldsInEveryWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Budget{Runs: rapid.IntRange(1, 4).Draw(t, "runs"), Per: time.Duration(rapid.IntRange(1, 90).Draw(t, "per")) * time.Minute}
		var began []time.Time
		now := noon
		for range 60 {
			now = now.Add(time.Duration(rapid.IntRange(0, 1200).Draw(t, "seconds")) * time.Second)
			left := b.Left(began, now)
			if left > 0 {
				began = append(began, now)
			}
			in := 0
			for _, at := range began {
				if at.After(now.Add(-b.Per)) {
					in++
				}
			}
			if in > b.Runs {
				t.Fatalf("%d runs within %v", in, b)
			}
			if left == 0 && in < b.Runs {
				t.Fatalf("refused with %d runs within %v", in, b)
			}
		}
	})
}
