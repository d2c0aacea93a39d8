package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/store"
)

// join adds an alert to the open incident of a group, or opens one.
func join(group, title string, now time.Time) func(*store.Tx) error {
	return func(tx *store.Tx) error {
		inc, err := tx.OpenIncident("o", group)
		switch {
		case errors.Is(err, store.ErrNotFound):
			o := opening("o", group)
			o.ID = id.New(now)
			if o.Number, err = tx.NextNumber("o", "incident"); err != nil {
				return err
			}
			c := incident.Open(o, now, tester)
			tx.Save(c)
			inc = c.Incident
		case err != nil:
			return err
		}
		tx.Save(incident.AddAlert(inc, title, incident.Critical, now, tester))
		return nil
	}
}

// testOneOpenIncident: however many writers find none, one incident opens.
func testOneOpenIncident(t *testing.T, f fixture) {
	oneOpenIncident(t, f.Store, f.Store)
}

func oneOpenIncident(t *testing.T, stores ...*store.Store) {
	const writers, each, groups = 16, 12, 3
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				group := fmt.Sprintf("g%d", n%groups)
				if err := stores[w%len(stores)].Write(t.Context(), join(group, fmt.Sprintf("%d/%d", w, n), nine)); err != nil {
					t.Errorf("writer %d: %v", w, err)
				}
			}
		})
	}
	wg.Wait()
	list := must(stores[0].Incidents(t.Context(), "o", store.IncidentFilter{Limit: 100}))(t)
	if len(list) != groups {
		t.Errorf("%d incidents, want one for each of %d groups", len(list), groups)
	}
	for _, inc := range list {
		if inc.Firing != writers*each/groups {
			t.Errorf("%s has %d alerts, want %d", inc.GroupKey, inc.Firing, writers*each/groups)
		}
		checkFold(t, stores[0], inc)
	}
}

// checkFold compares a stored incident with the fold of its stored timeline.
func checkFold(t *testing.T, s *store.Store, inc incident.Incident) []incident.Entry {
	t.Helper()
	entries := must(s.Timeline(t.Context(), inc.Org, inc.ID, 0, 10_000))(t)
	for i, e := range entries {
		if e.Seq != int64(i)+1 {
			t.Fatalf("incident %s: entry %d has the number %d", inc.ID, i, e.Seq)
		}
	}
	folded := incident.Fold(inc.ID, inc.Org, entries)
	folded.Version = inc.Version
	if diff := cmp.Diff(inc, folded); diff != "" {
		t.Fatalf("incident %s (-row +fold of its timeline):\n%s", inc.ID, diff)
	}
	return entries
}

func testReopenInOneCommit(t *testing.T, f fixture) {
	old := openIncident(t, f.Store, "o", "g", nine)
	resolve := func(tx *store.Tx) error {
		inc, err := tx.OpenIncident("o", "g")
		if err != nil {
			return err
		}
		c, err := incident.Resolve(inc, "", nine, tester)
		tx.Save(c)
		return err
	}
	errs := together(t, f.Store, resolve, join("g", "a", nine), resolve, join("g", "b", nine), join("g", "c", nine))
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, inc := range must(f.Incidents(t.Context(), "o", store.IncidentFilter{Limit: 10}))(t) {
		got = append(got, fmt.Sprintf("%d %s %d", inc.Number, inc.Status, inc.Alerts))
		checkFold(t, f.Store, inc)
	}
	// Newest first; those of one millisecond in any order but not before the old one.
	want := map[string]bool{"1 resolved 0": true, "2 resolved 1": true, "3 triggered 2": true}
	for _, line := range got {
		if !want[line] {
			t.Errorf("incident %q, want each of %v once", line, want)
		}
		delete(want, line)
	}
	if inc := must(f.IncidentByNumber(t.Context(), "o", 1))(t); inc.ID != old.ID {
		t.Errorf("number 1 is %s, want %s", inc.ID, old.ID)
	}
}

// testMoved: a change of what was read outside of the unit is saved only if it
// is still so.
func testMoved(t *testing.T, f fixture) {
	inc := openIncident(t, f.Store, "o", "g", nine)
	late, err := incident.Note(inc, "late", nine, tester)
	if err != nil {
		t.Fatal(err)
	}
	change(t, f.Store, "o", inc.ID, func(inc incident.Incident) (incident.Change, error) {
		return incident.Acknowledge(inc, nine, tester)
	})
	err = f.Write(t.Context(), func(tx *store.Tx) error { tx.Save(late); return nil })
	if err == nil || errors.Is(err, store.ErrBusy) {
		t.Errorf("error %v, want that it was changed meanwhile", err)
	}
	late.Entries[0].Seq = 99 // even where no entry stands in its way
	isError(t, f.Write(t.Context(), func(tx *store.Tx) error { tx.Save(late); return nil }), store.ErrMoved)
	now := must(f.Incident(t.Context(), "o", inc.ID))(t)
	if now.Status != incident.Acknowledged || now.Seq != 2 {
		t.Errorf("the incident is %s at entry %d, want acknowledged at 2", now.Status, now.Seq)
	}
	checkFold(t, f.Store, now)
	if err := f.Write(t.Context(), func(tx *store.Tx) error { tx.Save(incident.Change{Incident: inc}); return nil }); err != nil {
		t.Errorf("a change without entries: %v", err)
	}
}

// testJoined: alerts that one unit adds one after the other are one entry.
func testJoined(t *testing.T, f fixture) {
	inc := openIncident(t, f.Store, "o", "g", nine)
	write(t, f.Store, func(tx *store.Tx) error {
		for i := range 50 {
			inc, err := tx.Incident("o", inc.ID)
			if err != nil {
				return err
			}
			if i == 30 {
				c, err := incident.Acknowledge(inc, nine, tester)
				if err != nil {
					return err
				}
				tx.Save(c)
				inc = c.Incident
			}
			by := tester
			if i >= 40 {
				by.Actor = "integration:other"
			}
			tx.Save(incident.AddAlert(inc, fmt.Sprint(i), incident.Critical, nine, by))
		}
		return nil
	})
	var got []string
	for _, e := range checkFold(t, f.Store, must(f.Incident(t.Context(), "o", inc.ID))(t)) {
		got = append(got, fmt.Sprintf("%s %d %s", e.Kind, e.Data.Count, e.Actor))
	}
	want := []string{"opened 0 user:test", "alert_added 30 user:test", "acknowledged 0 user:test", "alert_added 10 user:test", "alert_added 10 integration:other"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
	if now := must(f.Incident(t.Context(), "o", inc.ID))(t); now.Firing != 50 || now.Alerts != 50 {
		t.Errorf("%d of %d alerts fire, want 50", now.Firing, now.Alerts)
	}
}

// testJoinedUnits: alerts that units of one commit add are one entry too, but for
// those of a unit that failed.
func testJoinedUnits(t *testing.T, f fixture) {
	inc := openIncident(t, f.Store, "o", "g", nine)
	add := func(n int, fail error) func(*store.Tx) error {
		return func(tx *store.Tx) error {
			for range n {
				inc, err := tx.OpenIncident("o", "g")
				if err != nil {
					return err
				}
				tx.Save(incident.AddAlert(inc, "t", incident.Critical, nine, tester))
			}
			return fail
		}
	}
	note := func(tx *store.Tx) error {
		inc, err := tx.Incident("o", inc.ID)
		if err != nil {
			return err
		}
		c, err := incident.Note(inc, "between", nine, tester)
		tx.Save(c)
		return err
	}
	units := []func(*store.Tx) error{add(3, nil), add(5, errUnit), add(2, nil), note, add(1, errUnit), add(4, nil), add(4, nil)}
	for i, err := range together(t, f.Store, units...) {
		if failed := i == 1 || i == 4; failed != errors.Is(err, errUnit) || !failed && err != nil {
			t.Errorf("unit %d: %v", i, err)
		}
	}
	var got []string
	now := must(f.Incident(t.Context(), "o", inc.ID))(t)
	for _, e := range checkFold(t, f.Store, now) {
		got = append(got, fmt.Sprintf("%d %s %d", e.Seq, e.Kind, e.Data.Count))
	}
	want := []string{"1 opened 0", "2 alert_added 5", "3 note 0", "4 alert_added 8"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
	if now.Firing != 13 || now.Alerts != 13 {
		t.Errorf("%d of %d alerts fire, want 13", now.Firing, now.Alerts)
	}
}

func testIncidentLists(t *testing.T, f fixture) {
	var all []incident.Incident
	for i := range 20 {
		o := opening("o", fmt.Sprintf("g%02d", i))
		now := nine.Add(time.Duration(i) * time.Minute)
		o.ID, o.Number, o.Service = id.New(now), int64(i+1), []string{"checkout", "search"}[i%2]
		write(t, f.Store, func(tx *store.Tx) error {
			c := incident.Open(o, now, tester)
			if i%5 == 0 {
				r, err := incident.Resolve(c.Incident, "", now, tester)
				if err != nil {
					return err
				}
				c = c.Then(r)
			}
			tx.Save(c)
			return nil
		})
		all = append([]incident.Incident{must(f.Incident(t.Context(), "o", o.ID))(t)}, all...)
	}
	openIncident(t, f.Store, "p", "g", nine)
	list := func(filter store.IncidentFilter, want func(incident.Incident) bool) {
		t.Helper()
		var wanted, got []incident.Incident
		for _, inc := range all {
			if want(inc) {
				wanted = append(wanted, inc)
			}
		}
		for filter.Limit = 3; ; {
			page := must(f.Incidents(t.Context(), "o", filter))(t)
			got = append(got, page...)
			if len(page) < 3 {
				break
			}
			filter.After = page[2].ID
		}
		if diff := cmp.Diff(wanted, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", filter, diff)
		}
	}
	list(store.IncidentFilter{}, func(incident.Incident) bool { return true })
	list(store.IncidentFilter{Open: true}, incident.Incident.Open)
	list(store.IncidentFilter{Status: incident.Resolved}, func(inc incident.Incident) bool { return !inc.Open() })
	list(store.IncidentFilter{Service: "search", Open: true}, func(inc incident.Incident) bool { return inc.Open() && inc.Service == "search" })

	due, next, err := f.Due(t.Context(), nine.Add(6*time.Minute), 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range due {
		got = append(got, d.Org+" "+d.ID)
	}
	want := []string{}
	for i := 1; i <= 6; i++ {
		if i%5 != 0 {
			want = append(want, "o "+all[19-i].ID)
		}
	}
	if len(got) != len(want)+1 || !next.Equal(nine.Add(7*time.Minute)) { // and that of p
		t.Errorf("due %v, next %v; want %v and one of p, next at 9:07", got, next, want)
	} else if diff := cmp.Diff(want, got[1:]); diff != "" {
		t.Errorf("due (-want +got):\n%s", diff)
	}
	if due, _, err := f.Due(t.Context(), nine.Add(time.Hour), 3); err != nil || len(due) != 3 {
		t.Errorf("%d due, %v; want the limit of 3", len(due), err)
	}
	if due, next, err := f.Due(t.Context(), nine.Add(-time.Second), 3); err != nil || len(due) != 0 || !next.Equal(nine) {
		t.Errorf("%d due, next %v, %v; want none until nine", len(due), next, err)
	}

	for _, ask := range []func() error{
		func() error { _, err := f.Incident(t.Context(), "p", all[0].ID); return err },
		func() error { _, err := f.IncidentByNumber(t.Context(), "p", 20); return err },
		func() error { _, err := f.Postmortem(t.Context(), "o", all[0].ID); return err },
	} {
		isError(t, ask(), store.ErrNotFound)
	}
	if n := len(must(f.Timeline(t.Context(), "p", all[0].ID, 0, 10))(t)); n != 0 {
		t.Errorf("another tenant sees %d entries", n)
	}
	for _, text := range []string{"first", "second"} {
		write(t, f.Store, func(tx *store.Tx) error { return tx.PutPostmortem("o", all[0].ID, text, nine) })
		if got := must(f.Postmortem(t.Context(), "o", all[0].ID))(t); got != text {
			t.Errorf("the postmortem says %q, want %q", got, text)
		}
	}
	_, err = f.Postmortem(t.Context(), "p", all[0].ID)
	isError(t, err, store.ErrNotFound)

	inc := all[3]
	for range 5 {
		inc = change(t, f.Store, "o", inc.ID, func(inc incident.Incident) (incident.Change, error) { return incident.Note(inc, "n", nine, tester) })
	}
	page := must(f.Timeline(t.Context(), "o", inc.ID, 2, 3))(t)
	if len(page) != 3 || page[0].Seq != 3 || page[2].Seq != 5 {
		t.Errorf("after entry 2 come %+v, want 3 to 5", page)
	}
	if inc.Version != 6 {
		t.Errorf("version %d after six saves", inc.Version)
	}
}
