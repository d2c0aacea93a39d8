package faultwire_test

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/musterhq/muster/internal/faultwire"
	"github.com/musterhq/muster/internal/pgtest"
)

// TestWire proves what the tests on a wire rely on: what is not asked is not
// done, and what is not heard is.
func TestWire(t *testing.T) {
	t.Parallel()
	w := faultwire.New(t, pgtest.DSN(t))
	db, err := sql.Open("pgx", w.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE words (word TEXT)`); err != nil {
		t.Fatal(err)
	}
	var trips []string
	for _, fate := range []faultwire.Fate{faultwire.Pass, faultwire.Unasked, faultwire.Unheard} {
		w.Judge(func(trip faultwire.Trip) faultwire.Fate {
			trips = append(trips, trip.String())
			if trip.String() == "commit" {
				return fate
			}
			return faultwire.Pass
		})
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(`INSERT INTO words (word) VALUES ($1)`, fmt.Sprint(int(fate))); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); (err != nil) != (fate != faultwire.Pass) {
			t.Errorf("fate %d: the commit said %v", fate, err)
		}
	}
	w.Judge(nil)
	var n int
	if err := db.QueryRow(`SELECT count(*) FROM words WHERE word <> '1'`).Scan(&n); err != nil || n != 2 {
		t.Errorf("%d words are there (%v), want 2; the trips were %q", n, err, trips)
	}
	if err := db.QueryRow(`SELECT count(*) FROM words`).Scan(&n); err != nil || n != 2 {
		t.Errorf("%d words are there (%v), want no other", n, err)
	}
}
