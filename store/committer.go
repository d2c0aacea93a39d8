package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/bits"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// batchEvents is how much one commit takes at most; measured to be enough for
// the fsync to be shared, small enough that nobody waits long for it.
const batchEvents = 512

// A unit is a piece of work that is committed whole or not at all.
type unit struct {
	run    func(*Tx) error
	weight int
	keys   []AlertKey // to be read ahead, all units' in one query
	groups []string   // of the incidents that they would join
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

// Joining names, for each key of Events, the group of the open incident that its
// alert would join if it began now, or "". They are read ahead too, but for
// those of alerts that fire already: repeats join nothing.
func Joining(groups []string) WriteOption { return func(u *unit) { u.groups = groups } }

// Write runs a unit in the next commit and returns when it is durable. The
// unit's error, if any, is returned and nothing of it is kept, while the other
// units of the commit go on. The unit may run more than once (after a conflict
// with another replica); it must not touch anything but the Tx and its own
// results. A context that is over stops nothing: what a loop has done must be
// stored while the program ends, and a client that left may still have been
// answered. The error is ErrBusy when the database is not available; then, if
// the answer to a COMMIT was lost, the unit may have been written all the same.
func (s *Store) Write(ctx context.Context, run func(*Tx) error, opts ...WriteOption) error {
	u := &unit{run: withAlso(ctx, run), done: make(chan struct{})}
	for _, o := range opts {
		o(u)
	}
	if u.weight > 0 { // what pages people always tries
		if err := s.health.refuses(); err != nil {
			return err
		}
	}
	if !s.queue.put(u) {
		return fmt.Errorf("%w: it is shutting down", ErrBusy)
	}
	<-u.done // even if the context is over: the caller must know what became of it
	return u.err
}

// queue holds units: those that page people before those that take events in,
// and of these one of each organization in turn.
type queue struct {
	mu     sync.Mutex
	urgent []*unit
	intake turns
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
		q.intake.put(u)
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
	for u := q.intake.first(); u != nil && (m == 0 || weight+u.weight <= batchEvents); u = q.intake.first() { // one at least: pages never starve intake
		weight += u.weight
		m++
		batch = append(batch, q.intake.next())
	}
	if len(q.urgent)+q.intake.waiting > 0 {
		select {
		case q.ready <- struct{}{}:
		default:
		}
	}
	return batch
}

// rest drops the first n of a list and lets go of the memory when none are left.
func rest[T any](list []T, n int) []T {
	if n == len(list) {
		return nil
	}
	return list[n:]
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, u := range append(q.urgent, q.intake.all()...) {
		u.finish(fmt.Errorf("%w: it is shutting down", ErrBusy))
	}
	q.urgent = nil
}

// shed returns the intakes that wait, to be refused: their senders try again,
// and a queue that waits for a database would only grow.
func (q *queue) shed() []*unit {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.intake.all()
}

func (u *unit) finish(err error) {
	u.err = err
	close(u.done)
}

// Run is the committer. It returns nil when ctx is over and the queue is empty;
// then nothing more is taken and Write returns ErrBusy.
func (s *Store) Run(ctx context.Context) error {
	c := &committer{s: s, texts: map[textKey]string{}, cache: newCache()}
	defer c.release()
	if err := s.reserve.fill(); err != nil {
		s.log.Warn("no room can be kept for when the disk is full", "file", s.reserve.path, "error", err)
	}
	c.probe()
	for {
		every := probeIdle
		if !s.Health().OK {
			every = probeDown
		}
		if s.read == s.write {
			every = time.Hour // in memory it is always there
		}
		idle := time.NewTimer(every)
		select {
		case <-s.queue.ready:
			idle.Stop()
		case <-idle.C:
			c.probe()
		case <-ctx.Done():
			idle.Stop()
			for batch := s.queue.take(); len(batch) > 0; batch = s.queue.take() {
				c.commitAll(batch)
			}
			s.queue.close()
			return nil
		}
		if batch := s.queue.take(); len(batch) > 0 {
			s.health.note(c.commitAll(batch))
		}
		if err := s.health.refuses(); err != nil {
			finish(s.queue.shed(), err)
		}
	}
}

// committer owns the one connection that writes, and its prepared statements.
type committer struct {
	s     *Store
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	texts map[textKey]string // of multi-row statements
	cache *cache
	plans plans // PostgreSQL's
}

func (c *committer) release() {
	c.forget()
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// forget closes the statements, which must happen before their connection is
// closed: SQLite's would be freed twice.
func (c *committer) forget() {
	for _, st := range c.stmts {
		st.Close()
	}
	c.stmts = nil
}

// commitAll is commit that leaves nobody waiting if it panics.
func (c *committer) commitAll(batch []*unit) error {
	defer func() {
		if p := recover(); p != nil {
			for _, u := range batch {
				select {
				case <-u.done:
				default:
					u.finish(fmt.Errorf("%w: a defect ended the commit", ErrBusy))
				}
			}
			panic(p)
		}
	}()
	return c.commit(batch)
}

// commit commits a batch and finishes its units. A batch that fails as a whole
// is halved until what cannot be written fails alone, so that one bad unit in
// 512 costs about twenty commits and not 512. An error that is returned means
// that the database is not available: the units after these need not try.
func (c *committer) commit(batch []*unit) error {
	err := c.try(batch)
	if err == nil {
		return nil
	}
	if c.spare(err) {
		urgent, intake := parted(batch)
		finish(intake, err)
		if len(urgent) == 0 {
			return err
		}
		return c.commit(urgent)
	}
	if len(batch) > 1 && !errors.Is(err, ErrBusy) {
		half := len(batch) / 2
		if err := c.commit(batch[:half]); err != nil {
			finish(batch[half:], err)
			return err
		}
		return c.commit(batch[half:])
	}
	for range conflicts {
		if errors.Is(err, ErrBusy) {
			break
		}
		if err = c.try(batch); err == nil { // another replica was faster; the unit looked again
			return nil
		}
	}
	finish(batch, err)
	if errors.Is(err, ErrBusy) {
		return err
	}
	return nil
}

// conflicts is how often a unit that lost against another replica looks again.
const conflicts = 3

func finish(batch []*unit, err error) {
	for _, u := range batch {
		u.finish(err)
	}
}

// try runs one transaction. A nil error means that every unit is finished, be
// it with an error of its own; otherwise none is, and nothing was written
// (after a failed COMMIT: perhaps nothing).
func (c *committer) try(batch []*unit) error {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	if c.s.read == c.s.write {
		defer c.release() // a database in memory has one connection, and readers need it
	}
	b, err := c.open(ctx, batch)
	if err != nil {
		return c.s.busy(err)
	}
	errs, err := b.write(batch)
	if err != nil {
		c.rollback(err)
		return err
	}
	c.cache.committed(b.all)
	c.s.commits.Add(1)
	c.s.units.Add(int64(len(batch)))
	for i, u := range batch {
		u.finish(errs[i])
	}
	if b.woken != (Woken{}) {
		c.s.wake(b.woken)
	}
	c.s.at(stationWoken)
	return nil
}

// commitTimeout bounds one transaction: a database that hangs is not available.
const commitTimeout = 30 * time.Second

// write runs the units in the open transaction and commits it.
func (b *batch) write(units []*unit) (errs []error, err error) {
	if errs, err = b.runAll(units); err == nil {
		b.c.s.at(stationStaged)
		err = b.flush()
	}
	if err != nil {
		if unavailable(err) {
			err = b.c.s.busy(err)
		}
		return nil, err
	}
	b.c.s.at(stationFlushed)
	if _, err := b.c.exec(b.ctx, "COMMIT"); err != nil {
		return nil, b.c.s.busy(fmt.Errorf("commit: %w", err))
	}
	b.c.s.at(stationCommitted)
	return errs, nil
}

// open begins a transaction, on a new connection if the one at hand is dead, and
// reads what the units will ask for. What went wrong with that is in broken.
func (c *committer) open(ctx context.Context, units []*unit) (b *batch, err error) {
	for range 3 { // the pool may hold more than one that died with the server
		b = newBatch(ctx, c)
		if err = c.connect(ctx); err == nil {
			err = c.begin(ctx, b, b.ahead(units), weightOf(units))
		}
		if err == nil {
			return b, nil
		}
		if c.s.dialect.name == sqlite.name && unavailable(err) {
			break // another connection would find the same lock, and wait for it as long
		}
		c.discard()
	}
	return nil, fmt.Errorf("begin: %w", err)
}

// rollback ends a failed transaction. SQLite may have ended it by itself, and
// then says so; a connection to PostgreSQL that cannot roll back is dead, and one
// that may only read may lead to a server that was the primary.
func (c *committer) rollback(cause error) {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	if _, err := c.conn.ExecContext(ctx, "ROLLBACK"); (err != nil || reasonOf(cause) == ReadOnly) && c.s.dialect.name == postgres.name {
		c.discard()
	}
}

// discard closes the connection for good, where release gives it back to the
// pool. A database in memory would be lost with it.
func (c *committer) discard() {
	if c.conn != nil && c.s.read != c.s.write {
		c.forget()
		dead(c.conn)
	}
	c.release()
}

// dead tells the pool that a connection is of no use any more.
func dead(conn *sql.Conn) {
	conn.Raw(func(any) error { return driver.ErrBadConn }) // an error we made
}

// begin begins a transaction and asks the first questions in it. On PostgreSQL
// that is one round trip, and the committers of all replicas take turns: they
// change the same few rows (counters, hot incidents, the outbox) in orders that
// nobody knows beforehand, and one that waits for another's commit is faster than
// both that wait for the deadlock to be found. A question is answered as of the
// moment at which the turn has come.
func (c *committer) begin(ctx context.Context, b *batch, first []question, weight int) (err error) {
	if c.s.dialect.name == sqlite.name {
		if _, err := c.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
			return err
		}
		b.broken = c.ask(ctx, first)
		return nil
	}
	if err := c.refreshPlans(ctx, weight); err != nil {
		return err
	}
	return c.conn.Raw(func(driver any) error {
		conn := driver.(*stdlib.Conn).Conn()
		var queue pgx.Batch
		queue.Queue("BEGIN")
		queue.Queue("SELECT pg_advisory_xact_lock($1)", turnLock)
		for _, q := range first {
			queue.Queue(q.text, q.args...)
		}
		results := conn.SendBatch(ctx, &queue)
		for range 2 {
			if _, err := results.Exec(); err != nil {
				results.Close()
				return err
			}
		}
		if b.broken = cmp.Or(answer(results, first), results.Close()); conn.IsClosed() {
			return b.broken
		}
		return nil
	})
}

// plans tells how old PostgreSQL's plans are, in what was done since.
type plans struct {
	commits int // since they were made
	work    int // since they were made: an event each, or a unit
	all     int // work since the start
}

// PostgreSQL makes its plans anew after so much, and whenever all work has
// doubled, from so much on. A plan that was made while a table was empty reads
// all of it when it has grown, until the statistics are renewed a minute later; a
// burst does not wait for that, and a lone page does not wait for plans.
const (
	replanCommits = 256
	replanWork    = 2048
	doublingFrom  = 512
)

// refreshPlans lets PostgreSQL make its plans anew now and then.
func (c *committer) refreshPlans(ctx context.Context, weight int) error {
	p := &c.plans
	before := p.all
	p.commits, p.work, p.all = p.commits+1, p.work+weight, p.all+weight
	doubled := p.all >= doublingFrom && bits.Len(uint(before)) != bits.Len(uint(p.all))
	if doubled {
		c.analyze(ctx)
	}
	if !doubled && (p.commits < replanCommits || p.work < replanWork) {
		return nil
	}
	p.commits, p.work = 0, 0
	_, err := c.conn.ExecContext(ctx, "DISCARD PLANS", pgx.QueryExecModeSimpleProtocol)
	return err
}

// weightOf is how much work units are: an event each, or a unit.
func weightOf(units []*unit) (sum int) {
	for _, u := range units {
		sum += max(1, u.weight)
	}
	return sum
}

// turnLock is the number of the lock that goes with a turn. It is ours.
const turnLock = 7381240115

// analyze lets PostgreSQL look at tables that have just begun to grow. By itself
// it does so a minute later, and until then takes an organization's rows for one
// in two hundred: however often it plans, it reads all alerts of an organization
// to find the few of a list. Once it has seen a table of enough rows, it keeps up
// alone.
func (c *committer) analyze(ctx context.Context) {
	const enough = 5000
	var seen float64 // rows; -1 before the first time
	err := c.conn.QueryRowContext(ctx, `SELECT reltuples FROM pg_class WHERE oid = 'alerts'::regclass`).Scan(&seen)
	if err == nil && seen < enough {
		_, err = c.conn.ExecContext(ctx, "ANALYZE (SKIP_LOCKED) alerts, incidents, outbox, messages")
	}
	if err != nil { // only slower; a connection that is dead fails again
		c.s.log.Debug("analyze", "error", err)
	}
}

func (c *committer) connect(ctx context.Context) (err error) {
	if c.conn != nil {
		return nil
	}
	if c.conn, err = c.s.write.Conn(ctx); err != nil {
		return err
	}
	c.stmts = map[string]*sql.Stmt{}
	if c.s.health.low() {
		c.economize(ctx)
	}
	if c.s.dialect.name == postgres.name {
		// A replica that is suspended within its turn loses it; and who waits for a
		// lock as long as SQLite would is told that somebody holds it.
		_, err = c.conn.ExecContext(ctx, "SET idle_in_transaction_session_timeout = 5000; SET lock_timeout = 10000", pgx.QueryExecModeSimpleProtocol)
	}
	return err
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
			tx.b.c.s.panicked(p, debug.Stack())
			err = ErrPanic
		}
	}()
	return run(tx)
}
