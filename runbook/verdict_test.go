package runbook

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	minute := func(n float64) time.Time { return noon.Add(time.Duration(n * float64(time.Minute))) }
	// The action ended at noon; the deadline is ten past.
	base := Question{Done: noon, Now: minute(10), Watermark: minute(10), Deadline: minute(10), Threshold: 0.005, MinTotal: 200, Before: 0.04}
	resolved := func(at time.Time) func(*Question) {
		return func(q *Question) { q.Resolved, q.ResolvedAt = true, at }
	}
	counts := func(bad, total int64) func(*Question) {
		return func(q *Question) { q.Bad, q.Total = bad, total }
	}
	clocks := func(now, mark float64) func(*Question) {
		return func(q *Question) { q.Now, q.Watermark = minute(now), minute(mark) }
	}
	tests := []struct {
		name    string
		edits   []func(*Question)
		verdict Verdict
		reason  string
		done    bool
	}{
		{"recovered at the deadline", []func(*Question){resolved(minute(6)), counts(1, 1000)}, Recovered, "resolved at", true},
		{"recovered early", []func(*Question){clocks(6.1, 6), resolved(minute(6)), counts(0, 200)}, Recovered, "resolved at", true},
		{"recovered on the threshold", []func(*Question){resolved(minute(6)), counts(5, 1000)}, Recovered, "5 of 1000", true},
		{"recovered though the mark lags", []func(*Question){clocks(11, 9), resolved(minute(6)), counts(0, 400)}, Recovered, "", true},
		{"resolved, but too few requests yet", []func(*Question){clocks(6.1, 6), resolved(minute(6)), counts(0, 199)}, "", "watching", false},
		{"resolved, but still bad", []func(*Question){clocks(6.1, 6), resolved(minute(6)), counts(20, 1000)}, "", "watching", false},
		{"calm, not resolved yet", []func(*Question){clocks(6.1, 6), counts(0, 1000)}, "", "watching", false},
		{"worse is not said early", []func(*Question){clocks(6.1, 6), counts(900, 1000)}, "", "watching", false},
		{"just before the deadline", []func(*Question){clocks(9.99, 9.99), counts(900, 1000)}, "", "watching", false},
		{"data are late", []func(*Question){clocks(10.5, 9), counts(900, 1000)}, "", "waited for", false},
		{"data stay away", []func(*Question){clocks(11, 9), counts(900, 1000)}, Unknown, "the data reach to", true},
		{"no mark is the clock", []func(*Question){func(q *Question) { q.Watermark = time.Time{} }, counts(40, 1000)}, Unchanged, "", true},
		{"nobody came", []func(*Question){resolved(minute(6)), counts(0, 0)}, Unknown, "only 0 requests", true},
		{"too few came", []func(*Question){resolved(minute(6)), counts(0, 199)}, Unknown, "only 199 requests", true},
		{"one is the least", []func(*Question){resolved(minute(6)), func(q *Question) { q.MinTotal = 0 }, counts(0, 0)}, Unknown, "at least 1", true},
		{"one is enough if no more is asked", []func(*Question){resolved(minute(6)), func(q *Question) { q.MinTotal = 0 }, counts(0, 1)}, Recovered, "", true},
		{"still above", []func(*Question){counts(40, 1000)}, Unchanged, "40 of 1000 requests after the action were bad (4 %, threshold 0.5 %)", true},
		{"better, but above", []func(*Question){counts(6, 1000)}, Unchanged, "", true},
		{"one and a half times is not worse", []func(*Question){counts(60, 1000)}, Unchanged, "", true},
		{"more is", []func(*Question){counts(61, 1000)}, Worse, "before, it was 4 % at its worst", true},
		{"above though resolved", []func(*Question){resolved(minute(6)), counts(61, 1000)}, Worse, "", true},
		{"it was perfect before", []func(*Question){func(q *Question) { q.Before = 0 }, counts(6, 1000)}, Worse, "it was 0 %", true},
		{"before is not known", []func(*Question){func(q *Question) { q.Before = -1 }, counts(900, 1000)}, Unchanged, "", true},
		{"below but not resolved", []func(*Question){counts(0, 1000)}, Unknown, "has not resolved yet", true},
		{"resolved before the action was done", []func(*Question){resolved(minute(-1)), counts(0, 1000)}, Unknown, "before the action was done", true},
		{"resolved at that very instant", []func(*Question){resolved(noon), counts(0, 1000)}, Unknown, "before the action was done", true},
		{"resolved at the deadline", []func(*Question){resolved(minute(10)), counts(0, 1000)}, Recovered, "", true},
		{"resolved too late", []func(*Question){clocks(20, 20), resolved(minute(11)), counts(0, 1000)}, Unknown, "after the deadline", true},
		{"nonsense", []func(*Question){counts(5, 3)}, Unknown, "make no sense", true},
		{"negative", []func(*Question){counts(-1, 300)}, Unknown, "make no sense", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := base
			for _, edit := range tt.edits {
				edit(&q)
			}
			verdict, reason, done := Judge(q)
			if verdict != tt.verdict || done != tt.done || !strings.Contains(reason, tt.reason) || reason == "" {
				t.Errorf("%q, %q, done %v; want %q, %q, done %v", verdict, reason, done, tt.verdict, tt.reason, tt.done)
			}
		})
	}
}

// TestJudgeIsHonest states what a verdict may never say, and tries every
// combination of the edges.
func TestJudgeIsHonest(t *testing.T) {
	counts := map[Verdict]int{}
	sec := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Second) }
	base := Question{Done: noon, Deadline: sec(600), Threshold: 0.05}
	for _, now := range []int{1, 599, 600, 659, 660, 900} {
		for _, mark := range []int{-1, 300, 599, 600, 900} {
			for _, resolved := range []int{-60, 0, 1, 300, 600, 601} {
				for _, total := range []int64{0, 1, 199, 200, 1000} {
					for _, bad := range []int64{0, total / 20, total/20 + 1, total / 6, total} {
						for _, least := range []int64{0, 200} {
							for _, before := range []float64{-1, 0, 0.1, 0.4} {
								q := base
								q.Now, q.Watermark = sec(now), sec(mark)
								q.Resolved, q.ResolvedAt = resolved >= 0, sec(resolved)
								q.Total, q.Bad, q.MinTotal, q.Before = total, min(bad, total), least, before
								counts[honest(t, q)]++
							}
						}
					}
				}
			}
		}
	}
	for _, v := range []Verdict{Recovered, Unchanged, Worse, Unknown, ""} {
		if counts[v] == 0 {
			t.Errorf("%q never came up", v)
		}
	}
}

func honest(t *testing.T, q Question) Verdict {
	t.Helper()
	verdict, _, done := Judge(q)
	late := !q.Now.Before(q.Deadline.Add(time.Minute))
	if !done {
		if verdict != "" || late {
			t.Fatalf("%q, not done: %+v", verdict, q)
		}
		return verdict
	}
	ratio := float64(q.Bad) / math.Max(1, float64(q.Total))
	enough := q.Total >= max(q.MinTotal, 1)
	full := !q.Now.Before(q.Deadline) && !q.Watermark.Before(q.Deadline)
	inTime := q.Resolved && q.ResolvedAt.After(q.Done) && !q.ResolvedAt.After(q.Deadline)
	worse := q.Before >= 0 && ratio > 1.5*q.Before
	var ok bool
	switch verdict {
	case Recovered:
		ok = enough && ratio <= q.Threshold && inTime
	case Worse:
		ok = enough && ratio > q.Threshold && full && worse
	case Unchanged:
		ok = enough && ratio > q.Threshold && full && !worse
	case Unknown: // only what cannot be told
		ok = full && !enough || full && ratio <= q.Threshold && !inTime || late && !full
	}
	if !ok {
		t.Fatalf("%s: %+v", verdict, q)
	}
	later := q // more time alone never turns a verdict round
	later.Now = q.Now.Add(time.Hour)
	if again, _, _ := Judge(later); again != verdict {
		t.Fatalf("%s, an hour later %s: %+v", verdict, again, q)
	}
	return verdict
}
