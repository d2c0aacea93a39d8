package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
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
// whether there is more. It never touches alerts, incidents or their timeline,
// nor what an open one needs: the first and the last event of its alerts, and
// its outbox.
func (s *Store) Prune(ctx context.Context, now time.Time, keep Keep) (more bool, err error) {
	rules := []struct {
		kept time.Duration
		text string
		unit time.Duration // of the column
	}{
		{keep.Windows, `DELETE FROM windows WHERE (org, rule, series, second) IN (SELECT org, rule, series, second FROM windows WHERE second < $1 LIMIT $2)`, time.Second},
		{keep.Outbox, `DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE done_at < $1 AND state <> 'pending'
			AND NOT EXISTS (SELECT 1 FROM incidents WHERE incidents.id = outbox.incident AND incidents.status <> 'resolved') LIMIT $2)`, time.Microsecond},
		{keep.Answers, `DELETE FROM idempotency WHERE (org, id) IN (SELECT org, id FROM idempotency WHERE at < $1 LIMIT $2)`, time.Microsecond},
		{keep.Complaints, `DELETE FROM complaints WHERE id IN (SELECT id FROM complaints WHERE at < $1 LIMIT $2)`, time.Microsecond},
		{logBodiesKept, `DELETE FROM log_bodies WHERE id IN (SELECT id FROM log_bodies WHERE at < $1 LIMIT $2)`, time.Microsecond},
		{gateRunsKept, `DELETE FROM gate_runs WHERE id IN (SELECT id FROM gate_runs WHERE at < $1 LIMIT $2)`, time.Microsecond},
		{selftestsKept, `DELETE FROM selftests WHERE id IN (SELECT id FROM selftests WHERE at < $1 LIMIT $2)`, time.Microsecond},
		{keep.Tombstones, `DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE status = 'tombstone' AND last_at < $1 LIMIT $2)`, time.Microsecond},
	}
	for _, r := range rules {
		if r.kept <= 0 {
			continue
		}
		before := now.Add(-r.kept).UnixMicro() / r.unit.Microseconds()
		n, err := s.prune(ctx, r.text, before, pruneRows)
		if err != nil {
			return more, err
		}
		more = more || n == pruneRows
	}
	if keep.Events > 0 {
		old, err := s.oldSegments(ctx, now.Add(-keep.Events))
		if err != nil {
			return more, fmt.Errorf("prune events: %w", err)
		}
		if _, err := s.prune(ctx, `DELETE FROM segments WHERE id IN (`+marks(len(old), 1)+`)`, anys(old)...); len(old) > 0 && err != nil {
			return more, err
		}
		more = more || len(old) == pruneRows
	}
	return more, nil
}

func (s *Store) prune(ctx context.Context, text string, args ...any) (deleted int64, err error) {
	err = s.Write(ctx, func(t *Tx) error {
		res, err := t.exec("prune", text, args...)
		if err != nil {
			return err
		}
		deleted, err = res.RowsAffected()
		return err
	})
	return deleted, wrap("prune", err)
}

// oldSegments returns up to pruneRows segments from before an instant that hold
// no event which an open incident or a firing alert is about. It reads aside
// the committer: what nobody needs now, nobody comes to need.
func (s *Store) oldSegments(ctx context.Context, before time.Time) ([]string, error) {
	needed, err := s.neededSegments(ctx, before)
	if err != nil {
		return nil, err
	}
	var old []string
	for after := ""; ; {
		page, err := s.column(ctx, `SELECT id FROM segments WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3`, after, floor(before), pruneRows)
		if err != nil {
			return nil, err
		}
		for _, segment := range page {
			if !needed[segment] && len(old) < pruneRows {
				old = append(old, segment)
			}
		}
		if len(page) < pruneRows || len(old) == pruneRows {
			return old, nil
		}
		after = page[len(page)-1]
	}
}

// neededSegments returns those that hold the first or the last event of alerts
// from before an instant that fire or whose incident is open.
func (s *Store) neededSegments(ctx context.Context, before time.Time) (map[string]bool, error) {
	// Ids are made when the row is, so an alert with a later id has no event
	// from before.
	bodies, err := s.column(ctx, `
		SELECT body FROM alerts WHERE status = 'firing' AND id < $1
		UNION ALL SELECT a.body FROM incidents AS i JOIN alerts AS a ON a.incident = i.id WHERE i.status <> 'resolved' AND a.id < $1`, floor(before))
	if err != nil {
		return nil, err
	}
	needed := map[string]bool{}
	for _, body := range bodies {
		var a incident.Alert
		if err := json.Unmarshal([]byte(body), &a); err != nil {
			return nil, fmt.Errorf("read alert: %w", err)
		}
		for _, event := range []string{a.FirstEvent, a.LastEvent} {
			if segment, _, err := id.SplitMember(event); err == nil {
				needed[segment] = true
			}
		}
	}
	return needed, nil
}

// floor returns a text before which all ids sort that were made earlier than an
// instant, and after which the others do: a UUIDv7 begins with its millisecond.
func floor(at time.Time) string {
	ms := at.UnixMilli()
	return fmt.Sprintf("%08x-%04x", ms>>16, ms&0xffff)
}

// column returns the only column of a query's rows.
func (s *Store) column(ctx context.Context, text string, args ...any) ([]string, error) {
	rows, err := s.read.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return slices.Clip(list), rows.Err()
}
