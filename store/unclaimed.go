package store

import (
	"context"
	"fmt"
	"time"
)

// DuePages reads pages that are due and held by nobody, without claiming them:
// for while nothing can be written, and what is due must leave all the same.
func (s *Store) DuePages(ctx context.Context, now time.Time, limit int) ([]Outgoing, error) {
	rows, err := s.read.QueryContext(ctx, `
		SELECT `+outgoingColumns+` FROM outbox
		WHERE state = 'pending' AND kind = 'page' AND due <= $1 AND lease_until <= $1 ORDER BY due, id LIMIT $2`, now.UnixMicro(), limit)
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
	return list, rows.Err()
}

// AdoptSent claims, after the fact, a row that was sent without a claim: its Attempt
// is one more than was read. One that was gathered meanwhile leaves its digest. It
// reports false if somebody claimed it meanwhile.
func (t *Tx) AdoptSent(o Outgoing, until time.Time) (bool, error) {
	res, err := t.exec("adopt what was sent", `
		UPDATE outbox SET attempt = attempt + 1, lease_until = $3, holder = $4, carrier = '',
			state = CASE state WHEN 'gathered' THEN 'pending' ELSE state END
		WHERE id = $1 AND attempt = $2 AND state IN ('pending', 'cancelled', 'gathered')`, o.ID, o.Attempt-1, until.UnixMicro(), t.b.c.s.replica)
	if err != nil {
		return false, err
	}
	n, _ := res.RowsAffected()
	return n > 0, nil
}

// Alone tells whether nobody else will send without a claim as long as release
// is not called. Where several share a PostgreSQL, the first that asks is the
// one: it holds a lock of its session, which needs no write.
func (s *Store) Alone(ctx context.Context) (alone bool, release func(), err error) {
	if s.dialect.name == sqlite.name {
		return true, func() {}, nil
	}
	const key int64 = 0x756e636c61696d // "unclaim"
	conn, err := s.read.Conn(ctx)
	if err != nil {
		return false, nil, fmt.Errorf("be the one that sends: %w", err)
	}
	if err = conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, key).Scan(&alone); err != nil || !alone {
		conn.Close()
		return false, nil, wrap("be the one that sends", err)
	}
	return true, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
		defer cancel()
		if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_unlock($1)`, key); err != nil {
			dead(conn)
		}
		conn.Close()
	}, nil
}
