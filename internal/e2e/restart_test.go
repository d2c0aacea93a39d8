package e2e

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/pgtest"
)

// TestPostgresRestarts crashes a PostgreSQL again and again under load, while
// one server goes on. Nothing that was answered 2xx is lost, every page leaves,
// the server is back within five seconds of the database, and it does not
// storm it with connections.
func TestPostgresRestarts(t *testing.T) {
	t.Parallel()
	besiegeDatabase(t, 3, time.Second)
}

// TestPostgresRestartsLong is the same fifty times.
func TestPostgresRestartsLong(t *testing.T) {
	if os.Getenv("MUSTER_LONG") == "" {
		t.Skip("long: fifty restarts of PostgreSQL; make test-long runs it")
	}
	besiegeDatabase(t, 50, 3*time.Second)
}

// mostComings is how many connections a server may make within a second: as
// many as its pools hold, and what it tries while there is nobody.
const mostComings = 30

func besiegeDatabase(t *testing.T, restarts int, every time.Duration) {
	cluster, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	gate := newGate(t, cluster.NewDatabase(t))
	g := newSiege(t, gate.DSN)
	for sender := range senders {
		g.load.Go(func() { g.singles(sender, 10*time.Millisecond) })
		g.load.Go(func() { g.batches(sender, 100*time.Millisecond) })
	}
	g.allowed.Store(1 << 40)
	s := g.up()
	var delays []time.Duration
	for n := range restarts {
		time.Sleep(every + time.Duration(g.random.IntN(500))*time.Millisecond)
		g.kills = append(g.kills, time.Now())
		if err := cluster.Restart("immediate"); err != nil {
			t.Fatal(err)
		}
		accepts := time.Now()
		err := eventually(20*time.Second, func() error {
			if err := s.get("/readyz", nil); err != nil {
				return err
			}
			_, err := s.send(ownKey, fmt.Appendf(nil, `{"title":"probe","key":"probe-%d","service":"s0","severity":"critical"}`, n))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		delays = append(delays, time.Since(accepts))
		g.kills = append(g.kills, time.Now()) // what was sent meanwhile, and has no receipt, comes again
	}
	promises := g.stop()
	if len(promises) < 100 || g.refused.Load() == 0 {
		t.Fatalf("%d events accepted, %d refused: that is no load, or no restart fell into it", len(promises), g.refused.Load())
	}
	if worst := slices.Max(delays); worst > 5*time.Second {
		t.Errorf("it took %v until the server was back", worst)
	}
	most, all := busiest(gate.comings())
	if most > mostComings {
		t.Errorf("%d connections within a second, want at most %d", most, mostComings)
	}
	slices.Sort(delays)
	t.Logf("back after %v (median), %v (longest); %d connections, at most %d within a second",
		delays[len(delays)/2].Round(time.Millisecond), delays[len(delays)-1].Round(time.Millisecond), all, most)
	g.judge(s, promises, time.Minute)
}

// busiest is how many instants there are within a second at most, and in all.
func busiest(at []time.Time) (most, all int) {
	first := 0
	for i := range at {
		for at[i].Sub(at[first]) > time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most, len(at)
}
