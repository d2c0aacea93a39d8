package store

import (
	"context"
	"fmt"
	"time"
)

// A LogBody is a body of log lines that was counted, and whose sender may not
// know that: it will send it again.
type LogBody struct {
	ID, Org         string
	Digest          string // of what tells the body from others
	Lines, Unparsed int64
}

// logBodiesKept is how long a body that comes again is known: senders that try
// for longer are rare, and an hour of bodies is little.
const logBodiesKept = time.Hour

// PutLogBodies keeps bodies that are counted in this transaction.
func (t *Tx) PutLogBodies(list []LogBody, at time.Time) error {
	return inChunks(len(list), func(from, to int) error {
		args := make([]any, 0, 6*(to-from))
		for _, b := range list[from:to] {
			args = append(args, b.ID, b.Org, b.Digest, at.UnixMicro(), b.Lines, b.Unparsed)
		}
		_, err := t.exec("keep what was counted", t.b.c.rows(`INSERT INTO log_bodies (id, org, digest, at, lines, unparsed) VALUES `, to-from, 6, "", ""), args...)
		return err
	})
}

// DropLogBodies forgets bodies whose senders know that they were counted.
func (t *Tx) DropLogBodies(ids []string) error {
	return inLists(ids, func(values []any) error {
		_, err := t.exec("forget what was counted", t.b.c.list(`DELETE FROM log_bodies WHERE id IN (`, 1, len(values), `)`), values...)
		return err
	})
}

// LogBodies returns the bodies with some of these digests that are known at an
// instant, oldest first.
func (s *Store) LogBodies(ctx context.Context, org string, digests []string, now time.Time) (list []LogBody, err error) {
	err = inLists(digests, func(values []any) error {
		args := append(values, org, now.Add(-logBodiesKept).UnixMicro())
		n := len(values)
		rows, err := s.read.QueryContext(ctx, fmt.Sprintf(`SELECT id, org, digest, lines, unparsed FROM log_bodies WHERE digest IN (%s) AND org = $%d AND at > $%d ORDER BY at, id`,
			marks(n, 1), n+1, n+2), args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var b LogBody
			if err := rows.Scan(&b.ID, &b.Org, &b.Digest, &b.Lines, &b.Unparsed); err != nil {
				return err
			}
			list = append(list, b)
		}
		return rows.Err()
	})
	return list, wrap("bodies of log lines", err)
}
