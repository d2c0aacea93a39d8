package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"
)

// A Run is the row of a runbook's run; Body is what the runbook package makes of it.
type Run struct {
	ID, Org, Incident, Runbook, Target, State string

	Due       time.Time // when the engine must look at it; zero: never
	CreatedAt time.Time
	StartedAt time.Time // when its first step began; counts against the budget
	EndedAt   time.Time // when it came to its end; zero while it goes on
	Version   int64
	Body      []byte

	Attempt int64 // fencing token of the lease
}

const runColumns = `id, org, incident, runbook, target, state, due, created_at, started_at, ended_at, version, attempt, body`

func scanRun(row interface{ Scan(...any) error }) (Run, error) {
	var r Run
	var due, started, ended sql.NullInt64
	var created int64
	err := row.Scan(&r.ID, &r.Org, &r.Incident, &r.Runbook, &r.Target, &r.State, &due, &created, &started, &ended, &r.Version, &r.Attempt, &r.Body)
	r.Due, r.CreatedAt, r.StartedAt, r.EndedAt = instant(due), time.UnixMicro(created).UTC(), instant(started), instant(ended)
	return r, err
}

// AddRun inserts a run; there is one per incident and runbook, so that a
// repeated event starts nothing twice. It reports whether it is new.
func (t *Tx) AddRun(r Run) (bool, error) {
	res, err := t.exec("add a run", `
		INSERT INTO runs (id, org, incident, runbook, target, state, due, lease_until, attempt, created_at, started_at, ended_at, version, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, $8, $9, $10, 1, $11) ON CONFLICT (incident, runbook) DO NOTHING`,
		r.ID, r.Org, r.Incident, r.Runbook, r.Target, r.State, micros(r.Due), r.CreatedAt.UnixMicro(), micros(r.StartedAt), micros(r.EndedAt), string(r.Body))
	if err != nil {
		return false, err
	}
	n, _ := res.RowsAffected()
	t.b.woken.Runs = true
	return n > 0, nil
}

// SaveRun writes a run that was read at its Version, or returns ErrMoved, or
// ErrWritten if that very row is there already. A run held under a lease is given
// back: the lease ends.
func (t *Tx) SaveRun(r Run) error {
	res, err := t.exec("save run "+r.ID, `
		UPDATE runs SET state = $3, due = $4, started_at = $5, body = $6, ended_at = $7, version = version + 1, lease_until = 0, holder = ''
		WHERE id = $1 AND version = $2`, r.ID, r.Version, r.State, micros(r.Due), micros(r.StartedAt), string(r.Body), micros(r.EndedAt))
	if err != nil {
		return err
	}
	if n, _ := res.RowsAffected(); n == 0 {
		return fmt.Errorf("save run %s: %w", r.ID, t.movedRun(r))
	}
	t.b.woken.Runs = true
	return nil
}

// movedRun tells why a run is not at its Version any more: ErrMoved, or
// ErrWritten.
func (t *Tx) movedRun(r Run) error {
	rows, err := t.b.c.query(t.b.ctx, `SELECT version, state, body FROM runs WHERE id = $1`, r.ID)
	if err != nil {
		return t.b.fail("a run that moved", err)
	}
	defer rows.Close()
	for rows.Next() {
		var is Run
		if err := rows.Scan(&is.Version, &is.State, &is.Body); err != nil {
			return t.b.fail("a run that moved", err)
		}
		if is.Version == r.Version+1 && is.State == r.State && bytes.Equal(is.Body, r.Body) {
			return ErrWritten
		}
	}
	if err := rows.Err(); err != nil {
		return t.b.fail("a run that moved", err)
	}
	return ErrMoved
}

// HoldRun is SaveRun, but keeps the lease until the given instant: a step is
// about to begin. Nobody takes that lease over.
func (t *Tx) HoldRun(r Run, until time.Time) error {
	if err := t.SaveRun(r); err != nil {
		return err
	}
	_, err := t.exec("hold run "+r.ID, `UPDATE runs SET lease_until = $2 WHERE id = $1`, r.ID, until.UnixMicro())
	return err
}

// ClaimRuns leases runs that are due.
func (s *Store) ClaimRuns(ctx context.Context, now, until time.Time, limit int) ([]Run, error) {
	var claimed []Run
	err := s.Write(ctx, func(t *Tx) error {
		claimed = nil
		if living, _, err := t.standing(); err != nil || !living {
			return cmp.Or(err, ErrDeclaredDead)
		}
		rows, err := t.b.c.query(t.b.ctx, `
			UPDATE runs SET lease_until = $1, attempt = attempt + 1, holder = $4
			WHERE id IN (
				SELECT id FROM runs WHERE due IS NOT NULL AND due <= $2 AND lease_until <= $2 ORDER BY due, id LIMIT $3
			) RETURNING `+runColumns, until.UnixMicro(), now.UnixMicro(), limit, t.b.c.s.replica)
		if err != nil {
			return t.b.fail("claim runs", err)
		}
		defer rows.Close()
		for rows.Next() {
			r, err := scanRun(rows)
			if err != nil {
				return t.b.fail("claim runs", err)
			}
			claimed = append(claimed, r)
		}
		if err := rows.Err(); err != nil {
			return t.b.fail("claim runs", err)
		}
		return nil
	})
	if err != nil { // as with Claim
		return nil, err
	}
	return claimed, nil
}

// NextRun returns when the next run is due, or the zero instant.
func (s *Store) NextRun(ctx context.Context) (time.Time, error) {
	var due sql.NullInt64
	err := s.read.QueryRowContext(ctx, `SELECT min(CASE WHEN lease_until > due THEN lease_until ELSE due END) FROM runs WHERE due IS NOT NULL`).Scan(&due)
	return instant(due), wrap("next run", err)
}

// RunByID returns one run.
func (s *Store) RunByID(ctx context.Context, org, runID string) (Run, error) {
	r, err := scanRun(s.read.QueryRowContext(ctx, `SELECT `+runColumns+` FROM runs WHERE org = $1 AND id = $2`, org, runID))
	return r, notFound("run "+runID, err)
}

// runsOfIncident hides the organization from SQLite, which would read all its
// runs by the index of their targets.
const runsOfIncident = `SELECT ` + runColumns + ` FROM runs WHERE org || '' = $1 AND incident = $2 ORDER BY id`

// Runs lists the runs of an incident, oldest first.
func (s *Store) Runs(ctx context.Context, org, incidentID string) ([]Run, error) {
	rows, err := s.read.QueryContext(ctx, runsOfIncident, org, incidentID)
	if err != nil {
		return nil, fmt.Errorf("runs of %s: %w", incidentID, err)
	}
	defer rows.Close()
	list := []Run{}
	for rows.Next() {
		r, err := scanRun(rows)
		if err != nil {
			return nil, fmt.Errorf("runs of %s: %w", incidentID, err)
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

// PastRuns is what was before a run, of the same runbook and target.
type PastRuns struct {
	Began []time.Time // when earlier runs began their first step
	Ended time.Time   // when the last of them ended; zero for none
	Open  string      // id of another run that has begun and not ended; "" for none
}

// PastRuns returns what was before a run, since an instant, for its budget.
func (s *Store) PastRuns(ctx context.Context, org, runbook, target, except string, since time.Time) (PastRuns, error) {
	rows, err := s.read.QueryContext(ctx, pastRuns, org, runbook, target, since.UnixMicro())
	if err != nil {
		return PastRuns{}, fmt.Errorf("earlier runs: %w", err)
	}
	return scanPast(rows, except)
}

// PastRuns is Store.PastRuns for a run that is about to begin: until the commit
// no other run against the target can.
func (t *Tx) PastRuns(org, runbook, target, except string, since time.Time) (PastRuns, error) {
	rows, err := t.b.c.query(t.b.ctx, pastRuns, org, runbook, target, since.UnixMicro())
	if err != nil {
		return PastRuns{}, t.b.fail("earlier runs", err)
	}
	past, err := scanPast(rows, except)
	if err != nil {
		return past, t.b.fail("earlier runs", err)
	}
	return past, nil
}

const pastRuns = `
	SELECT id, started_at, ended_at FROM runs
	WHERE org = $1 AND runbook = $2 AND target = $3 AND (ended_at IS NULL OR ended_at >= $4 OR started_at >= $4)
	ORDER BY id`

func scanPast(rows *sql.Rows, except string) (PastRuns, error) {
	defer rows.Close()
	var past PastRuns
	for rows.Next() {
		var runID string
		var began, ended sql.NullInt64
		if err := rows.Scan(&runID, &began, &ended); err != nil {
			return past, fmt.Errorf("earlier runs: %w", err)
		}
		if runID == except || !began.Valid {
			continue
		}
		past.Began = append(past.Began, instant(began))
		switch at := instant(ended); {
		case at.IsZero():
			past.Open = runID
		case at.After(past.Ended):
			past.Ended = at
		}
	}
	slices.SortFunc(past.Began, time.Time.Compare)
	return past, wrap("earlier runs", rows.Err())
}

// HurryRuns makes the open runs of an incident due at once.
func (t *Tx) HurryRuns(incidentID string, now time.Time) error {
	res, err := t.exec("hurry runs", `UPDATE runs SET due = $2 WHERE incident = $1 AND due > $2`, incidentID, now.UnixMicro())
	if err != nil {
		return err
	}
	if n, _ := res.RowsAffected(); n > 0 {
		t.b.woken.Runs = true
	}
	return nil
}
