package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/musterhq/muster/incident"
)

// A question is a query that is asked together with others. Each row is handed
// to a function, as its Scan.
type question struct {
	what, text string
	args       []any
	row        func(scan func(...any) error) error
}

// ahead returns what must be asked before the units run: the alerts that they
// name and the open incidents that these would join. Of what is in the cache
// only the version is asked for. What does not exist is remembered as such.
func (b *batch) ahead(units []*unit) []question {
	var list []question
	known, unknown := map[AlertKey][]string{}, map[AlertKey][]string{} // by organization and integration; Key is empty
	for _, u := range units {
		for _, k := range u.keys {
			if b.all.alerts[k] != nil {
				continue
			}
			b.all.alerts[k] = noAlert(k)
			space := AlertKey{Org: k.Org, Integration: k.Integration}
			if _, cached := b.c.cache.alerts.get(k); cached {
				known[space] = append(known[space], k.Key)
			} else {
				unknown[space] = append(unknown[space], k.Key)
			}
		}
	}
	for space, keys := range known {
		list = append(list, b.inLists(keys, "alerts", `SELECT version, id, dedup_key FROM alerts WHERE newest = 1 AND org = $1 AND integration = $2 AND dedup_key IN (`,
			b.alertVersion(space), space.Org, space.Integration)...)
	}
	for space, keys := range unknown {
		list = append(list, b.alertBodies(space, keys)...)
	}
	return append(list, b.aheadGroups(units)...)
}

// aheadGroups asks for the incidents that alerts will join, but not for those of
// alerts that fire as far as the cache knows: a repeat joins nothing. Where it
// is wrong, the incident is read when it is asked for.
func (b *batch) aheadGroups(units []*unit) []question {
	var list []question
	known, unknown := map[string][]string{}, map[string][]string{} // by organization
	for _, u := range units {
		for i, group := range u.groups[:min(len(u.groups), len(u.keys))] {
			key := groupKey{u.keys[i].Org, group}
			if _, seen := b.all.groups[key]; group == "" || seen {
				continue
			}
			if a, cached := b.c.cache.alerts.get(u.keys[i]); cached && a.Status == incident.Firing {
				continue
			}
			b.all.groups[key] = ""
			if _, cached := b.c.cache.incidents.get(key); cached {
				known[key.org] = append(known[key.org], group)
			} else {
				unknown[key.org] = append(unknown[key.org], group)
			}
		}
	}
	for org, groups := range known {
		list = append(list, b.inLists(groups, "open incidents", `SELECT version, id, group_key FROM incidents WHERE status <> 'resolved' AND org = $1 AND group_key IN (`,
			b.incidentVersion(org), org)...)
	}
	for org, groups := range unknown {
		list = append(list, b.groupBodies(org, groups)...)
	}
	return list
}

// inLists makes questions with lists of values at their end.
func (b *batch) inLists(values []string, what, text string, row func(func(...any) error) error, args ...any) (list []question) {
	inLists(values, func(values []any) error {
		list = append(list, question{what, b.c.list(text, 1+len(args), len(values), `)`), append(args[:len(args):len(args)], values...), row})
		return nil
	})
	return list
}

func (b *batch) alertBodies(space AlertKey, keys []string) []question {
	return b.inLists(keys, "alerts", `SELECT version, body FROM alerts WHERE newest = 1 AND org = $1 AND integration = $2 AND dedup_key IN (`,
		b.readAlert, space.Org, space.Integration)
}

func (b *batch) groupBodies(org string, groups []string) []question {
	return b.inLists(groups, "open incidents", `SELECT version, body FROM incidents WHERE status <> 'resolved' AND org = $1 AND group_key IN (`, b.readIncident, org)
}

// alertVersion takes an alert from the cache, or asks for it in a second round.
func (b *batch) alertVersion(space AlertKey) func(func(...any) error) error {
	return func(scan func(...any) error) error {
		var version int64
		var alertID string
		key := space
		if err := scan(&version, &alertID, &key.Key); err != nil {
			return err
		}
		if a, ok := b.c.cache.alerts.get(key); ok && a.Version == version && a.ID == alertID {
			b.all.alerts[key] = &alertRow{alert: *a, stored: a}
		} else {
			b.again = append(b.again, b.alertBodies(space, []string{key.Key})...)
		}
		return nil
	}
}

func (b *batch) incidentVersion(org string) func(func(...any) error) error {
	return func(scan func(...any) error) error {
		var version int64
		var incidentID string
		key := groupKey{org: org}
		if err := scan(&version, &incidentID, &key.key); err != nil {
			return err
		}
		if inc, ok := b.c.cache.incidents.get(key); ok && inc.Version == version && inc.ID == incidentID {
			b.keep(inc)
		} else {
			b.again = append(b.again, b.groupBodies(org, []string{key.key})...)
		}
		return nil
	}
}

// readAlert takes a row of (version, body).
func (b *batch) readAlert(scan func(...any) error) error {
	a, err := scanAlert(scan)
	if err == nil {
		b.all.alerts[AlertKey{a.Org, a.Integration, a.Key}] = &alertRow{alert: a, stored: &a}
	}
	return err
}

func (b *batch) readIncident(scan func(...any) error) error {
	inc, err := scanIncident(scan)
	if err == nil {
		b.keep(inc)
	}
	return err
}

// scanIncident reads a row of (version, body).
func scanIncident(scan func(...any) error) (*incident.Incident, error) {
	var version int64
	var body []byte
	if err := scan(&version, &body); err != nil {
		return nil, err
	}
	inc := new(incident.Incident)
	if err := json.Unmarshal(body, inc); err != nil {
		return nil, fmt.Errorf("unreadable row: %w", err)
	}
	inc.Version = version
	return inc, nil
}

// keep remembers an incident that was read.
func (b *batch) keep(inc *incident.Incident) {
	b.all.incidents[inc.ID] = &incidentRow{incident: *inc, stored: inc}
	if inc.Open() {
		b.all.groups[groupKey{inc.Org, inc.GroupKey}] = inc.ID
	}
}

// noAlert is what is known of a key of which there is no alert.
func noAlert(k AlertKey) *alertRow {
	return &alertRow{alert: incident.Alert{Org: k.Org, Integration: k.Integration, Key: k.Key}}
}

// ask asks questions one after the other; on PostgreSQL all are sent before the
// first answer is awaited.
func (c *committer) ask(ctx context.Context, list []question) error {
	if c.s.dialect.name == postgres.name {
		return c.conn.Raw(func(driver any) error {
			var queue pgx.Batch
			for _, q := range list {
				queue.Queue(q.text, q.args...)
			}
			results := driver.(*stdlib.Conn).Conn().SendBatch(ctx, &queue)
			return cmp.Or(answer(results, list), results.Close())
		})
	}
	for _, q := range list {
		rows, err := c.query(ctx, q.text, q.args...)
		if err != nil {
			return fmt.Errorf("read %s: %w", q.what, err)
		}
		for err == nil && rows.Next() {
			err = q.row(rows.Scan)
		}
		if err = cmp.Or(err, rows.Err(), rows.Close()); err != nil {
			return fmt.Errorf("read %s: %w", q.what, err)
		}
	}
	return nil
}

// answer reads the answers to questions.
func answer(results pgx.BatchResults, list []question) error {
	for _, q := range list {
		rows, err := results.Query()
		for err == nil && rows.Next() {
			err = q.row(rows.Scan)
		}
		if rows != nil {
			rows.Close()
			err = cmp.Or(err, rows.Err())
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", q.what, err)
		}
	}
	return nil
}
