package store_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/store"
)

func raw(n int, body []byte) store.RawEvent {
	return store.RawEvent{Integration: "i", Kind: "muster", ReceivedAt: nine, Remote: "192.0.2.1", Event: json.RawMessage(fmt.Sprintf(`{"n":%d}`, n)), Body: body}
}

// testEvents: an event is found by its id, whole, with the body of its own
// request, by its own tenant; one of a unit that failed is not.
func testEvents(t *testing.T, f fixture) {
	type given struct {
		org, id string
		event   store.RawEvent // as it must be read
	}
	var kept, lost []given
	// request is an intake of three events that share a body.
	request := func(org string, n int, body []byte, fail error) func(*store.Tx) error {
		return func(tx *store.Tx) error {
			for i := range 3 {
				e := raw(n+i, nil)
				if i == 0 {
					e.Body = body
				}
				g := given{org, tx.Event(org, nine, e), e}
				if g.event.Body = body; body == nil {
					g.event.Body = []byte{}
				}
				g.event.ID = g.id
				if fail == nil {
					kept = append(kept, g)
				} else {
					lost = append(lost, g)
				}
			}
			return fail
		}
	}
	big := bytes.Repeat([]byte("\x00\xff<&body>"), 100_000)
	for range 2 {
		errs := together(t, f.Store,
			request("o", 0, []byte("lost"), errUnit),
			request("o", 10, []byte(`{"first":1}`), nil),
			request("o", 80, nil, nil), // no body at all: not that of the request before
			request("p", 20, []byte(`{"of":"p"}`), nil),
			request("o", 30, []byte("lost too"), errUnit),
			request("o", 40, nil, nil),
			request("o", 50, []byte{}, nil),
			request("p", 60, big, nil),
			func(tx *store.Tx) error { // two tenants by turns
				for i, org := range []string{"o", "p", "o"} {
					body := []byte{byte('a' + i)}
					e := raw(70+i, body)
					e.ID = tx.Event(org, nine, e)
					kept = append(kept, given{org, e.ID, e})
				}
				return nil
			},
		)
		if err := errors.Join(errs[1], errs[2], errs[3], errs[5], errs[6], errs[7], errs[8]); err != nil {
			t.Fatal(err)
		}
	}
	for _, g := range kept {
		got := must(f.RawEvent(t.Context(), g.org, g.id))(t)
		if !bytes.Equal(got.Body, g.event.Body) {
			t.Fatalf("event %s has a body of %d bytes that is not its own of %d", g.id, len(got.Body), len(g.event.Body))
		}
		got.Body = g.event.Body // the diff of a large one takes seconds
		if diff := cmp.Diff(g.event, got, cmp.Comparer(bytes.Equal)); diff != "" {
			t.Fatalf("event %s (-want +got):\n%s", g.id, diff)
		}
		_, err := f.RawEvent(t.Context(), g.org+"x", g.id)
		isError(t, err, store.ErrNotFound)
	}
	for _, g := range lost {
		_, err := f.RawEvent(t.Context(), g.org, g.id)
		isError(t, err, store.ErrNotFound)
	}
	series, _, _ := id.SplitMember(kept[0].id)
	for _, unknown := range []string{"", "x", "' OR 1=1 --", id.New(nine), series[:32] + "ffff"} {
		_, err := f.RawEvent(t.Context(), "o", unknown)
		isError(t, err, store.ErrNotFound)
	}
	if err := f.Write(t.Context(), func(tx *store.Tx) error {
		e := raw(0, nil)
		e.Event = json.RawMessage(`{"half":`)
		tx.Event("o", nine, e)
		return nil
	}); err == nil {
		t.Error("an event that is no JSON was stored")
	}

	if err := f.Exec(`UPDATE segments SET body = $1 WHERE id = $2`, []byte("\x05damage"), series); err != nil {
		t.Fatal(err)
	}
	if _, err := f.RawEvent(t.Context(), "o", kept[0].id); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("error %v, want one that names the damage", err)
	}
}

// testManyEvents: more than one commit takes, of one unit and of many.
func testManyEvents(t *testing.T, f fixture) {
	const units, each = 40, 60
	given := make([][]string, units+1)
	unit := func(u, n int) {
		err := f.Write(t.Context(), func(tx *store.Tx) error {
			given[u] = nil
			for i := range n {
				e := raw(i, nil)
				if i == 0 {
					e.Body = fmt.Append(nil, "body ", u)
				}
				given[u] = append(given[u], tx.Event("o", nine, e))
			}
			return nil
		}, store.Events(n))
		if err != nil {
			t.Errorf("unit %d: %v", u, err)
		}
	}
	unit(units, 1500)
	var wg sync.WaitGroup
	for u := range units {
		wg.Go(func() { unit(u, each) })
	}
	wg.Wait()
	seen := map[string]bool{}
	for u, list := range given {
		for i, eventID := range list {
			if seen[eventID] {
				t.Fatalf("two events have the id %s", eventID)
			}
			seen[eventID] = true
			if i%29 != 0 {
				continue
			}
			e := must(f.RawEvent(t.Context(), "o", eventID))(t)
			if string(e.Event) != fmt.Sprintf(`{"n":%d}`, i) || string(e.Body) != fmt.Sprint("body ", u) {
				t.Fatalf("unit %d, event %d: %s with the body %q", u, i, e.Event, e.Body)
			}
		}
	}
	if len(seen) != 1500+units*each {
		t.Errorf("%d ids, want %d", len(seen), 1500+units*each)
	}
}
