package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
)

// A Tx is what a unit sees of the database. Alerts, incidents, timeline,
// outbox and events are staged in memory and written together with those of
// the other units of the commit, in few statements; a unit that fails leaves
// nothing staged. Other rows are written at once, under a savepoint.
type Tx struct {
	b         *batch
	staged    staged
	savepoint bool
	numbers   map[counterKey]int64 // what this unit counted to
	lastOrg   string               // of the event before in this unit
	lastBody  []byte
}

// staged is what units have changed and nobody has written yet.
type staged struct {
	alerts    map[AlertKey]*alertRow
	retired   []string         // ids of alerts that are not their key's newest any more
	history   []incident.Alert // those of them that have no row yet
	incidents map[string]*incidentRow
	groups    map[groupKey]string // open incident of a group; "" after it closed
	entries   []entryRow
	outbox    []Outgoing
	stops     map[string]time.Time // incidents whose unsent pages are dropped, and when that was decided
	refresh   []string             // incidents whose messages must be edited
	events    []eventRow
	timed     bool // an incident is due, or an alert expires, at another time than before
}

// AlertKey names the alert of a dedup key.
type AlertKey struct{ Org, Integration, Key string }

type groupKey struct{ org, key string }

type alertRow struct {
	alert incident.Alert // Status NoAlert: there is none
	dirty bool
}

type incidentRow struct {
	incident incident.Incident
	base     int64 // version in the database; 0: not there yet
	dirty    bool
}

type entryRow struct {
	org, incident string
	entry         incident.Entry
}

// batch is one transaction of the committer.
type batch struct {
	ctx        context.Context
	c          *committer
	all        staged
	series     map[string]id.Series // of the events, by organization
	counted    map[string]int       // events in a series
	statements []statement          // of flush
	counters   map[counterKey]int64 // what the units counted to; the rows are locked
	woken      Woken
	broken     error // a statement failed: the transaction is of no use any more
}

type counterKey struct{ org, name string }

func newBatch(ctx context.Context, c *committer) *batch {
	return &batch{ctx: ctx, c: c, all: newStaged(), series: map[string]id.Series{}, counted: map[string]int{}, counters: map[counterKey]int64{}}
}

func newStaged() staged {
	return staged{alerts: map[AlertKey]*alertRow{}, incidents: map[string]*incidentRow{}, groups: map[groupKey]string{}, stops: map[string]time.Time{}}
}

// runAll runs each unit; errs are the units' own errors. A non-nil err means
// that the transaction is broken.
func (b *batch) runAll(units []*unit) (errs []error, err error) {
	if err := b.readAhead(units); err != nil {
		return nil, err
	}
	if err := b.readGroups(units); err != nil {
		return nil, err
	}
	errs = make([]error, len(units))
	for i, u := range units {
		tx := &Tx{b: b, staged: newStaged(), numbers: map[counterKey]int64{}}
		errs[i] = guarded(u.run, tx)
		if b.broken != nil {
			return nil, b.broken
		}
		if err := tx.end(errs[i] == nil); err != nil {
			return nil, err
		}
	}
	return errs, nil
}

// end keeps or drops what the unit did.
func (t *Tx) end(keep bool) error {
	if t.savepoint {
		if !keep {
			if _, err := t.b.c.exec(t.b.ctx, "ROLLBACK TO SAVEPOINT unit"); err != nil {
				return err
			}
		}
		if _, err := t.b.c.exec(t.b.ctx, "RELEASE SAVEPOINT unit"); err != nil {
			return err
		}
	}
	if keep {
		t.b.all.merge(t.staged)
		maps.Copy(t.b.counters, t.numbers)
	}
	return nil
}

func (s *staged) merge(u staged) {
	for stop := range u.stops { // before the unit's own pages join: a climb may stop and page anew
		s.dropPages(stop)
	}
	maps.Copy(s.stops, u.stops)
	maps.Copy(s.alerts, u.alerts)
	maps.Copy(s.incidents, u.incidents)
	maps.Copy(s.groups, u.groups)
	s.retired = append(s.retired, u.retired...)
	s.history = append(s.history, u.history...)
	s.entries = append(s.entries, u.entries...)
	s.outbox = append(s.outbox, u.outbox...)
	s.refresh = append(s.refresh, u.refresh...)
	s.events = append(s.events, u.events...)
	s.timed = s.timed || u.timed
}

// dropPages drops what was staged to be sent for an incident.
func (s *staged) dropPages(inc string) {
	s.outbox = slices.DeleteFunc(s.outbox, func(o Outgoing) bool { return o.Incident == inc && o.Kind == incident.Page })
}

// fail marks the transaction as broken and returns the error.
func (b *batch) fail(what string, err error) error {
	err = fmt.Errorf("%s: %w", what, err)
	b.broken = err
	return err
}

// exec writes rows that are not staged, under the unit's savepoint.
func (t *Tx) exec(what, text string, args ...any) (sql.Result, error) {
	if !t.savepoint {
		if _, err := t.b.c.exec(t.b.ctx, "SAVEPOINT unit"); err != nil {
			return nil, t.b.fail("savepoint", err)
		}
		t.savepoint = true
	}
	res, err := t.b.c.exec(t.b.ctx, text, args...)
	if err != nil {
		return nil, t.b.fail(what, err)
	}
	return res, nil
}

// Incident returns an incident as this transaction sees it.
func (t *Tx) Incident(org, incidentID string) (incident.Incident, error) {
	for _, m := range []staged{t.staged, t.b.all} {
		if row := m.incidents[incidentID]; row != nil {
			if row.incident.Org != org {
				return incident.Incident{}, fmt.Errorf("incident %s: %w", incidentID, ErrNotFound)
			}
			return row.incident, nil
		}
	}
	rows, err := t.b.c.query(t.b.ctx, `SELECT version, body FROM incidents WHERE id = $1 AND org = $2`, incidentID, org)
	return t.scanIncident("incident "+incidentID, rows, err)
}

// OpenIncident returns the open incident of a group key, or ErrNotFound.
func (t *Tx) OpenIncident(org, group string) (incident.Incident, error) {
	key := groupKey{org, group}
	for _, m := range []staged{t.staged, t.b.all} {
		if open, ok := m.groups[key]; ok {
			if open == "" {
				return incident.Incident{}, ErrNotFound
			}
			return t.Incident(org, open)
		}
	}
	rows, err := t.b.c.query(t.b.ctx, `SELECT version, body FROM incidents WHERE org = $1 AND group_key = $2 AND status <> 'resolved'`, org, group)
	inc, err := t.scanIncident("open incident", rows, err)
	if errors.Is(err, ErrNotFound) {
		t.b.all.groups[key] = ""
	}
	return inc, err
}

func (t *Tx) scanIncident(what string, rows *sql.Rows, err error) (incident.Incident, error) {
	var inc incident.Incident
	if err != nil {
		return inc, t.b.fail(what, err)
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return inc, t.b.fail(what, err)
		}
		return inc, fmt.Errorf("%s: %w", what, ErrNotFound)
	}
	var version int64
	var body []byte
	if err := rows.Scan(&version, &body); err != nil {
		return inc, t.b.fail(what, err)
	}
	inc, err = t.b.keep(version, body)
	if err != nil {
		return inc, fmt.Errorf("%s: %w", what, err)
	}
	return inc, nil
}

// keep remembers an incident that was read.
func (b *batch) keep(version int64, body []byte) (inc incident.Incident, err error) {
	if err := json.Unmarshal(body, &inc); err != nil {
		return inc, fmt.Errorf("unreadable row: %w", err)
	}
	inc.Version = version
	b.all.incidents[inc.ID] = &incidentRow{incident: inc, base: version}
	if inc.Open() {
		b.all.groups[groupKey{inc.Org, inc.GroupKey}] = inc.ID
	}
	return inc, nil
}

// readGroups reads the open incidents that the units' alerts will join, in few
// queries, and remembers the groups that have none.
func (b *batch) readGroups(units []*unit) error {
	byOrg := map[string][]string{}
	for _, u := range units {
		for i, group := range u.groups[:min(len(u.groups), len(u.keys))] {
			key := groupKey{u.keys[i].Org, group}
			if _, known := b.all.groups[key]; group == "" || known || b.all.alerts[u.keys[i]].alert.Status == incident.Firing {
				continue
			}
			b.all.groups[key] = ""
			byOrg[key.org] = append(byOrg[key.org], group)
		}
	}
	for org, groups := range byOrg {
		err := inLists(groups, func(keys []any) error {
			return b.readOpen(b.c.list(`SELECT version, body FROM incidents WHERE status <> 'resolved' AND org = $1 AND group_key IN (`, 2, len(keys), `)`), append([]any{org}, keys...))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) readOpen(text string, args []any) error {
	rows, err := b.c.query(b.ctx, text, args...)
	if err != nil {
		return fmt.Errorf("read open incidents: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var version int64
		var body []byte
		if err := rows.Scan(&version, &body); err != nil {
			return fmt.Errorf("read open incidents: %w", err)
		}
		if _, err := b.keep(version, body); err != nil {
			return fmt.Errorf("read open incidents: %w", err)
		}
	}
	return rows.Err()
}

// Save stages a change of an incident: its state, its entries, its pages.
func (t *Tx) Save(c incident.Change) {
	if len(c.Entries) == 0 {
		return
	}
	c = t.joined(c)
	inc := c.Incident
	row := &incidentRow{dirty: true}
	before := t.row(inc.ID)
	inc.Version = 1
	if before != nil {
		row.base = before.base
		inc.Version = before.incident.Version + 1 // and not once a commit: who saw one unit's change has not seen the next one's
	}
	if before == nil || !before.incident.Due.Equal(inc.Due) {
		t.staged.timed = true
	}
	row.incident = inc
	t.staged.incidents[inc.ID] = row
	key := groupKey{inc.Org, inc.GroupKey}
	if inc.Open() {
		t.staged.groups[key] = inc.ID
	} else if t.openOf(key) == inc.ID {
		t.staged.groups[key] = ""
	}
	for _, e := range c.Entries {
		t.staged.entries = append(t.staged.entries, entryRow{inc.Org, inc.ID, e})
	}
	if c.Stop {
		t.staged.dropPages(inc.ID)
		t.staged.stops[inc.ID] = c.Entries[0].At
	}
	for _, p := range c.Pages {
		body, _ := json.Marshal(p) // strings and numbers: cannot fail
		t.staged.outbox = append(t.staged.outbox, Outgoing{
			ID: p.Key, Org: inc.Org, Incident: inc.ID, Kind: p.Kind, Destination: Destination(inc.Org, p.Connection), Place: incident.Place(p.Connection, p.Address),
			ClimbStep: fmt.Sprintf("%d/%d/%d/%s", p.Climb, p.Round, p.Step, p.User), Due: p.NotBefore, Body: body,
		})
	}
	if slices.ContainsFunc(c.Entries, func(e incident.Entry) bool { return e.Kind.Shows() }) {
		t.staged.refresh = append(t.staged.refresh, inc.ID)
	}
}

// joined makes one timeline entry of alerts that join the incident one after
// the other in this unit: a storm tells of itself once, with a count.
func (t *Tx) joined(c incident.Change) incident.Change {
	if len(t.staged.entries) == 0 || c.Entries[0].Kind != incident.AlertAdded {
		return c
	}
	last := &t.staged.entries[len(t.staged.entries)-1]
	before := t.staged.incidents[c.Incident.ID]
	if before == nil || last.incident != c.Incident.ID || last.entry.Kind != incident.AlertAdded || last.entry.Cause != c.Entries[0].Cause {
		return c
	}
	more := c.Entries[0]
	more.Seq = last.entry.Seq
	last.entry.Data.Count += more.Data.Count
	c.Incident = before.incident.Apply(more)
	c.Entries = slices.Clone(c.Entries[1:])
	for i := range c.Entries {
		c.Entries[i].Seq--
		c.Incident = c.Incident.Apply(c.Entries[i])
	}
	return c
}

func (t *Tx) row(incidentID string) *incidentRow {
	if row := t.staged.incidents[incidentID]; row != nil {
		return row
	}
	return t.b.all.incidents[incidentID]
}

func (t *Tx) openOf(key groupKey) string {
	if open, ok := t.staged.groups[key]; ok {
		return open
	}
	return t.b.all.groups[key]
}

// Send stages something to be sent.
func (t *Tx) Send(o Outgoing) { t.staged.outbox = append(t.staged.outbox, o) }

// NextNumber counts: it returns 1, 2, 3 … for an organization and a name. The
// number of a unit that fails may be left out.
func (t *Tx) NextNumber(org, name string) (int64, error) {
	key := counterKey{org, name}
	for _, m := range []map[counterKey]int64{t.numbers, t.b.counters} {
		if n := m[key]; n > 0 { // the row is locked until the commit
			t.numbers[key] = n + 1
			return n + 1, nil
		}
	}
	rows, err := t.b.c.query(t.b.ctx, `
		INSERT INTO counters (org, name, value) VALUES ($1, $2, 1)
		ON CONFLICT (org, name) DO UPDATE SET value = counters.value + 1 RETURNING value`, org, name)
	if err != nil {
		return 0, t.b.fail("count "+name, err)
	}
	defer rows.Close()
	var n int64
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			return 0, t.b.fail("count "+name, err)
		}
	}
	if err := rows.Err(); err != nil {
		return 0, t.b.fail("count "+name, err)
	}
	t.numbers[key] = n
	return n, nil
}

// Event stages a raw event and returns its id. A nil Body means that of the
// event before in this unit.
func (t *Tx) Event(org string, now time.Time, e RawEvent) string {
	s, ok := t.b.series[org]
	if !ok || t.b.counted[org] == id.Members {
		s = id.NewSeries(now)
		t.b.series[org], t.b.counted[org] = s, 0
	}
	n := t.b.counted[org]
	t.b.counted[org]++
	e.ID = s.Member(n)
	switch {
	case e.Body != nil:
		t.lastOrg, t.lastBody = org, e.Body
	case t.lastOrg != org:
		e.Body = []byte{} // it has none; and it must not show that of another unit
		t.lastOrg, t.lastBody = org, e.Body
	case n == 0:
		e.Body = t.lastBody // a new segment refers to no other
	}
	t.staged.events = append(t.staged.events, eventRow{series: s.String(), n: n, org: org, at: now, event: e})
	return e.ID
}
