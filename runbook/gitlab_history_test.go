package runbook

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// historyOf writes a history down: "a b! a" are versions that went live one
// after another, a minute apart, the first at eleven; ! is a failure, ~ one
// made without a job, > one that still runs.
func historyOf(text string) history {
	var h history
	for i, word := range strings.Fields(text) {
		at := noon.Add(-time.Hour + time.Duration(i)*time.Minute)
		d := deployment{ID: int64(i + 1), SHA: strings.Repeat(word[:1], 40), Ref: "main", Status: "success", Job: int64(100 + i), JobEnd: true, Started: at.Add(-20 * time.Second), Landed: at, By: "ana"}
		switch word[1:] {
		case "!":
			d.Status = "failed"
		case "~":
			d.Job, d.JobEnd = 0, false
		case ">":
			d.Status, d.JobEnd = "running", false
		}
		h = append(h, d)
	}
	return h
}

func TestChoose(t *testing.T) {
	at := func(minute int) time.Time { return noon.Add(-time.Hour + time.Duration(minute)*time.Minute) }
	tests := []struct {
		name    string
		history string
		fired   time.Time
		never   []string
		bad     int64
		good    int64
		job     int64
		err     string
	}{
		{"the one before", "a b c", noon, nil, 3, 2, 101, ""},
		{"fired at the very instant", "a b c", at(2), nil, 3, 2, 101, ""},
		{"a failed deployment is no version", "a b! c", noon, nil, 3, 1, 100, ""},
		{"the same version again is not before it", "a b c c", noon, nil, 4, 2, 101, ""},
		{"made without a job", "a b~ c", noon, nil, 3, 1, 100, ""},
		{"marked by commit", "a b c", noon, []string{"BBBBBBBB"}, 3, 1, 100, ""},
		{"marked by deployment", "a b c", noon, []string{"deployment:2"}, 3, 1, 100, ""},
		{"never to what was rolled back from", "a b a c", noon, nil, 4, 3, 102, ""},
		{"nor if that is the next", "a b c b d", noon, []string{"deployment:4"}, 5, 2, 103, ""},
		{"left behind for long", "z a b a c a d", noon, []string{"aaaaaaa"}, 7, 1, 100, ""},
		{"the latest job of the version", "a b! a! b", noon, nil, 4, 1, 102, ""},
		{"rolled back already, after it fired", "a b a", at(1), nil, 0, 0, 0, "rolled back already"},
		{"something newer after it fired", "a b c", at(1), nil, 0, 0, 0, "is live"},
		{"underway when it fired", "a b c", at(2).Add(-10 * time.Second), nil, 0, 0, 0, "a human must say"},
		{"underway, but marked", "a b c", at(2).Add(-10 * time.Second), []string{"deployment:3"}, 3, 2, 101, ""},
		{"the same version again after it fired", "a b b", at(1), nil, 2, 1, 100, ""},
		{"live is itself a rollback", "a b a", noon, nil, 0, 0, 0, "itself a rollback"},
		{"a rollback that is marked", "z a b a", noon, []string{"aaaaaaaa"}, 4, 1, 100, ""},
		{"nothing at all", "", noon, nil, 0, 0, 0, "nothing was ever deployed"},
		{"only failures", "a! b!", noon, nil, 0, 0, 0, "nothing was ever deployed"},
		{"nothing before it fired", "a b", at(-5), nil, 0, 0, 0, "nothing was deployed before"},
		{"the first version", "a", noon, nil, 0, 0, 0, "no good version"},
		{"all marked", "a b c", noon, []string{"aaaaaaa", "bbbbbbb"}, 0, 0, 0, "no good version"},
		{"no job left", "a~ b", noon, nil, 0, 0, 0, "no good version"},
		{"a job that runs is not retried", "a b a>", noon, nil, 2, 1, 100, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			never, err := parseMarks(tt.never)
			if err != nil {
				t.Fatal(err)
			}
			got, err := historyOf(tt.history).choose(tt.fired, never)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("from %d to %d, error %v; want %q", got.bad.ID, got.good.ID, err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.bad.ID != tt.bad || got.good.ID != tt.good || got.job != tt.job {
				t.Errorf("from %d to %d by job %d, want from %d to %d by job %d", got.bad.ID, got.good.ID, got.job, tt.bad, tt.good, tt.job)
			}
		})
	}
}

// A manual job can go live long after deployments with higher ids.
func TestChooseGoesByWhatWentLiveLast(t *testing.T) {
	h := historyOf("a b c")
	h[0].Started, h[0].Landed = noon.Add(-2*time.Minute), noon.Add(-time.Minute) // a is live, on the oldest id
	if live, _ := h.live(); live.ID != 1 {
		t.Errorf("live is deployment %d, want 1", live.ID)
	}
	// Every older one has a higher id, which nobody can have meant.
	if c, err := h.choose(noon, marks{}); err == nil {
		t.Errorf("chose deployment %d", c.good.ID)
	}
}

func TestParseMarks(t *testing.T) {
	for _, s := range []string{"abc", "xyzxyzx", "deployment:", "deployment:-1", "deployment:x", "12345"} {
		if m, err := parseMarks([]string{"aaaaaaa", s}); err == nil {
			t.Errorf("%q: %v", s, m)
		} else if !strings.HasPrefix(err.Error(), "[1]: ") {
			t.Errorf("%q: the error names no position: %v", s, err)
		}
	}
}

// TestChooseNeverGoesToBad states what must hold of any history.
func TestChooseNeverGoesToBad(t *testing.T) {
	chosen := 0
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", "a!", "b~", "c>"}), 0, 12).Draw(t, "history")
		h := historyOf(strings.Join(words, " "))
		fired := noon.Add(-time.Hour + time.Duration(rapid.IntRange(-30, 800).Draw(t, "seconds"))*time.Second)
		var never []string
		for _, v := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), func(s string) string { return s }).Draw(t, "marked") {
			never = append(never, strings.Repeat(v, 7))
		}
		m, err := parseMarks(never)
		if err != nil {
			t.Fatal(err)
		}
		c, err := h.choose(fired, m)
		if err != nil {
			return
		}
		chosen++
		live, _ := h.live()
		switch {
		case c.good.SHA == c.bad.SHA:
			t.Fatal("to the version that is bad")
		case m.has(c.good):
			t.Fatal("to a version marked bad")
		case c.good.Status != "success" || c.good.Job == 0 || c.job == 0:
			t.Fatalf("to %+v by job %d", c.good, c.job)
		case c.good.ID >= c.bad.ID || !c.good.Landed.Before(c.bad.Landed):
			t.Fatal("forward")
		case live.SHA != c.bad.SHA:
			t.Fatal("from a version that is not live")
		case !m.has(c.bad) && c.bad.Landed.After(fired):
			t.Fatal("from a version that came after the signal")
		}
		// Nobody ever rolled back from where it goes: no version went live after
		// it that had been live before it.
		all := h.successes()
		for i, d := range all {
			if d.ID != c.good.ID {
				continue
			}
			for _, later := range all[:i] {
				for _, earlier := range all[i+1:] {
					if later.SHA == earlier.SHA && later.SHA != d.SHA {
						t.Fatalf("to %v, which %v rolled back to %v", d, later, earlier)
					}
				}
			}
		}
	})
	if chosen == 0 {
		t.Fatal("the property was never tried on a choice")
	}
}
