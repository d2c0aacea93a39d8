package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/store"
)

// firing returns an alert of integration i that fires, with an id of its own.
func firing(key, incidentID string) incident.Alert {
	return incident.Alert{
		ID: id.New(nine), Org: "o", Integration: "i", Key: key, Status: incident.Firing, IncidentID: incidentID,
		Title: key, Severity: incident.Critical, Count: 1, OpenedAt: nine, LastAt: nine,
	}
}

// signal is an intake of one signal, as the engine does it.
func signal(key store.AlertKey, s incident.Signal, now time.Time) func(*store.Tx) error {
	return func(tx *store.Tx) error {
		before, err := tx.Alert(key)
		if err != nil {
			return err
		}
		after, _ := before.Receive(s, now)
		if after.ID == "" {
			after.ID = id.New(now)
		}
		return tx.PutAlert(after)
	}
}

// testAlertHistory: the newest alert of a key is what the next signal meets;
// those before it stay as rows, also when all of it happens in one commit.
func testAlertHistory(t *testing.T, f fixture) {
	key := store.AlertKey{Org: "o", Integration: "i", Key: "disk"}
	trigger := func(at time.Time) func(*store.Tx) error {
		return signal(key, incident.Signal{Title: "full", Severity: incident.Error, Sent: at, Until: at.Add(time.Hour)}, at)
	}
	resolve := func(at time.Time) func(*store.Tx) error {
		return signal(key, incident.Signal{Resolve: true, Sent: at}, at)
	}
	at := func(minutes int) time.Time { return nine.Add(time.Duration(minutes) * time.Minute) }

	write(t, f.Store, trigger(at(0)), store.Events(1, key))
	write(t, f.Store, trigger(at(1)), store.Events(1, key))
	write(t, f.Store, resolve(at(2)), store.Events(1, key))
	for i, err := range together(t, f.Store, trigger(at(3)), resolve(at(4)), trigger(at(5))) {
		if err != nil {
			t.Fatalf("unit %d: %v", i, err)
		}
	}
	write(t, f.Store, func(tx *store.Tx) error { // once more, in one unit
		for _, step := range []func(*store.Tx) error{resolve(at(6)), trigger(at(7)), resolve(at(8)), trigger(at(9))} {
			if err := step(tx); err != nil {
				return err
			}
		}
		return nil
	}, store.Events(4, key))

	type row struct {
		Status incident.AlertStatus
		Opened time.Time
		Count  int64
	}
	var got []row
	for _, a := range must(f.Alerts(t.Context(), "o", store.AlertFilter{Limit: 10}))(t) {
		got = append(got, row{a.Status, a.OpenedAt, a.Count})
	}
	want := []row{
		{incident.Firing, at(9), 1}, {incident.AlertOver, at(7), 1}, {incident.AlertOver, at(5), 1}, {incident.AlertOver, at(3), 1}, {incident.AlertOver, at(0), 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
	write(t, f.Store, func(tx *store.Tx) error {
		if a, err := tx.Alert(key); err != nil || a.Status != incident.Firing || !a.OpenedAt.Equal(at(9)) {
			return fmt.Errorf("the newest is %+v: %w", a, err)
		}
		return nil
	})

	// A resolve that comes first leaves a tombstone: a row, but listed nowhere.
	early := store.AlertKey{Org: "o", Integration: "i", Key: "early"}
	for _, at := range []time.Time{at(2), at(1)} {
		write(t, f.Store, signal(early, incident.Signal{Resolve: true, Sent: at}, at))
	}
	write(t, f.Store, signal(early, incident.Signal{Sent: at(0)}, at(3)))
	if n := len(must(f.Alerts(t.Context(), "o", store.AlertFilter{Limit: 10}))(t)); n != len(want) {
		t.Errorf("%d alerts are listed, want %d: the tombstone must not be", n, len(want))
	}
	write(t, f.Store, func(tx *store.Tx) error {
		if a, err := tx.Alert(early); err != nil || a.Status != incident.Tombstone || !a.Cleared.Equal(at(2)) || !a.Triggered.Equal(at(0)) {
			return fmt.Errorf("the tombstone is %+v: %w", a, err)
		}
		return nil
	})

	if err := f.Write(t.Context(), func(tx *store.Tx) error { a := firing("x", ""); a.ID = ""; return tx.PutAlert(a) }); err == nil {
		t.Error("an alert without an id was taken")
	}
}

// testFiringAlerts: an incident's firing alerts are those of the database as
// the units before have changed them.
func testFiringAlerts(t *testing.T, f fixture) {
	in := func(key string) incident.Alert { return firing(key, "i1") }
	stay, end, move, closed, other := in("stay"), in("end"), in("move"), in("close"), firing("other", "i2")
	write(t, f.Store, func(tx *store.Tx) error {
		for _, a := range []incident.Alert{stay, end, move, closed, other} {
			if err := tx.PutAlert(a); err != nil {
				return err
			}
		}
		return nil
	})
	check := func(want ...string) func(*store.Tx) error {
		return func(tx *store.Tx) error {
			alerts, err := tx.FiringAlerts("i1")
			var got []string
			for _, a := range alerts {
				got = append(got, a.Key)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				return fmt.Errorf("firing (-want +got), %w:\n%s", err, diff)
			}
			return err
		}
	}
	put := func(a incident.Alert) func(*store.Tx) error {
		return func(tx *store.Tx) error {
			if before, err := tx.Alert(store.AlertKey{Org: a.Org, Integration: a.Integration, Key: a.Key}); err != nil {
				return err
			} else if before.ID == a.ID {
				a.Version = before.Version
			}
			return tx.PutAlert(a)
		}
	}
	end.Status, move.IncidentID = incident.AlertOver, "i2"
	errs := together(t, f.Store,
		check("close", "end", "move", "stay"),
		put(end), put(move), put(closed.Close(nine)), put(in("new")),
		func(tx *store.Tx) error { put(in("failed"))(tx); return errUnit },
		func(tx *store.Tx) error {
			if err := put(in("own"))(tx); err != nil {
				return err
			}
			return check("new", "own", "stay")(tx)
		},
		put(firing("stay", "i2")), // the key goes on elsewhere while the old one fires
		check("new", "own"),
	)
	for i, err := range errs {
		if i == 5 {
			isError(t, err, errUnit)
		} else if err != nil {
			t.Errorf("unit %d: %v", i, err)
		}
	}
}

func testAlertLists(t *testing.T, f fixture) {
	var all []incident.Alert
	write(t, f.Store, func(tx *store.Tx) error {
		for i := range 150 { // more than two chunks of a statement
			a := firing(fmt.Sprintf("k%03d", i), "i1")
			a.ID = id.New(nine.Add(time.Duration(i) * time.Second))
			if i%3 == 0 {
				a.Until = nine.Add(time.Duration(i) * time.Minute)
			}
			if i%2 == 0 {
				a.Status, a.IncidentID = incident.AlertOver, "i2"
			}
			if err := tx.PutAlert(a); err != nil {
				return err
			}
			a.Version = 1
			all = append([]incident.Alert{a}, all...)
		}
		b := firing("k000", "")
		b.Org, b.Until = "p", nine
		return tx.PutAlert(b)
	})
	list := func(org string, filter store.AlertFilter, want func(incident.Alert) bool) {
		t.Helper()
		var wanted, got []incident.Alert
		for _, a := range all {
			if want(a) {
				wanted = append(wanted, a)
			}
		}
		for filter.Limit = 7; ; {
			page := must(f.Alerts(t.Context(), org, filter))(t)
			got = append(got, page...)
			if len(page) < 7 {
				break
			}
			filter.After = page[6].ID
		}
		if diff := cmp.Diff(wanted, got); diff != "" {
			t.Errorf("%s %+v (-want +got):\n%s", org, filter, diff)
		}
	}
	list("o", store.AlertFilter{}, func(incident.Alert) bool { return true })
	list("o", store.AlertFilter{Status: incident.Firing}, func(a incident.Alert) bool { return a.Status == incident.Firing })
	list("o", store.AlertFilter{Status: incident.AlertOver}, func(a incident.Alert) bool { return a.Status == incident.AlertOver })
	list("o", store.AlertFilter{Incident: "i2"}, func(a incident.Alert) bool { return a.IncidentID == "i2" })
	list("o", store.AlertFilter{Incident: "i2", Status: incident.Firing}, func(incident.Alert) bool { return false })
	list("q", store.AlertFilter{}, func(incident.Alert) bool { return false })

	if diff := cmp.Diff(all[4], must(f.AlertByID(t.Context(), "o", all[4].ID))(t)); diff != "" {
		t.Errorf("by id (-want +got):\n%s", diff)
	}
	_, err := f.AlertByID(t.Context(), "p", all[4].ID)
	isError(t, err, store.ErrNotFound)

	var want, got []string
	for i := range 150 {
		if i%3 == 0 && i%2 == 1 && i <= 60 {
			want = append(want, fmt.Sprintf("k%03d", i))
		}
	}
	want = append([]string{"k000"}, want...) // that of p
	for _, k := range must(f.ExpiredAlerts(t.Context(), nine.Add(time.Hour), 100))(t) {
		got = append(got, k.Key)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("expired (-want +got):\n%s", diff)
	}
	if next := must(f.NextExpiry(t.Context()))(t); !next.Equal(nine) { // that of p
		t.Errorf("the next expires at %v, want nine", next)
	}
	if n := len(must(f.ExpiredAlerts(t.Context(), nine.Add(time.Hour), 4))(t)); n != 4 {
		t.Errorf("%d expired alerts, want the limit of 4", n)
	}
}

// testJoining: what is read ahead is what would have been read, for groups that
// have an open incident, that have none, and that nobody named.
func testJoining(t *testing.T, f fixture) {
	open := openIncident(t, f.Store, "o", "open", nine)
	change(t, f.Store, "o", openIncident(t, f.Store, "o", "over", nine).ID, func(inc incident.Incident) (incident.Change, error) {
		return incident.Resolve(inc, "", nine, tester)
	})
	openIncident(t, f.Store, "p", "none", nine)
	groups := []string{"open", "none", "over", "", "open"}
	var keys []store.AlertKey
	for i := range groups {
		keys = append(keys, store.AlertKey{Org: "o", Integration: "i", Key: fmt.Sprint("k", i)})
	}
	write(t, f.Store, func(tx *store.Tx) error { return tx.PutAlert(firing("k4", open.ID)) })
	write(t, f.Store, func(tx *store.Tx) error {
		for _, group := range []string{"open", "none", "over", "unnamed"} {
			inc, err := tx.OpenIncident("o", group)
			if group == "open" && (err != nil || inc.ID != open.ID || inc.Version != open.Version) || group != "open" && !errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("the open incident of %q is %q, %w", group, inc.ID, err)
			}
		}
		for i, key := range keys {
			a, err := tx.Alert(key)
			if err != nil || (a.Status == incident.Firing) != (i == 4) || a.Key != key.Key {
				return fmt.Errorf("alert %+v, %w", a, err)
			}
		}
		return join("open", "a", nine)(tx)
	}, store.Events(len(keys), keys...), store.Joining(groups))
	if inc := must(f.Incident(t.Context(), "o", open.ID))(t); inc.Firing != 1 {
		t.Errorf("%d alerts joined, want one", inc.Firing)
	}
}
