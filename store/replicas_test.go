package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/store"
)

// TestReplicas lets two programs work on one PostgreSQL: they open one incident
// for each group, and each of their units is retried until it fits.
func TestReplicas(t *testing.T) {
	t.Parallel()
	address := pgtest.DSN(t)
	a, b := open(t, address), open(t, address)
	oneOpenIncident(t, a, b)
}

// TestReplicasTakeNumbers: no number is given twice, and units that need the
// same alerts, counters and incidents in any order all end.
func TestReplicasTakeNumbers(t *testing.T) {
	t.Parallel()
	address := pgtest.DSN(t)
	stores := []*store.Store{open(t, address), open(t, address)}
	const writers, each = 8, 25
	given := make([][]int64, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				keys := []store.AlertKey{}
				for i := range 4 {
					keys = append(keys, store.AlertKey{Org: "o", Integration: "i", Key: fmt.Sprint("k", (i*(w+1)+n)%7)})
				}
				var got int64
				err := stores[w%2].Write(t.Context(), func(tx *store.Tx) (err error) {
					for _, key := range keys {
						if err := signal(key, incident.Signal{Severity: incident.Error}, nine)(tx); err != nil {
							return err
						}
					}
					got, err = tx.NextNumber("o", "x")
					return err
				}, store.Events(len(keys), keys...))
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
				given[w] = append(given[w], got)
			}
		})
	}
	wg.Wait()
	seen := map[int64]bool{}
	for _, list := range given {
		for _, n := range list {
			if seen[n] {
				t.Errorf("the number %d was given twice", n)
			}
			seen[n] = true
		}
	}
	var count int64
	for _, a := range must(stores[0].Alerts(t.Context(), "o", store.AlertFilter{Limit: 100}))(t) {
		count += a.Count
	}
	if count != writers*each*4 {
		t.Errorf("the alerts count %d triggers, want %d: some were overwritten", count, writers*each*4)
	}
}

// TestReplicasClaim: what one replica has claimed, the other does not, however
// they race; together they get all of it.
func TestReplicasClaim(t *testing.T) {
	t.Parallel()
	address := pgtest.DSN(t)
	stores := []*store.Store{open(t, address), open(t, address)}
	const rows = 400
	var list []string
	for i := range rows {
		list = append(list, fmt.Sprintf("p%03d d%d", i, i%5))
	}
	send(t, stores[0], incident.Page, list...)
	write(t, stores[0], func(tx *store.Tx) error {
		for i := range 50 {
			if _, err := tx.AddRun(store.Run{ID: fmt.Sprint("r", i), Org: "o", Incident: fmt.Sprint(i), Runbook: "b", Due: nine, CreatedAt: nine, Body: []byte("{}")}); err != nil {
				return err
			}
		}
		return nil
	})
	now := nine.Add(time.Hour)
	var mu sync.Mutex
	holder := map[string]int{}
	take := func(who int, ids ...string) {
		mu.Lock()
		defer mu.Unlock()
		for _, id := range ids {
			if other, taken := holder[id]; taken {
				t.Errorf("%s was claimed by worker %d and by %d", id, other, who)
			}
			holder[id] = who
		}
	}
	var wg sync.WaitGroup
	for who := range 8 {
		wg.Go(func() {
			for empty := 0; empty < 3; { // an empty answer may mean that the others hold the locks
				got, err := stores[who%2].Claim(t.Context(), now, now.Add(time.Hour), 7, 3, nil)
				if err != nil {
					t.Error(err)
					return
				}
				take(who, ids(got)...)
				runs, err := stores[who%2].ClaimRuns(t.Context(), now, now.Add(time.Hour), 2)
				if err != nil {
					t.Error(err)
					return
				}
				for _, r := range runs {
					take(who, r.ID)
				}
				if empty++; len(got)+len(runs) > 0 {
					empty = 0
				}
			}
		})
	}
	wg.Wait()
	if len(holder) != rows+50 {
		t.Errorf("%d rows were claimed, want %d", len(holder), rows+50)
	}
}

// TestFoldsUnderLoad: after random commands of many writers, each incident's
// stored row is the fold of its stored timeline, on every kind of database, and
// on PostgreSQL with two replicas.
func TestFoldsUnderLoad(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			address := kind.address(t)
			stores := []*store.Store{open(t, address)}
			if kind.name == "postgres" {
				stores = append(stores, open(t, address))
			}
			foldsUnderLoad(t, stores...)
		})
	}
}

func foldsUnderLoad(t *testing.T, stores ...*store.Store) {
	const writers, each = 32, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			dice := rand.New(rand.NewPCG(1, uint64(w)))
			for n := range each {
				now := nine.Add(time.Duration(n) * time.Minute)
				unit := command(fmt.Sprint("g", dice.IntN(4)), dice.IntN(12), fmt.Sprintf("%d/%d", w, n), now)
				if err := stores[w%len(stores)].Write(t.Context(), unit); err != nil && !errors.Is(err, errUnit) && !errors.Is(err, incident.ErrConflict) && !errors.Is(err, store.ErrNotFound) {
					t.Errorf("writer %d: %v", w, err)
				}
			}
		})
	}
	wg.Wait()
	kinds := map[incident.Kind]int{}
	list := must(stores[0].Incidents(t.Context(), "o", store.IncidentFilter{Limit: 10_000}))(t)
	open := map[string]bool{}
	for _, inc := range list {
		for _, e := range checkFold(t, stores[0], inc) {
			kinds[e.Kind]++
		}
		if inc.Open() && open[inc.GroupKey] {
			t.Errorf("two incidents of %s are open", inc.GroupKey)
		}
		open[inc.GroupKey] = open[inc.GroupKey] || inc.Open()
		var unsent []string
		for _, o := range must(stores[0].Outgoing(t.Context(), "o", inc.ID))(t) {
			if o.State == "pending" {
				unsent = append(unsent, o.ID)
			}
		}
		if inc.Status != incident.Triggered && len(unsent) > 0 {
			t.Errorf("incident %s is %s, and %v will go out", inc.ID, inc.Status, unsent)
		}
	}
	for _, kind := range []incident.Kind{incident.Opened, incident.AlertAdded, incident.Escalated, incident.Acked, incident.ResolvedEntry, incident.Noted, incident.SnoozeBegan} {
		if kinds[kind] == 0 {
			t.Errorf("no entry of kind %s among %v: the test tells little", kind, kinds)
		}
	}
}

// command is one of the things that people, senders and time do to the open
// incident of a group.
func command(group string, which int, name string, now time.Time) func(*store.Tx) error {
	if which < 4 {
		return join(group, name, now)
	}
	return func(tx *store.Tx) error {
		inc, err := tx.OpenIncident("o", group)
		if err != nil {
			return err
		}
		var c incident.Change
		switch which {
		case 4:
			c, err = incident.Acknowledge(inc, now, tester)
		case 5:
			c, err = incident.Resolve(inc, "", now, tester)
		case 6:
			c, err = incident.Note(inc, name, now, tester)
		case 7:
			c, err = incident.Snooze(inc, now.Add(time.Hour), now, tester)
		case 8:
			c = incident.ResolveAlert(inc, name, now, tester)
		case 9:
			c, err = incident.EscalateNow(inc, "", now, tester)
		default:
			c = incident.Advance(inc, now.Add(time.Hour), everybody)
		}
		if err != nil {
			return err
		}
		tx.Save(c)
		if which == 6 && len(name)%2 == 0 {
			return errUnit
		}
		return nil
	}
}

// TestSuspendedReplica: a replica that stops in the middle of a commit, as a
// machine that is suspended does, loses its turn to the other, and writes its
// unit when it lives again.
func TestSuspendedReplica(t *testing.T) {
	t.Parallel()
	address := pgtest.DSN(t)
	a, b := open(t, address), open(t, address)
	suspended, other := make(chan struct{}), make(chan error, 1)
	var once sync.Once
	go func() {
		<-suspended
		other <- b.Write(context.Background(), func(tx *store.Tx) error { return tx.PutTail("o", "b", "p", []byte("1")) })
	}()
	ran := 0
	write(t, a, func(tx *store.Tx) error {
		ran++
		once.Do(func() {
			close(suspended)
			select {
			case err := <-other:
				other <- err
			case <-time.After(20 * time.Second):
			}
		})
		return tx.PutTail("o", "a", "p", []byte("1"))
	})
	if err := <-other; err != nil {
		t.Errorf("the other replica: %v", err)
	}
	if ran < 2 {
		t.Errorf("the unit of the suspended one ran %d times: it kept its turn", ran)
	}
	for _, source := range []string{"a", "b"} {
		if got := must(a.Tail(t.Context(), "o", source, "p"))(t); string(got) != "1" {
			t.Errorf("%s: %q", source, got)
		}
	}
}
