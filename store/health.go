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
}

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
	bad  int // failures in a row
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
func (h *health) note(err error) {
	h.mu.Lock()
	before := h.now
	if err == nil {
		h.bad = 0
		if !before.OK || before.Since.IsZero() {
			h.now = Health{OK: true, Since: h.at()}
		}
	} else {
		h.bad++
		h.now.OK, h.now.Err, h.now.Reason = false, err, reasonOf(err)
		if before.OK {
			h.now.Since = h.at()
		}
	}
	after := h.now
	h.mu.Unlock()
	if before.OK != after.OK || before.Reason != after.Reason {
		h.tell(after)
	}
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
func busy(err error) error {
	if _, ok := errors.AsType[*Unavailable](err); ok {
		return err
	}
	return &Unavailable{Reason: reasonOf(err), cause: err}
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
		c.s.health.note(c.touch((*batch).writable))
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
		return busy(err)
	}
	err = do(b)
	if err == nil {
		_, err = c.exec(ctx, "COMMIT")
	}
	if err != nil {
		c.rollback()
		return busy(err)
	}
	return nil
}
