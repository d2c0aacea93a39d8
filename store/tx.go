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
	last      map[string]int // where the last entry of an incident is in entries
	outbox    []Outgoing
	stops     map[string]time.Time // incidents whose unsent pages are dropped, and when that was decided
	refresh   []string             // incidents whose messages must be edited
	renewed   []Outgoing           // see Renew
	events    []eventRow
	timed     bool // an incident is due, or an alert expires, at another time than before
}

// AlertKey names the alert of a dedup key.
type AlertKey struct{ Org, Integration, Key string }

type groupKey struct{ org, key string }

type alertRow struct {
	alert  incident.Alert  // Status NoAlert: there is none
	stored *incident.Alert // as the database has it; nil: not at all
	dirty  bool
}

type incidentRow struct {
	incident incident.Incident
	stored   *incident.Incident // as the database has it; nil: not at all
	dirty    bool
}

// base is the version that the database has; 0: none yet.
func (r *incidentRow) base() int64 {
	if r.stored == nil {
		return 0
	}
	return r.stored.Version
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
	body       []byte               // of the row that is being made
	again      []question           // of what the cache has in another version than the database
	woken      Woken
	broken     error // a statement failed: the transaction is of no use any more
}

type counterKey struct{ org, name string }

func newBatch(ctx context.Context, c *committer) *batch {
	return &batch{ctx: ctx, c: c, all: newStaged(), series: map[string]id.Series{}, counted: map[string]int{}, counters: map[counterKey]int64{}}
}

func newStaged() staged {
	return staged{alerts: map[AlertKey]*alertRow{}, incidents: map[string]*incidentRow{}, groups: map[groupKey]string{}, last: map[string]int{}, stops: map[string]time.Time{}}
}

// runAll runs each unit; errs are the units' own errors. A non-nil err means
// that the transaction is broken.
func (b *batch) runAll(units []*unit) (errs []error, err error) {
	if b.broken != nil {
		return nil, b.broken
	}
	if err := b.c.ask(b.ctx, b.again); err != nil {
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
	for _, e := range u.entries {
		s.enter(e)
	}
	s.outbox = append(s.outbox, u.outbox...)
	s.refresh = append(s.refresh, u.refresh...)
	s.renewed = append(s.renewed, u.renewed...)
	s.events = append(s.events, u.events...)
	s.timed = s.timed || u.timed
}

// enter adds an entry to the timeline, or puts it in the place of the last one if
// that has its number.
func (s *staged) enter(e entryRow) {
	if at, ok := s.last[e.incident]; ok && s.entries[at].entry.Seq == e.entry.Seq {
		s.entries[at] = e
		return
	}
	s.last[e.incident] = len(s.entries)
	s.entries = append(s.entries, e)
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

// begin makes the unit's savepoint, once.
func (t *Tx) begin() error {
	if !t.savepoint {
		if _, err := t.b.c.exec(t.b.ctx, "SAVEPOINT unit"); err != nil {
			return t.b.fail("savepoint", err)
		}
		t.savepoint = true
	}
	return nil
}

// exec writes rows that are not staged, under the unit's savepoint.
func (t *Tx) exec(what, text string, args ...any) (sql.Result, error) {
	if err := t.begin(); err != nil {
		return nil, err
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
	return t.readIncident("incident "+incidentID, `SELECT version, body FROM incidents WHERE id = $1 AND org = $2`, incidentID, org)
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
	inc, err := t.readIncident("open incident", `SELECT version, body FROM incidents WHERE org = $1 AND group_key = $2 AND status <> 'resolved'`, org, group)
	if errors.Is(err, ErrNotFound) {
		t.b.all.groups[key] = ""
	}
	return inc, err
}

// readIncident reads one incident, or says ErrNotFound.
func (t *Tx) readIncident(what, text string, args ...any) (inc incident.Incident, err error) {
	unread := ErrNotFound
	one := question{what, text, args, func(scan func(...any) error) error {
		var row *incident.Incident
		if row, unread = scanIncident(scan); unread == nil {
			t.b.keep(row)
			inc = *row
		}
		return nil // a row that cannot be read is the unit's trouble, and nobody else's
	}}
	if err := t.b.c.ask(t.b.ctx, []question{one}); err != nil {
		return inc, t.b.fail(what, err)
	}
	return inc, wrap(what, unread)
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
		row.stored = before.stored
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
		t.staged.enter(entryRow{inc.Org, inc.ID, e})
	}
	if c.Stop {
		t.staged.dropPages(inc.ID)
		t.staged.stops[inc.ID] = c.Entries[0].At
	}
	for _, p := range c.Pages {
		body, _ := json.Marshal(p) // strings and numbers: cannot fail
		o := Outgoing{
			ID: p.Key, Org: inc.Org, Incident: inc.ID, Kind: p.Kind, Destination: Destination(inc.Org, p.Connection), Place: incident.Place(p.Connection, p.Address),
			ClimbStep: fmt.Sprintf("%d/%d/%d/%s", p.Climb, p.Round, p.Step, p.User), Due: p.NotBefore, Body: body,
		}
		if o.Severity = inc.Severity.Rank(); p.Budgeted {
			o.Person, o.Contact = Person(inc.Org, p.User), p.Contact
		}
		t.staged.outbox = append(t.staged.outbox, o)
	}
	if slices.ContainsFunc(c.Entries, func(e incident.Entry) bool { return e.Kind.Shows() }) {
		t.staged.refresh = append(t.staged.refresh, inc.ID)
	}
}

// joined makes one timeline entry of alerts that join the incident one after
// the other in this commit: a storm tells of itself once, with a count.
func (t *Tx) joined(c incident.Change) incident.Change {
	last, ok := t.lastEntry(c.Incident.ID)
	more := c.Entries[0]
	if !ok || last.Kind != incident.AlertAdded || more.Kind != last.Kind || more.Cause != last.Cause || more.Seq != last.Seq+1 {
		return c
	}
	more.Seq = last.Seq
	last.Data.Count += more.Data.Count
	version := c.Incident.Version
	c.Incident = t.row(c.Incident.ID).incident.Apply(more)
	c.Incident.Version = version
	c.Entries = slices.Clone(c.Entries)
	c.Entries[0] = last // takes the place of the one there is
	for i := 1; i < len(c.Entries); i++ {
		c.Entries[i].Seq--
		c.Incident = c.Incident.Apply(c.Entries[i])
	}
	return c
}

// lastEntry returns the newest entry of an incident that this commit writes, as
// far as this unit has come.
func (t *Tx) lastEntry(incidentID string) (e incident.Entry, ok bool) {
	for _, s := range []*staged{&t.staged, &t.b.all} {
		if at, ok := s.last[incidentID]; ok {
			return s.entries[at].entry, true
		}
	}
	return e, false
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

// Renew stages something to be sent of which only the latest state matters: a row
// that there is already becomes due again, and one that is being sent goes out
// once more. One that waits to be tried again keeps its wait.
func (t *Tx) Renew(o Outgoing) { t.staged.renewed = append(t.staged.renewed, o) }

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
