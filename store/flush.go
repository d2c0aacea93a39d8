package store

import (
	"encoding/json"
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
	for _, write := range []func() error{b.flushRetired, b.flushHistory, b.flushAlerts, b.flushIncidents, b.flushTimeline, b.flushStops, b.flushOutbox, b.flushRefresh, b.flushEvents, b.flushCounters} {
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
		body, err := json.Marshal(a)
		if err != nil {
			return fmt.Errorf("alert %s: %w", a.ID, err)
		}
		b.exec("save past alerts", `
			INSERT INTO alerts (id, org, integration, dedup_key, status, incident, until, last_at, version, body, newest)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0)
			ON CONFLICT (id) DO UPDATE SET newest = 0, status = excluded.status, incident = excluded.incident, until = excluded.until,
				last_at = excluded.last_at, version = excluded.version, body = excluded.body`,
			a.ID, a.Org, a.Integration, a.Key, string(a.Status), a.IncidentID, micros(a.Until), a.LastAt.UnixMicro(), a.Version, string(body))
	}
	return nil
}

func (b *batch) flushAlerts() error {
	var rows []incident.Alert
	for _, key := range slices.SortedFunc(maps.Keys(b.all.alerts), compareKeys) {
		if row := b.all.alerts[key]; row.dirty {
			rows = append(rows, row.alert)
		}
	}
	return inChunks(len(rows), func(from, to int) error {
		args := make([]any, 0, 10*(to-from))
		for _, a := range rows[from:to] {
			body, err := json.Marshal(a)
			if err != nil {
				return fmt.Errorf("alert %s: %w", a.ID, err)
			}
			args = append(args, a.ID, a.Org, a.Integration, a.Key, string(a.Status), a.IncidentID, micros(a.Until), a.LastAt.UnixMicro(), a.Version, string(body))
		}
		b.exec("save alerts", b.c.rows(`
			INSERT INTO alerts (id, org, integration, dedup_key, status, incident, until, last_at, version, body, newest)
			VALUES `, to-from, 10, ", 1", `
			ON CONFLICT (id) DO UPDATE SET status = excluded.status, incident = excluded.incident, until = excluded.until,
				last_at = excluded.last_at, version = excluded.version, body = excluded.body`), args...)
		return nil
	})
}

func (b *batch) flushIncidents() error {
	b.woken.Incidents = b.all.timed
	var rows []*incidentRow
	for _, id := range slices.Sorted(maps.Keys(b.all.incidents)) {
		if row := b.all.incidents[id]; row.dirty {
			rows = append(rows, row)
		}
	}
	// Those that close go first, so that the next of the same group may open.
	slices.SortStableFunc(rows, func(x, y *incidentRow) int { return rank(x) - rank(y) })
	return inChunks(len(rows), func(from, to int) error {
		args := make([]any, 0, 14*(to-from))
		for _, row := range rows[from:to] {
			i := row.incident
			body, err := json.Marshal(i)
			if err != nil {
				return fmt.Errorf("incident %s: %w", i.ID, err)
			}
			args = append(args, i.ID, i.Org, i.Number, i.GroupKey, string(i.Status), i.Service, string(i.Severity), micros(i.Due), i.OpenedAt.UnixMicro(), i.Version, row.base, i.Seq, i.Waits(), string(body))
		}
		all := func(n int64) error {
			if int(n) != to-from {
				return ErrMoved
			}
			return nil
		}
		b.execChecked(all, "save incidents", b.c.rows(`
			INSERT INTO incidents (id, org, number, group_key, status, service, severity, due, opened_at, version, base, seq, waits, body)
			VALUES `, to-from, 14, "", `
			ON CONFLICT (id) DO UPDATE SET status = excluded.status, service = excluded.service, severity = excluded.severity,
				due = excluded.due, version = excluded.version, base = excluded.base, seq = excluded.seq, waits = excluded.waits, body = excluded.body
			WHERE incidents.version = excluded.base`), args...)
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
			body, err := json.Marshal(r.entry)
			if err != nil {
				return fmt.Errorf("timeline of %s: %w", r.incident, err)
			}
			args = append(args, r.incident, r.entry.Seq, r.org, r.entry.At.UnixMicro(), string(r.entry.Kind), string(body))
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
		b.exec("drop unsent pages", b.c.list(`UPDATE outbox SET state = 'cancelled', done_at = $1 WHERE state = 'pending' AND kind = 'page' AND incident IN (`, 2, len(ids), `)`),
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
		args := make([]any, 0, 10*(to-from))
		for _, o := range rows[from:to] {
			args = append(args, o.ID, o.Org, o.Incident, o.Kind, o.Destination, o.Place, o.ClimbStep, o.Due.UnixMicro(), o.Due.UnixMicro(), string(o.Body))
		}
		b.exec("write the outbox", b.c.rows(`
			INSERT INTO outbox (id, org, incident, kind, destination, place, climb_step, due, created_at, body, state, lease_until, attempt, revision, error)
			VALUES `, to-from, 10, ", 'pending', 0, 0, 0, ''", `
			ON CONFLICT (id) DO NOTHING`), args...)
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
	told := func(n int64) error {
		b.woken.Outbox = b.woken.Outbox || n > 0
		return nil
	}
	apart := append([]any{"ticket"}, anys(still)...)
	return inLists(incidents, func(ids []any) error {
		b.execChecked(told, "refresh messages", b.c.list(`
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
