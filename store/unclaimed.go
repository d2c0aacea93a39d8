package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// A Sole is the right to send without a claim, which one process has at a time.
// As long as it has it, no other one claims what must leave.
type Sole struct {
	s    *Store
	conn *sql.Conn // whose session holds the lock; nil on SQLite
}

// ErrSole refuses a claim while another replica has the right to send without.
var ErrSole = errors.New("another replica sends without claims")

// soleLock is the number of the lock that goes with a Sole: it says "unclaim".
const soleLock = 0x756e636c61696d

// Alone gives this process the right to send without a claim, or nil if it may
// not: where several share a PostgreSQL, one of them has it, and only while no
// other one was heard of for as long as unheard, by the database's clock. A lock of
// a session needs no write.
func (s *Store) Alone(ctx context.Context, unheard time.Duration) (*Sole, error) {
	if s.dialect.name == sqlite.name {
		return &Sole{s: s}, nil
	}
	conn, err := s.read.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("be the one that sends: %w", err)
	}
	var others bool
	err = conn.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM replicas WHERE id <> $1 AND seen_at > `+databaseClock+` - $2)`,
		s.replica, unheard.Microseconds()).Scan(&others)
	alone := false
	if err == nil && !others { // who is heard of from now on finds the lock before it claims anything
		err = conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, int64(soleLock)).Scan(&alone)
	}
	if err != nil || !alone {
		conn.Close()
		return nil, wrap("be the one that sends", err)
	}
	s.sole.Store(true)
	return &Sole{s, conn}, nil
}

// noSole is the condition of a claim that nobody else has the right to send
// without, nor will before this transaction has ended. It is asked for when rows
// were found: a claim that waits for somebody who holds the tables must keep nobody
// from sending.
func (s *Store) noSole() string {
	if s.replica == "" || s.sole.Load() {
		return ""
	}
	return fmt.Sprintf(` AND (SELECT pg_try_advisory_xact_lock_shared(%d))`, int64(soleLock))
}

// unlessSole returns ErrSole if that is why nothing could be claimed.
func (t *Tx) unlessSole() error {
	condition := t.b.c.s.noSole()
	if condition == "" {
		return nil
	}
	var claims bool
	if err := t.b.c.conn.QueryRowContext(t.b.ctx, `SELECT TRUE`+condition).Scan(&claims); err != nil {
		return t.b.fail("is there one that sends without claims", err)
	}
	if !claims {
		return ErrSole
	}
	return nil
}

// Release gives the right back.
func (o *Sole) Release(ctx context.Context) {
	if o.conn == nil {
		return
	}
	if _, err := o.conn.ExecContext(ctx, `SELECT pg_advisory_unlock($1)`, int64(soleLock)); err != nil {
		dead(o.conn)
	}
	o.conn.Close()
	o.s.sole.Store(false)
}

// DuePages reads pages that are due and held by nobody, without claiming them:
// for while nothing can be written, and what is due must leave all the same. An
// error means that the right may be lost; release it.
func (o *Sole) DuePages(ctx context.Context, now time.Time, limit int) ([]Outgoing, error) {
	const text = `
		SELECT ` + outgoingColumns + ` FROM outbox
		WHERE ` + duePage + ` ORDER BY due, id LIMIT $2`
	query := o.s.read.QueryContext
	if o.conn != nil {
		query = o.conn.QueryContext // by the session that holds the lock: who has lost it reads nothing
	}
	rows, err := query(ctx, text, now.UnixMicro(), limit)
	if err != nil {
		return nil, fmt.Errorf("due pages: %w", err)
	}
	defer rows.Close()
	var list []Outgoing
	for rows.Next() {
		o, err := scanOutgoing(rows)
		if err != nil {
			return nil, fmt.Errorf("due pages: %w", err)
		}
		list = append(list, o)
	}
	return list, wrap("due pages", rows.Err())
}

// duePage is the condition of what is sent without a claim; $1 is now.
const duePage = `state = 'pending' AND kind = 'page' AND due <= $1 AND lease_until <= $1`

// EndSole takes the right to send without a claim from a replica that has it and
// does not say what it sent. Whatever it may have sent counts as tried once, so
// that it says so when it comes again.
func (t *Tx) EndSole(now time.Time) error {
	if _, err := t.exec("end another replica's right to send without a claim", `
		SELECT pg_terminate_backend(pid) FROM pg_locks
		WHERE locktype = 'advisory' AND granted AND mode = 'ExclusiveLock' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
			AND classid = $1 AND objid = $2 AND objsubid = 1`, int64(soleLock>>32), int64(soleLock&0xffffffff)); err != nil {
		return err
	}
	_, err := t.exec("mark what was perhaps sent", `UPDATE outbox SET attempt = attempt + 1 WHERE `+duePage, now.UnixMicro())
	t.b.woken.Outbox = true
	return err
}

// AdoptSent claims, after the fact, a row that was or is being sent without a claim:
// its Attempt is one more than was read. One that was gathered meanwhile leaves
// its digest. It reports false if somebody claimed it meanwhile.
func (t *Tx) AdoptSent(o Outgoing, until time.Time) (bool, error) {
	res, err := t.exec("adopt what was sent", `
		UPDATE outbox SET attempt = $5, lease_until = $3, holder = $4, carrier = '',
			state = CASE state WHEN 'gathered' THEN 'pending' ELSE state END
		WHERE id = $1 AND attempt = $2 AND state IN ('pending', 'cancelled', 'gathered')`,
		o.ID, o.Attempt-1, until.UnixMicro(), t.b.c.s.replica, o.Attempt)
	if err != nil {
		return false, err
	}
	n, _ := res.RowsAffected()
	return n > 0, nil
}

// Tried counts a send without a claim that failed as an attempt: it may have
// arrived. Attempt is one more than was read.
func (t *Tx) Tried(o Outgoing) error {
	_, err := t.exec("count what was tried", `UPDATE outbox SET attempt = $3 WHERE id = $1 AND attempt = $2 AND state IN ('pending', 'gathered')`, o.ID, o.Attempt-1, o.Attempt)
	return err
}
