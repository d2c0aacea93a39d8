package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// batchEvents is how much one commit takes at most; measured to be enough for
// the fsync to be shared, small enough that nobody waits long for it.
const batchEvents = 512

// A unit is a piece of work that is committed whole or not at all.
type unit struct {
	ctx    context.Context
	run    func(*Tx) error
	weight int
	keys   []AlertKey // to be read ahead, all units' in one query
	err    error
	done   chan struct{}
}

// A WriteOption says something about a unit.
type WriteOption func(*unit)

// Events says that the unit is an intake of n events with these alert keys:
// it waits behind units that page people, and its alerts are read ahead.
func Events(n int, keys ...AlertKey) WriteOption {
	return func(u *unit) { u.weight, u.keys = max(1, n), keys }
}

// Write runs a unit in the next commit and returns when it is durable. The
// unit's error, if any, is returned and nothing of it is kept, while the other
// units of the commit go on. The unit may run more than once (after a conflict
// with another replica); it must not touch anything but the Tx and its own
// results.
func (s *Store) Write(ctx context.Context, run func(*Tx) error, opts ...WriteOption) error {
	u := &unit{ctx: ctx, run: run, done: make(chan struct{})}
	for _, o := range opts {
		o(u)
	}
	if !s.queue.put(u) {
		return fmt.Errorf("%w: it is shutting down", ErrBusy)
	}
	<-u.done // even if ctx is over: the caller must know what became of it
	return u.err
}

// queue holds units: those that page people before those that take events in.
type queue struct {
	mu     sync.Mutex
	urgent []*unit
	intake []*unit
	closed bool
	ready  chan struct{} // holds one token while there may be something
}

func newQueue() *queue { return &queue{ready: make(chan struct{}, 1)} }

func (q *queue) put(u *unit) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	if u.weight > 0 {
		q.intake = append(q.intake, u)
	} else {
		q.urgent = append(q.urgent, u)
	}
	select {
	case q.ready <- struct{}{}:
	default:
	}
	return true
}

// take returns what one commit should hold.
func (q *queue) take() []*unit {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.urgent), batchEvents)
	batch := append([]*unit(nil), q.urgent[:n]...)
	q.urgent = rest(q.urgent, n)
	weight, m := n, 0
	for m < len(q.intake) && (weight == 0 || weight+q.intake[m].weight <= batchEvents) {
		weight += q.intake[m].weight
		m++
	}
	batch = append(batch, q.intake[:m]...)
	q.intake = rest(q.intake, m)
	if len(q.urgent)+len(q.intake) > 0 {
		select {
		case q.ready <- struct{}{}:
		default:
		}
	}
	return batch
}

// rest drops the first n units and lets go of the memory when none are left.
func rest(units []*unit, n int) []*unit {
	if n == len(units) {
		return nil
	}
	return units[n:]
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, u := range append(q.urgent, q.intake...) {
		u.finish(fmt.Errorf("%w: it is shutting down", ErrBusy))
	}
	q.urgent, q.intake = nil, nil
}

func (u *unit) finish(err error) {
	u.err = err
	close(u.done)
}

// Run is the committer. It returns when ctx is over and the queue is empty;
// then nothing more is taken.
func (s *Store) Run(ctx context.Context) error {
	c := &committer{s: s, texts: map[textKey]string{}}
	defer c.release()
	for {
		select {
		case <-s.queue.ready:
		case <-ctx.Done():
			for batch := s.queue.take(); len(batch) > 0; batch = s.queue.take() {
				c.commit(batch)
			}
			s.queue.close()
			return nil
		}
		if batch := s.queue.take(); len(batch) > 0 {
			c.commit(batch)
		}
	}
}

// committer owns the one connection that writes, and its prepared statements.
type committer struct {
	s     *Store
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	texts map[textKey]string // of multi-row statements
}

func (c *committer) release() {
	for _, st := range c.stmts {
		st.Close()
	}
	c.stmts = nil
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// commit commits a batch; when the batch as a whole fails, each unit on its
// own, so that one that cannot be written fails alone.
func (c *committer) commit(batch []*unit) {
	err := c.try(batch)
	if err == nil {
		return
	}
	if len(batch) > 1 && !errors.Is(err, ErrBusy) {
		for _, u := range batch {
			c.commit([]*unit{u})
		}
		return
	}
	if len(batch) == 1 && !errors.Is(err, ErrBusy) {
		for range 3 { // another replica was faster; look again
			if err = c.try(batch); err == nil {
				return
			}
		}
	}
	for _, u := range batch {
		u.finish(err)
	}
}

// try runs one transaction. A nil error means that every unit is finished, be
// it with an error of its own; otherwise none is, and nothing was written.
func (c *committer) try(batch []*unit) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := c.connect(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	if _, err := c.exec(ctx, c.begin()); err != nil {
		c.release() // the connection may be gone; the next try makes another
		return fmt.Errorf("%w: begin: %w", ErrBusy, err)
	}
	b := newBatch(ctx, c)
	defer func() {
		if err != nil {
			if _, e := c.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); e != nil {
				c.release()
			}
		}
	}()
	errs, err := b.runAll(batch)
	if err != nil {
		return err
	}
	if err := b.flush(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if _, err := c.exec(ctx, "COMMIT"); err != nil {
		c.release()
		return fmt.Errorf("%w: commit: %w", ErrBusy, err)
	}
	if c.s.read == c.s.write {
		c.release() // a database in memory has one connection, and readers need it
	}
	c.s.commits.Add(1)
	c.s.units.Add(int64(len(batch)))
	for i, u := range batch {
		u.finish(errs[i])
	}
	if b.woken != (Woken{}) {
		c.s.wake(b.woken)
	}
	return nil
}

func (c *committer) begin() string {
	if c.s.dialect.name == "sqlite" {
		return "BEGIN IMMEDIATE"
	}
	return "BEGIN"
}

func (c *committer) connect(ctx context.Context) (err error) {
	if c.conn != nil {
		return nil
	}
	if c.conn, err = c.s.write.Conn(ctx); err != nil {
		return err
	}
	c.stmts = map[string]*sql.Stmt{}
	return nil
}

// prepared returns the statement for a text, prepared once per connection.
func (c *committer) prepared(ctx context.Context, text string) (*sql.Stmt, error) {
	if st := c.stmts[text]; st != nil {
		return st, nil
	}
	st, err := c.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	c.stmts[text] = st
	return st, nil
}

func (c *committer) exec(ctx context.Context, text string, args ...any) (sql.Result, error) {
	st, err := c.prepared(ctx, text)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

func (c *committer) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	st, err := c.prepared(ctx, text)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

// guarded runs a unit and turns a panic into its error, so that one bad unit
// does not end the committer.
func guarded(run func(*Tx) error, tx *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return run(tx)
}
