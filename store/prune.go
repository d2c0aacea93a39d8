package store

import (
	"context"
	"fmt"
	"time"
)

// Keep says how long each kind of row is kept; 0 means for ever.
type Keep struct {
	Events     time.Duration // raw events
	Windows    time.Duration // counts of rules per second
	Outbox     time.Duration // what was sent, failed or cancelled
	Answers    time.Duration // of Idempotency-Keys
	Complaints time.Duration
	Tombstones time.Duration // of resolves that came before any trigger: the lateness allowance
}

// pruneRows is how much one statement deletes, so that it never holds the
// committer for long.
const pruneRows = 500

// Prune deletes what is older than it is kept, some of each kind, and reports
// whether there is more. It never touches incidents, their timeline, or what
// an open one needs.
func (s *Store) Prune(ctx context.Context, now time.Time, keep Keep) (more bool, err error) {
	rules := []struct {
		kept time.Duration
		text string
		unit time.Duration // of the column
	}{
		{keep.Events, `DELETE FROM segments WHERE id IN (SELECT id FROM segments WHERE at < $1 ORDER BY id LIMIT $2)`, time.Microsecond},
		{keep.Windows, `DELETE FROM windows WHERE second < $1 AND (org, rule, series, second) IN (SELECT org, rule, series, second FROM windows WHERE second < $1 LIMIT $2)`, time.Second},
		{keep.Outbox, `DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE done_at < $1 AND state <> 'pending' LIMIT $2)`, time.Microsecond},
		{keep.Answers, `DELETE FROM idempotency WHERE (org, id) IN (SELECT org, id FROM idempotency WHERE at < $1 LIMIT $2)`, time.Microsecond},
		{keep.Complaints, `DELETE FROM complaints WHERE id IN (SELECT id FROM complaints WHERE at < $1 LIMIT $2)`, time.Microsecond},
		{keep.Tombstones, `DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE status = 'tombstone' AND last_at < $1 LIMIT $2)`, time.Microsecond},
	}
	for _, r := range rules {
		if r.kept <= 0 {
			continue
		}
		before := now.Add(-r.kept).UnixMicro() / r.unit.Microseconds()
		err := s.Write(ctx, func(t *Tx) error {
			res, err := t.exec("prune", r.text, before, pruneRows)
			if err != nil {
				return err
			}
			if n, _ := res.RowsAffected(); n == pruneRows {
				more = true
			}
			return nil
		})
		if err != nil {
			return more, fmt.Errorf("prune: %w", err)
		}
	}
	return more, nil
}
