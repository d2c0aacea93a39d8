package store_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/store"
)

// testNarrow: a destination that is only probed gives one row.
func testNarrow(t *testing.T, f fixture) {
	send(t, f.Store, incident.Page, "p1 slack", "p2 slack", "p3 mail", "p4 mail")
	now := nine.Add(time.Minute)
	if got := strings.Join(ids(must(f.Claim(t.Context(), now, now.Add(time.Hour), 9, 9, nil, "slack"))(t)), " "); got != "p1 p3 p4" {
		t.Errorf("claimed %q, want one by slack and both by mail", got)
	}
}

// testDetour: a page that does not get through is passed on once, to the next
// contact method by a destination that is not known to fail, and goes on being
// tried itself.
func testDetour(t *testing.T, f fixture) {
	page := func(id, destination string, minutes int) store.Outgoing {
		return store.Outgoing{ID: id, Org: "o", Incident: "i", Kind: incident.Page, Destination: destination, ClimbStep: "0/0/0/ana",
			Due: nine.Add(time.Duration(minutes) * time.Minute), Body: json.RawMessage(fmt.Sprintf(`{"channel": %q}`, id))}
	}
	write(t, f.Store, func(tx *store.Tx) error {
		for _, o := range []store.Outgoing{page("a", "slack", 0), page("a2", "slack", 0), page("b", "slack", 5), page("c", "mail", 10), page("d", "sms", 20)} {
			tx.Send(o)
		}
		return nil
	})
	stranded := func(want string) []store.Outgoing {
		t.Helper()
		list := must(f.Stranded(t.Context(), nine, "slack", 9))(t)
		if got := strings.Join(ids(list), " "); got != want {
			t.Fatalf("stranded are %q, want %q", got, want)
		}
		return list
	}
	pass := func(o store.Outgoing, wantNext string, wantFirst bool) {
		t.Helper()
		write(t, f.Store, func(tx *store.Tx) error {
			next, first, err := tx.Pass(o, nine, "slack")
			if string(next) != wantNext || first != wantFirst {
				t.Errorf("passing %s on: next %s, first %v; want %s, %v", o.ID, next, first, wantNext, wantFirst)
			}
			return err
		})
	}
	list := stranded("a a2")
	pass(list[0], `{"channel": "c"}`, true) // b goes by slack, too
	pass(list[0], "", false)
	stranded("a2")
	rows := must(f.Claim(t.Context(), nine, nine.Add(time.Minute), 9, 9, nil))(t)
	if got := strings.Join(ids(rows), " "); got != "a a2 c" {
		t.Fatalf("claimed %q, want the two by slack and c", got)
	}
	stranded("") // somebody has them in hand
	write(t, f.Store, func(tx *store.Tx) error {
		_, err := tx.Give(rows[0], "failed", "it was passed on before", nine)
		return err
	})
	if got := ids(must(f.Claim(t.Context(), nine, nine.Add(time.Minute), 9, 9, nil))(t)); len(got) != 0 {
		t.Errorf("a page that was passed on and then refused pulled %v, too", got)
	}
	for i, minutes := range []int{1, 2} { // a2 fails and is tried again
		write(t, f.Store, func(tx *store.Tx) error {
			_, err := tx.Later(rows[1], nine.Add(time.Duration(minutes)*time.Minute), "busy")
			return err
		})
		again := must(f.Claim(t.Context(), nine.Add(time.Duration(minutes)*time.Minute), nine.Add(time.Hour), 9, 9, []string{"mail"}))(t)
		if len(again) != 1 || again[0].Tries != i+1 || !again[0].FirstDue.Equal(nine) {
			t.Fatalf("claimed %+v, want a2, tried %d times since %v", again, i+1, nine)
		}
		rows[1] = again[0]
	}
}

// testPatientEdits: a change does not make a message that waits to be edited
// due sooner, a success begins anew, and a place that refuses is left alone.
func testPatientEdits(t *testing.T, f fixture) {
	inc := openIncident(t, f.Store, "o", "g", nine)
	place := store.Message{Incident: inc.ID, Destination: "slack #a", Org: "o", Channel: "slack", Connection: "c", Address: "#a"}
	write(t, f.Store, func(tx *store.Tx) error { return tx.PutMessage(place) })
	edit := func() { write(t, f.Store, func(tx *store.Tx) error { tx.Refresh(inc.ID); return nil }) }
	claim := func(now time.Time, want int) store.Outgoing {
		t.Helper()
		rows := must(f.Claim(t.Context(), now, now.Add(time.Second), 9, 9, nil))(t)
		if len(rows) != want {
			t.Fatalf("claimed %v, want %d", ids(rows), want)
		}
		if want == 0 {
			return store.Outgoing{}
		}
		return rows[0]
	}
	edit()
	o := claim(nine, 1)
	if o.Destination != store.Destination("o", "c") {
		t.Errorf("the edit goes by %q", o.Destination)
	}
	write(t, f.Store, func(tx *store.Tx) error { _, err := tx.Later(o, nine.Add(time.Hour), "429"); return err })
	edit()
	claim(nine.Add(59*time.Minute), 0)
	if o = claim(nine.Add(time.Hour), 1); o.Tries != 1 {
		t.Errorf("tried %d times, want 1", o.Tries)
	}
	write(t, f.Store, func(tx *store.Tx) error { _, err := tx.Sent(o, nine); return err })
	edit() // what it sent was older than the edit before, too
	if o = claim(nine.Add(2*time.Hour), 1); o.Tries != 0 || !o.FirstDue.IsZero() {
		t.Errorf("after a success: tried %d times since %v", o.Tries, o.FirstDue)
	}

	give := func(o store.Outgoing) {
		write(t, f.Store, func(tx *store.Tx) error { _, err := tx.Give(o, "failed", "is_archived", nine); return err })
	}
	give(o)
	tries := 1
	for range 10 {
		edit()
		for _, o := range must(f.Claim(t.Context(), nine.Add(3*time.Hour), nine.Add(4*time.Hour), 9, 9, nil))(t) {
			give(o)
			tries++
		}
	}
	if tries != 3 {
		t.Errorf("an edit that is refused was tried %d times in eleven changes, want 3", tries)
	}
	write(t, f.Store, func(tx *store.Tx) error { return tx.PutMessage(place) }) // something was posted there again
	edit()
	claim(nine.Add(5*time.Hour), 1)
	if diff := cmp.Diff(map[string]string{"update/slack #a": "pending"}, states(t, f.Store, inc.ID)); diff != "" {
		t.Errorf("the rows (-want +got):\n%s", diff)
	}
}
