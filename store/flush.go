package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/incident"
)

// flush writes what the units staged, in an order in which rows that others
// refer to come first.
func (b *batch) flush() error {
	for _, write := range []func() error{b.flushRetired, b.flushHistory, b.flushAlerts, b.flushIncidents, b.flushTimeline, b.flushStops, b.flushOutbox, b.flushRenewed, b.flushRefresh, b.flushEvents, b.flushCounters} {
		if err := write(); err != nil {
			return err
		}
	}
	return b.c.execAll(b.ctx, b.statements)
}

func (b *batch) flushRetired() error {
	return inLists(b.all.retired, func(ids []any) error {
		b.exec("retire alerts", b.c.list(`UPDATE alerts SET newest = 0 WHERE id IN (`, 1, len(ids), `)`), ids...)
		return nil
	})
}

// flushHistory writes alerts that began and ended within this commit.
func (b *batch) flushHistory() error {
	for _, a := range b.all.history {
		b.exec("save past alerts", insertAlerts+`($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0)
			ON CONFLICT (id) DO UPDATE SET newest = 0, status = excluded.status, incident = excluded.incident, until = excluded.until,
				last_at = excluded.last_at, version = excluded.version, body = excluded.body`, b.alertColumns(nil, a)...)
	}
	return nil
}

const insertAlerts = `INSERT INTO alerts (id, org, integration, dedup_key, status, incident, until, last_at, version, body, newest) VALUES `

func (b *batch) alertColumns(args []any, a incident.Alert) []any {
	b.body = a.AppendJSON(b.body[:0])
	return append(args, a.ID, a.Org, a.Integration, a.Key, string(a.Status), a.IncidentID, micros(a.Until), a.LastAt.UnixMicro(), a.Version, string(b.body))
}

// flushAlerts writes the newest alerts of keys. Those that were only repeated
// have a statement of their own: SQLite writes each index anew that has a column
// which is set, even to what it was.
func (b *batch) flushAlerts() error {
	var begun, repeated, changed []incident.Alert
	for _, key := range slices.SortedFunc(maps.Keys(b.all.alerts), compareKeys) {
		switch row := b.all.alerts[key]; {
		case !row.dirty:
		case row.stored == nil:
			begun = append(begun, row.alert)
		case row.alert.Status == row.stored.Status && row.alert.IncidentID == row.stored.IncidentID && row.alert.Until.Equal(row.stored.Until):
			repeated = append(repeated, row.alert)
		default:
			changed = append(changed, row.alert)
		}
	}
	const update = `
		ON CONFLICT (id) DO UPDATE SET last_at = excluded.last_at, body = excluded.body, version = CASE WHEN alerts.version = excluded.version - 1 THEN excluded.version END`
	b.saveAlerts(insertAlerts, begun, "")
	b.saveAlerts(insertAlerts+"\n", repeated, update) // the texts are told apart by how they begin
	b.saveAlerts(insertAlerts+"\n\n", changed, update+`, status = excluded.status, incident = excluded.incident, until = excluded.until`)
	return nil
}

func (b *batch) saveAlerts(insert string, list []incident.Alert, conflict string) {
	inChunks(len(list), func(from, to int) error {
		args := make([]any, 0, 10*(to-from))
		for _, a := range list[from:to] {
			args = b.alertColumns(args, a)
		}
		b.exec("save alerts", b.c.rows(insert, to-from, 10, ", 1", conflict), args...)
		return nil
	})
}

// flushIncidents writes incidents. Those that close go first, so that the next
// of the same group may open. Those of which only the body changed have a
// statement of their own, as alerts have.
func (b *batch) flushIncidents() error {
	b.woken.Incidents = b.all.timed
	var counted, changed []*incidentRow
	for _, id := range slices.Sorted(maps.Keys(b.all.incidents)) {
		row := b.all.incidents[id]
		if !row.dirty {
			continue
		}
		is, was := &row.incident, row.stored
		if was != nil && is.Status == was.Status && is.Service == was.Service && is.Severity == was.Severity && is.Due.Equal(was.Due) {
			counted = append(counted, row)
		} else {
			changed = append(changed, row)
		}
	}
	slices.SortStableFunc(changed, func(x, y *incidentRow) int { return rank(x) - rank(y) })
	const insert = `INSERT INTO incidents (id, org, number, group_key, status, service, severity, due, opened_at, version, base, seq, waits, body) VALUES `
	const update = `
		ON CONFLICT (id) DO UPDATE SET body = excluded.body, base = excluded.base, seq = excluded.seq, waits = excluded.waits, version = CASE WHEN incidents.version = excluded.base THEN excluded.version END`
	b.saveIncidents(insert, changed, update+`, status = excluded.status, service = excluded.service, severity = excluded.severity, due = excluded.due`)
	b.saveIncidents(insert+"\n", counted, update)
	return nil
}

func (b *batch) saveIncidents(insert string, list []*incidentRow, conflict string) {
	inChunks(len(list), func(from, to int) error {
		args := make([]any, 0, 14*(to-from))
		for _, row := range list[from:to] {
			i := row.incident
			b.body = i.AppendJSON(b.body[:0])
			args = append(args, i.ID, i.Org, i.Number, i.GroupKey, string(i.Status), i.Service, string(i.Severity), micros(i.Due), i.OpenedAt.UnixMicro(), i.Version,
				row.base(), i.Seq, i.Waits(), string(b.body))
		}
		b.exec("save incidents", b.c.rows(insert, to-from, 14, "", conflict), args...)
		return nil
	})
}

func rank(row *incidentRow) int {
	if row.incident.Open() {
		return 1
	}
	return 0
}

func (b *batch) flushTimeline() error {
	rows := b.all.entries
	return inChunks(len(rows), func(from, to int) error {
		args := make([]any, 0, 6*(to-from))
		for _, r := range rows[from:to] {
			b.body = r.entry.AppendJSON(b.body[:0])
			args = append(args, r.incident, r.entry.Seq, r.org, r.entry.At.UnixMicro(), string(r.entry.Kind), string(b.body))
		}
		b.exec("write the timeline", b.c.rows(`INSERT INTO timeline (incident, seq, org, at, kind, body) VALUES `, to-from, 6, "", ""), args...)
		return nil
	})
}

func (b *batch) flushStops() error {
	var last time.Time // all were decided within this commit: near enough for when it was done
	for _, at := range b.all.stops {
		if at.After(last) {
			last = at
		}
	}
	return inLists(slices.Sorted(maps.Keys(b.all.stops)), func(ids []any) error {
		b.exec("drop unsent pages", b.c.list(`UPDATE outbox SET state = 'cancelled', done_at = $1 WHERE state IN ('pending', 'gathered') AND kind = 'page' AND incident IN (`, 2, len(ids), `)`),
			append([]any{last.UnixMicro()}, ids...)...)
		return nil
	})
}

func (b *batch) flushOutbox() error {
	rows := b.all.outbox
	if len(rows) > 0 {
		b.woken.Outbox = true
	}
	return inChunks(len(rows), func(from, to int) error {
		args := make([]any, 0, 13*(to-from))
		for _, o := range rows[from:to] {
			severity := noSeverity
			if o.Kind == incident.Page {
				severity = o.Severity
			}
			args = append(args, o.ID, o.Org, o.Incident, o.Kind, o.Destination, o.Place, o.ClimbStep, o.Due.UnixMicro(), o.Due.UnixMicro(), string(o.Body), o.Person, o.Contact, severity)
		}
		b.exec("write the outbox", b.c.rows(`
			INSERT INTO outbox (id, org, incident, kind, destination, place, climb_step, due, created_at, body, person, contact, severity, state, lease_until, attempt, revision, error)
			VALUES `, to-from, 13, ", 'pending', 0, 0, 0, ''", `
			ON CONFLICT (id) DO NOTHING`), args...)
		return nil
	})
}

// flushRenewed writes each renewed row once, however many units renewed it.
func (b *batch) flushRenewed() error {
	byID := map[string]Outgoing{}
	for _, o := range b.all.renewed {
		byID[o.ID] = o
	}
	if len(byID) > 0 {
		b.woken.Outbox = true
	}
	ids := slices.Sorted(maps.Keys(byID))
	return inChunks(len(ids), func(from, to int) error {
		args := make([]any, 0, 9*(to-from))
		for _, id := range ids[from:to] {
			o := byID[id]
			args = append(args, o.ID, o.Org, o.Incident, o.Kind, o.Destination, o.Place, o.Due.UnixMicro(), o.Due.UnixMicro(), string(o.Body))
		}
		b.exec("renew rows of the outbox", b.c.rows(`
			INSERT INTO outbox (id, org, incident, kind, destination, place, due, created_at, body, climb_step, state, lease_until, attempt, revision, error)
			VALUES `, to-from, 9, ", '', 'pending', 0, 0, 0, ''", `
			ON CONFLICT (id) DO UPDATE SET revision = outbox.revision + 1, state = 'pending', body = excluded.body,
				destination = CASE outbox.state WHEN 'pending' THEN outbox.destination ELSE excluded.destination END,
				due = CASE outbox.state WHEN 'pending' THEN outbox.due ELSE excluded.due END,
				tries = CASE outbox.state WHEN 'pending' THEN outbox.tries ELSE 0 END,
				first_due = CASE outbox.state WHEN 'pending' THEN outbox.first_due ELSE NULL END`), args...)
		return nil
	})
}

// flushRefresh makes the messages of changed incidents due to be edited. One
// row per message: however often the incident changes, the latest state is
// what will be sent.
func (b *batch) flushRefresh() error {
	byStatus := map[incident.Status][]string{} // "" where it is not known
	for _, id := range unique(b.all.refresh) {
		var status incident.Status
		if row := b.all.incidents[id]; row != nil {
			status = row.incident.Status
		}
		byStatus[status] = append(byStatus[status], id)
	}
	for status, incidents := range byStatus {
		if err := b.refresh(incidents, b.c.s.still(status)); err != nil {
			return err
		}
	}
	return nil
}

// refresh makes the messages of incidents due to be edited, but for those of
// channels that stand still and those whose edits are refused again and again.
// An edit that waits to be tried again keeps its wait: a change must not make us
// ask sooner than we were told to.
func (b *batch) refresh(incidents, still []string) error {
	told := func(n int64) { b.woken.Outbox = b.woken.Outbox || n > 0 }
	apart := append([]any{"ticket"}, anys(still)...)
	return inLists(incidents, func(ids []any) error {
		b.execTold(told, "refresh messages", b.c.list(`
			INSERT INTO outbox (id, org, incident, kind, destination, place, climb_step, state, due, lease_until, attempt, revision, created_at, error, body)
			SELECT incident || '/update/' || destination, org, incident, 'update', org || '/' || connection, destination, '', 'pending', 0, 0, 0, 0, 0, '',
				'{"channel":"' || channel || '"}'
			FROM messages WHERE refused < `+refusedMost+` AND channel NOT IN (`+b.c.s.dialect.marks(len(apart), 1)+`) AND incident IN (`, 1+len(apart), len(ids), `)
			ON CONFLICT (id) DO UPDATE SET revision = outbox.revision + 1, state = 'pending',
				due = CASE outbox.state WHEN 'pending' THEN outbox.due ELSE 0 END,
				tries = CASE outbox.state WHEN 'pending' THEN outbox.tries ELSE 0 END,
				first_due = CASE outbox.state WHEN 'pending' THEN outbox.first_due ELSE NULL END`), slices.Concat(apart, ids)...)
		return nil
	})
}

func (b *batch) flushCounters() error {
	for key, n := range b.counters {
		b.exec("count", `UPDATE counters SET value = $3 WHERE org = $1 AND name = $2`, key.org, key.name, n)
	}
	return nil
}

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

func unique(list []string) []string {
	if len(list) < 2 {
		return list
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

func wrap(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func compareKeys(a, b AlertKey) int {
	if c := strings.Compare(a.Org, b.Org); c != 0 {
		return c
	}
	if c := strings.Compare(a.Integration, b.Integration); c != 0 {
		return c
	}
	return strings.Compare(a.Key, b.Key)
}
