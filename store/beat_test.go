package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/store"
)

// named opens a store as a replica of that name, that has been heard of.
func named(t *testing.T, address, name string) *store.Store {
	t.Helper()
	s := open(t, address)
	s.Identify(name)
	beat(t, s, store.Replica{ID: name})
	return s
}

func beat(t *testing.T, s *store.Store, r store.Replica) (all []store.Replica, clock time.Time) {
	t.Helper()
	r.StartedAt = nine
	all, clock, err := s.Beat(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return all, clock
}

// TestBeat: replicas hear of each other, by the database's clock.
func TestBeat(t *testing.T) {
	t.Parallel()
	address := pgtest.DSN(t)
	a, b := named(t, address, "a"), named(t, address, "b")
	beat(t, b, store.Replica{ID: "b", Skew: -2 * time.Second, Offline: true})
	all, clock := beat(t, a, store.Replica{ID: "a"})
	if len(all) != 2 || all[0].ID != "a" || all[1].ID != "b" || all[1].Skew != -2*time.Second || !all[1].Offline || all[0].Offline || !all[0].StartedAt.Equal(nine) {
		t.Errorf("they are %+v", all)
	}
	for _, r := range all {
		if age := clock.Sub(r.SeenAt); age < 0 || age > 20*time.Second {
			t.Errorf("%s was seen %v ago", r.ID, age)
		}
	}
	if off := time.Since(clock); off.Abs() > 20*time.Second { // the same machine
		t.Errorf("the database's clock is off by %v", off)
	}
}

// rowsFor puts rows for an incident each into the outbox.
func rowsFor(t *testing.T, s *store.Store, ids ...string) {
	t.Helper()
	write(t, s, func(tx *store.Tx) error {
		for _, id := range ids {
			tx.Send(store.Outgoing{ID: id, Org: "o", Incident: "i-" + id, Kind: incident.Page, Destination: "d", Place: "p", Due: nine, Body: []byte(`{}`)})
		}
		return nil
	})
}

func claimed(t *testing.T, s *store.Store, now time.Time) []store.Outgoing {
	t.Helper()
	return must(s.Claim(t.Context(), now, now.Add(30*time.Second), 10, 10, nil))(t)
}

// TestTakeOver: what a replica holds that was declared dead is due at once, it
// gets nothing more until it is heard of again, and what it says of its old
// claims changes nothing once another has claimed them.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	address := pgtest.DSN(t)
	a, b := named(t, address, "a"), named(t, address, "b")
	rowsFor(t, a, "r1", "r2")
	old := claimed(t, a, nine)
	if len(old) != 2 || len(claimed(t, b, nine)) != 0 {
		t.Fatalf("a claimed %d rows, and b got some of them", len(old))
	}
	all, _ := beat(t, b, store.Replica{ID: "b"})
	seen := all[0]
	beat(t, a, store.Replica{ID: "a"})
	takeOver := func(r store.Replica) (dead bool) {
		write(t, b, func(tx *store.Tx) (err error) { dead, err = tx.TakeOver(r); return err })
		return dead
	}
	if takeOver(seen) {
		t.Error("a replica that was heard of meanwhile was declared dead")
	}
	all, _ = beat(t, b, store.Replica{ID: "b"})
	if !takeOver(all[0]) || takeOver(all[0]) {
		t.Error("a is not declared dead once")
	}
	_, err := a.Claim(t.Context(), nine, nine.Add(time.Minute), 10, 10, nil)
	isError(t, err, store.ErrDeclaredDead)
	_, err = a.ClaimRuns(t.Context(), nine, nine.Add(time.Minute), 10)
	isError(t, err, store.ErrDeclaredDead)

	// One of the two receipts of the dead one comes before the row is claimed anew:
	// it was sent, and need not be sent again.
	write(t, a, func(tx *store.Tx) error {
		held, err := tx.Sent(old[0], nine)
		if !held {
			t.Error("a receipt of a row that nobody else has claimed is lost")
		}
		return err
	})
	anew := claimed(t, b, nine)
	if len(anew) != 1 || anew[0].ID != old[1].ID || anew[0].Attempt != 2 {
		t.Fatalf("b took over %+v", anew)
	}
	write(t, a, func(tx *store.Tx) error {
		for what, stale := range map[string]func() (bool, error){
			"receipt": func() (bool, error) { return tx.Sent(old[1], nine) },
			"delay":   func() (bool, error) { return tx.Later(old[1], nine.Add(time.Hour), "x") },
			"end":     func() (bool, error) { return tx.Give(old[1], "failed", "x", nine) },
		} {
			if held, err := stale(); err != nil || held {
				t.Errorf("the %s of an old claim was believed (%v)", what, err)
			}
		}
		return nil
	})
	beat(t, a, store.Replica{ID: "a"})
	rowsFor(t, a, "r3")
	if got := claimed(t, a, nine); len(got) != 1 || got[0].ID != "r3" {
		t.Errorf("a lives again, and claims %+v", got)
	}
	write(t, a, func(tx *store.Tx) error { return tx.Leave("a") })
	if got := claimed(t, b, nine); len(got) != 1 || got[0].ID != "r3" {
		t.Errorf("a has left, and b claims %+v", got)
	}
}

// TestAvoid: what one replica could not get out another one tries, if there is one
// that reaches the outside.
func TestAvoid(t *testing.T) {
	t.Parallel()
	address := pgtest.DSN(t)
	a, b := named(t, address, "a"), named(t, address, "b")
	rowsFor(t, a, "r1")
	back := func(s *store.Store, who string) {
		t.Helper()
		got := claimed(t, s, nine)
		if len(got) != 1 {
			t.Fatalf("%s claims %d rows", who, len(got))
		}
		got[0].Avoid = who
		write(t, s, func(tx *store.Tx) error { _, err := tx.Later(got[0], nine, "cut off"); return err })
	}
	back(a, "a")
	if got := claimed(t, a, nine); len(got) != 0 {
		t.Errorf("a tries again what it could not get out")
	}
	back(b, "b")
	back(a, "a")
	beat(t, b, store.Replica{ID: "b", Offline: true})
	if got := claimed(t, a, nine); len(got) != 1 {
		t.Error("a leaves a row to a replica that reaches nobody")
	}
}

// TestOnePlace: a replica leaves the messages of a place alone while another posts
// there, and as long as that lives.
func TestOnePlace(t *testing.T) {
	t.Parallel()
	address := pgtest.DSN(t)
	a, b := named(t, address, "a"), named(t, address, "b")
	send := func(id, place string) {
		write(t, a, func(tx *store.Tx) error {
			tx.Send(store.Outgoing{ID: id, Org: "o", Incident: "i", Kind: incident.Page, Destination: "d", Place: place, Due: nine, Body: []byte(`{}`)})
			return nil
		})
	}
	send("r1", "room")
	first := claimed(t, a, nine)
	send("r2", "room")
	send("r3", "elsewhere")
	if got := claimed(t, b, nine); len(got) != 1 || got[0].ID != "r3" {
		t.Errorf("b claims %v", ids(got))
	}
	sqlExec(t, address, `UPDATE outbox SET state = 'cancelled' WHERE id = 'r1'`) // it is on its way all the same
	if got := claimed(t, b, nine); len(got) != 0 {
		t.Errorf("b claims %v while a page that is not needed any more is sent", ids(got))
	}
	write(t, a, func(tx *store.Tx) error { _, err := tx.Sent(first[0], nine); return err })
	if got := claimed(t, b, nine); len(got) != 1 || got[0].ID != "r2" {
		t.Errorf("the first is sent, and b claims %v", ids(got))
	}
}

func sqlExec(t *testing.T, address, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// TestFreeTurn: a committer that was stopped in the middle of a message, with the
// turn of all, does not hold up the others for longer than they wait.
func TestFreeTurn(t *testing.T) {
	t.Parallel()
	address := pgtest.DSN(t)
	a := named(t, address, "a")
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), fmt.Sprintf("BEGIN; SELECT pg_advisory_xact_lock(%d)", store.TurnLock)); err != nil {
		t.Fatal(err)
	}
	if n := must(a.FreeTurn(t.Context(), time.Hour))(t); n != 0 {
		t.Errorf("%d connections were ended that are not silent", n)
	}
	written := make(chan error, 1)
	go func() {
		written <- a.Write(context.Background(), func(tx *store.Tx) error { return tx.PutTail("o", "s", "p", []byte("1")) })
	}()
	time.Sleep(300 * time.Millisecond)
	select {
	case err := <-written:
		t.Fatalf("it was written although another has the turn: %v", err)
	default:
	}
	if n := must(a.FreeTurn(t.Context(), 100*time.Millisecond))(t); n != 1 {
		t.Errorf("%d connections were ended, want the one that has the turn", n)
	}
	if err := <-written; err != nil {
		t.Errorf("after it: %v", err)
	}
}

// TestVersionOfEachUnit: two units of one commit give an incident two versions, so
// that who has seen the first one's cannot overwrite the second's.
func TestVersionOfEachUnit(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, kind.address(t))
			inc := openIncident(t, s, "o", "g", nine)
			const notes = 40
			seen := make(chan int64, notes)
			hold := make(chan struct{})
			go s.Write(context.Background(), func(*store.Tx) error { <-hold; return nil }) // so that the others share a commit
			for n := range notes {
				go func() {
					var version int64
					err := s.Write(context.Background(), func(tx *store.Tx) error {
						inc, err := tx.Incident("o", inc.ID)
						if err != nil {
							return err
						}
						c, err := incident.Note(inc, fmt.Sprint(n), nine, tester)
						if err != nil {
							return err
						}
						tx.Save(c)
						inc, err = tx.Incident("o", inc.ID)
						version = inc.Version
						return err
					})
					if err != nil {
						t.Error(err)
					}
					seen <- version
				}()
			}
			time.Sleep(50 * time.Millisecond)
			close(hold)
			var all []int64
			for range notes {
				all = append(all, <-seen)
			}
			slices.Sort(all)
			if len(slices.Compact(all)) != notes {
				t.Errorf("%d units saw the versions %v", notes, all)
			}
			if got := must(s.Incident(t.Context(), "o", inc.ID))(t); got.Version != inc.Version+notes {
				t.Errorf("the row has version %d", got.Version)
			}
			if commits, units := s.Stats(); commits >= units {
				t.Errorf("%d commits for %d units: none shared one, the test tells nothing", commits, units)
			}
		})
	}
}
