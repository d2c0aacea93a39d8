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
	return nil
}

func (b *batch) flushRetired() error {
	return inChunks(len(b.all.retired), func(from, to int) error {
		args := anys(b.all.retired[from:to])
		_, err := b.c.exec(b.ctx, b.c.list(`UPDATE alerts SET newest = 0 WHERE id IN (`, 1, len(args), `)`), args...)
		return wrap("retire alerts", err)
	})
}

// flushHistory writes alerts that began and ended within this commit.
func (b *batch) flushHistory() error {
	for _, a := range b.all.history {
		body, err := json.Marshal(a)
		if err != nil {
			return fmt.Errorf("alert %s: %w", a.ID, err)
		}
		_, err = b.c.exec(b.ctx, `
			INSERT INTO alerts (id, org, integration, dedup_key, status, incident, until, last_at, version, body, newest)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0)
			ON CONFLICT (id) DO UPDATE SET newest = 0, status = excluded.status, incident = excluded.incident, until = excluded.until,
				last_at = excluded.last_at, version = excluded.version, body = excluded.body`,
			a.ID, a.Org, a.Integration, a.Key, string(a.Status), a.IncidentID, micros(a.Until), a.LastAt.UnixMicro(), a.Version, string(body))
		if err != nil {
			return fmt.Errorf("save past alerts: %w", err)
		}
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
		_, err := b.c.exec(b.ctx, b.c.rows(`
			INSERT INTO alerts (id, org, integration, dedup_key, status, incident, until, last_at, version, body, newest)
			VALUES `, to-from, 10, ", 1", `
			ON CONFLICT (id) DO UPDATE SET status = excluded.status, incident = excluded.incident, until = excluded.until,
				last_at = excluded.last_at, version = excluded.version, body = excluded.body`), args...)
		return wrap("save alerts", err)
	})
}

func (b *batch) flushIncidents() error {
	var rows []*incidentRow
	for _, id := range slices.Sorted(maps.Keys(b.all.incidents)) {
		if row := b.all.incidents[id]; row.dirty {
			rows = append(rows, row)
			b.woken.Incidents = true
		}
	}
	// Those that close go first, so that the next of the same group may open.
	slices.SortStableFunc(rows, func(x, y *incidentRow) int { return rank(x) - rank(y) })
	return inChunks(len(rows), func(from, to int) error {
		args := make([]any, 0, 11*(to-from))
		for _, row := range rows[from:to] {
			i := row.incident
			body, err := json.Marshal(i)
			if err != nil {
				return fmt.Errorf("incident %s: %w", i.ID, err)
			}
			args = append(args, i.ID, i.Org, i.Number, i.GroupKey, string(i.Status), i.Service, string(i.Severity), micros(i.Due), i.OpenedAt.UnixMicro(), i.Version, string(body))
		}
		res, err := b.c.exec(b.ctx, b.c.rows(`
			INSERT INTO incidents (id, org, number, group_key, status, service, severity, due, opened_at, version, body)
			VALUES `, to-from, 11, "", `
			ON CONFLICT (id) DO UPDATE SET status = excluded.status, service = excluded.service, severity = excluded.severity,
				due = excluded.due, version = excluded.version, body = excluded.body
			WHERE incidents.version = excluded.version - 1`), args...)
		if err != nil {
			return fmt.Errorf("save incidents: %w", err)
		}
		if n, err := res.RowsAffected(); err == nil && int(n) != to-from {
			return fmt.Errorf("save incidents: %w", ErrMoved)
		}
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
		_, err := b.c.exec(b.ctx, b.c.rows(`INSERT INTO timeline (incident, seq, org, at, kind, body) VALUES `, to-from, 6, "", ""), args...)
		return wrap("write the timeline", err)
	})
}

func (b *batch) flushStops() error {
	stops := slices.Sorted(maps.Keys(b.all.stops))
	return inChunks(len(stops), func(from, to int) error {
		last := time.Time{} // decided within one commit: near enough for when it was done
		for _, inc := range stops[from:to] {
			if at := b.all.stops[inc]; at.After(last) {
				last = at
			}
		}
		args := append([]any{last.UnixMicro()}, anys(stops[from:to])...)
		_, err := b.c.exec(b.ctx, b.c.list(`UPDATE outbox SET state = 'cancelled', done_at = $1 WHERE state = 'pending' AND kind = 'page' AND incident IN (`, 2, len(args)-1, `)`), args...)
		return wrap("drop unsent pages", err)
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
		_, err := b.c.exec(b.ctx, b.c.rows(`
			INSERT INTO outbox (id, org, incident, kind, destination, place, climb_step, due, created_at, body, state, lease_until, attempt, revision, error)
			VALUES `, to-from, 10, ", 'pending', 0, 0, 0, ''", `
			ON CONFLICT (id) DO NOTHING`), args...)
		return wrap("write the outbox", err)
	})
}

// flushRefresh makes the messages of changed incidents due to be edited. One
// row per message: however often the incident changes, the latest state is
// what will be sent.
func (b *batch) flushRefresh() error {
	changed := unique(b.all.refresh)
	if len(changed) == 0 {
		return nil
	}
	return inChunks(len(changed), func(from, to int) error {
		args := anys(changed[from:to])
		res, err := b.c.exec(b.ctx, b.c.list(`
			INSERT INTO outbox (id, org, incident, kind, destination, place, climb_step, state, due, lease_until, attempt, revision, created_at, error, body)
			SELECT incident || '/update/' || destination, org, incident, 'update', connection, destination, '', 'pending', 0, 0, 0, 0, 0, '',
				'{"channel":"' || channel || '"}'
			FROM messages WHERE channel <> 'ticket' AND incident IN (`, 1, len(args), `)
			ON CONFLICT (id) DO UPDATE SET state = 'pending', due = 0, revision = outbox.revision + 1`), args...)
		if err != nil {
			return fmt.Errorf("refresh messages: %w", err)
		}
		if n, _ := res.RowsAffected(); n > 0 {
			b.woken.Outbox = true
		}
		return nil
	})
}

func (b *batch) flushCounters() error {
	for key, n := range b.counters {
		if _, err := b.c.exec(b.ctx, `UPDATE counters SET value = $3 WHERE org = $1 AND name = $2`, key.org, key.name, n); err != nil {
			return fmt.Errorf("count: %w", err)
		}
	}
	return nil
}

// chunks are the sizes of multi-row statements: few, so that each is prepared
// once and used often.
var chunks = [...]int{64, 16, 4, 1}

// inChunks calls do with ranges of these sizes that cover n.
func inChunks(n int, do func(from, to int) error) error {
	from := 0
	for _, size := range chunks {
		for n-from >= size {
			if err := do(from, from+size); err != nil {
				return err
			}
			from += size
		}
	}
	return nil
}

// rows returns a statement with n rows of values, made once:
// before, then "($1,$2 extra),($3,$4 extra)", then after.
func (c *committer) rows(before string, n, columns int, extra, after string) string {
	key := textKey{before, n}
	if c.texts[key] == "" {
		var s strings.Builder
		s.WriteString(before)
		for r := range n {
			if r > 0 {
				s.WriteByte(',')
			}
			s.WriteString("(" + c.s.dialect.marks(columns, 1+r*columns) + extra + ")")
		}
		s.WriteString(after)
		c.texts[key] = s.String()
	}
	return c.texts[key]
}

// list returns a statement with a list of n placeholders in it, numbered from
// a number on, made once. No placeholder may come before one of a lower number.
func (c *committer) list(before string, from, n int, after string) string {
	key := textKey{before, n}
	if c.texts[key] == "" {
		c.texts[key] = before + c.s.dialect.marks(n, from) + after
	}
	return c.texts[key]
}

type textKey struct {
	before string
	n      int
}

// marks is "$1,$2,$3" for n placeholders from the given number on.
func marks(n, from int) string {
	var s strings.Builder
	for i := range n {
		if i > 0 {
			s.WriteByte(',')
		}
		fmt.Fprintf(&s, "$%d", from+i)
	}
	return s.String()
}

// marks are n placeholders from the given number on, which must be the next one
// of the statement: to SQLite "$7" is a name, that is looked up among all others
// at each execution, a tenth of the time of a large commit; "?" is a position.
func (d dialect) marks(n, from int) string {
	if d.name == sqlite.name {
		return strings.TrimSuffix(strings.Repeat("?,", n), ",")
	}
	return marks(n, from)
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
