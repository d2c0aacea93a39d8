package store_test

import (
	gocmp "cmp"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/store"
)

func testRules(t *testing.T, f fixture) {
	sec := nine.Unix()
	var counts []store.WindowCount
	for i := range 200 {
		counts = append(counts, store.WindowCount{Series: []string{"", "a"}[i%2], Second: sec + int64(i/2), Bad: int64(i), Total: 1000})
	}
	put := func(org, rule string, counts ...store.WindowCount) {
		t.Helper()
		write(t, f.Store, func(tx *store.Tx) error { return tx.PutWindows(org, rule, counts) })
	}
	put("o", "r", counts...)
	put("o", "r")
	put("o", "other", store.WindowCount{Series: "a", Second: sec + 1, Bad: 9})
	put("p", "r", store.WindowCount{Series: "a", Second: sec + 1, Bad: 9})
	twice := store.WindowCount{Series: "a", Second: sec + 1, Bad: 4, Total: 1001}
	put("o", "r", store.WindowCount{Series: "a", Second: sec + 1, Bad: 1, Total: 1}, counts[2], twice)
	counts[3] = twice

	windows := func(series string, all bool, want []store.WindowCount) {
		t.Helper()
		got := must(f.Windows(t.Context(), "o", "r", series, all, nine, nine.Add(3*time.Second)))(t)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("series %q, all %v (-want +got):\n%s", series, all, diff)
		}
	}
	windows("", true, counts[2:8]) // (from, to]
	windows("", false, []store.WindowCount{counts[2], counts[4], counts[6]})
	windows("a", false, []store.WindowCount{counts[3], counts[5], counts[7]})
	windows("b", false, []store.WindowCount{})

	_, err := f.RuleState(t.Context(), "o", "r")
	isError(t, err, store.ErrNotFound)
	_, err = f.Tail(t.Context(), "o", "logs", "/var/log/a")
	isError(t, err, store.ErrNotFound)
	for _, body := range []string{`{"n":1}`, `{"n":2}`} {
		write(t, f.Store, func(tx *store.Tx) error {
			if err := tx.PutRuleState("o", "r", nine, []byte(body)); err != nil {
				return err
			}
			if err := tx.PutTail("o", "logs", "/var/log/a", []byte(body)); err != nil {
				return err
			}
			return tx.PutTail("o", "logs", "/var/log/b", []byte("{}"))
		})
		if err := f.Write(t.Context(), func(tx *store.Tx) error {
			if err := tx.PutTail("o", "logs", "/var/log/a", []byte("lost")); err != nil {
				return err
			}
			return errUnit
		}); err != errUnit {
			t.Errorf("error %v, want the unit's", err)
		}
		if got := string(must(f.RuleState(t.Context(), "o", "r"))(t)) + string(must(f.Tail(t.Context(), "o", "logs", "/var/log/a"))(t)); got != body+body {
			t.Errorf("kept %s, want %s twice", got, body)
		}
	}
	_, err = f.RuleState(t.Context(), "p", "r")
	isError(t, err, store.ErrNotFound)
	_, err = f.Tail(t.Context(), "p", "logs", "/var/log/a")
	isError(t, err, store.ErrNotFound)
}

// testRuns: a run is added once, claimed once, saved by who read it last, and
// held while a step is under way.
func testRuns(t *testing.T, f fixture) {
	r := store.Run{ID: "r1", Org: "o", Incident: "i", Runbook: "rollback", Target: "checkout", State: "planned", Due: nine, CreatedAt: nine, Body: []byte(`{"a":1}`)}
	add := func(r store.Run) (added bool) {
		t.Helper()
		write(t, f.Store, func(tx *store.Tx) (err error) { added, err = tx.AddRun(r); return err })
		return added
	}
	if !add(r) {
		t.Error("a new run is not new")
	}
	again := r
	again.ID = "r2"
	if add(again) {
		t.Error("a second run of the runbook for the incident was added")
	}
	other := r
	other.ID, other.Runbook, other.Due = "r3", "restart", time.Time{}
	if !add(other) {
		t.Error("another runbook of the incident was refused")
	}
	if next := must(f.NextRun(t.Context()))(t); !next.Equal(nine) {
		t.Errorf("the next run is due %v, want nine", next)
	}

	claim := func(now time.Time) []store.Run {
		t.Helper()
		return must(f.ClaimRuns(t.Context(), now, now.Add(time.Minute), 5))(t)
	}
	if got := claim(nine.Add(-time.Second)); len(got) != 0 {
		t.Errorf("claimed %+v before it is due", got)
	}
	first := claim(nine)
	want := r
	want.Version, want.Attempt = 1, 1
	if diff := cmp.Diff([]store.Run{want}, first); diff != "" {
		t.Fatalf("claimed (-want +got):\n%s", diff)
	}
	if got := claim(nine.Add(59 * time.Second)); len(got) != 0 {
		t.Errorf("claimed %+v while it is leased", got)
	}
	if next := must(f.NextRun(t.Context()))(t); !next.Equal(nine.Add(time.Minute)) {
		t.Errorf("the next run is due %v, want when the lease ends", next)
	}

	held := first[0]
	held.State, held.StartedAt, held.Body = "running", nine, []byte(`{"a":2}`)
	write(t, f.Store, func(tx *store.Tx) error { return tx.HoldRun(held, nine.Add(10*time.Minute)) })
	if got := claim(nine.Add(9 * time.Minute)); len(got) != 0 {
		t.Errorf("claimed %+v while it is held", got)
	}
	stored := must(f.RunByID(t.Context(), "o", "r1"))(t)
	held.Version = 2
	if diff := cmp.Diff(held, stored); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	taken := claim(nine.Add(10 * time.Minute)) // the holder died
	if len(taken) != 1 || taken[0].Attempt != 2 || taken[0].Version != 2 {
		t.Fatalf("claimed %+v, want the run of the dead holder", taken)
	}
	save := func(r store.Run) error {
		return f.Write(t.Context(), func(tx *store.Tx) error { return tx.SaveRun(r) })
	}
	saved := taken[0]
	saved.State, saved.Due = "ended", time.Time{}
	if err := save(saved); err != nil {
		t.Fatal(err)
	}
	isError(t, save(held), store.ErrMoved) // it lives after all
	isError(t, f.Write(t.Context(), func(tx *store.Tx) error { return tx.HoldRun(held, nine.Add(time.Hour)) }), store.ErrMoved)
	if got := must(f.RunByID(t.Context(), "o", "r1"))(t); got.State != "ended" || got.Version != 3 || !got.Due.IsZero() {
		t.Errorf("the run is %+v, want ended at version 3", got)
	}
	if next := must(f.NextRun(t.Context()))(t); !next.IsZero() {
		t.Errorf("the next run is due %v, want never", next)
	}
	var got []string
	for _, r := range must(f.Runs(t.Context(), "o", "i"))(t) {
		got = append(got, r.ID)
	}
	if diff := cmp.Diff([]string{"r1", "r3"}, got); diff != "" {
		t.Errorf("runs of the incident (-want +got):\n%s", diff)
	}
	if n := len(must(f.Runs(t.Context(), "p", "i"))(t)); n != 0 {
		t.Errorf("another tenant sees %d runs", n)
	}
	_, err := f.RunByID(t.Context(), "p", "r1")
	isError(t, err, store.ErrNotFound)

	hurry := r
	hurry.ID, hurry.Incident, hurry.Runbook, hurry.Due = "h1", "h", "a", nine.Add(time.Hour)
	add(hurry)
	hurry.ID, hurry.Runbook, hurry.Due = "h2", "b", nine.Add(-time.Hour)
	add(hurry)
	hurry.ID, hurry.Runbook, hurry.Due = "h3", "c", time.Time{}
	add(hurry)
	write(t, f.Store, func(tx *store.Tx) error { return tx.HurryRuns("h", nine) })
	var due []time.Time
	for _, r := range must(f.Runs(t.Context(), "o", "h"))(t) {
		due = append(due, r.Due)
	}
	if diff := cmp.Diff([]time.Time{nine, nine.Add(-time.Hour), {}}, due); diff != "" {
		t.Errorf("due after they were hurried (-want +got):\n%s", diff)
	}
}

// testPastRuns: what a budget and a cooldown count.
func testPastRuns(t *testing.T, f fixture) {
	at := func(hours int) time.Time { return nine.Add(time.Duration(hours) * time.Hour) }
	write(t, f.Store, func(tx *store.Tx) error {
		for i, r := range []store.Run{
			{ID: "before", StartedAt: at(0), EndedAt: at(1)},
			{ID: "across", StartedAt: at(1), EndedAt: at(4)},
			{ID: "after", StartedAt: at(3), EndedAt: at(5)},
			{ID: "never", EndedAt: at(6)}, // refused: it did nothing
			{ID: "self", StartedAt: at(7), EndedAt: at(8)},
			{ID: "elsewhere", Target: "search", StartedAt: at(7), EndedAt: at(8)},
			{ID: "another", Runbook: "restart", StartedAt: at(7)},
			{ID: "foreign", Org: "p", StartedAt: at(7)},
		} {
			r.Org, r.Runbook, r.Target = gocmp.Or(r.Org, "o"), gocmp.Or(r.Runbook, "rollback"), gocmp.Or(r.Target, "checkout")
			r.Incident, r.CreatedAt, r.Body = fmt.Sprint("i", i), nine, []byte("{}")
			if _, err := tx.AddRun(r); err != nil {
				return err
			}
		}
		return nil
	})
	past := func(want store.PastRuns) {
		t.Helper()
		got := must(f.PastRuns(t.Context(), "o", "rollback", "checkout", "self", at(2)))(t)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		write(t, f.Store, func(tx *store.Tx) (err error) {
			got, err = tx.PastRuns("o", "rollback", "checkout", "self", at(2))
			return err
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("within a unit (-want +got):\n%s", diff)
		}
	}
	past(store.PastRuns{Began: []time.Time{at(1), at(3)}, Ended: at(5)})
	write(t, f.Store, func(tx *store.Tx) error {
		_, err := tx.AddRun(store.Run{ID: "open", Org: "o", Incident: "i", Runbook: "rollback", Target: "checkout", StartedAt: at(1), CreatedAt: nine, Body: []byte("{}")})
		return err
	})
	past(store.PastRuns{Began: []time.Time{at(1), at(1), at(3)}, Ended: at(5), Open: "open"})
}

func testDropRule(t *testing.T, f fixture) {
	sec := nine.Unix()
	write(t, f.Store, func(tx *store.Tx) error {
		for _, at := range [][2]string{{"o", "r"}, {"o", "s"}, {"p", "r"}} {
			if err := tx.PutRuleState(at[0], at[1], nine, []byte(`"`+at[0]+at[1]+`"`)); err != nil {
				return err
			}
			if err := tx.PutWindows(at[0], at[1], []store.WindowCount{{Second: sec, Total: 1}, {Second: sec + 1, Total: 1}}); err != nil {
				return err
			}
		}
		return nil
	})
	check := func(org, rule string, states map[string][]byte, seconds int) {
		t.Helper()
		if diff := cmp.Diff(states, must(f.RuleStates(t.Context(), org))(t)); diff != "" {
			t.Errorf("states of %s (-want +got):\n%s", org, diff)
		}
		if got := must(f.Windows(t.Context(), org, rule, "", true, nine.Add(-time.Hour), nine.Add(time.Hour)))(t); len(got) != seconds {
			t.Errorf("%d seconds of %s of %s, want %d", len(got), rule, org, seconds)
		}
	}
	check("o", "r", map[string][]byte{"r": []byte(`"or"`), "s": []byte(`"os"`)}, 2)
	write(t, f.Store, func(tx *store.Tx) error { return tx.DropRule("o", "r", nine) })
	check("o", "r", map[string][]byte{"s": []byte(`"os"`)}, 1)
	check("o", "s", map[string][]byte{"s": []byte(`"os"`)}, 2)
	check("p", "r", map[string][]byte{"r": []byte(`"pr"`)}, 2)
}
