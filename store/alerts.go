package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/musterhq/muster/incident"
)

// scanAlert reads a row of (version, body).
func scanAlert(scan func(...any) error) (incident.Alert, error) {
	var a incident.Alert
	var version int64
	var body []byte
	if err := scan(&version, &body); err != nil {
		return a, err
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return a, err
	}
	a.Version = version
	return a, nil
}

// Alert returns the newest alert of a key; one of status NoAlert if there is none.
func (t *Tx) Alert(key AlertKey) (incident.Alert, error) {
	if row := t.alertRow(key); row != nil {
		return row.alert, nil
	}
	t.b.all.alerts[key] = noAlert(key)
	if err := t.b.c.ask(t.b.ctx, t.b.alertBodies(AlertKey{Org: key.Org, Integration: key.Integration}, []string{key.Key})); err != nil {
		return incident.Alert{}, t.b.fail("alert", err)
	}
	return t.b.all.alerts[key].alert, nil
}

// ReadAlerts reads the newest alerts of many keys of an integration together;
// Alert then has them at hand.
func (t *Tx) ReadAlerts(org, integration string, keys []string) error {
	space := AlertKey{Org: org, Integration: integration}
	var unknown []string
	for _, k := range keys {
		key := AlertKey{Org: org, Integration: integration, Key: k}
		if t.alertRow(key) == nil {
			t.b.all.alerts[key] = noAlert(key)
			unknown = append(unknown, k)
		}
	}
	if err := t.b.c.ask(t.b.ctx, t.b.alertBodies(space, unknown)); err != nil {
		return t.b.fail("alerts", err)
	}
	return nil
}

// alertRow returns what is known of a key in this transaction, or nil.
func (t *Tx) alertRow(key AlertKey) *alertRow {
	if row := t.staged.alerts[key]; row != nil {
		return row
	}
	return t.b.all.alerts[key]
}

// PutAlert stages an alert as the newest of its key; the one that was, if it
// is another, becomes history. The alert must have an ID, a tombstone too.
func (t *Tx) PutAlert(a incident.Alert) error {
	if a.ID == "" {
		return fmt.Errorf("alert of key %q: it has no id", a.Key)
	}
	key := AlertKey{a.Org, a.Integration, a.Key}
	before, err := t.Alert(key)
	if err != nil {
		return err
	}
	if before.ID != "" && before.ID != a.ID {
		t.staged.retired = append(t.staged.retired, before.ID)
		if row := t.dirtyAlert(key); row != nil { // it began and ended in this commit: still a row of its own
			t.staged.history = append(t.staged.history, row.alert)
		}
	}
	if !a.Until.IsZero() && (before.Status != incident.Firing || before.Until.IsZero() || a.Until.Before(before.Until)) {
		t.staged.timed = true
	}
	row := &alertRow{alert: a, dirty: true}
	if before.ID == a.ID {
		row.stored = t.alertRow(key).stored
	}
	row.alert.Version = 1
	if row.stored != nil {
		row.alert.Version = row.stored.Version + 1
	}
	t.staged.alerts[key] = row
	return nil
}

func (t *Tx) dirtyAlert(key AlertKey) *alertRow {
	for _, m := range []staged{t.staged, t.b.all} {
		if row := m.alerts[key]; row != nil && row.dirty {
			return row
		}
	}
	return nil
}

// FiringAlerts returns the alerts of an incident that fire, as this
// transaction sees them.
func (t *Tx) FiringAlerts(incidentID string) ([]incident.Alert, error) {
	rows, err := t.b.c.query(t.b.ctx, `SELECT version, body FROM alerts WHERE incident = $1 AND status = 'firing'`, incidentID)
	if err != nil {
		return nil, t.b.fail("alerts of an incident", err)
	}
	defer rows.Close()
	seen := map[AlertKey]incident.Alert{}
	for rows.Next() {
		a, err := scanAlert(rows.Scan)
		if err != nil {
			return nil, t.b.fail("alerts of an incident", err)
		}
		seen[AlertKey{a.Org, a.Integration, a.Key}] = a
	}
	if err := rows.Err(); err != nil {
		return nil, t.b.fail("alerts of an incident", err)
	}
	for _, m := range []staged{t.b.all, t.staged} {
		for key, row := range m.alerts {
			if row.dirty && (row.alert.IncidentID == incidentID || seen[key].ID != "") {
				seen[key] = row.alert
			}
		}
	}
	var firing []incident.Alert
	for _, a := range seen {
		if a.Status == incident.Firing && a.IncidentID == incidentID {
			firing = append(firing, a)
		}
	}
	slices.SortFunc(firing, func(a, b incident.Alert) int {
		return compareKeys(AlertKey{a.Org, a.Integration, a.Key}, AlertKey{b.Org, b.Integration, b.Key})
	})
	return firing, nil
}

// An AlertFilter selects alerts of an organization.
type AlertFilter struct {
	Status      incident.AlertStatus // "" for all
	Incident    string
	Integration string // its newest alert of each key
	After       string // id of the last one of the page before
	Limit       int
}

// query is the statement that lists alerts, newest first.
func (f AlertFilter) query(org string) (text string, args []any) {
	text, args = `SELECT version, body FROM alerts WHERE org = $1`, []any{org}
	if f.Incident != "" { // SQLite would read all alerts of the organization for their order
		text = `SELECT version, body FROM alerts WHERE org || '' = $1`
	}
	add := func(condition string, arg any) {
		args = append(args, arg)
		text += fmt.Sprintf(condition, len(args))
	}
	switch f.Status {
	case "":
		text += ` AND status <> 'tombstone'`
	case incident.Firing:
		text += ` AND status = 'firing'` // as the index says it
	default:
		add(` AND status = $%d`, string(f.Status))
	}
	if f.Incident != "" {
		add(` AND incident = $%d`, f.Incident)
	}
	if f.Integration != "" {
		add(` AND newest = 1 AND integration = $%d`, f.Integration)
	}
	if f.After != "" {
		add(` AND id < $%d`, f.After)
	}
	add(` ORDER BY id DESC LIMIT $%d`, f.Limit)
	return text, args
}

// Alerts lists alerts, newest first.
func (s *Store) Alerts(ctx context.Context, org string, f AlertFilter) ([]incident.Alert, error) {
	text, args := f.query(org)
	rows, err := s.read.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("list alerts: %w", err)
	}
	defer rows.Close()
	list := []incident.Alert{}
	for rows.Next() {
		a, err := scanAlert(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("list alerts: %w", err)
		}
		list = append(list, a)
	}
	return list, rows.Err()
}

// AlertByID returns one alert.
func (s *Store) AlertByID(ctx context.Context, org, alertID string) (incident.Alert, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT version, body FROM alerts WHERE org = $1 AND id = $2`, org, alertID)
	if err != nil {
		return incident.Alert{}, fmt.Errorf("alert %s: %w", alertID, err)
	}
	defer rows.Close()
	if !rows.Next() {
		return incident.Alert{}, fmt.Errorf("alert %s: %w", alertID, cmp.Or(rows.Err(), ErrNotFound))
	}
	a, err := scanAlert(rows.Scan)
	return a, wrap("alert "+alertID, err)
}

// ExpiredAlerts returns the keys of firing alerts that were not repeated in
// the time their sender promised.
func (s *Store) ExpiredAlerts(ctx context.Context, now time.Time, limit int) ([]AlertKey, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT org, integration, dedup_key FROM alerts WHERE until <= $1 AND until IS NOT NULL AND status = 'firing' ORDER BY until LIMIT $2`, now.UnixMicro(), limit)
	if err != nil {
		return nil, fmt.Errorf("expired alerts: %w", err)
	}
	defer rows.Close()
	var keys []AlertKey
	for rows.Next() {
		var k AlertKey
		if err := rows.Scan(&k.Org, &k.Integration, &k.Key); err != nil {
			return nil, fmt.Errorf("expired alerts: %w", err)
		}
		keys = append(keys, k)
	}
	return keys, rows.Err()
}

// NextExpiry returns when the next alert expires, or the zero instant.
func (s *Store) NextExpiry(ctx context.Context) (time.Time, error) {
	var until sql.NullInt64
	err := s.read.QueryRowContext(ctx, `SELECT min(until) FROM alerts WHERE until IS NOT NULL AND status = 'firing'`).Scan(&until)
	return instant(until), wrap("next expiry", err)
}
