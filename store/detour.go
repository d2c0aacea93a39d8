package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"
)

// refusedMost is how many edits of one message are refused in a row before
// nothing more is tried; what is posted there anew begins from zero. It is a
// literal of SQL.
const refusedMost = "3"

// Pass pulls the person's next contact method forward for a page that does not
// get through: it becomes due now, while the page itself goes on being tried.
// That happens once for each page. Contacts carried by destinations to avoid,
// which are known to fail, are left where they are.
//
// It reports false if it was done before or the page is not to be sent any
// more; next is the page that was pulled, if there was one.
func (t *Tx) Pass(o Outgoing, now time.Time, avoid ...string) (next json.RawMessage, first bool, err error) {
	res, err := t.exec("pass a page on", `UPDATE outbox SET passed = 1 WHERE id = $1 AND state = 'pending' AND passed = 0`, o.ID)
	if err != nil {
		return nil, false, err
	}
	if n, _ := res.RowsAffected(); n == 0 {
		return nil, false, nil
	}
	next, err = t.pull(o, now, avoid)
	return next, true, err
}

// pull makes the person's next contact method of a step due, if it was not
// tried yet. Only the next one: those after it keep their wait. One that was
// tried waits because its receiver asked it to. It follows a change of the same
// unit, which made the savepoint.
func (t *Tx) pull(o Outgoing, now time.Time, avoid []string) (next json.RawMessage, err error) {
	if o.ClimbStep == "" {
		return nil, nil
	}
	exclude, more := free(avoid, 4)
	untried := `incident = $1 AND climb_step = $2 AND state = 'pending' AND attempt = 0 AND due > $3` + exclude
	rows, err := t.b.c.query(t.b.ctx, `
		UPDATE outbox SET due = $3 WHERE `+untried+` AND due = (SELECT min(due) FROM outbox WHERE `+untried+`)
		RETURNING body`, append([]any{o.Incident, o.ClimbStep, now.UnixMicro()}, more...)...)
	if err != nil {
		return nil, t.b.fail("pull the next contact method forward", err)
	}
	defer rows.Close()
	for rows.Next() {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return nil, t.b.fail("pull the next contact method forward", err)
		}
		next = body
		t.b.woken.Outbox = true
	}
	if err := rows.Err(); err != nil {
		return nil, t.b.fail("pull the next contact method forward", err)
	}
	return next, nil
}

// NextStranded returns when the next page is due by a destination that was not
// passed on yet and that nobody has in hand, or the zero instant.
func (s *Store) NextStranded(ctx context.Context, destination string) (time.Time, error) {
	var due sql.NullInt64
	err := s.read.QueryRowContext(ctx, `SELECT min(CASE WHEN lease_until > due THEN lease_until ELSE due END) FROM outbox
		WHERE state = 'pending' AND destination = $1 AND (CASE kind WHEN 'page' THEN 0 ELSE 1 END) = 0 AND passed = 0`, destination).Scan(&due)
	return instant(due), wrap("next stranded page", err)
}

// Stranded lists pages that are due by a destination, that nobody has in hand
// and that were not passed on yet, those due longest first.
func (s *Store) Stranded(ctx context.Context, now time.Time, destination string, limit int) ([]Outgoing, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT `+outgoingColumns+` FROM outbox
		WHERE state = 'pending' AND destination = $1 AND (CASE kind WHEN 'page' THEN 0 ELSE 1 END) = 0 AND due <= $2 AND lease_until <= $2 AND passed = 0
		ORDER BY due, id LIMIT $3`, destination, now.UnixMicro(), limit)
	if err != nil {
		return nil, wrap("stranded pages", err)
	}
	defer rows.Close()
	var list []Outgoing
	for rows.Next() {
		o, err := scanOutgoing(rows)
		if err != nil {
			return nil, wrap("stranded pages", err)
		}
		list = append(list, o)
	}
	return list, wrap("stranded pages", rows.Err())
}
