package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/incident"
)

// Incident returns one incident.
func (s *Store) Incident(ctx context.Context, org, incidentID string) (incident.Incident, error) {
	return s.oneIncident(ctx, `WHERE org = $1 AND id = $2`, org, incidentID)
}

// IncidentByNumber returns the incident with a number.
func (s *Store) IncidentByNumber(ctx context.Context, org string, number int64) (incident.Incident, error) {
	return s.oneIncident(ctx, `WHERE org = $1 AND number = $2`, org, number)
}

func (s *Store) oneIncident(ctx context.Context, where string, args ...any) (incident.Incident, error) {
	var inc incident.Incident
	var body []byte
	var version int64
	err := s.read.QueryRowContext(ctx, `SELECT version, body FROM incidents `+where, args...).Scan(&version, &body)
	if err != nil {
		return inc, notFound(fmt.Sprintf("incident %v", args[1]), err)
	}
	err = json.Unmarshal(body, &inc)
	inc.Version = version
	return inc, wrap("read incident", err)
}

// An IncidentFilter selects incidents of an organization.
type IncidentFilter struct {
	Status  incident.Status // "" for all
	Open    bool            // all that are not resolved
	Service string
	After   string // id of the last one of the page before
	Limit   int
}

// Incidents lists incidents, newest first.
func (s *Store) Incidents(ctx context.Context, org string, f IncidentFilter) ([]incident.Incident, error) {
	text, args := `SELECT version, body FROM incidents WHERE org = $1`, []any{org}
	add := func(condition string, arg any) {
		args = append(args, arg)
		text += fmt.Sprintf(condition, len(args))
	}
	if f.Status != "" {
		add(` AND status = $%d`, string(f.Status))
	}
	if f.Open {
		text += ` AND status <> 'resolved'`
	}
	if f.Service != "" {
		add(` AND service = $%d`, f.Service)
	}
	if f.After != "" {
		add(` AND id < $%d`, f.After)
	}
	add(` ORDER BY id DESC LIMIT $%d`, f.Limit)
	rows, err := s.read.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("list incidents: %w", err)
	}
	defer rows.Close()
	list := []incident.Incident{}
	for rows.Next() {
		var inc incident.Incident
		var version int64
		var body []byte
		if err := rows.Scan(&version, &body); err != nil {
			return nil, fmt.Errorf("list incidents: %w", err)
		}
		if err := json.Unmarshal(body, &inc); err != nil {
			return nil, fmt.Errorf("list incidents: %w", err)
		}
		inc.Version = version
		list = append(list, inc)
	}
	return list, rows.Err()
}

// A DueIncident is one that must be advanced.
type DueIncident struct{ Org, ID string }

// Due returns incidents that are due, up to so many, and when the next one after
// them will be: half of them the newest that are critical, which after an outage
// must not wait for all others, then those due longest.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) (due []DueIncident, next time.Time, err error) {
	rows, err := s.read.QueryContext(ctx, `
		SELECT org, id, due FROM (SELECT org, id, due FROM incidents WHERE due <= $1 AND due IS NOT NULL AND severity = 'critical' ORDER BY due DESC LIMIT $3) AS newest
		UNION ALL
		SELECT org, id, due FROM (SELECT org, id, due FROM incidents WHERE due <= $1 AND due IS NOT NULL ORDER BY due LIMIT $2) AS longest`, now.UnixMicro(), limit, limit/2)
	if err != nil {
		return nil, next, fmt.Errorf("due incidents: %w", err)
	}
	defer rows.Close()
	since := map[DueIncident]int64{}
	for rows.Next() && len(since) < limit {
		var d DueIncident
		var at int64
		if err := rows.Scan(&d.Org, &d.ID, &at); err != nil {
			return nil, next, fmt.Errorf("due incidents: %w", err)
		}
		since[d] = at
	}
	due = slices.SortedFunc(maps.Keys(since), func(a, b DueIncident) int {
		return cmp.Or(cmp.Compare(since[a], since[b]), strings.Compare(a.ID, b.ID))
	})
	if err := rows.Err(); err != nil {
		return nil, next, fmt.Errorf("due incidents: %w", err)
	}
	rows.Close()
	var us sql.NullInt64
	err = s.read.QueryRowContext(ctx, `SELECT min(due) FROM incidents WHERE due > $1 AND due IS NOT NULL`, now.UnixMicro()).Scan(&us)
	return due, instant(us), wrap("next due incident", err)
}

// Timeline returns the entries of an incident after a sequence number, oldest first.
func (s *Store) Timeline(ctx context.Context, org, incidentID string, after int64, limit int) ([]incident.Entry, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT body FROM timeline WHERE incident = $1 AND org = $2 AND seq > $3 ORDER BY seq LIMIT $4`, incidentID, org, after, limit)
	if err != nil {
		return nil, fmt.Errorf("timeline of %s: %w", incidentID, err)
	}
	defer rows.Close()
	entries := []incident.Entry{}
	for rows.Next() {
		var body []byte
		var e incident.Entry
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("timeline of %s: %w", incidentID, err)
		}
		if err := json.Unmarshal(body, &e); err != nil {
			return nil, fmt.Errorf("timeline of %s: %w", incidentID, err)
		}
		entries = append(entries, incident.Upcast(e))
	}
	return entries, rows.Err()
}

// PutPostmortem keeps the Markdown draft of an incident.
func (t *Tx) PutPostmortem(org, incidentID, markdown string, now time.Time) error {
	_, err := t.exec("keep the postmortem", `
		INSERT INTO postmortems (incident, org, at, body) VALUES ($1, $2, $3, $4)
		ON CONFLICT (incident) DO UPDATE SET at = excluded.at, body = excluded.body`, incidentID, org, now.UnixMicro(), markdown)
	return err
}

// Postmortem returns the Markdown draft of an incident.
func (s *Store) Postmortem(ctx context.Context, org, incidentID string) (markdown string, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT body FROM postmortems WHERE incident = $1 AND org = $2`, incidentID, org).Scan(&markdown)
	return markdown, notFound("postmortem of "+incidentID, err)
}

func notFound(what string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s: %w", what, ErrNotFound)
	}
	return wrap(what, err)
}
