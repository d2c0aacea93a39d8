package store_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/store"
)

// testRevisions: a configuration is replaced whole, by whoever read the newest.
func testRevisions(t *testing.T, f fixture) {
	resource := func(slug string, revision int64) store.Resource {
		return store.Resource{Kind: "user", Slug: slug, ID: "id-" + slug, Revision: revision, Body: json.RawMessage(`{"name":"` + slug + `"}`)}
	}
	put := func(after int64, resources ...store.Resource) (number int64, err error) {
		err = f.Write(t.Context(), func(tx *store.Tx) (err error) {
			number, err = tx.PutRevision("o", after, nine, "ana", "users: …", resources)
			return err
		})
		return number, err
	}
	check := func(revision int64, want ...store.Resource) {
		t.Helper()
		got, number, err := f.Resources(t.Context(), "o")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" || number != revision || must(f.Revision(t.Context(), "o"))(t) != revision {
			t.Errorf("revision %d, want %d; resources (-want +got):\n%s", number, revision, diff)
		}
	}
	check(0)
	if n, err := put(0, resource("bob", 1), resource("ana", 1)); n != 1 || err != nil {
		t.Fatalf("revision %d, %v; want 1", n, err)
	}
	check(1, resource("ana", 1), resource("bob", 1))
	for _, after := range []int64{0, 2, -1} {
		_, err := put(after)
		isError(t, err, store.ErrMoved)
	}
	if n, err := put(1, resource("ana", 1), resource("chi", 2)); n != 2 || err != nil {
		t.Fatalf("revision %d, %v; want 2", n, err)
	}
	check(2, resource("ana", 1), resource("chi", 2))
	if _, err := put(2, resource("ana", 1), resource("ana", 3)); err == nil {
		t.Error("a revision with one slug twice was stored")
	}
	check(2, resource("ana", 1), resource("chi", 2))
	if n, err := put(2); n != 3 || err != nil {
		t.Fatalf("revision %d, %v; want an empty one, 3", n, err)
	}
	check(3)

	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 8 {
		wg.Go(func() {
			if n, err := put(3, resource("ana", 4)); err == nil && n == 4 {
				mu.Lock()
				defer mu.Unlock()
				won++
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d of eight made revision 4, want one", won)
	}
	if got, number, err := f.Resources(t.Context(), "p"); len(got) != 0 || number != 0 || err != nil {
		t.Errorf("another tenant has %v at revision %d, %v", got, number, err)
	}
}

func testSmallRows(t *testing.T, f fixture) {
	t.Run("organizations", func(t *testing.T) {
		ensure := func(slug, newID string) (o store.Organization) {
			write(t, f.Store, func(tx *store.Tx) (err error) { o, err = tx.EnsureOrganization(slug, newID, nine); return err })
			return o
		}
		for _, o := range []store.Organization{ensure("shop", "1"), ensure("shop", "2")} {
			if o != (store.Organization{ID: "1", Slug: "shop"}) {
				t.Errorf("shop is %+v, want the first", o)
			}
		}
		ensure("bank", "3")
		want := []store.Organization{{ID: "3", Slug: "bank"}, {ID: "1", Slug: "shop"}}
		if diff := cmp.Diff(want, must(f.Organizations(t.Context()))(t)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("overrides", func(t *testing.T) {
		a := store.Override{ID: "1", Org: "o", Schedule: "s", User: "ana", Actor: "user:bob", From: nine, To: nine.Add(time.Hour), CreatedAt: nine}
		b := a
		b.ID, b.To = "2", nine.Add(2*time.Hour)
		write(t, f.Store, func(tx *store.Tx) error {
			if err := tx.AddOverride(b); err != nil {
				return err
			}
			return tx.AddOverride(a)
		})
		list := func(want ...store.Override) {
			t.Helper()
			if diff := cmp.Diff(append([]store.Override{}, want...), must(f.Overrides(t.Context(), "o", nine.Add(30*time.Minute)))(t)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
		list(a, b)
		if got := must(f.Overrides(t.Context(), "o", nine.Add(time.Hour)))(t); len(got) != 1 {
			t.Errorf("%d overrides go on after ten, want one", len(got))
		}
		drop := func(org, id string) error {
			return f.Write(t.Context(), func(tx *store.Tx) error { return tx.DropOverride(org, id) })
		}
		isError(t, drop("p", "1"), store.ErrNotFound)
		if err := drop("o", "1"); err != nil {
			t.Error(err)
		}
		isError(t, drop("o", "1"), store.ErrNotFound)
		list(b)
		if n := len(must(f.Overrides(t.Context(), "p", nine))(t)); n != 0 {
			t.Errorf("another tenant sees %d", n)
		}
	})
	t.Run("tokens", func(t *testing.T) {
		k := store.Token{ID: "1", Org: "o", Name: "ci", Role: "responder", Hash: "h1", CreatedAt: nine}
		same := k
		same.ID, same.Role = "2", "admin"
		write(t, f.Store, func(tx *store.Tx) error {
			if err := tx.AddToken(k); err != nil {
				return err
			}
			return tx.AddToken(same)
		})
		if diff := cmp.Diff(k, must(f.TokenByHash(t.Context(), "h1"))(t)); diff != "" {
			t.Errorf("by hash (-want +got):\n%s", diff)
		}
		listed := k
		listed.Hash = "" // a list shows no hashes
		if diff := cmp.Diff([]store.Token{listed}, must(f.Tokens(t.Context(), "o"))(t)); diff != "" {
			t.Errorf("listed (-want +got):\n%s", diff)
		}
		revoke := func(org string) error {
			return f.Write(t.Context(), func(tx *store.Tx) error { return tx.RevokeToken(org, "1", nine) })
		}
		isError(t, revoke("p"), store.ErrNotFound)
		if err := revoke("o"); err != nil {
			t.Error(err)
		}
		isError(t, revoke("o"), store.ErrNotFound)
		_, err := f.TokenByHash(t.Context(), "h1")
		isError(t, err, store.ErrNotFound)
		if n := len(must(f.Tokens(t.Context(), "o"))(t)); n != 0 {
			t.Errorf("%d tokens are listed after it was revoked", n)
		}
	})
	t.Run("answers", func(t *testing.T) {
		_, err := f.Answered(t.Context(), "o", "k")
		isError(t, err, store.ErrNotFound)
		for _, a := range []store.Answer{{Status: 201, Body: "first"}, {Status: 500, Body: "second"}} {
			write(t, f.Store, func(tx *store.Tx) error { return tx.PutAnswer("o", "k", nine, a) })
		}
		if got := must(f.Answered(t.Context(), "o", "k"))(t); got != (store.Answer{Status: 201, Body: "first"}) {
			t.Errorf("answered %+v, want the first", got)
		}
		_, err = f.Answered(t.Context(), "p", "k")
		isError(t, err, store.ErrNotFound)
	})
	t.Run("complaints", func(t *testing.T) {
		var want []store.Complaint
		write(t, f.Store, func(tx *store.Tx) error {
			want = nil
			for i := range 4 {
				at := nine.Add(time.Duration(i) * time.Second)
				c := store.Complaint{ID: id.New(at), Org: "o", Integration: fmt.Sprint("i", i%2), Kind: "refused", Detail: "no", At: at, Body: []byte("\x00\xff")}
				if i == 0 {
					c.Body = nil
				}
				if err := tx.AddComplaint(c); err != nil {
					return err
				}
				want = append([]store.Complaint{c}, want...)
			}
			return nil
		})
		if diff := cmp.Diff(want, must(f.Complaints(t.Context(), "o", "", 10))(t), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("all (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]store.Complaint{want[1], want[3]}, must(f.Complaints(t.Context(), "o", "i0", 10))(t), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("of one integration (-want +got):\n%s", diff)
		}
		if got := must(f.Complaints(t.Context(), "o", "", 1))(t); len(got) != 1 || got[0].ID != want[0].ID {
			t.Errorf("the newest is %+v", got)
		}
		if n := len(must(f.Complaints(t.Context(), "p", "", 10))(t)); n != 0 {
			t.Errorf("another tenant sees %d", n)
		}
	})
}

// testHostileText: what people and senders write is text, whatever it looks
// like, and comes back as it was.
func testHostileText(t *testing.T, f fixture) {
	for i, text := range []string{`'; DROP TABLE alerts; --`, `$1 %s ? \ " `, "日本語 \u202e \u0001", strings.Repeat("k", 5000), "null", "1e9", "x'00'"} {
		o := opening("o", text)
		o.Title, o.Service, o.Number = text, text, int64(i+1)
		a := firing(text, o.ID)
		a.Title, a.Labels = text, map[string]string{text: text}
		write(t, f.Store, func(tx *store.Tx) error {
			c := incident.Open(o, nine, incident.Cause{Actor: incident.Actor(text), Origin: text})
			n, err := incident.Note(c.Incident, text, nine, tester)
			if err != nil {
				return err
			}
			tx.Save(c.Then(n))
			tx.Send(store.Outgoing{ID: o.ID, Org: "o", Incident: o.ID, Kind: "card", Destination: text, Due: nine, Body: must(json.Marshal(text))(t)})
			return tx.PutAlert(a)
		})
		inc := must(f.Incident(t.Context(), "o", o.ID))(t)
		if entries := checkFold(t, f.Store, inc); inc.Title != text || inc.GroupKey != text || entries[1].Data.Text != text {
			t.Errorf("%q came back as %+v", text, inc)
		}
		a.Version = 1
		if diff := cmp.Diff(a, must(f.AlertByID(t.Context(), "o", a.ID))(t)); diff != "" {
			t.Errorf("%q: the alert (-want +got):\n%s", text, diff)
		}
		if got := must(f.Claim(t.Context(), nine, nine.Add(time.Hour), 5, 5, []string{"'", text + "'"}))(t); len(got) != 1 || got[0].Destination != text {
			t.Errorf("%q: claimed %+v", text, got)
		}
		write(t, f.Store, func(tx *store.Tx) error {
			if got, err := tx.Alert(store.AlertKey{Org: "o", Integration: "i", Key: text}); err != nil || got.ID != a.ID {
				return fmt.Errorf("%q: the alert is %+v, %w", text, got, err)
			}
			return nil
		}, store.Events(1, store.AlertKey{Org: "o", Integration: "i", Key: text}))
	}
}
