package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// What the auditor reads. Each look reads an index that holds only what is
// stuck, or one page of a walk: its work does not grow with the database.

// A Suspect is an incident that may be stuck.
type Suspect struct{ Org, ID, Status string }

// The looks for incidents; EXPLAIN of each is checked.
const (
	auditIdle    = `SELECT org, id, status FROM incidents WHERE status <> 'resolved' AND due IS NULL AND waits = '' ORDER BY id LIMIT $1`
	auditSettled = `SELECT org, id, status FROM incidents WHERE status IN ('acknowledged', 'resolved') AND due IS NOT NULL ORDER BY id LIMIT $1`
	auditOverdue = `SELECT org, id, status FROM incidents WHERE due <= $1 AND due IS NOT NULL ORDER BY due LIMIT $2`
	auditFar     = `SELECT org, id, status FROM incidents WHERE due > $1 AND due IS NOT NULL ORDER BY due LIMIT $2`
	auditBehind  = `
		SELECT org, id, status FROM (
			SELECT org, id, status, seq FROM incidents WHERE (org, id) > ($1, $2) AND status <> 'resolved' ORDER BY org, id LIMIT $3
		) AS page WHERE seq <> COALESCE((SELECT max(seq) FROM timeline WHERE timeline.incident = page.id), 0)`
	auditBehindEnd = `SELECT org, id FROM incidents WHERE (org, id) > ($1, $2) AND status <> 'resolved' ORDER BY org, id LIMIT 1 OFFSET $3`
	auditOrphans   = `
		SELECT id FROM (
			SELECT org, id, incident FROM alerts WHERE (org, id) > ($1, $2) AND status = 'firing' ORDER BY org, id LIMIT $3
		) AS page WHERE (SELECT 1 FROM incidents WHERE incidents.org = page.org AND incidents.id = page.incident AND incidents.status <> 'resolved') IS NULL LIMIT $4`
	auditOrphansEnd  = `SELECT org, id FROM alerts WHERE (org, id) > ($1, $2) AND status = 'firing' ORDER BY org, id LIMIT 1 OFFSET $3`
	auditAlert       = `SELECT org, integration, dedup_key FROM alerts WHERE id = $1`
	auditMessages    = `SELECT incident FROM messages WHERE incident > $1 AND incident <= $2 AND (SELECT 1 FROM incidents WHERE incidents.id = messages.incident) IS NULL LIMIT $3`
	auditMessagesEnd = `SELECT max(incident), count(*) FROM (SELECT incident FROM messages WHERE incident > $1 ORDER BY incident LIMIT $2) AS page`
	auditNextPlace   = `SELECT min(destination) FROM outbox WHERE state = 'pending' AND destination > $1`
	auditPending     = `
		SELECT o.id, o.org, o.incident, o.kind, o.due, o.lease_until, o.attempt, o.body, COALESCE(incidents.status, '') FROM (
			SELECT * FROM outbox WHERE state = 'pending' AND destination = $1 ORDER BY ` + pagesFirst + ` LIMIT $2
		) AS o LEFT JOIN incidents ON incidents.id = o.incident`
	auditRuns = `
		SELECT r.id, r.org, r.incident, r.runbook, r.state, r.due, r.lease_until, r.version, r.body, COALESCE(incidents.status, '')
		FROM (SELECT * FROM runs WHERE ended_at IS NULL AND id > $1 ORDER BY id LIMIT $2) AS r LEFT JOIN incidents ON incidents.id = r.incident ORDER BY r.id`
	auditCounter = `
		SELECT COALESCE((SELECT max(number) FROM incidents WHERE org = $1), 0), COALESCE((SELECT max(value) FROM counters WHERE org = $1 AND name = 'incident'), 0)`
	auditQuarantinedRows      = `SELECT org, count(*) FROM outbox WHERE state = 'quarantined' GROUP BY org`
	auditQuarantinedIncidents = `SELECT org, count(*) FROM incidents WHERE waits = 'quarantined' GROUP BY org`
)

// IdleIncidents are open, have nothing due and no reason for it.
func (s *Store) IdleIncidents(ctx context.Context, limit int) ([]Suspect, error) {
	return suspects(ctx, s.read, auditIdle, limit)
}

// SettledIncidents are acknowledged or resolved, and due.
func (s *Store) SettledIncidents(ctx context.Context, limit int) ([]Suspect, error) {
	return suspects(ctx, s.read, auditSettled, limit)
}

// OverdueIncidents have been due since an instant or longer.
func (s *Store) OverdueIncidents(ctx context.Context, since time.Time, limit int) ([]Suspect, error) {
	return suspects(ctx, s.read, auditOverdue, since.UnixMicro(), limit)
}

// FarIncidents are due after an instant.
func (s *Store) FarIncidents(ctx context.Context, after time.Time, limit int) ([]Suspect, error) {
	return suspects(ctx, s.read, auditFar, after.UnixMicro(), limit)
}

// A Place is where a walk over the rows of all organizations stands: after the
// row of an id. The zero Place is before all rows.
type Place struct{ Org, ID string }

// BehindIncidents looks at one page of the open incidents, those after a place,
// for those whose row is not of their newest entry. It returns where the page
// ends, or the zero Place if it is the last one.
func (s *Store) BehindIncidents(ctx context.Context, after Place, page int) (found []Suspect, end Place, err error) {
	err = s.alongIndexes(ctx, func(q reader) (err error) {
		if end, err = pageEnd(ctx, q, auditBehindEnd, after, page); err == nil {
			found, err = suspects(ctx, q, auditBehind, after.Org, after.ID, page)
		}
		return err
	})
	return found, end, err
}

// OrphanAlerts looks at one page of the firing alerts for those whose incident is
// resolved or absent, and returns so many of them at most, and where the page ends
// as BehindIncidents does.
func (s *Store) OrphanAlerts(ctx context.Context, after Place, page, limit int) (found []AlertKey, end Place, err error) {
	err = s.alongIndexes(ctx, func(q reader) error {
		if end, err = pageEnd(ctx, q, auditOrphansEnd, after, page); err != nil {
			return err
		}
		ids, err := texts(ctx, q, auditOrphans, after.Org, after.ID, page, limit)
		if err != nil {
			return fmt.Errorf("audit alerts: %w", err)
		}
		for _, id := range ids { // the walk reads an index, and the alerts only of those that it finds
			var k AlertKey
			err := q.QueryRowContext(ctx, auditAlert, id).Scan(&k.Org, &k.Integration, &k.Key)
			if errors.Is(err, sql.ErrNoRows) { // pruned meanwhile
				continue
			}
			if err != nil {
				return fmt.Errorf("audit alerts: %w", err)
			}
			found = append(found, k)
		}
		return nil
	})
	return found, end, err
}

// OrphanMessages looks at one page of messages for those of no incident.
func (s *Store) OrphanMessages(ctx context.Context, after string, page int) (incidents []string, last string, err error) {
	err = s.alongIndexes(ctx, func(q reader) error {
		var end sql.NullString
		var n int
		if err := q.QueryRowContext(ctx, auditMessagesEnd, after, page).Scan(&end, &n); err != nil || n == 0 {
			return wrap("audit messages", err)
		}
		if n == page {
			last = end.String
		}
		if incidents, err = texts(ctx, q, auditMessages, after, end.String, page); err != nil {
			return fmt.Errorf("audit messages: %w", err)
		}
		return nil
	})
	return unique(incidents), last, err
}

// A reader is what can be asked: the database, or a transaction.
type reader interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// alongIndexes lets a walk read. PostgreSQL follows the index that a page is of,
// whatever it believes of the table: for one that has just grown it would read and
// sort the whole of it, for each page.
func (s *Store) alongIndexes(ctx context.Context, read func(reader) error) error {
	if s.dialect.name != postgres.name {
		return read(s.read)
	}
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	defer tx.Rollback()
	for _, way := range []string{"sort", "bitmapscan", "hashjoin", "mergejoin", "seqscan"} {
		if _, err := tx.ExecContext(ctx, "SET LOCAL enable_"+way+" = off"); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}
	return read(tx)
}

// pageEnd returns the last row of a page after a place; the zero Place if the page
// is not full.
func pageEnd(ctx context.Context, q reader, text string, after Place, page int) (end Place, err error) {
	err = q.QueryRowContext(ctx, text, after.Org, after.ID, page-1).Scan(&end.Org, &end.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return Place{}, nil
	}
	return end, wrap("audit", err)
}

// texts reads a list of one column.
func texts(ctx context.Context, q reader, text string, args ...any) (list []string, err error) {
	rows, err := q.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, rows.Err()
}

func suspects(ctx context.Context, q reader, text string, args ...any) ([]Suspect, error) {
	rows, err := q.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("audit incidents: %w", err)
	}
	defer rows.Close()
	var found []Suspect
	for rows.Next() {
		var one Suspect
		if err := rows.Scan(&one.Org, &one.ID, &one.Status); err != nil {
			return nil, fmt.Errorf("audit incidents: %w", err)
		}
		found = append(found, one)
	}
	return found, wrap("audit incidents", rows.Err())
}

// A PendingRow is a row of the outbox as the auditor sees it.
type PendingRow struct {
	ID, Org, Incident, Kind string

	Status  string // of the incident; "" if there is none
	Due     time.Time
	Lease   time.Time // until when it is held
	Attempt int64
	Body    []byte
}

// PendingRows returns the first rows of each destination, those that are to
// leave next, of at most so many destinations after the given one, and the last
// of these, or "" at the end.
func (s *Store) PendingRows(ctx context.Context, after string, destinations, perDest int) (found []PendingRow, last string, err error) {
	for range destinations {
		var next sql.NullString
		if err := s.read.QueryRowContext(ctx, auditNextPlace, after).Scan(&next); err != nil {
			return found, after, fmt.Errorf("audit the outbox: %w", err)
		}
		if !next.Valid {
			return found, "", nil
		}
		after = next.String
		if found, err = s.pendingRows(ctx, found, after, perDest); err != nil {
			return found, after, err
		}
	}
	return found, after, nil
}

func (s *Store) pendingRows(ctx context.Context, found []PendingRow, destination string, limit int) ([]PendingRow, error) {
	rows, err := s.read.QueryContext(ctx, auditPending, destination, limit)
	if err != nil {
		return found, fmt.Errorf("audit the outbox: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r PendingRow
		var due, lease int64
		if err := rows.Scan(&r.ID, &r.Org, &r.Incident, &r.Kind, &due, &lease, &r.Attempt, &r.Body, &r.Status); err != nil {
			return found, fmt.Errorf("audit the outbox: %w", err)
		}
		r.Due, r.Lease = time.UnixMicro(due).UTC(), time.UnixMicro(lease).UTC()
		found = append(found, r)
	}
	return found, wrap("audit the outbox", rows.Err())
}

// An OpenRun is a run that has not ended, as the auditor sees it.
type OpenRun struct {
	Run

	Status string    // of the incident; "" if there is none
	Lease  time.Time // until when it is held
}

// OpenRuns returns one page of the runs that have not ended, by id.
func (s *Store) OpenRuns(ctx context.Context, after string, limit int) (found []OpenRun, last string, err error) {
	rows, err := s.read.QueryContext(ctx, auditRuns, after, limit)
	if err != nil {
		return nil, "", fmt.Errorf("audit runs: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r OpenRun
		var due sql.NullInt64
		var lease int64
		if err := rows.Scan(&r.ID, &r.Org, &r.Incident, &r.Runbook, &r.State, &due, &lease, &r.Version, &r.Body, &r.Status); err != nil {
			return nil, "", fmt.Errorf("audit runs: %w", err)
		}
		r.Due, r.Lease = instant(due), time.UnixMicro(lease).UTC()
		found = append(found, r)
	}
	if len(found) == limit {
		last = found[limit-1].ID
	}
	return found, last, wrap("audit runs", rows.Err())
}

// CounterBehind tells whether the counter of an organization's incidents is
// behind them: the next incident would get a number that is taken.
func (s *Store) CounterBehind(ctx context.Context, org string) (bool, error) {
	var newest, counted int64
	err := s.read.QueryRowContext(ctx, auditCounter, org).Scan(&newest, &counted)
	return newest > counted, wrap("audit counters", err)
}

// Quarantined counts what is set aside, by organization: rows of the outbox and
// incidents.
func (s *Store) Quarantined(ctx context.Context) (rows, incidents map[string]int64, err error) {
	if rows, err = s.countByOrg(ctx, auditQuarantinedRows); err != nil {
		return nil, nil, err
	}
	incidents, err = s.countByOrg(ctx, auditQuarantinedIncidents)
	return rows, incidents, err
}

func (s *Store) countByOrg(ctx context.Context, text string) (map[string]int64, error) {
	rows, err := s.read.QueryContext(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("count by organization: %w", err)
	}
	defer rows.Close()
	counts := map[string]int64{}
	for rows.Next() {
		var org string
		var n int64
		if err := rows.Scan(&org, &n); err != nil {
			return nil, fmt.Errorf("count by organization: %w", err)
		}
		counts[org] = n
	}
	return counts, wrap("count by organization", rows.Err())
}
