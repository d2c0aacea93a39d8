package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/gate"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/store"
)

func defect(fingerprint string) gate.Defect {
	return gate.Defect{
		ID: id.New(nine), Org: "o", Gate: "g", Suite: "unit", Fingerprint: fingerprint, State: gate.DefectOpen, Team: "payments", Class: gate.Leak,
		Message: "hostile '\"<\x00>", Stack: []string{"a", "b"}, OpenedAt: nine,
	}
}

// testDefects: defects are found by what a report names and by what is open, of
// their own suite, gate and organization alone.
func testDefects(t *testing.T, f fixture) {
	var all []gate.Defect
	for i := range 150 { // more than one statement writes
		all = append(all, defect(fmt.Sprintf("f%03d", i)))
	}
	for i, edit := range []func(*gate.Defect){
		func(d *gate.Defect) { d.Org = "p" }, func(d *gate.Defect) { d.Gate = "h" }, func(d *gate.Defect) { d.Suite = "other" }, func(d *gate.Defect) { d.State = gate.DefectClosed },
	} {
		d := defect(fmt.Sprintf("e%d", i))
		edit(&d)
		all = append(all, d)
	}
	write(t, f.Store, func(tx *store.Tx) error { return tx.PutDefects(all, nine) })
	read := func(prints ...string) map[string]gate.Defect {
		t.Helper()
		var found map[string]gate.Defect
		write(t, f.Store, func(tx *store.Tx) (err error) {
			found, err = tx.Defects("o", "g", "unit", prints)
			return err
		})
		return found
	}
	if n := len(read()); n != 150 {
		t.Errorf("%d open defects, want 150", n)
	}
	found := read("e0", "e1", "e2", "e3", "f007", "nobody")
	if len(found) != 151 || found["e3"].State != gate.DefectClosed {
		t.Errorf("%d defects, of them %+v; want the closed one, too", len(found), found["e3"])
	}
	want := all[7]
	want.Version = 1
	if diff := cmp.Diff(want, found["f007"]); diff != "" {
		t.Errorf("(-put +got):\n%s", diff)
	}

	// A row that cannot be read does not hold up a report.
	if err := f.Exec(`UPDATE defects SET body = '{' WHERE fingerprint = 'f009' AND org = 'o'`); err != nil {
		t.Fatal(err)
	}
	if got := read("f009")["f009"]; got.ID != all[9].ID || got.Version != 1 || got.State != "" {
		t.Errorf("an unreadable row: %+v", got)
	}
	write(t, f.Store, func(tx *store.Tx) error {
		d := all[9]
		d.Version = 1
		return tx.PutDefects([]gate.Defect{d}, nine)
	})

	// One that moved meanwhile is not written over.
	one := found["f007"]
	one.State, one.Team = gate.DefectClosed, "search"
	write(t, f.Store, func(tx *store.Tx) error { return tx.PutDefects([]gate.Defect{one}, nine.Add(time.Hour)) })
	if err := f.Write(t.Context(), func(tx *store.Tx) error { return tx.PutDefects([]gate.Defect{one}, nine) }); err == nil {
		t.Error("an old version was written")
	}
	twin := defect("f008") // of another id
	if err := f.Write(t.Context(), func(tx *store.Tx) error { return tx.PutDefects([]gate.Defect{twin}, nine) }); err == nil {
		t.Error("there are two defects of one fingerprint")
	}

	list := func(filter store.DefectFilter) (prints []string) {
		t.Helper()
		filter.Limit = 1000
		for _, d := range must(f.ListDefects(t.Context(), "o", filter))(t) {
			prints = append(prints, d.Fingerprint)
		}
		return prints
	}
	if got := list(store.DefectFilter{Gate: "g", State: gate.DefectClosed}); !slices.Equal(got, []string{"e3", "f007"}) && !slices.Equal(got, []string{"f007", "e3"}) {
		t.Errorf("closed: %v", got)
	}
	if got := list(store.DefectFilter{Team: "search"}); !slices.Equal(got, []string{"f007"}) {
		t.Errorf("of search: %v", got)
	}
	if got := len(list(store.DefectFilter{})); got != 153 {
		t.Errorf("%d of the organization, want 153", got)
	}
	if got := must(f.MendedDefects(t.Context(), "o", gate.Leak, 1))(t); len(got) != 1 || got[0].Fingerprint != "f007" {
		t.Errorf("mended last: %+v", got)
	}
	if n := must(f.OpenDefects(t.Context(), "o", "g"))(t); n != 150 {
		t.Errorf("%d open, want 150", n)
	}
	if _, err := f.DefectByID(t.Context(), "p", one.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another organization's: %v", err)
	}
	if got := must(f.DefectByID(t.Context(), "o", one.ID))(t); got.Team != "search" {
		t.Errorf("by id: %+v", got)
	}
	write(t, f.Store, func(tx *store.Tx) error {
		if d, err := tx.Defect("o", one.ID); err != nil || d.Version != 2 {
			t.Errorf("in a transaction: %+v, %v", d, err)
		}
		if _, err := tx.Defect("p", one.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another organization's, in a transaction: %v", err)
		}
		return nil
	})
}

// testGateRuns: what is reported twice counts once, per organization and gate; and
// goes when it is old.
func testGateRuns(t *testing.T, f fixture) {
	add := func(org, gateSlug, result string, at time.Time) (runs, tests bool) {
		t.Helper()
		write(t, f.Store, func(tx *store.Tx) (err error) {
			if runs, err = tx.AddGateRun(store.GateRun{ID: id.New(at), Org: org, Gate: gateSlug, Suite: "unit", Result: result, At: at, Body: []byte(`{}`)}); err != nil {
				return err
			}
			tests, err = tx.AddSelftest(store.Selftest{ID: id.New(at), Org: org, Gate: gateSlug, Result: result, At: at, Body: gate.Selftest{ID: result, Good: !strings.HasPrefix(result, "bad")}})
			return err
		})
		return runs, tests
	}
	for i, tt := range []struct {
		org, gate, result string
		fresh             bool
	}{
		{"o", "g", "one", true}, {"o", "g", "one", false}, {"o", "h", "one", true}, {"p", "g", "one", true}, {"o", "g", "bad", true},
	} {
		runs, tests := add(tt.org, tt.gate, tt.result, nine.Add(time.Duration(i)*time.Minute))
		if runs != tt.fresh || tests != tt.fresh {
			t.Errorf("%v: run new %v, self-test new %v", tt, runs, tests)
		}
	}
	if runs := must(f.GateRuns(t.Context(), "o", "g", 10))(t); len(runs) != 2 || !runs[0].At.Equal(nine.Add(4*time.Minute)) {
		t.Errorf("runs: %+v", runs)
	}
	if run := must(f.GateRunOf(t.Context(), "o", "g", "one"))(t); !run.At.Equal(nine) {
		t.Errorf("the run of one: %+v", run)
	}
	if _, err := f.GateRunOf(t.Context(), "o", "g", "none"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of none: %v", err)
	}
	if tests := must(f.Selftests(t.Context(), "o", "g", 10))(t); len(tests) != 2 || tests[0].Body.Good || !tests[1].Body.Good {
		t.Errorf("self-tests: %+v", tests)
	}
	good, known, err := f.GoodSelftest(t.Context(), "o", "g")
	if err != nil || !known || !good.At.Equal(nine) {
		t.Errorf("last good: %+v, %v, %v", good, known, err)
	}
	write(t, f.Store, func(tx *store.Tx) error {
		if at, err := tx.LastGoodSelftest("o", "g"); err != nil || !at.Equal(nine) {
			t.Errorf("last good, in a transaction: %v, %v", at, err)
		}
		if at, err := tx.LastGoodSelftest("o", "none"); err != nil || !at.IsZero() {
			t.Errorf("of a gate without one: %v, %v", at, err)
		}
		return nil
	})

	count := func() (n [2]int) {
		t.Helper()
		for i, table := range []string{"gate_runs", "selftests"} {
			if err := f.QueryRow(`SELECT count(*) FROM `+table, &n[i]); err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	day := 24 * time.Hour
	for _, tt := range []struct {
		after time.Duration
		want  [2]int
	}{{89 * day, [2]int{4, 4}}, {91 * day, [2]int{0, 4}}, {399 * day, [2]int{0, 4}}, {401 * day, [2]int{0, 0}}} {
		prune(t, f, nine.Add(tt.after), store.Keep{})
		if got := count(); got != tt.want {
			t.Errorf("after %v: %v runs and self-tests, want %v", tt.after, got, tt.want)
		}
	}
}

// testRenew: a row that is renewed is there once, becomes due again after it was
// sent, is sent once more if it was renewed while it was sent, and keeps its wait.
func testRenew(t *testing.T, f fixture) {
	renew := func(body string) {
		t.Helper()
		write(t, f.Store, func(tx *store.Tx) error {
			for range 2 { // in one commit, too
				tx.Renew(store.Outgoing{ID: "d/ticket", Org: "o", Kind: "defect", Destination: "o/gitlab", Place: "d", Due: nine, Body: []byte(body)})
			}
			return nil
		})
	}
	claim := func(at time.Time) []store.Outgoing {
		t.Helper()
		return must(f.Claim(t.Context(), at, at.Add(time.Minute), 10, 10, nil))(t)
	}
	renew(`{"n":1}`)
	row := claim(nine)
	if len(row) != 1 || string(row[0].Body) != `{"n":1}` {
		t.Fatalf("claimed %+v", row)
	}
	renew(`{"n":2}`) // while it is sent
	write(t, f.Store, func(tx *store.Tx) error { _, err := tx.Sent(row[0], nine); return err })
	again := claim(nine)
	if len(again) != 1 || string(again[0].Body) != `{"n":2}` {
		t.Fatalf("renewed while it was sent: %+v", again)
	}
	write(t, f.Store, func(tx *store.Tx) error { _, err := tx.Sent(again[0], nine); return err })
	if rest := claim(nine); len(rest) != 0 {
		t.Fatalf("sent, and claimed again: %+v", rest)
	}
	renew(`{"n":3}`)
	third := claim(nine)
	if len(third) != 1 {
		t.Fatal("it was not renewed after it was sent")
	}
	write(t, f.Store, func(tx *store.Tx) error { _, err := tx.Later(third[0], nine.Add(time.Hour), "502"); return err })
	renew(`{"n":4}`)
	if early := claim(nine.Add(59 * time.Minute)); len(early) != 0 {
		t.Errorf("it did not keep its wait: %+v", early)
	}
	if late := claim(nine.Add(time.Hour)); len(late) != 1 || late[0].Tries != 1 || string(late[0].Body) != `{"n":4}` {
		t.Errorf("after its wait: %+v", late)
	}
}
