package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	sqlitedriver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Health tells whether the database takes what is written and, if not, since
// when and why.
type Health struct {
	OK     bool
	Since  time.Time // when it became so, by the clock that OnHealth was given; zero before Run
	Reason string    // while not OK: "full", "read-only", "locked", "gone" or "failing"
	Err    error     // what the database said last, while not OK
	Spared bool      // while not OK: there is room, kept for it, for what pages people
	Once   bool      // while not OK: it failed a single time, and at once; perhaps a connection broke
}

// Blind tells whether nothing at all can be written, as far as is known.
func (h Health) Blind() bool { return !h.OK && !h.Spared && !h.Once }

// Why the database takes nothing.
const (
	Full     = "full"      // its disk has no room
	ReadOnly = "read-only" // it, or its file system, may only be read
	Locked   = "locked"    // somebody else holds it
	Gone     = "gone"      // it does not answer
	Failing  = "failing"   // it answers with faults
)

// health is what the committer knows of the database.
type health struct {
	mu   sync.Mutex
	now  Health
	bad  int  // failures in a row
	full bool // the reserve was given up, and could not be filled again
	tell func(Health)
	at   func() time.Time
}

// shedAfter is how many failures in a row it takes until intake is refused
// without a try: one alone may be a connection that broke.
const shedAfter = 2

// How often the database is asked whether it takes something, when nothing is
// written that would show it.
const (
	probeIdle = 2 * time.Second
	probeDown = 500 * time.Millisecond
)

func newHealth() *health {
	return &health{now: Health{OK: true}, tell: func(Health) {}, at: func() time.Time { return time.Time{} }}
}

// OnHealth sets what is told, by the committer, when the database stops taking
// writes, when the reason changes, and when it takes them again; and the clock
// that says since when. Set it before Run. Who is told must not wait for a write.
func (s *Store) OnHealth(now func() time.Time, tell func(Health)) {
	s.health.at, s.health.tell = now, tell
}

// Health tells how the database is. It asks nobody: the committer notes it with
// each commit, and tries one when there is nothing to commit.
func (s *Store) Health() Health {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	return s.health.now
}

// note keeps what became of a transaction; err is nil if the database took it.
// A disk that is full stays so until the reserve is filled again, though what
// pages people finds room in the reserve.
func (h *health) note(err error) {
	h.mu.Lock()
	before := h.now
	switch {
	case err == nil && h.full:
		h.now.Spared = true
	case err == nil:
		h.bad = 0
		if !before.OK || before.Since.IsZero() {
			h.now = Health{OK: true, Since: h.at()}
		}
	default:
		h.bad++
		h.now.OK, h.now.Spared, h.now.Err, h.now.Reason = false, false, err, reasonOf(err)
		h.now.Once = h.bad < shedAfter && (h.now.Reason == Gone || h.now.Reason == Failing) && !errors.Is(err, context.DeadlineExceeded)
		if before.OK {
			h.now.Since = h.at()
		}
	}
	after := h.now
	h.mu.Unlock()
	if before.OK != after.OK || before.Reason != after.Reason || before.Blind() != after.Blind() {
		h.tell(after)
	}
}

// spend notes that the reserve was given up, because of err.
func (h *health) spend(err error) {
	h.note(err)
	h.mu.Lock()
	h.full, h.bad, h.now.Spared = true, max(h.bad, shedAfter), true // until the next try shows otherwise
	h.mu.Unlock()
}

// filled notes that the reserve was filled again.
func (h *health) filled() {
	h.mu.Lock()
	h.full = false
	h.mu.Unlock()
	h.note(nil)
}

// low tells whether the reserve is used up.
func (h *health) low() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.full
}

// refuses returns why intake need not try, or nil.
func (h *health) refuses() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bad < shedAfter {
		return nil
	}
	return &Unavailable{Reason: h.now.Reason, cause: h.now.Err}
}

// Unavailable is the error of what was not written because the database takes
// nothing now. It is an ErrBusy.
type Unavailable struct {
	Reason string // as Health has it
	cause  error
}

func (u *Unavailable) Error() string {
	return fmt.Sprintf("%s (%s): %s", ErrBusy, u.Reason, u.cause)
}

// Is makes it an ErrBusy.
func (u *Unavailable) Is(target error) bool { return target == ErrBusy }

// Unwrap returns what the database said.
func (u *Unavailable) Unwrap() error { return u.cause }

// busy makes an error of the database one that says why it is not available.
func (s *Store) busy(err error) error {
	if _, ok := errors.AsType[*Unavailable](err); ok {
		return err
	}
	reason := reasonOf(err)
	if reason == Failing && s.file != "" { // SQLite says no more than that the file cannot be written
		const page = 64 << 10
		if d, ok := diskOf(s.file); ok && d.readOnly {
			reason = ReadOnly
		} else if ok && d.free < page {
			reason = Full
		}
	}
	return &Unavailable{Reason: reason, cause: err}
}

// reasonOf says in a word why the database is not available.
func reasonOf(err error) string {
	if u, ok := errors.AsType[*Unavailable](err); ok {
		return u.Reason
	}
	if e, ok := errors.AsType[*sqlitedriver.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_FULL:
			return Full
		case sqlite3.SQLITE_READONLY:
			return ReadOnly
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return Locked
		case sqlite3.SQLITE_CANTOPEN:
			return Gone
		}
		return Failing
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case e.Code == "53100":
			return Full
		case e.Code == "25006":
			return ReadOnly
		case e.Code == "55P03":
			return Locked
		case e.Code == "53300", e.Code[:min(2, len(e.Code))] == "57":
			return Gone
		}
		return Failing
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Failing
	}
	return Gone // no answer, or a lost one
}

// probe tries a transaction when no unit has shown how the database is. While it
// is well, one that is begun and ended shows enough; to be well again, it must
// keep something.
func (c *committer) probe() {
	if c.s.read == c.s.write {
		c.s.health.note(nil)
		return
	}
	if c.s.Health().OK {
		c.s.reserve.fill() // if it is not; who frees some room need not tell us
		c.s.health.note(c.touch((*batch).writable))
		return
	}
	if c.s.health.low() {
		c.refill()
		return
	}
	c.s.health.note(c.touch(func(b *batch) error {
		_, err := b.c.exec(b.ctx, `
			INSERT INTO counters (org, name, value) VALUES ('', 'probe', 1)
			ON CONFLICT (org, name) DO UPDATE SET value = counters.value + 1`)
		return err
	}))
}

// writable asks what a transaction that writes nothing would not show.
func (b *batch) writable() error {
	if b.c.s.dialect.name == sqlite.name {
		return nil
	}
	var only string
	if err := b.c.conn.QueryRowContext(b.ctx, `SELECT current_setting('transaction_read_only')`).Scan(&only); err != nil {
		return err
	}
	if only == "on" {
		return &Unavailable{Reason: ReadOnly, cause: errors.New("transaction_read_only is on")}
	}
	return nil
}

// touch runs a transaction of no unit.
func (c *committer) touch(do func(*batch) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	b, err := c.open(ctx, nil)
	if err != nil {
		return c.s.busy(err)
	}
	err = do(b)
	if err == nil {
		_, err = c.exec(ctx, "COMMIT")
	}
	if err != nil {
		c.rollback(err)
		return c.s.busy(err)
	}
	return nil
}
