package store_test

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"testing"

	"github.com/musterhq/muster/internal/pgtest"
)

// TestRepeatsTakeNoRoom: on PostgreSQL, alerts that are repeated in commit after
// commit are written where they are: neither the table nor an index of it grows.
// It has a cluster of its own: as long as another transaction has written and not
// ended, in whatever database, PostgreSQL may not notice which rows are dead.
func TestRepeatsTakeNoRoom(t *testing.T) {
	t.Parallel()
	cluster := must(pgtest.Start())(t)
	t.Cleanup(func() { cluster.Stop() })
	address := cluster.NewDatabase(t)
	s := open(t, address)
	db := must(sql.Open("pgx", address))(t)
	defer db.Close()
	// No vacuum may hide what a storm leaves behind until one comes.
	if _, err := db.ExecContext(t.Context(), `ALTER TABLE alerts SET (autovacuum_enabled = off)`); err != nil {
		t.Fatal(err)
	}
	storm := func(requests int) (pages int) {
		t.Helper()
		dice := rand.New(rand.NewPCG(1, 2))
		for range requests {
			if err := intake(context.Background(), s, dice, 512, 200); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.QueryRowContext(t.Context(), `SELECT pg_total_relation_size('alerts') / 8192`).Scan(&pages); err != nil {
			t.Fatal(err)
		}
		return pages
	}
	before, after := storm(10), storm(50)
	if after > before+before/4 {
		t.Errorf("200 alerts and their indexes have %d pages after 10 commits of 512 events, and %d after 50 more", before, after)
	}
}
