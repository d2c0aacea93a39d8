package store_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/store"
)

// states returns the state of each outbox row of an incident, by its id
// without the incident's.
func states(t *testing.T, s *store.Store, incidentID string) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, o := range must(s.Outgoing(t.Context(), "o", incidentID))(t) {
		got[strings.TrimPrefix(o.ID, incidentID+"/")] = o.State
	}
	return got
}

func ids(rows []store.Outgoing) []string {
	list := []string{}
	for _, o := range rows {
		list = append(list, o.ID)
	}
	return list
}

// send puts rows "id destination" into the outbox, due a second apart.
func send(t *testing.T, s *store.Store, kind string, rows ...string) {
	t.Helper()
	write(t, s, func(tx *store.Tx) error {
		for i, row := range rows {
			id, dest, _ := strings.Cut(row, " ")
			tx.Send(store.Outgoing{ID: id, Org: "o", Incident: "i", Kind: kind, Destination: dest, Due: nine.Add(time.Duration(i) * time.Second), Body: json.RawMessage(`{"a":1}`)})
		}
		return nil
	})
}

// testStop: an acknowledgement drops the unsent pages of its incident, those
// that are stored and those that the same commit would have stored, and none of
// another; a climb that begins anew pages again, in the same unit too.
func testStop(t *testing.T, f fixture) {
	a, b := openIncident(t, f.Store, "o", "a", nine), openIncident(t, f.Store, "o", "b", nine)
	advance(t, f.Store, "o", a.ID, nine)
	advance(t, f.Store, "o", b.ID, nine)
	write(t, f.Store, func(tx *store.Tx) error { // not a page: it goes on
		tx.Send(store.Outgoing{ID: a.ID + "/card", Org: "o", Incident: a.ID, Kind: "card", Destination: "room", Due: nine, Body: json.RawMessage(`{}`)})
		return nil
	})
	later := nine.Add(5 * time.Minute)
	step := func(id string) func(*store.Tx) error {
		return func(tx *store.Tx) error {
			inc, err := tx.Incident("o", id)
			tx.Save(incident.Advance(inc, later, everybody))
			return err
		}
	}
	acknowledge := func(tx *store.Tx) error {
		inc, err := tx.Incident("o", a.ID)
		if err != nil {
			return err
		}
		c, err := incident.Acknowledge(inc, later, tester)
		tx.Save(c)
		return err
	}
	failed := func(tx *store.Tx) error {
		inc, err := tx.Incident("o", b.ID)
		if err != nil {
			return err
		}
		c, err := incident.Acknowledge(inc, later, tester)
		if err != nil {
			return err
		}
		tx.Save(c)
		return errUnit
	}
	for i, err := range together(t, f.Store, step(a.ID), step(b.ID), failed, acknowledge) {
		if i == 2 {
			isError(t, err, errUnit)
		} else if err != nil {
			t.Fatalf("unit %d: %v", i, err)
		}
	}
	key := func(climb, step int, user, contact string, rule int) string {
		return fmt.Sprintf("%d/0/%d/%s/%s/%d/page", climb, step, user, contact, rule)
	}
	wantA := map[string]string{key(0, 0, "ana", "slack", 0): "cancelled", key(0, 0, "ana", "phone", 1): "cancelled", "card": "pending"}
	wantB := map[string]string{
		key(0, 0, "ana", "slack", 0): "pending", key(0, 0, "ana", "phone", 1): "pending", key(0, 1, "bob", "slack", 0): "pending", key(0, 1, "bob", "phone", 1): "pending",
	}
	if diff := cmp.Diff(wantA, states(t, f.Store, a.ID)); diff != "" {
		t.Errorf("the acknowledged incident (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantB, states(t, f.Store, b.ID)); diff != "" {
		t.Errorf("the other incident (-want +got):\n%s", diff)
	}

	c := openIncident(t, f.Store, "o", "c", nine)
	write(t, f.Store, func(tx *store.Tx) error { // pages and stops in one unit
		inc, err := tx.Incident("o", c.ID)
		if err != nil {
			return err
		}
		climbed := incident.Advance(inc, nine, everybody)
		tx.Save(climbed)
		acked, err := incident.Acknowledge(climbed.Incident, nine, tester)
		tx.Save(acked)
		return err
	})
	if got := states(t, f.Store, c.ID); len(got) > 0 {
		t.Errorf("acknowledged before it left: %v", got)
	}

	write(t, f.Store, func(tx *store.Tx) error { // stops and pages in one unit
		inc, err := tx.Incident("o", a.ID)
		if err != nil {
			return err
		}
		c := incident.Retrigger(inc, "again", later, tester)
		tx.Save(c.Then(incident.Advance(c.Incident, later, everybody)))
		return nil
	})
	wantA[key(1, 0, "ana", "slack", 0)], wantA[key(1, 0, "ana", "phone", 1)] = "pending", "pending"
	if diff := cmp.Diff(wantA, states(t, f.Store, a.ID)); diff != "" {
		t.Errorf("after the retrigger (-want +got):\n%s", diff)
	}
}

// testClaim: a lease, its end, and the fencing token.
func testClaim(t *testing.T, f fixture) {
	inc := openIncident(t, f.Store, "o", "g", nine)
	advance(t, f.Store, "o", inc.ID, nine)
	if next := must(f.NextDue(t.Context()))(t); !next.Equal(nine) {
		t.Errorf("next due %v, want nine", next)
	}
	claim := func(now time.Time, lease time.Duration) []store.Outgoing {
		t.Helper()
		return must(f.Claim(t.Context(), now, now.Add(lease), 10, 10, nil))(t)
	}
	if got := claim(nine.Add(-time.Second), time.Minute); len(got) != 0 {
		t.Errorf("claimed %v before they are due", ids(got))
	}
	first := claim(nine, time.Minute)
	if len(first) != 1 || first[0].Attempt != 1 || first[0].State != "pending" || first[0].Destination != "o/slack" || first[0].Place != "slack ana" || first[0].ClimbStep != "0/0/0/ana" {
		t.Fatalf("claimed %+v, want the page to ana's Slack", first)
	}
	var page incident.Notification
	if err := json.Unmarshal(first[0].Body, &page); err != nil || page.Key != first[0].ID || page.User != "ana" || page.Channel != "slack" {
		t.Errorf("the body says %+v, %v", page, err)
	}
	if next := must(f.NextDue(t.Context()))(t); !next.Equal(nine.Add(time.Minute)) {
		t.Errorf("next due %v, want 9:01: the phone, and the end of the lease", next)
	}
	if got := claim(nine.Add(59*time.Second), time.Minute); len(got) != 0 {
		t.Errorf("claimed %v while they are leased", ids(got))
	}
	second := claim(nine.Add(time.Minute), time.Minute)
	if len(second) != 2 || second[0].ID != first[0].ID || second[0].Attempt != 2 || second[1].Attempt != 1 {
		t.Fatalf("claimed %+v, want the page again and that to the phone", second)
	}

	// Who held the lease before can store nothing.
	outcomes := func(o store.Outgoing) (done []bool) {
		write(t, f.Store, func(tx *store.Tx) error {
			done = nil
			for _, store := range []func() (bool, error){
				func() (bool, error) { return tx.Later(o, nine.Add(time.Hour), "slow") },
				func() (bool, error) { return tx.Give(o, "failed", "refused", nine) },
				func() (bool, error) { return tx.Sent(o, nine) },
			} {
				ok, err := store()
				if err != nil {
					return err
				}
				done = append(done, ok)
			}
			return nil
		})
		return done
	}
	if got := outcomes(first[0]); slices.Contains(got, true) {
		t.Errorf("after its lease was lost the first holder stored %v", got)
	}
	if diff := cmp.Diff([]bool{true, true, false}, outcomes(second[0])); diff != "" {
		t.Errorf("the holder puts off, gives up, and cannot send any more (-want +got):\n%s", diff)
	}
}

// testClaimDestinations: a destination gives so many rows and no more, a busy
// one gives none, pages go before the rest, and the longest due go first.
func testClaimDestinations(t *testing.T, f fixture) {
	send(t, f.Store, "card", "c1 slack", "c2 slack", "c3 slack", "c4 mail")
	send(t, f.Store, incident.Page, "p1 slack", "p2 slack", "p3 slack", "p4 mail", "p5 sms", "p6 sms")
	now := nine.Add(time.Minute)
	for _, tt := range []struct {
		limit, perDest int
		busy           []string
		want           string
	}{
		{100, 2, []string{"slack", "voice"}, "p4 p5 p6 c4"},
		{2, 1, nil, "p1"}, // mail and sms gave all they had
		{100, 3, nil, "p2 p3 c1"},
		{100, 3, nil, "c2 c3"},
		{100, 3, nil, ""},
	} {
		got := strings.Join(ids(must(f.Claim(t.Context(), now, now.Add(time.Hour), tt.limit, tt.perDest, tt.busy))(t)), " ")
		if got != tt.want {
			t.Errorf("limit %d, %d for each destination, busy %v: claimed %q, want %q", tt.limit, tt.perDest, tt.busy, got, tt.want)
		}
	}
	busy := []string{"slack", `it's "hostile"`, "mail", "sms"}
	if got := must(f.Claim(t.Context(), now.Add(2*time.Hour), now.Add(3*time.Hour), 9, 9, busy))(t); len(got) != 0 {
		t.Errorf("claimed %v of busy destinations", ids(got))
	}
}

func testOutcomes(t *testing.T, f fixture) {
	send(t, f.Store, incident.Page, "sent a", "later b", "failed c", "cancelled d", "gone e")
	send(t, f.Store, incident.Page, "sent a") // a key is sent once
	now := nine.Add(time.Minute)
	rows := map[string]store.Outgoing{}
	for _, o := range must(f.Claim(t.Context(), now, now.Add(time.Hour), 9, 9, nil))(t) {
		rows[o.ID] = o
	}
	if len(rows) != 5 {
		t.Fatalf("claimed %d rows, want 5", len(rows))
	}
	write(t, f.Store, func(tx *store.Tx) error {
		for _, end := range []func() (bool, error){
			func() (bool, error) { return tx.Sent(rows["sent"], now) },
			func() (bool, error) { return tx.Later(rows["later"], now.Add(time.Minute), "answered 429") },
			func() (bool, error) { return tx.Give(rows["failed"], "failed", "answered 404", now) },
			func() (bool, error) { return tx.Give(rows["cancelled"], "cancelled", "resolved meanwhile", now) },
		} {
			if ok, err := end(); err != nil || !ok {
				return fmt.Errorf("%v, %w", ok, err)
			}
		}
		return nil
	})
	got := map[string]string{}
	for _, o := range must(f.Outgoing(t.Context(), "o", "i"))(t) {
		got[o.ID] = strings.TrimSpace(o.State + " " + o.Error)
	}
	want := map[string]string{
		"sent": "sent", "later": "pending answered 429", "failed": "failed answered 404", "cancelled": "cancelled resolved meanwhile", "gone": "pending",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if n := len(must(f.Outgoing(t.Context(), "p", "i"))(t)); n != 0 {
		t.Errorf("another tenant sees %d rows", n)
	}
	if next := must(f.NextDue(t.Context()))(t); !next.Equal(now.Add(time.Minute)) {
		t.Errorf("next due %v, want when the one put off is", next)
	}
	again := must(f.Claim(t.Context(), now.Add(time.Minute), now.Add(2*time.Minute), 9, 9, nil))(t)
	if len(again) != 1 || again[0].ID != "later" || again[0].Attempt != 2 {
		t.Errorf("claimed %+v, want the one put off", again)
	}
}

// testNextContact: a refusal makes the person's next way of the same step due
// at once: not those after it, nor those of others, nor one that was tried.
func testNextContact(t *testing.T, f fixture) {
	page := func(id, step string, minutes int) store.Outgoing {
		return store.Outgoing{ID: id, Org: "o", Incident: "i", Kind: incident.Page, Destination: id, ClimbStep: step, Due: nine.Add(time.Duration(minutes) * time.Minute), Body: json.RawMessage(`{}`)}
	}
	write(t, f.Store, func(tx *store.Tx) error {
		for _, o := range []store.Outgoing{
			page("slack", "0/0/0/ana", 0), page("mail", "0/0/0/ana", 0), page("sms", "0/0/0/ana", 5), page("voice", "0/0/0/ana", 10),
			page("bob", "0/0/0/bob", 5), page("next", "0/0/1/ana", 5),
		} {
			tx.Send(o)
		}
		return nil
	})
	give := func(want string, now time.Time, put func(*store.Tx, store.Outgoing) (bool, error)) {
		t.Helper()
		rows := must(f.Claim(t.Context(), now, now.Add(time.Minute), 9, 9, nil))(t)
		if got := strings.Join(ids(rows), " "); got != want {
			t.Fatalf("claimed %q, want %q", got, want)
		}
		write(t, f.Store, func(tx *store.Tx) error {
			for _, o := range rows {
				if ok, err := put(tx, o); err != nil || !ok {
					return fmt.Errorf("%s: %v, %w", o.ID, ok, err)
				}
			}
			return nil
		})
	}
	give("mail slack", nine, func(tx *store.Tx, o store.Outgoing) (bool, error) {
		if o.ID == "mail" {
			return tx.Later(o, nine.Add(2*time.Minute), "busy")
		}
		return tx.Give(o, "failed", "no such user", nine)
	})
	give("sms", nine.Add(time.Second), func(tx *store.Tx, o store.Outgoing) (bool, error) {
		return tx.Give(o, "cancelled", "not worth it", nine) // no refusal: nothing is pulled
	})
	give("", nine.Add(2*time.Second), nil)
	give("mail", nine.Add(2*time.Minute), func(tx *store.Tx, o store.Outgoing) (bool, error) {
		return tx.Give(o, "failed", "no such box", nine.Add(2*time.Minute))
	})
	give("voice", nine.Add(2*time.Minute), func(tx *store.Tx, o store.Outgoing) (bool, error) { return tx.Sent(o, nine) })
	give("bob next", nine.Add(5*time.Minute), func(tx *store.Tx, o store.Outgoing) (bool, error) { return tx.Sent(o, nine) })
}

// testRefresh: however often an incident changes, each of its messages has one
// row to be edited, which is pending until what was sent is the newest.
func testRefresh(t *testing.T, f fixture) {
	inc := openIncident(t, f.Store, "o", "g", nine)
	other := openIncident(t, f.Store, "o", "h", nine)
	place := func(dest, ref string) store.Message {
		return store.Message{Incident: inc.ID, Destination: dest, Org: "o", Channel: "slack", Connection: "c", Address: "#a", Ref: ref}
	}
	write(t, f.Store, func(tx *store.Tx) error {
		for _, m := range []store.Message{place("slack #a", "1.0"), place("slack #b", "2.0"), place("slack #b", "2.1")} {
			if err := tx.PutMessage(m); err != nil {
				return err
			}
		}
		m := place("slack #a", "3.0")
		m.Incident = other.ID
		return tx.PutMessage(m)
	})
	if diff := cmp.Diff(place("slack #b", "2.1"), must(f.Message(t.Context(), "o", inc.ID, "slack #b"))(t)); diff != "" {
		t.Errorf("the message (-want +got):\n%s", diff)
	}
	_, err := f.Message(t.Context(), "p", inc.ID, "slack #b")
	isError(t, err, store.ErrNotFound)

	edit := func() {
		write(t, f.Store, func(tx *store.Tx) error { tx.Refresh(inc.ID); tx.Refresh(inc.ID); return nil })
	}
	claim := func(now time.Time) []store.Outgoing {
		t.Helper()
		return must(f.Claim(t.Context(), now, now.Add(time.Minute), 9, 9, nil))(t)
	}
	want := map[string]string{"update/slack #a": "pending", "update/slack #b": "pending"}
	for range 5 {
		edit()
	}
	if diff := cmp.Diff(want, states(t, f.Store, inc.ID)); diff != "" {
		t.Errorf("after five edits (-want +got):\n%s", diff)
	}
	if got := states(t, f.Store, other.ID); len(got) != 0 {
		t.Errorf("the other incident has %v", got)
	}
	rows := claim(nine)
	if len(rows) != 2 || rows[0].Kind != "update" || string(rows[0].Body) != `{"channel":"slack"}` {
		t.Fatalf("claimed %+v, want two edits", rows)
	}
	edit() // while they are sent
	if got := claim(nine); len(got) != 0 {
		t.Errorf("claimed %v while they are leased", ids(got))
	}
	sent := func(rows []store.Outgoing) {
		t.Helper()
		write(t, f.Store, func(tx *store.Tx) error {
			for _, o := range rows {
				if ok, err := tx.Sent(o, nine); err != nil || !ok {
					return fmt.Errorf("%v, %w", ok, err)
				}
			}
			return nil
		})
	}
	sent(rows)
	if diff := cmp.Diff(want, states(t, f.Store, inc.ID)); diff != "" {
		t.Errorf("what was sent is old (-want +got):\n%s", diff)
	}
	rows = claim(nine)
	if len(rows) != 2 || rows[0].Attempt != 2 {
		t.Fatalf("claimed %+v, want both once more", rows)
	}
	sent(rows)
	for key := range maps.Keys(want) {
		want[key] = "sent"
	}
	if diff := cmp.Diff(want, states(t, f.Store, inc.ID)); diff != "" {
		t.Errorf("what was sent is the newest (-want +got):\n%s", diff)
	}
	edit()
	rows = claim(nine.Add(time.Second))
	if len(rows) != 2 || rows[0].Attempt != 3 {
		t.Errorf("claimed %+v, want both after the next edit", rows)
	}
	edit() // while what they show is found to be told already
	write(t, f.Store, func(tx *store.Tx) error {
		for _, o := range rows {
			if ok, err := tx.Give(o, "cancelled", "moot", nine); err != nil || !ok {
				return fmt.Errorf("%v, %w", ok, err)
			}
		}
		return nil
	})
	if rows = claim(nine.Add(time.Second)); len(rows) != 2 {
		t.Errorf("claimed %+v: what was given up is old, and the edit after it must be sent", rows)
	}
	change(t, f.Store, "o", other.ID, func(inc incident.Incident) (incident.Change, error) { return incident.Acknowledge(inc, nine, tester) })
	if diff := cmp.Diff(map[string]string{"update/slack #a": "pending"}, states(t, f.Store, other.ID)); diff != "" {
		t.Errorf("a saved change edits the messages (-want +got):\n%s", diff)
	}
}

// testStandStill: while an incident has a status, messages of some channels stay
// as they are.
func testStandStill(t *testing.T, f fixture) {
	f.StandStill(func(s incident.Status) []string {
		if s == incident.Resolved {
			return []string{"mail", "sms"}
		}
		return []string{"sms"}
	})
	inc := openIncident(t, f.Store, "o", "g", nine)
	write(t, f.Store, func(tx *store.Tx) error {
		for _, channel := range []string{"slack", "mail", "sms", "ticket"} {
			if err := tx.PutMessage(store.Message{Incident: inc.ID, Destination: channel, Org: "o", Channel: channel}); err != nil {
				return err
			}
		}
		return nil
	})
	edits := func(want ...string) {
		t.Helper()
		got := []string{}
		rows := must(f.Claim(t.Context(), nine, nine.Add(time.Minute), 9, 9, nil))(t)
		write(t, f.Store, func(tx *store.Tx) error {
			got = got[:0]
			for _, o := range rows {
				got = append(got, o.Place)
				if _, err := tx.Sent(o, nine); err != nil {
					return err
				}
			}
			return nil
		})
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("edited (-want +got):\n%s", diff)
		}
	}
	change(t, f.Store, "o", inc.ID, func(inc incident.Incident) (incident.Change, error) { return incident.Acknowledge(inc, nine, tester) })
	edits("mail", "slack")
	change(t, f.Store, "o", inc.ID, func(inc incident.Incident) (incident.Change, error) { return incident.Resolve(inc, "", nine, tester) })
	edits("slack")
}

// testEndLeases: what a dead process had claimed is due at once.
func testEndLeases(t *testing.T, f fixture) {
	send(t, f.Store, incident.Page, "a d", "b e")
	write(t, f.Store, func(tx *store.Tx) error {
		_, err := tx.AddRun(store.Run{ID: "r", Org: "o", Incident: "i", Runbook: "b", Due: nine, CreatedAt: nine, Body: []byte("{}")})
		return err
	})
	now, later := nine.Add(time.Minute), nine.Add(time.Hour)
	claim := func() (list []string) {
		t.Helper()
		for _, r := range must(f.ClaimRuns(t.Context(), now, later, 9))(t) {
			list = append(list, r.ID)
		}
		return append(ids(must(f.Claim(t.Context(), now, later, 9, 9, nil))(t)), list...)
	}
	want := []string{"a", "b", "r"}
	if diff := cmp.Diff(want, claim()); diff != "" {
		t.Errorf("claimed (-want +got):\n%s", diff)
	}
	if got := claim(); len(got) > 0 {
		t.Errorf("claimed %v twice", got)
	}
	write(t, f.Store, func(tx *store.Tx) error { return tx.EndLeases() })
	if next := must(f.NextDue(t.Context(), "d"))(t); !next.Equal(nine.Add(time.Second)) {
		t.Errorf("next due %v, want that of the destination which is not busy", next)
	}
	if next := must(f.NextDue(t.Context(), "d", "e"))(t); !next.IsZero() {
		t.Errorf("next due %v, want never", next)
	}
	if diff := cmp.Diff(want, claim()); diff != "" {
		t.Errorf("claimed after the leases ended (-want +got):\n%s", diff)
	}
}

// testNotificationMachine tries everything that can happen to a row in every
// state, as a page and as an edit, and compares what comes of it with the
// published table.
func testNotificationMachine(t *testing.T, f fixture) {
	now := nine.Add(time.Minute)
	n := 0
	place := func(tx *store.Tx, inc incident.Incident) error {
		return tx.PutMessage(store.Message{Incident: inc.ID, Destination: "d", Org: "o", Channel: "slack"})
	}
	// put makes a row of a kind in a state, and returns it as its sender holds it.
	put := func(kind, state string) (incident.Incident, store.Outgoing) {
		n++
		inc := openIncident(t, f.Store, "o", fmt.Sprint("g", n), nine)
		write(t, f.Store, func(tx *store.Tx) error {
			if kind == "update" {
				if err := place(tx, inc); err != nil {
					return err
				}
				tx.Refresh(inc.ID)
				return nil
			}
			tx.Send(store.Outgoing{ID: inc.ID + "/p", Org: "o", Incident: inc.ID, Kind: kind, Destination: "d", Due: nine, Body: json.RawMessage(`{}`)})
			return nil
		})
		var row store.Outgoing
		for _, o := range must(f.Claim(t.Context(), now, now.Add(time.Hour), 1000, 1000, nil))(t) {
			if o.Incident == inc.ID && o.Kind == kind {
				row = o
			}
		}
		if row.ID == "" {
			t.Fatal("the row was not claimed")
		}
		write(t, f.Store, func(tx *store.Tx) (err error) {
			switch state {
			case "sent":
				_, err = tx.Sent(row, now)
			case "failed", "cancelled":
				_, err = tx.Give(row, state, "", now)
			case "quarantined":
				_, err = tx.SetRowAside(row.ID, "")
			}
			return err
		})
		return inc, row
	}
	happenings := map[string]func(tx *store.Tx, inc incident.Incident, o store.Outgoing) error{
		"accepted": func(tx *store.Tx, _ incident.Incident, o store.Outgoing) error { _, err := tx.Sent(o, now); return err },
		"accepted, but changed meanwhile": func(tx *store.Tx, _ incident.Incident, o store.Outgoing) error {
			o.Revision--
			_, err := tx.Sent(o, now)
			return err
		},
		"put off": func(tx *store.Tx, _ incident.Incident, o store.Outgoing) error {
			_, err := tx.Later(o, now, "")
			return err
		},
		"refused": func(tx *store.Tx, _ incident.Incident, o store.Outgoing) error {
			_, err := tx.Give(o, "failed", "", now)
			return err
		},
		"not worth sending": func(tx *store.Tx, _ incident.Incident, o store.Outgoing) error {
			_, err := tx.Give(o, "cancelled", "", now)
			return err
		},
		"cannot be read": func(tx *store.Tx, _ incident.Incident, o store.Outgoing) error {
			_, err := tx.SetRowAside(o.ID, "")
			return err
		},
		"released":        func(tx *store.Tx, _ incident.Incident, _ store.Outgoing) error { _, err := tx.Release("o"); return err },
		"message changed": func(tx *store.Tx, inc incident.Incident, _ store.Outgoing) error { tx.Refresh(inc.ID); return nil },
		"nobody must come any more": func(tx *store.Tx, inc incident.Incident, _ store.Outgoing) error {
			c, err := incident.Acknowledge(inc, now, tester)
			c.Incident.Version, inc = inc.Version, c.Incident
			if err != nil {
				return err
			}
			if _, err := tx.Incident("o", inc.ID); err != nil {
				return err
			}
			tx.Save(c)
			return nil
		},
	}
	got := map[incident.Transition]bool{}
	for _, kind := range []string{incident.Page, "update"} {
		_, row := put(kind, "pending")
		got[incident.Transition{Of: "notification", By: "decided", To: row.State}] = true
		for _, from := range []string{"pending", "sent", "failed", "cancelled", "quarantined"} {
			for by, happen := range happenings {
				if by == "accepted, but changed meanwhile" && (kind == incident.Page || from != "pending") {
					continue // a page is never changed, and an edit that changed is pending
				}
				if kind == "update" && by == "nobody must come any more" {
					continue // it edits the message too: see "message changed"
				}
				inc, row := put(kind, from)
				before := must(f.Outgoing(t.Context(), "o", inc.ID))(t)
				write(t, f.Store, func(tx *store.Tx) error { return happen(tx, inc, row) })
				after := must(f.Outgoing(t.Context(), "o", inc.ID))(t)
				if !cmp.Equal(before, after) || from == "pending" && by != "message changed" && by != "released" {
					got[incident.Transition{Of: "notification", From: from, By: by, To: after[0].State}] = true
				}
			}
			inc, row := put(kind, from)
			for _, o := range must(f.Claim(t.Context(), now.Add(2*time.Hour), now.Add(3*time.Hour), 1000, 1000, nil))(t) {
				if o.ID == row.ID {
					got[incident.Transition{Of: "notification", From: from, By: "claimed", To: states(t, f.Store, inc.ID)[strings.TrimPrefix(row.ID, inc.ID+"/")]}] = true
				}
			}
		}
	}
	want := map[incident.Transition]bool{}
	for _, tr := range incident.Transitions {
		if tr.Of == "notification" {
			want[tr] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("transitions (-table +code):\n%s", diff)
	}
}

// testNextDueByIndex: ten thousand pages that wait cost nothing, although each
// loop asks for the first of them before it sleeps, and ten thousand that were
// gathered nobody's next one. PostgreSQL decides by what it knows of the table;
// SQLite by the statement alone, so that one is asked.
func testNextDueByIndex(t *testing.T, f fixture) {
	if f.kind != "file" {
		return
	}
	db, err := sql.Open("sqlite", f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	waiting, persons := []string{"outbox_free", "outbox_leased"}, []string{"outbox_interrupts", "outbox_of_person"}
	for _, tt := range []struct {
		text    string
		indexes []string
	}{
		{fmt.Sprintf(store.NextDueText, ""), waiting},
		{fmt.Sprintf(store.NextDueText, " AND destination NOT IN ('x')"), waiting},
		{store.DueDestinationsText, waiting},
		{store.InterruptsText, persons},
	} {
		rows, err := db.Query("EXPLAIN QUERY PLAN "+tt.text, 1, 2, 3, 4, 5)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var a, b, c int
			var plan string
			if err := rows.Scan(&a, &b, &c, &plan); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(plan, "outbox") && !slices.ContainsFunc(tt.indexes, func(index string) bool { return strings.Contains(plan, index) }) {
				t.Errorf("it reads more than it needs: %s", plan)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// testClaimAfterFlood: 20,000 pages were gathered since the indexes were vacuumed.
func testClaimAfterFlood(t *testing.T, f fixture) {
	if f.kind != "postgres" {
		return // SQLite's indexes keep nothing
	}
	db, err := sql.Open("pgx", f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, text := range []string{
		`ALTER TABLE outbox SET (autovacuum_enabled = false)`,
		`INSERT INTO outbox (id, org, incident, kind, destination, place, climb_step, due, created_at, body, person, contact, severity, state, lease_until, attempt, revision, error)
			SELECT 'incident-' || lpad(n::text, 40, '0') || '/page', 'o', 'i' || n, 'page', 'o/pager', 'p', '', 1000 + n, 0, '{}', 'o/ana', 'a', n % 2, 'pending', 0, 0, 0, '' FROM generate_series(1, 20000) AS n`,
		`UPDATE outbox SET state = 'gathered', carrier = 'c' WHERE due < 20990`,
		`ANALYZE outbox`,
	} {
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	text, args := f.ClaimText("o/pager", time.UnixMicro(20990), nine)
	rows, err := db.Query("EXPLAIN (ANALYZE, BUFFERS) "+text, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	read := regexp.MustCompile(`shared(?: hit=(\d+))?(?: read=(\d+))?`)
	scans := 0
	for lines := []string(nil); rows.Next(); {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
		if !strings.Contains(line, "Buffers: shared") {
			continue
		}
		if found := read.FindStringSubmatch(line); found != nil {
			scans++
			hit, _ := strconv.Atoi(found[1])
			miss, _ := strconv.Atoi(found[2])
			if hit+miss > 250 {
				t.Errorf("%d pages were read:\n%s", hit+miss, strings.Join(lines, "\n"))
				break
			}
		}
	}
	if err := rows.Err(); err != nil || scans == 0 {
		t.Errorf("%d scans, %v", scans, err)
	}
}
