// Package engine runs Muster: it owns the only clock and the loops, and it
// carries out what the pure packages decide. Leg one, in a request, ends with a
// commit (Intake, Do, Decide …). Leg two, in the loops, begins with what is due
// in the database: incidents (clock.go), the outbox (courier.go), runs (runs.go),
// rules and tails (rules.go). Nothing is sent from memory and nothing calls back.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/internal/seal"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
	"github.com/musterhq/muster/ticket"
)

// Deps are what an engine is made of.
type Deps struct {
	Store    *store.Store
	Wire     *wire.Client
	Channels []notify.Kind
	Steps    []runbook.Step
	Trackers []ticket.Tracker
	Kinds    config.Kinds
	Resolve  func(reference string) (string, error) // env:NAME and file:PATH to what they stand for
	Key      seal.Key                               // for secrets at rest
	Log      *slog.Logger
	URL      string               // of the console and API, for links in messages; may be ""
	Tails    []TailFile           // log files to follow
	Keep     store.Keep           // retention
	Node     string               // name of this replica, for logs
	Contacts string               // file that keeps, sealed, whom to tell when there is no database; "": none
	Pace     Pace                 // how sending goes on when something fails
	At       func(station string) // called at each of Stations: tests let the process die there; nil in production
}

// A TailFile is a log file that the engine follows.
type TailFile struct {
	Organization string // slug; "" means the only one
	Source       string // name of the log source
	Path         string
}

// An Engine is Muster without its HTTP face.
type Engine struct {
	Deps
	setups  atomic.Pointer[setups]
	loading sync.Mutex // of setups: an older reading must not replace a newer one
	couriers
	runs
	rules
	replica      *replica
	operators    operators
	auditor      auditor
	emergency    *Emergency
	contactsKept []byte // in the file, as loading knows
	unstored     *unstored
	settling     settling
	clock        waker
	behind       atomic.Bool // the clock has more to do than one turn takes
	reload       waker
	ready        atomic.Bool
	over         chan struct{} // closed when the engine is told to end
	metrics      *metrics
}

// New makes an engine. Run runs it.
func New(d Deps) *Engine {
	e := &Engine{Deps: d, metrics: newMetrics(), over: make(chan struct{})}
	if e.Log == nil {
		e.Log = slog.New(slog.DiscardHandler)
	}
	if e.At == nil {
		e.At = func(string) {}
	}
	e.Pace = e.Pace.filled()
	e.clock, e.reload = newWaker(), newWaker()
	e.couriers = newCouriers()
	e.settling.wake = newWaker()
	e.runs = newRuns()
	e.rules = newRules()
	e.unstored = newUnstored()
	e.operators = newOperators()
	e.emergency = newEmergency(e)
	e.auditor = newAuditor()
	e.setups.Store(&setups{})
	e.replica = newReplica(d.Store.Dialect() == "sqlite")
	e.Store.Identify(e.replica.id)
	e.Store.OnCommit(e.woken)
	e.Store.OnStation(e.At)
	e.Store.OnPanic(func(p any, stack []byte) { e.defect(committing, p, stack) })
	e.Store.OnHealth(now, e.database)
	e.Store.StandStill(standStill)
	e.Store.Interrupts(e.interrupts)
	return e
}

// woken hears of commits.
func (e *Engine) woken(w store.Woken) {
	if w.Outbox {
		e.couriers.wake.now()
		e.couriers.detours.now()
	}
	if w.Incidents {
		e.clock.now()
	}
	if w.Runs {
		e.runs.wake.now()
	}
	if w.Config {
		e.reload.now()
	}
}

// now is the engine's clock: UTC, to the microsecond, as the store keeps it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Run runs the loops until ctx is over, then lets what is in flight end and
// returns. The committer outlives the other loops, so that they can store what
// they know.
func (e *Engine) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { close(e.over) })()
	outliving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var committer sync.WaitGroup
	committer.Go(func() { e.supervise(outliving, committing, e.Store.Run) })

	err := e.takeOver(ctx)
	if err == nil {
		err = e.load(ctx)
	}
	if err == nil {
		err = e.judgeRestored(ctx)
	}
	if err == nil {
		err = e.restoreRules(ctx)
	}
	if err == nil {
		e.auditor.last.Store(now().UnixMicro())
		e.ready.Store(true)
		var loops errgroup.Group
		for _, l := range e.loops() {
			loops.Go(func() error { e.supervise(ctx, l.name, l.run); return nil })
		}
		err = loops.Wait()
		e.signOff()
	}
	e.rules.end()
	e.ready.Store(false)
	stop()
	committer.Wait()
	return err
}

// A loop is one of those that Run runs. Each calls begins at every turn.
type loop struct {
	name string
	run  func(context.Context) error
}

// committing is the name of the committer's loop, which outlives the others.
const committing = "committer"

func (e *Engine) loops() []loop {
	return []loop{
		{"config", e.configLoop}, {"clock", e.clockLoop}, {"couriers", e.courierLoop}, {"detours", e.detourLoop}, {"runs", e.runLoop},
		{"rules", e.ruleLoop}, {"retention", e.pruneLoop}, {"digests", e.digestLoop}, {"operators", e.operatorLoop}, {"emergency", e.emergencyLoop}, {"replica", e.replicaLoop}, {"auditor", e.auditLoop}, {"integrity", e.integrityLoop}, {"selftests", e.selftestLoop},
	}
}

// takeOver makes what a process before this one had claimed due again. On
// PostgreSQL it may live still: there the replicas watch each other.
func (e *Engine) takeOver(ctx context.Context) error {
	if !e.replica.alone {
		e.beat(ctx)
		return nil
	}
	return e.Store.Write(ctx, func(t *store.Tx) error { return t.EndLeases() })
}

// Ready tells whether the loops run, and the database answers and takes what is
// written.
func (e *Engine) Ready(ctx context.Context) error {
	if !e.ready.Load() {
		return errors.New("starting or shutting down")
	}
	if h := e.Store.Health(); !h.OK {
		return fmt.Errorf("the database takes nothing since %s (%s): %w", h.Since.Format(time.RFC3339), h.Reason, h.Err)
	}
	if err := e.replica.gate.check(); errors.Is(err, ErrSkewed) {
		return err
	}
	if err := e.audited(); err != nil {
		return err
	}
	return e.Store.Ping(ctx)
}

// supervise runs a loop until ctx is over. A loop that panics or returns early
// is logged, counted and started again: one fault never ends paging.
func (e *Engine) supervise(ctx context.Context, name string, loop func(context.Context) error) {
	for {
		_, err := guarded(e, name, func() (struct{}, error) { return struct{}{}, loop(ctx) })
		if err == nil || ctx.Err() != nil {
			return
		}
		e.metrics.restarts.WithLabelValues(name).Inc()
		e.Log.Error("loop failed, starting it again", "loop", name, "error", err)
		if !sleep(ctx, time.Second) {
			return
		}
	}
}

// errPanic marks what ended in a panic: a defect of the program, which must
// cost no more than the one thing that it happened to.
var errPanic = errors.New("a defect of Muster ended it; the log tells more")

// guarded does one thing for a loop and turns a panic into an error, logged and
// counted. What the panic said stays out of the error, which people may read,
// unless the runtime said it: it might hold a secret.
func guarded[T any](e *Engine, loop string, do func() (T, error)) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			e.defect(loop, p, debug.Stack())
			err = errPanic
		}
	}()
	return do()
}

// defect logs, counts and tells of a panic. What it said is left out unless the
// runtime said it: it might hold a secret.
func (e *Engine) defect(loop string, p any, stack []byte) {
	said, ok := p.(runtime.Error)
	if !ok {
		said = nil
	}
	e.metrics.panics.WithLabelValues(loop).Inc()
	e.Log.Error("panic", "loop", loop, "type", fmt.Sprintf("%T", p), "runtime", said, "stack", string(stack))
	e.reportLoop(loop)
}

// Defect tells of a panic outside of the loops; where is of a closed set.
func (e *Engine) Defect(where string, p any) { e.defect(where, p, debug.Stack()) }

// reportLoop tells the operators, once, that a loop met a defect; nothing more of
// it for an hour ends the alert.
func (e *Engine) reportLoop(loop string) {
	if loop == "operators" { // telling of telling would never end; the log and the metrics have it
		return
	}
	e.report("", event.Event{
		Action: event.Trigger, Key: "defect:" + loop, Title: "Muster met a defect in its loop " + loop + ", and goes on; the log tells more",
		Until: now().Add(time.Hour), Labels: map[string]string{"kind": "defect", "loop": loop},
	})
}

// sleep waits and tells whether ctx is still going on.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// insist writes a unit that would be forgotten if the database did not take it:
// it tries again, once a poll, until an instant or the end of the engine. The
// unit must do nothing, or return store.ErrWritten, if a try before it was
// written and only its answer was lost.
func (e *Engine) insist(ctx context.Context, until time.Time, unit func(*store.Tx) error) error {
	for {
		err := e.Store.Write(ctx, unit)
		if errors.Is(err, store.ErrWritten) {
			return nil
		}
		if !errors.Is(err, store.ErrBusy) || now().Add(poll).After(until) {
			return err
		}
		select {
		case <-time.After(poll):
		case <-e.over:
			return err
		}
	}
}

// graceful returns a context that ends a while after ctx does.
func graceful(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(grace, cancel)
		context.AfterFunc(later, func() { timer.Stop() })
	})
	return later, func() { stop(); cancel() }
}

// A waker wakes a loop that waits.
type waker struct{ c chan struct{} }

func newWaker() waker { return waker{make(chan struct{}, 1)} }

func (w waker) now() {
	select {
	case w.c <- struct{}{}:
	default:
	}
}

// poll is how long a loop sleeps at most: timers stop while a machine is
// suspended, and another replica may have left something to do.
const poll = time.Second

// wait sleeps until the instant next (zero: not known), until woken, or for
// poll. It tells whether it was woken, and whether ctx is still going on.
func (w waker) wait(ctx context.Context, next time.Time) (woken, going bool) {
	d := poll
	if !next.IsZero() {
		d = max(0, min(d, time.Until(next)))
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-w.c:
		return true, true
	case <-t.C:
		return false, true
	case <-ctx.Done():
		return false, false
	}
}

// rest waits until a loop has something to do: it was woken, next has come, or,
// where other replicas write to the same database, poll has gone by. It tells
// whether ctx is still going on.
func (e *Engine) rest(ctx context.Context, w waker, next time.Time) bool {
	alone := e.Store.Dialect() == "sqlite"
	for {
		woken, going := w.wait(ctx, next)
		if !going || woken || !alone || (!next.IsZero() && !now().Before(next)) {
			return going
		}
	}
}
