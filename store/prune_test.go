package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/store"
)

// rows counts the rows of the tables that are pruned.
func rows(t *testing.T, f fixture) map[string]int {
	t.Helper()
	got := map[string]int{}
	for _, table := range []string{"segments", "windows", "outbox", "idempotency", "complaints", "alerts"} {
		var n int
		if err := f.QueryRow(`SELECT count(*) FROM `+table, &n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			got[table] = n
		}
	}
	return got
}

// prune prunes until there is no more.
func prune(t *testing.T, f fixture, now time.Time, keep store.Keep) {
	t.Helper()
	for range 10 {
		if more := must(f.Prune(t.Context(), now, keep))(t); !more {
			return
		}
	}
	t.Fatal("there is always more")
}

// testPrune: each kind goes when it is older than it is kept, and not before.
func testPrune(t *testing.T, f fixture) {
	const n = 1200 // more than one statement deletes
	old := func(tx *store.Tx, at time.Time) error {
		var counts []store.WindowCount
		for i := range n {
			counts = append(counts, store.WindowCount{Series: fmt.Sprint(i), Second: at.Unix(), Total: 1})
		}
		if err := tx.PutWindows("o", "r", counts); err != nil {
			return err
		}
		tx.Event("o", at, raw(1, []byte("x")))
		if err := tx.PutAnswer("o", fmt.Sprint(at), at, store.Answer{Status: 200}); err != nil {
			return err
		}
		tombstone := firing(fmt.Sprint("early", at), "")
		tombstone.Status, tombstone.LastAt = incident.Tombstone, at
		if err := tx.PutAlert(tombstone); err != nil {
			return err
		}
		ended := firing(fmt.Sprint("ended", at), "")
		ended.Status, ended.LastAt = incident.AlertOver, at
		if err := tx.PutAlert(ended); err != nil {
			return err
		}
		return tx.AddComplaint(store.Complaint{ID: id.New(at), Org: "o", Kind: "warning", At: at})
	}
	times := []time.Time{nine, nine.Add(time.Hour)}
	for _, at := range times {
		write(t, f.Store, func(tx *store.Tx) error { return old(tx, at) })
	}
	for i, state := range []string{"sent", "failed", "cancelled", "pending"} {
		send(t, f.Store, incident.Page, fmt.Sprintf("o%d d", i))
		row := must(f.Claim(t.Context(), nine, nine.Add(time.Minute), 1, 1, nil))(t)[0]
		write(t, f.Store, func(tx *store.Tx) (err error) {
			switch state {
			case "sent":
				_, err = tx.Sent(row, nine)
			case "failed", "cancelled":
				_, err = tx.Give(row, state, "", nine)
			}
			return err
		})
	}
	all := map[string]int{"segments": 2, "windows": 2 * n, "outbox": 4, "idempotency": 2, "complaints": 2, "alerts": 4}
	day := 24 * time.Hour
	for _, tt := range []struct {
		keep  store.Keep
		table string // what loses rows
		left  int
	}{
		{store.Keep{}, "", 0},
		{store.Keep{Events: 2 * day, Windows: 2 * day, Outbox: 2 * day, Answers: 2 * day, Complaints: 2 * day, Tombstones: 2 * day}, "", 0},
		{store.Keep{Events: day}, "segments", 1},
		{store.Keep{Windows: day}, "windows", n},
		{store.Keep{Outbox: day}, "outbox", 1},
		{store.Keep{Answers: day}, "idempotency", 1},
		{store.Keep{Complaints: day}, "complaints", 1},
		{store.Keep{Tombstones: day}, "alerts", 3},
	} {
		prune(t, f, nine.Add(day+time.Minute), tt.keep)
		if tt.table != "" {
			all[tt.table] = tt.left
		}
		if diff := cmp.Diff(all, rows(t, f)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.keep, diff)
		}
	}
}

// testPruneKeeps: what an open incident or a firing alert is about stays,
// however old it is; it goes when they are over.
func testPruneKeeps(t *testing.T, f fixture) {
	var open incident.Incident
	var first, last, between, silenced string
	intake := func(at time.Time, key string, incidentID func() string) (event string) {
		t.Helper()
		write(t, f.Store, func(tx *store.Tx) error {
			event = tx.Event("o", at, raw(1, []byte("x")))
			a, err := tx.Alert(store.AlertKey{Org: "o", Integration: "i", Key: key})
			if err != nil {
				return err
			}
			if a, _ = a.Receive(incident.Signal{Event: event}, at); a.ID == "" {
				a.ID, a.IncidentID = id.New(at), incidentID()
			}
			return tx.PutAlert(a)
		})
		return event
	}
	at := func(hours int) time.Time { return nine.Add(time.Duration(hours) * time.Hour) }
	open = openIncident(t, f.Store, "o", "g", nine)
	advance(t, f.Store, "o", open.ID, nine)
	of := func() string { return open.ID }
	first = intake(at(0), "k", of)
	between = intake(at(1), "k", of)
	last = intake(at(2), "k", of)
	silenced = intake(at(3), "silenced", func() string { return "" })
	var noise []string
	for i := range 3 {
		write(t, f.Store, func(tx *store.Tx) error { noise = append(noise, tx.Event("o", at(i), raw(9, []byte("n")))); return nil })
	}
	change(t, f.Store, "o", open.ID, func(inc incident.Incident) (incident.Change, error) { return incident.Acknowledge(inc, nine, tester) })

	keep := store.Keep{Events: time.Hour, Outbox: time.Hour, Tombstones: time.Hour}
	check := func(when string, kept, gone []string, pages int) {
		t.Helper()
		prune(t, f, at(100), keep)
		for _, e := range kept {
			if _, err := f.RawEvent(t.Context(), "o", e); err != nil {
				t.Errorf("%s: %v", when, err)
			}
		}
		for _, e := range gone {
			_, err := f.RawEvent(t.Context(), "o", e)
			isError(t, err, store.ErrNotFound)
		}
		if got := states(t, f.Store, open.ID); len(got) != pages {
			t.Errorf("%s: the outbox has %v, want %d pages", when, got, pages)
		}
	}
	check("while it is open", []string{first, last, silenced}, append(noise, between), 2)
	change(t, f.Store, "o", open.ID, func(inc incident.Incident) (incident.Change, error) {
		return incident.Resolve(inc, "", at(4), tester)
	})
	check("while its alert fires", []string{first, last, silenced}, nil, 0)
	write(t, f.Store, func(tx *store.Tx) error {
		for _, key := range []string{"k", "silenced"} {
			a, err := tx.Alert(store.AlertKey{Org: "o", Integration: "i", Key: key})
			if err != nil {
				return err
			}
			if err := tx.PutAlert(a.Close(at(4))); err != nil {
				return err
			}
		}
		return nil
	})
	check("when all is over", nil, []string{first, last, silenced}, 0)
	if n := len(must(f.Timeline(t.Context(), "o", open.ID, 0, 100))(t)); n != 4 {
		t.Errorf("%d entries are left of the timeline, want all 4", n)
	}
}
