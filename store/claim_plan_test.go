package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/store"
)

// TestClaimByIndex: on PostgreSQL, with another replica beside it, a claim never
// reads all of a long outbox.
func TestClaimByIndex(t *testing.T) {
	t.Parallel()
	s := must(store.Open(t.Context(), pgtest.DSN(t), discard))(t)
	s.Identify("a")
	run(t, s)
	for _, id := range []string{"a", "b"} {
		if _, _, err := s.Beat(t.Context(), store.Replica{ID: id, Node: "n", StartedAt: nine}); err != nil {
			t.Fatal(err)
		}
	}
	const rows = 20_000
	for from := 0; from < rows; from += 1000 {
		write(t, s, func(tx *store.Tx) error {
			for i := from; i < from+1000; i++ {
				tx.Send(store.Outgoing{ID: fmt.Sprint(i), Org: "o", Incident: fmt.Sprint("i", i/2), Kind: incident.Page, Destination: fmt.Sprint("d", i%20), Place: fmt.Sprint("p", i%40), Due: nine, Body: []byte("{}")})
			}
			return nil
		})
	}
	if err := s.Exec(`UPDATE outbox SET state = 'cancelled', done_at = 1 WHERE id LIKE '%7'`); err != nil {
		t.Fatal(err)
	}
	if err := s.Exec(`ANALYZE outbox`); err != nil {
		t.Fatal(err)
	}
	for range 10 { // the plans of the first ones are not those of the later ones
		entered, release := make(chan struct{}), make(chan struct{})
		var group sync.WaitGroup
		var once sync.Once
		group.Go(func() {
			write(t, s, func(*store.Tx) error {
				once.Do(func() { close(entered) })
				<-release
				return nil
			})
		})
		<-entered
		group.Go(func() {
			if got, err := s.Claim(t.Context(), nine.Add(time.Minute), nine.Add(2*time.Minute), 64, 8, nil); err != nil || len(got) != 64 {
				t.Errorf("claimed %d, %v", len(got), err)
			}
		})
		for s.Queued() < 1 {
			time.Sleep(time.Millisecond)
		}
		var read string // an empty table that was read before any row was there counts as well, and reads none
		group.Go(func() {
			write(t, s, func(tx *store.Tx) (err error) { // of the same transaction
				read, err = tx.Ask(`SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'outbox'`)
				return err
			})
		})
		for s.Queued() < 2 {
			time.Sleep(time.Millisecond)
		}
		close(release)
		group.Wait()
		if read != "0" {
			t.Errorf("a claim read the whole outbox: %s rows of it one by one", read)
		}
	}
}
