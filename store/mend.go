package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/musterhq/muster/incident"
)

// A Stored is an incident's row as it stands in the database, each column of
// it, and what its timeline tells.
type Stored struct {
	Incident incident.Incident // of the body, with Version; the zero one if Unreadable
	Fold     incident.Incident // of the timeline; the truth

	Status     string
	Due        time.Time
	Seq        int64
	Waits      string
	Unreadable bool
}

// Sound tells whether the row says what the timeline says. What older versions
// do not write, and drop when they write the rest, is left out; so are Seq and
// Waits.
func (s Stored) Sound() bool {
	row := s.Incident
	row.Exhausted, row.RestoredAt, row.RestoredFrom = s.Fold.Exhausted, s.Fold.RestoredAt, s.Fold.RestoredFrom
	a, _ := json.Marshal(row) // strings, numbers and instants: cannot fail
	b, _ := json.Marshal(s.Fold)
	return !s.Unreadable && s.Status == string(s.Fold.Status) && s.Due.Equal(s.Fold.Due) && string(a) == string(b)
}

// SetAsideMark stands in Waits of an incident in quarantine.
const SetAsideMark = "quarantined"

// ErrBeingWritten says that another unit of this commit has the incident in hand.
var ErrBeingWritten = errors.New("it is being written")

// Stored reads an incident's row and its whole timeline.
func (t *Tx) Stored(org, incidentID string) (Stored, error) {
	var s Stored
	if row := t.row(incidentID); row != nil && row.dirty {
		return s, fmt.Errorf("incident %s: %w", incidentID, ErrBeingWritten)
	}
	version, err := t.storedRow(org, incidentID, &s)
	if err != nil {
		return s, err
	}
	entries, err := t.entries(org, incidentID)
	if err != nil {
		return s, err
	}
	s.Incident.Version = version
	s.Fold = incident.Fold(incidentID, org, entries)
	s.Fold.Version = version
	if s.Fold.Number == 0 {
		return s, fmt.Errorf("incident %s: its timeline does not tell of its beginning", incidentID)
	}
	return s, nil
}

// Adopt makes a unit go by the fold of a timeline from here on: what is saved
// next begins from there, and writes every column. It must be saved.
func (t *Tx) Adopt(fold incident.Incident) {
	stored := fold
	stored.Status = "" // differs from any, so that no column is taken for what it should be
	t.staged.incidents[fold.ID] = &incidentRow{incident: fold, stored: &stored}
}

func (t *Tx) storedRow(org, incidentID string, s *Stored) (version int64, err error) {
	rows, err := t.b.c.query(t.b.ctx, `SELECT status, due, seq, waits, version, body FROM incidents WHERE org = $1 AND id = $2`, org, incidentID)
	if err != nil {
		return 0, t.b.fail("incident "+incidentID, err)
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return 0, t.b.fail("incident "+incidentID, err)
		}
		return 0, fmt.Errorf("incident %s: %w", incidentID, ErrNotFound)
	}
	var due sql.NullInt64
	var body []byte
	if err := rows.Scan(&s.Status, &due, &s.Seq, &s.Waits, &version, &body); err != nil {
		return 0, t.b.fail("incident "+incidentID, err)
	}
	s.Due = instant(due)
	if json.Unmarshal(body, &s.Incident) != nil || s.Incident.ID != incidentID {
		s.Incident, s.Unreadable = incident.Incident{}, true
	}
	return version, nil
}

func (t *Tx) entries(org, incidentID string) ([]incident.Entry, error) {
	rows, err := t.b.c.query(t.b.ctx, `SELECT body FROM timeline WHERE org = $1 AND incident = $2 ORDER BY seq`, org, incidentID)
	if err != nil {
		return nil, t.b.fail("timeline of "+incidentID, err)
	}
	defer rows.Close()
	var list []incident.Entry
	for rows.Next() {
		var body []byte
		var e incident.Entry
		if err := rows.Scan(&body); err != nil {
			return nil, t.b.fail("timeline of "+incidentID, err)
		}
		if err := json.Unmarshal(body, &e); err != nil {
			return nil, fmt.Errorf("timeline of %s: entry %d is unreadable", incidentID, len(list)+1)
		}
		list = append(list, e)
	}
	if err := rows.Err(); err != nil {
		return nil, t.b.fail("timeline of "+incidentID, err)
	}
	return list, nil
}

// Rewrite stages an incident's row as its timeline has it, without an entry:
// what a column says was out of date, and nothing happened.
func (t *Tx) Rewrite(fold incident.Incident) {
	t.Adopt(fold)
	row := t.staged.incidents[fold.ID]
	row.incident.Version++
	row.dirty = true
	t.staged.timed = true
}

// RewriteAlert stages the newest alert of a key as it is, every column of it.
func (t *Tx) RewriteAlert(a incident.Alert) error {
	if err := t.PutAlert(a); err != nil {
		return err
	}
	row := t.staged.alerts[AlertKey{a.Org, a.Integration, a.Key}]
	if row.stored != nil {
		stored := *row.stored
		stored.Status = "" // see Adopt
		row.stored = &stored
	}
	t.staged.timed = true
	return nil
}

// SetAside puts an incident that cannot be mended into quarantine: nothing of it
// is due until Release.
func (t *Tx) SetAside(org, incidentID string) error {
	_, err := t.exec("quarantine an incident", `UPDATE incidents SET due = NULL, waits = 'quarantined', version = version + 1 WHERE org = $1 AND id = $2`, org, incidentID)
	return err
}

// SetRowAside puts a pending row of the outbox into quarantine. It reports
// whether the row was there.
func (t *Tx) SetRowAside(rowID, reason string) (bool, error) {
	res, err := t.exec("quarantine a row", `UPDATE outbox SET state = 'quarantined', error = $2, lease_until = 0, attempt = attempt + 1 WHERE id = $1 AND state = 'pending'`, rowID, reason)
	if err != nil {
		return false, err
	}
	n, _ := res.RowsAffected()
	return n > 0, nil
}

// Release lets what is in quarantine be tried again, of one organization or,
// with "", of all, and counts it.
func (t *Tx) Release(org string) (n int64, err error) {
	for _, text := range []string{
		`UPDATE outbox SET state = 'pending', error = '' WHERE state = 'quarantined' AND ($1 = '' OR org = $1)`,
		`UPDATE incidents SET waits = '', version = version + 1 WHERE waits = 'quarantined' AND ($1 = '' OR org = $1)`,
	} {
		res, err := t.exec("release from quarantine", text, org)
		if err != nil {
			return n, err
		}
		some, _ := res.RowsAffected()
		n += some
	}
	t.b.woken.Outbox = t.b.woken.Outbox || n > 0
	return n, nil
}

// EndLease ends the lease of a row that nobody can hold for so long. Whoever did
// hold it finds that it was lost.
func (t *Tx) EndLease(r PendingRow) error {
	_, err := t.exec("end a lease", `UPDATE outbox SET lease_until = 0, attempt = attempt + 1 WHERE id = $1 AND attempt = $2 AND state = 'pending'`, r.ID, r.Attempt)
	t.b.woken.Outbox = true
	return err
}

// Drop ends a pending row that nobody holds: state is "failed" or "cancelled".
// It reports whether it did.
func (t *Tx) Drop(r PendingRow, state, reason string, now time.Time) (bool, error) {
	res, err := t.exec("drop a row", `UPDATE outbox SET state = $3, done_at = $4, error = $5, lease_until = 0, attempt = attempt + 1
		WHERE id = $1 AND attempt = $2 AND state = 'pending' AND lease_until <= $4`, r.ID, r.Attempt, state, now.UnixMicro(), reason)
	if err != nil {
		return false, err
	}
	n, _ := res.RowsAffected()
	return n > 0, nil
}

// EndRunLease ends the lease of a run that nobody can hold for so long.
func (t *Tx) EndRunLease(r OpenRun) error {
	_, err := t.exec("end a run's lease", `UPDATE runs SET lease_until = 0 WHERE id = $1 AND version = $2`, r.ID, r.Version)
	t.b.woken.Runs = true
	return err
}

// WakeRun makes a run due.
func (t *Tx) WakeRun(r OpenRun, now time.Time) error {
	_, err := t.exec("wake a run", `UPDATE runs SET due = $3 WHERE id = $1 AND version = $2`, r.ID, r.Version, now.UnixMicro())
	t.b.woken.Runs = true
	return err
}

// EndRun ends a run that cannot be carried on.
func (t *Tx) EndRun(r OpenRun, state string, now time.Time) error {
	_, err := t.exec("end a run", `UPDATE runs SET state = $3, due = NULL, ended_at = $4, lease_until = 0, version = version + 1 WHERE id = $1 AND version = $2`,
		r.ID, r.Version, state, now.UnixMicro())
	return err
}

// DropMessages forgets where messages of an incident stand that is not there.
func (t *Tx) DropMessages(incidentID string) error {
	_, err := t.exec("drop messages", `DELETE FROM messages WHERE incident = $1 AND NOT EXISTS (SELECT 1 FROM incidents WHERE id = $1)`, incidentID)
	return err
}

// MendCounter brings the counter of an organization's incidents up to them.
func (t *Tx) MendCounter(org string) error {
	_, err := t.exec("mend a counter", `
		INSERT INTO counters (org, name, value) SELECT $1, 'incident', COALESCE(max(number), 0) FROM incidents WHERE org = $1
		ON CONFLICT (org, name) DO UPDATE SET value = excluded.value WHERE counters.value < excluded.value`, org)
	return err
}

// Hurry makes a pending row due at once, so that what is wrong with it shows.
func (t *Tx) Hurry(rowID string, now time.Time) error {
	_, err := t.exec("hurry a row", `UPDATE outbox SET due = $2 WHERE id = $1 AND state = 'pending' AND due > $2`, rowID, now.UnixMicro())
	t.b.woken.Outbox = true
	return err
}
