package store_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/store"
)

var errUnit = errors.New("the unit failed")

// A unit stages and writes a row of each sort.
func oneOfEach(tx *store.Tx, name string) error {
	o := opening("o", name)
	var err error
	if o.Number, err = tx.NextNumber("o", "incident"); err != nil {
		return err
	}
	c := incident.Open(o, nine, tester)
	c = c.Then(incident.Advance(c.Incident, nine, everybody))
	tx.Save(c)
	alert := firing(name, o.ID)
	alert.FirstEvent = tx.Event("o", nine, store.RawEvent{Integration: "i", Body: []byte(name)})
	if err := tx.PutAlert(alert); err != nil {
		return err
	}
	if err := tx.AddToken(store.Token{ID: id.New(nine), Org: "o", Name: name, Hash: name, CreatedAt: nine}); err != nil {
		return err
	}
	return nil
}

// trace says which of these names left anything behind, and what.
func trace(t *testing.T, s *store.Store) map[string]string {
	t.Helper()
	seen := map[string]string{}
	for _, inc := range must(s.Incidents(t.Context(), "o", store.IncidentFilter{Limit: 1000}))(t) {
		entries := must(s.Timeline(t.Context(), "o", inc.ID, 0, 100))(t)
		pages := must(s.Outgoing(t.Context(), "o", inc.ID))(t)
		seen[inc.GroupKey] += fmt.Sprintf("incident with %d entries and %d pages, ", len(entries), len(pages))
	}
	for _, a := range must(s.Alerts(t.Context(), "o", store.AlertFilter{Limit: 1000}))(t) {
		e := must(s.RawEvent(t.Context(), "o", a.FirstEvent))(t)
		seen[a.Key] += fmt.Sprintf("alert of event %q, ", e.Body)
	}
	for _, k := range must(s.Tokens(t.Context(), "o"))(t) {
		seen[k.Name] += "token"
	}
	return seen
}

// testUnits puts units that succeed, fail and panic into the same commits.
func testUnits(t *testing.T, f fixture) {
	const n = 60
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			errs[i] = f.Write(t.Context(), func(tx *store.Tx) error {
				if err := oneOfEach(tx, fmt.Sprintf("u%02d", i)); err != nil {
					return err
				}
				switch i % 3 {
				case 1:
					return errUnit
				case 2:
					panic("at the disco")
				}
				return nil
			})
		})
	}
	wg.Wait()
	seen := trace(t, f.Store)
	for i, err := range errs {
		name := fmt.Sprintf("u%02d", i)
		want := ""
		switch i % 3 {
		case 0:
			want = fmt.Sprintf("incident with 2 entries and 2 pages, alert of event %q, token", name)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case 1:
			isError(t, err, errUnit)
		case 2:
			if !errors.Is(err, store.ErrPanic) || strings.Contains(err.Error(), "disco") {
				t.Errorf("%s: error %v, want that of the panic", name, err)
			}
		}
		if seen[name] != want {
			t.Errorf("%s left %q, want %q", name, seen[name], want)
		}
	}
}

// testUnitsSeeEachOther: what one unit of a commit did, the next one sees; what
// a failed one did, nobody does.
func testUnitsSeeEachOther(t *testing.T, f fixture) {
	o, late := opening("o", "g"), opening("o", "g")
	o.Number, late.Number = 1, 2
	key := store.AlertKey{Org: "o", Integration: "i", Key: "k"}
	errs := together(t, f.Store,
		func(tx *store.Tx) error {
			tx.Save(incident.Open(opening("o", "g"), nine, tester))
			if err := tx.PutAlert(firing("k", "")); err != nil {
				return err
			}
			return errUnit
		},
		func(tx *store.Tx) error {
			if _, err := tx.OpenIncident("o", "g"); !errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("an incident of a failed unit: %w", err)
			}
			if a, err := tx.Alert(key); err != nil || a.Status != incident.NoAlert || a.Key != "k" {
				return fmt.Errorf("an alert of a failed unit: %v, %w", a, err)
			}
			tx.Save(incident.Open(o, nine, tester))
			return tx.PutAlert(firing("k", o.ID))
		},
		func(tx *store.Tx) error {
			inc, err := tx.OpenIncident("o", "g")
			if err != nil || inc.ID != o.ID {
				return fmt.Errorf("the open incident is %q: %w", inc.ID, err)
			}
			if _, err := tx.OpenIncident("another", "g"); !errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("that of another tenant: %w", err)
			}
			if _, err := tx.Incident("another", o.ID); !errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("to another tenant: %w", err)
			}
			if a, err := tx.Alert(key); err != nil || a.IncidentID != o.ID {
				return fmt.Errorf("the alert is %v: %w", a, err)
			}
			c, err := incident.Resolve(inc, "", nine, tester)
			tx.Save(c)
			return err
		},
		func(tx *store.Tx) error {
			if _, err := tx.OpenIncident("o", "g"); !errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("a resolved incident is open: %w", err)
			}
			tx.Save(incident.Open(late, nine, tester))
			return nil
		},
	)
	for i, err := range errs {
		if i == 0 {
			isError(t, err, errUnit)
		} else if err != nil {
			t.Errorf("unit %d: %v", i, err)
		}
	}
	for _, want := range []struct {
		id     string
		status incident.Status
	}{{o.ID, incident.Resolved}, {late.ID, incident.Triggered}} {
		if got := must(f.Incident(t.Context(), "o", want.id))(t); got.Status != want.status || got.Version < 1 {
			t.Errorf("incident %s is %s (version %d), want %s", got.ID, got.Status, got.Version, want.status)
		}
	}
}

// testBrokenStatement: a statement that the database refuses breaks the whole
// transaction; the unit that sent it fails alone all the same.
func testBrokenStatement(t *testing.T, f fixture) {
	override := store.Override{ID: id.New(nine), Org: "o", Schedule: "s", User: "ana", From: nine, To: nine.Add(time.Hour), CreatedAt: nine}
	write(t, f.Store, func(tx *store.Tx) error { return tx.AddOverride(override) })
	const n = 40
	bad := []int{0, 7, 33}
	var units []func(*store.Tx) error
	ran := make([]int, n)
	for i := range n {
		units = append(units, func(tx *store.Tx) error {
			ran[i]++
			if slices.Contains(bad, i) {
				return tx.AddOverride(override)
			}
			return oneOfEach(tx, fmt.Sprintf("u%02d", i))
		})
	}
	errs := together(t, f.Store, units...)
	seen := trace(t, f.Store)
	for i, err := range errs {
		name := fmt.Sprintf("u%02d", i)
		if slices.Contains(bad, i) {
			if err == nil || !strings.Contains(err.Error(), "add an override") || errors.Is(err, store.ErrBusy) {
				t.Errorf("%s: error %v, want one of the override", name, err)
			}
			continue
		}
		want := fmt.Sprintf("incident with 2 entries and 2 pages, alert of event %q, token", name)
		if err != nil || seen[name] != want {
			t.Errorf("%s left %q (%v), want %q", name, seen[name], err, want)
		}
		if ran[i] > 12 {
			t.Errorf("%s ran %d times because of another", name, ran[i])
		}
	}
	if ran[5] < 2 {
		t.Error("no unit ran twice; the test tells nothing")
	}
}

// testNumbers: the first number may come from a unit that fails, before or
// after it wrote something; no number is given twice.
func testNumbers(t *testing.T, f fixture) {
	for _, write := range []bool{false, true} {
		org := fmt.Sprintf("o%v", write)
		var given []int64
		next := func(fail error) func(*store.Tx) error {
			return func(tx *store.Tx) error {
				if write {
					if err := tx.PutTail(org, "s", "p", nil); err != nil {
						return err
					}
				}
				for range 2 {
					n, err := tx.NextNumber(org, "incident")
					if err != nil {
						return err
					}
					if fail == nil {
						given = append(given, n)
					}
				}
				return fail
			}
		}
		for range 3 {
			together(t, f.Store, next(errUnit), next(nil), next(errUnit), next(nil))
		}
		if len(given) != 12 || !slices.IsSorted(given) || len(slices.Compact(slices.Clone(given))) != 12 || given[11] > 24 {
			t.Errorf("numbers %v, want twelve that grow", given)
		}
	}
	write(t, f.Store, func(tx *store.Tx) error {
		if n, err := tx.NextNumber("fresh", "incident"); err != nil || n != 1 {
			return fmt.Errorf("the first number is %d: %w", n, err)
		}
		if n, err := tx.NextNumber("fresh", "other"); err != nil || n != 1 {
			return fmt.Errorf("the first number of another name is %d: %w", n, err)
		}
		return nil
	})
}

// testIntakeNeverStarves: an intake heavier than a commit goes on while there is
// always a unit that pages people.
func testIntakeNeverStarves(t *testing.T, f fixture) {
	var wg sync.WaitGroup
	var pages, before atomic.Int64 // that were written, and were when the intake was
	inside, release := make(chan bool), make(chan bool)
	page := func() {
		wg.Go(func() {
			err := f.Write(t.Context(), func(*store.Tx) error {
				inside <- true
				<-release
				pages.Add(1)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	page()
	for round := range 5 {
		<-inside
		waiting := f.Queued()
		if round == 0 {
			wg.Go(func() {
				if err := f.Write(t.Context(), func(*store.Tx) error { before.Store(pages.Load()); return nil }, store.Events(5000)); err != nil {
					t.Error(err)
				}
			})
			waiting++
		}
		if round < 4 {
			page()
			waiting++
		}
		for f.Queued() < waiting {
			time.Sleep(time.Millisecond)
		}
		release <- true
	}
	wg.Wait()
	if n := before.Load(); n > 3 {
		t.Errorf("%d commits of pages went before the intake", n)
	}
}

// testWoken: who waits for work is told of it after the commit that made it.
func testWoken(t *testing.T, f fixture) {
	if f.kind == "memory" {
		return // another store would be another database
	}
	s, err := store.Open(t.Context(), f.address, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	woken := make(chan store.Woken, 10)
	s.OnCommit(func(w store.Woken) { woken <- w })
	run(t, s)
	tests := []struct {
		name string
		unit func(*store.Tx) error
		want store.Woken
	}{
		{"nothing", func(*store.Tx) error { return nil }, store.Woken{}},
		{"an incident", func(tx *store.Tx) error { tx.Save(incident.Open(opening("o", "g"), nine, tester)); return nil }, store.Woken{Incidents: true}},
		{"something to send", func(tx *store.Tx) error {
			tx.Send(store.Outgoing{ID: "x", Org: "o", Kind: "card", Destination: "d", Due: nine, Body: []byte("{}")})
			return nil
		}, store.Woken{Outbox: true}},
		{"an alert that joins", func(tx *store.Tx) error {
			inc, err := tx.OpenIncident("o", "g")
			tx.Save(incident.AddAlert(inc, "Disk full", incident.Critical, nine, tester))
			return err
		}, store.Woken{}},
		{"an alert that will expire", func(tx *store.Tx) error {
			alert := firing("k", "i")
			alert.Until = nine.Add(time.Hour)
			return tx.PutAlert(alert)
		}, store.Woken{Incidents: true}},
		{"its promise again, and later", func(tx *store.Tx) error {
			alert := firing("k", "i")
			alert.Until = nine.Add(2 * time.Hour)
			return tx.PutAlert(alert)
		}, store.Woken{}},
		{"an earlier one", func(tx *store.Tx) error {
			alert := firing("k", "i")
			alert.Until = nine.Add(time.Minute)
			return tx.PutAlert(alert)
		}, store.Woken{Incidents: true}},
		{"a failed unit", func(tx *store.Tx) error { tx.Save(incident.Open(opening("o", "h"), nine, tester)); return errUnit }, store.Woken{}},
		{"a run", func(tx *store.Tx) error {
			_, err := tx.AddRun(store.Run{ID: "r", Org: "o", Incident: "i", Runbook: "b", CreatedAt: nine, Body: []byte("{}")})
			return err
		}, store.Woken{Runs: true}},
		{"a revision", func(tx *store.Tx) error {
			_, err := tx.PutRevision("o", 0, nine, "ana", "", nil)
			return err
		}, store.Woken{Config: true}},
	}
	for _, tt := range tests {
		if err := s.Write(t.Context(), tt.unit); err != nil && !errors.Is(err, errUnit) {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if tt.want == (store.Woken{}) {
			continue // a stray one fails the next case
		}
		if got := <-woken; got != tt.want {
			t.Errorf("%s: woken %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
