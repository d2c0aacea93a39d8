package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/store"
)

// Replicas on one PostgreSQL tell each other through it that they live; see
// docs/adr/011. The figures belong together: one that could not tell for trusted
// has stopped sending before the others, after deadAfter, send what it held.
const (
	beatEvery = time.Second
	beatLimit = 2 * time.Second // of asking the database once
	trusted   = 5 * time.Second // from the start of the last beat that succeeded
	deadAfter = 6 * time.Second // from when it was last heard of, by the database's clock
	suspect   = 3 * time.Second // of silence, after which it must not hold up everybody's commits
	maxSkew   = time.Second     // between a replica's clock and the database's
)

// ErrSkewed marks a replica that does not send because its clock is wrong.
var ErrSkewed = errors.New("this machine's clock is wrong")

// errCut is why sends are handed back by a replica that reaches nobody.
var errCut = errors.New("several destinations cannot be reached from this replica, and another one lives")

// replica is what this process knows of itself among those that share its
// database. On SQLite it is alone, and its gates are always open.
type replica struct {
	id      string
	alone   bool
	started time.Time
	gate    *sendGate // open while the others believe that we live
	way     *sendGate // shut for a moment when we are cut off from the outside
	reach   *reach
	company atomic.Int64 // replicas that live and reach the outside, but for us
	skew    atomic.Int64 // microseconds that the database's clock is ahead of ours
	taking  atomic.Bool

	// Of the loop alone.
	failing, offline, handed bool
	heard, hearing           time.Time // the last beat that succeeded, and the first one after a silence of our own; by the database's clock

	writing sync.WaitGroup
}

func newReplica(alone bool) *replica {
	at := now()
	r := &replica{id: id.New(at), alone: alone, started: at, gate: newSendGate(), way: newSendGate(), reach: newReach()}
	r.way.open(time.Time{})
	if alone {
		r.id = ""
		r.gate.open(time.Time{})
	}
	return r
}

// replicaLoop tells the others that we live, and takes over from those that do
// not.
func (e *Engine) replicaLoop(ctx context.Context) error {
	defer e.replica.writing.Wait()
	e.begins("replica")
	if e.replica.alone {
		<-ctx.Done()
		return nil
	}
	for {
		e.beat(ctx)
		if !sleep(ctx, beatEvery) {
			return nil
		}
	}
}

// beat tells once that we live, hears of the others, and draws the conclusions.
func (e *Engine) beat(ctx context.Context) {
	r := e.replica
	e.lookOut()
	asking, cancel := context.WithTimeout(ctx, beatLimit)
	defer cancel()
	begun := time.Now()
	all, clock, err := e.Store.Beat(asking, store.Replica{
		ID: r.id, Node: e.Node, StartedAt: r.started, Skew: time.Duration(r.skew.Load()) * time.Microsecond, Offline: r.reach.cut(),
	})
	if err != nil {
		if !r.failing && ctx.Err() == nil {
			e.Log.Warn("the other replicas cannot be told that this one lives", "error", err)
		}
		r.failing = true
		r.gate.check()
		return
	}
	r.failing = false
	e.measure(begun, time.Now(), clock)
	self := slices.IndexFunc(all, func(o store.Replica) bool { return o.ID == r.id })
	if self < 0 {
		return // declared dead between two statements; the next beat tells
	}
	me := all[self]
	me.Skew = time.Duration(r.skew.Load()) * time.Microsecond
	others := slices.Delete(all, self, self+1)
	r.hears(clock)
	dead := slices.DeleteFunc(slices.Clone(others), func(o store.Replica) bool { return !r.isDead(o, clock) })
	living := slices.DeleteFunc(others, func(o store.Replica) bool { return clock.Sub(o.SeenAt) >= deadAfter })

	company := 0
	for _, o := range living {
		if !o.Offline && me.SeenAt.Sub(o.SeenAt) < suspect {
			company++
		}
	}
	r.company.Store(int64(company))
	e.metrics.replicas.Set(float64(len(living) + 1))
	if why := mayNot(me, living); why != nil {
		if r.gate.check() == nil {
			e.Log.Error("this replica stops sending", "error", why)
		}
		r.gate.close(why)
	} else if r.gate.open(begun.Add(trusted)) {
		e.Log.Info("this replica sends", "replica", r.id, "others", len(living))
		e.couriers.wake.now()
		e.runs.wake.now()
	}
	if slices.ContainsFunc(living, func(o store.Replica) bool { return clock.Sub(o.SeenAt) > suspect }) || len(dead) > 0 {
		if n, err := e.Store.FreeTurn(asking, suspect); err != nil {
			e.Log.Warn("free the turn of a silent replica", "error", err)
		} else if n > 0 {
			e.Log.Warn("a silent replica held up all commits; its turn was ended", "connections", n)
		}
	}
	e.takeOverFrom(dead)
}

// hears notes that this replica's beat succeeded.
func (r *replica) hears(clock time.Time) {
	if !r.heard.IsZero() && clock.Sub(r.heard) > suspect {
		r.hearing = clock
	}
	r.heard = clock
}

// isDead tells whether another replica is to be declared dead. What it did not say
// while we heard nothing ourselves does not count: where nobody could write for a
// while, the first that can again would take all from those that are just about to.
func (r *replica) isDead(o store.Replica, clock time.Time) bool {
	seen := o.SeenAt
	if r.hearing.After(seen) {
		seen = r.hearing
	}
	return clock.Sub(seen) >= deadAfter
}

// measure compares our clock with the database's, which told its time between
// two instants of ours. What the distance of the two may explain is no skew.
func (e *Engine) measure(begun, ended, clock time.Time) {
	took := ended.Sub(begun)
	if took > maxSkew { // that tells nothing; what was known stays
		return
	}
	skew := clock.Sub(begun.Add(took / 2).Round(0))
	e.replica.skew.Store(skew.Microseconds())
	e.metrics.skew.Set(skew.Seconds())
}

// mayNot tells why a replica must not send for its clock's sake: leases are
// compared across replicas. If no clock agrees with the database's, then one
// replica sends all the same, the eldest: a page too many is better than none.
func mayNot(me store.Replica, others []store.Replica) error {
	if me.Skew.Abs() <= maxSkew {
		return nil
	}
	eldest := me
	for _, o := range others {
		switch {
		case o.Offline: // whoever reaches nobody sends for nobody
		case o.Skew.Abs() <= maxSkew:
			return fmt.Errorf("%w: it differs from the database's by %v, and another replica's does not", ErrSkewed, me.Skew.Round(time.Millisecond))
		case cmp.Or(o.StartedAt.Compare(eldest.StartedAt), cmp.Compare(o.ID, eldest.ID)) < 0:
			eldest = o
		}
	}
	if eldest.ID != me.ID {
		return fmt.Errorf("%w: it differs from the database's by %v; another replica sends", ErrSkewed, me.Skew.Round(time.Millisecond))
	}
	return nil
}

// takeOverFrom declares replicas dead and makes what they held due again. It
// waits for a commit, which may wait for the turn of whoever died: the beat goes
// on meanwhile.
func (e *Engine) takeOverFrom(dead []store.Replica) {
	if len(dead) == 0 || !e.replica.taking.CompareAndSwap(false, true) {
		return
	}
	e.replica.writing.Go(func() {
		defer e.replica.taking.Store(false)
		for _, o := range dead {
			gone := false
			err := e.Store.Write(context.Background(), func(t *store.Tx) (err error) {
				gone, err = t.TakeOver(o)
				return err
			})
			switch {
			case err != nil:
				e.Log.Error("take over from a replica", "replica", o.ID, "error", err)
			case gone:
				e.metrics.takeovers.Inc()
				e.Log.Warn("took over from a replica that is silent", "replica", o.ID, "node", o.Node, "seen", o.SeenAt)
			}
		}
	})
}

// lookOut judges whether this replica is cut off from the outside. Once another
// lives that is not, what is in flight is handed back.
func (e *Engine) lookOut() {
	r := e.replica
	offline := r.reach.look(time.Now())
	if offline && !r.offline {
		e.Log.Warn("several destinations cannot be reached from here, and none answers", "other replicas", r.company.Load())
	}
	if !offline && r.offline {
		e.Log.Info("destinations answer again")
	}
	handed := offline && r.company.Load() > 0
	if handed && !r.handed {
		r.way.close(errCut)
		r.way.open(time.Time{})
	}
	r.offline, r.handed = offline, handed
	e.metrics.offline.Set(map[bool]float64{true: 1}[offline])
}

// relieved tells whether this replica is cut off and another one is not, which
// will send what this one cannot.
func (r *replica) relieved() bool { return r.company.Load() > 0 && r.reach.cut() }

// leased returns the context of a send to a destination, which must not leave
// after an instant, nor when this replica may not send: it ends then, and
// directly before anything is written to a connection it is asked again. What
// the send ended with goes through told, which knows if that has its reason in
// this replica.
func (r *replica) leased(ctx context.Context, destination string, until time.Time) (_ context.Context, told func(error) error, cancel context.CancelFunc) {
	open, cancelGate := r.gate.attend(ctx)
	way, cancelWay := r.way.attend(open)
	var once sync.Once
	ended := func(error, time.Time) {}
	sending, cancelLease := leased(way, until, func() error {
		once.Do(func() { ended = r.reach.begin(destination, time.Now()) }) // not before the network is asked
		return r.gate.check()
	})
	told = func(err error) error {
		if cut := context.Cause(sending); err != nil && errors.Is(cut, errHandedBack) {
			err = cut
		} else if errors.Is(err, wire.ErrShut) { // the gate was found shut, and says so to the context any moment
			err = fmt.Errorf("%w: %w", errHandedBack, err)
		}
		once.Do(func() {})
		ended(err, time.Now())
		return err
	}
	return sending, told, func() { cancelLease(); cancelWay(); cancelGate() }
}

// leased returns the context of something that must not leave after an instant,
// nor when it may not.
func leased(ctx context.Context, until time.Time, may func() error) (context.Context, context.CancelFunc) {
	until = time.Now().Add(time.Until(until)) // with a monotonic reading
	leased, cancel := context.WithDeadline(ctx, until)
	return wire.WithGate(leased, func() error {
		if !before(time.Now(), until) {
			return context.DeadlineExceeded
		}
		return may()
	}), cancel
}

// sendable tells how many sends may begin, of so many that there is room for,
// and when to ask again if none.
func (r *replica) sendable(free int, at time.Time) (most int, next time.Time) {
	if r.gate.check() != nil {
		return 0, next // it wakes the loops when it opens
	}
	if r.relieved() {
		may, next := r.reach.try(at)
		if !may {
			return 0, next
		}
		return min(free, 1), next
	}
	return free, next
}

// limit is how long a send may take. One that only tries whether there is a way
// again must not keep from the others for long what they could send.
func (r *replica) limit() time.Duration {
	if r.relieved() {
		return silence
	}
	return sendLimit
}

// handBack names, on a row that did not leave, who should not be the next to
// try, and tells whether another should try at once.
func (r *replica) handBack(o store.Outgoing, cause error) (_ store.Outgoing, atOnce bool) {
	back := errors.Is(cause, errHandedBack)
	if o.Avoid = ""; back || wire.Unreached(cause) {
		o.Avoid = r.id
	}
	return o, back || o.Avoid != "" && r.relieved()
}

// signOff takes this replica off the list, when it ends in order.
func (e *Engine) signOff() {
	if e.replica.alone || e.replica.gate.check() != nil {
		return
	}
	err := e.Store.Write(context.Background(), func(t *store.Tx) error { return t.Leave(e.replica.id) })
	if err != nil {
		e.Log.Warn("leave the other replicas", "error", err)
	}
	e.replica.gate.close(errHandedBack)
}
