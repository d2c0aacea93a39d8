package engine_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/notify"
)

// patient is a configuration in which every person's second page waits for long.
const patient = `
organization: shop
interrupts: {at_most: unlimited}
operators: {service: platform}
users:
  ana: {contacts: {a: {probe: ana}, b: {probe: ana2}}, notify: {high: [a, {wait: 9h, by: b}]}}
  olga: {contacts: {a: {probe: olga}}}
connections: {probe: {probe: ''}}
policies:
  shop: {steps: [{notify: [user:ana], wait: 10h}, {notify: [user:ana], wait: 10h}]}
  platform: {steps: [{notify: [user:olga], wait: 10h}]}
services: {shop: {policy: shop}, platform: {policy: platform}}
integrations: {i: {kind: muster, key: the-only-key, service: shop}}
`

// An injury is one way to get stuck: how it is brought about in the database,
// for an incident that is in a status, and what is so when it is mended.
type injury struct {
	kind, name string
	status     incident.Status
	inject     []string // $1 is the incident's id
	mended     string   // a number that must be 1; $1 as above
	quiet      bool     // nothing of it is on the timeline
	loops      bool     // another loop may be faster than the auditor
}

const day = int64(24 * time.Hour / time.Microsecond)

// injuries are those that SQL can inflict.
func injuries(at int64) []injury {
	in := func(format string) string { return fmt.Sprintf(format, at) }
	run := func(state string, due, lease any, body string) string {
		return fmt.Sprintf(`INSERT INTO runs (id, org, incident, runbook, target, state, due, lease_until, attempt, created_at, version, body)
			SELECT 'run-' || id, org, id, 'r', 't', '%s', %v, %v, 0, 1, 1, %s FROM incidents WHERE id = $1`, state, due, lease, body)
	}
	const sound = `'{"id":"run-' || id || '","organization":"' || org || '","incident":"' || id || '","runbook":"r","state":"awaiting_approval","steps":[],"approval":{"expires_at":"2020-01-01T00:00:00Z"}}'`
	const bare = `'{"id":"run-' || id || '","organization":"' || org || '","incident":"' || id || '","runbook":"r"}'`
	const second = `UPDATE outbox SET %s WHERE incident = $1 AND state = 'pending' AND kind = 'page'`
	ofRow := func(set string) []string { return []string{fmt.Sprintf(second, set)} }
	page := func(condition string) string {
		return `SELECT count(*) FROM outbox WHERE id LIKE $1 || '%/b/%' AND ` + condition
	}
	return []injury{
		{kind: "incident_idle", inject: []string{`UPDATE incidents SET due = NULL WHERE id = $1`}, mended: `SELECT count(*) FROM incidents WHERE id = $1 AND due IS NOT NULL`},
		{kind: "incident_idle", name: "of a snooze", status: incident.Snoozed, inject: []string{`UPDATE incidents SET due = NULL WHERE id = $1`}, mended: `SELECT count(*) FROM incidents WHERE id = $1 AND due IS NOT NULL`},
		{kind: "incident_settled", status: incident.Acknowledged, inject: []string{in(`UPDATE incidents SET due = %d WHERE id = $1`)}, mended: `SELECT count(*) FROM incidents WHERE id = $1 AND due IS NULL`},
		{kind: "incident_settled", name: "of one that is over", status: incident.Resolved, inject: []string{in(`UPDATE incidents SET due = %d WHERE id = $1`)}, mended: `SELECT count(*) FROM incidents WHERE id = $1 AND due IS NULL`},
		{kind: "incident_overdue", inject: []string{`UPDATE incidents SET due = 1 WHERE id = $1`}, mended: in(`SELECT count(*) FROM incidents WHERE id = $1 AND due > %d`)},
		{kind: "incident_overdue", name: "unreadable", inject: []string{`UPDATE incidents SET due = 1, body = '{' WHERE id = $1`}, mended: in(`SELECT count(*) FROM incidents WHERE id = $1 AND due > %d AND body LIKE '{"id":%%'`)},
		{kind: "snooze_over", status: incident.Snoozed, inject: []string{`UPDATE incidents SET due = 1 WHERE id = $1`}, mended: in(`SELECT count(*) FROM incidents WHERE id = $1 AND due > %d`)},
		{kind: "incident_far", inject: []string{fmt.Sprintf(`UPDATE incidents SET due = %d WHERE id = $1`, at+400*day)}, mended: fmt.Sprintf(`SELECT count(*) FROM incidents WHERE id = $1 AND due < %d`, at+2*day)},
		{kind: "incident_behind", inject: []string{`UPDATE incidents SET seq = seq - 1, body = replace(body, '"seq":' || seq, '"seq":' || (seq - 1)) WHERE id = $1`},
			mended: `SELECT count(*) FROM incidents WHERE id = $1 AND seq = (SELECT max(seq) FROM timeline WHERE incident = $1)`},
		{kind: "incident_behind", name: "an entry too many",
			inject: []string{`INSERT INTO timeline (incident, seq, org, at, kind, body) SELECT id, seq + 1, org, opened_at, 'note',
				'{"seq":' || (seq + 1) || ',"at":"2026-01-01T00:00:00Z","kind":"note","actor":"user:eve","schema":1,"data":{"text":"lost"}}' FROM incidents WHERE id = $1`},
			mended: `SELECT count(*) FROM incidents WHERE id = $1 AND seq = (SELECT max(seq) FROM timeline WHERE incident = $1)`},
		{kind: "alert_orphan", name: "its row is wrong", quiet: true, inject: []string{`UPDATE alerts SET incident = 'nobody' WHERE incident = $1`}, mended: `SELECT count(*) FROM alerts WHERE incident = $1`},
		{kind: "alert_orphan", name: "its incident's row is wrong", inject: []string{`UPDATE incidents SET status = 'resolved' WHERE id = $1`}, mended: `SELECT count(*) FROM incidents WHERE id = $1 AND status = 'triggered'`},
		{kind: "alert_orphan", name: "its incident is not there", quiet: true, inject: []string{`DELETE FROM outbox WHERE incident = $1`, `DELETE FROM timeline WHERE incident = $1`, `DELETE FROM incidents WHERE id = $1`},
			mended: `SELECT count(*) FROM alerts JOIN incidents ON incidents.id = alerts.incident WHERE incidents.status = 'triggered' AND dedup_key = (SELECT dedup_key FROM alerts WHERE incident = $1)`},
		{kind: "alert_expired", quiet: true, inject: []string{`UPDATE alerts SET until = 1 WHERE incident = $1`}, mended: `SELECT count(*) FROM alerts WHERE incident = $1 AND until IS NULL`},
		{kind: "outbox_overdue", quiet: true, loops: true, inject: ofRow(`due = 1000000`), mended: page(`state = 'sent'`)},
		{kind: "outbox_moot", status: incident.Acknowledged, inject: []string{in(`UPDATE outbox SET state = 'pending', done_at = NULL, due = %d + 3600000000 WHERE incident = $1 AND state = 'cancelled'`)}, mended: page(`state = 'cancelled'`)},
		{kind: "outbox_orphan", quiet: true, inject: ofRow(`incident = 'gone'`), mended: page(`state = 'failed'`)},
		{kind: "outbox_lease", inject: ofRow(fmt.Sprintf(`lease_until = %d`, at+day)), mended: page(`lease_until = 0`)},
		{kind: "outbox_kind", inject: ofRow(`kind = 'fax'`), mended: page(`state = 'quarantined'`)},
		{kind: "outbox_unreadable", inject: ofRow(`body = '{'`), mended: page(`state = 'quarantined'`)},
		{kind: "outbox_recipient", name: "a user", inject: ofRow(`body = replace(body, '"user":"ana"', '"user":"zoe"')`), mended: page(`state = 'failed'`), quiet: true},
		{kind: "outbox_recipient", name: "a connection", inject: ofRow(`body = replace(body, '"connection":"probe"', '"connection":"gone"')`), mended: page(`state = 'failed'`), quiet: true},
		{kind: "run_overdue", quiet: true, loops: true, inject: []string{run("planning", 1000000, 0, bare)}, mended: in(`SELECT count(*) FROM runs WHERE incident = $1 AND (ended_at IS NOT NULL OR attempt > 0 OR due > %d)`)},
		{kind: "run_lease", inject: []string{run("planning", at, at+day, bare)}, mended: in(`SELECT count(*) FROM runs WHERE incident = $1 AND lease_until < %d + 600000000`)},
		{kind: "run_idle", inject: []string{run("planning", "NULL", 0, bare)}, mended: `SELECT count(*) FROM runs WHERE incident = $1 AND (ended_at IS NOT NULL OR due IS NOT NULL)`},
		{kind: "run_approval", inject: []string{run("awaiting_approval", at+day, 0, sound)}, mended: in(`SELECT count(*) FROM runs WHERE incident = $1 AND (ended_at IS NOT NULL OR due < %d + 600000000)`)},
		{kind: "run_orphan", quiet: true, inject: []string{run("planning", at+day, 0, bare), `UPDATE runs SET incident = 'gone ' || incident WHERE incident = $1`}, mended: `SELECT count(*) FROM runs WHERE incident = 'gone ' || $1 AND ended_at IS NOT NULL`},
		{kind: "run_unreadable", inject: []string{run("planning", at+day, 0, `'{'`)}, mended: `SELECT count(*) FROM runs WHERE incident = $1 AND state = 'quarantined' AND due IS NULL`},
		{kind: "message_orphan", quiet: true, inject: []string{`INSERT INTO messages (incident, destination, org, channel, connection, address, ref, shown, status) SELECT 'gone ' || id, 'd', org, 'c', 'c', 'a', '', 0, '' FROM incidents WHERE id = $1`},
			mended: `SELECT 1 - count(*) FROM messages WHERE incident = 'gone ' || $1`},
		{kind: "counter_behind", quiet: true, loops: true, inject: []string{`UPDATE counters SET value = 0 WHERE name = 'incident' AND org = (SELECT org FROM incidents WHERE id = $1)`},
			mended: `SELECT count(*) FROM counters WHERE name = 'incident' AND org = (SELECT org FROM incidents WHERE id = $1) AND value = (SELECT max(number) FROM incidents WHERE incidents.org = counters.org)`},
	}
}

// TestAuditor injures the database in every way, several times each, and finds
// all of it mended or set aside after two looks, which are 30 seconds.
func TestAuditor(t *testing.T) {
	const each = 2
	onBoth(t, func(t *testing.T, address string) {
		p := &probe{}
		// Only the test's own looks: one between two injuries would find what they are not yet.
		r := start(t, address, options{channels: []notify.Kind{p.kind()}, pace: engine.Pace{Audit: 24 * time.Hour}})
		r.apply(patient)
		db := openSQL(t, address)
		defer db.Close()
		at := time.Now().UnixMicro()
		list := injuries(at)
		ids := map[string][]string{} // of injured incidents, by injury
		nameOf := func(one injury) string { return strings.TrimSpace(one.kind + " " + one.name) }
		for i := range each {
			for _, one := range list {
				inc := r.trigger("the-only-key", id.New(time.Now()), nameOf(one)+" "+fmt.Sprint(i)).Incident
				r.bring(inc, one.status)
				ids[nameOf(one)] = append(ids[nameOf(one)], inc)
			}
		}
		r.wait("the first pages left", 60*time.Second, func() bool {
			return number(t, address, fmt.Sprintf(`SELECT count(*) FROM outbox WHERE state = 'pending' AND due < %d`, at+day/24)) == 0
		})
		if err := r.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := counter(t, r, "muster_stuck_found_total"); n != 0 {
			t.Fatalf("%v findings where nothing is stuck", n)
		}
		for _, one := range list {
			for _, inc := range ids[nameOf(one)] {
				for _, statement := range one.inject {
					args := []any{inc}
					if _, err := db.Exec(statement, args...); err != nil {
						t.Fatalf("%s: %v", nameOf(one), err)
					}
				}
			}
		}
		for range 2 {
			if err := r.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for _, one := range list {
			t.Run(nameOf(one), func(t *testing.T) { r.checkMended(t, db, one, ids[nameOf(one)]) })
		}
		r.trigger("the-only-key", "after all", "after all")
		if log := r.log.String(); strings.Contains(log, "cannot be mended; ") || strings.Contains(log, "put into quarantine\" incident") {
			t.Errorf("something could not be mended:\n%s", log)
		}
	})
}

// bring brings an incident to a status.
func (r *running) bring(inc string, status incident.Status) {
	r.t.Helper()
	c := engine.Command{By: tester}
	switch status {
	case incident.Acknowledged:
		c.Do = "acknowledge"
	case incident.Resolved:
		c.Do = "resolve"
	case incident.Snoozed:
		c.Do, c.Until = "snooze", time.Now().Add(9*time.Hour)
	default:
		return
	}
	if _, err := r.Do(r.t.Context(), r.org, inc, c); err != nil {
		r.t.Fatal(err)
	}
}

// checkMended checks that an injury was found and mended, each time, and told of.
func (r *running) checkMended(t *testing.T, db *sql.DB, one injury, ids []string) {
	for _, inc := range ids {
		var n int
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if err := db.QueryRow(one.mended, inc).Scan(&n); err != nil {
				t.Fatal(err)
			}
			if n == 1 || time.Now().After(deadline) {
				break
			}
		}
		if n != 1 {
			t.Errorf("incident %s is not mended (%d); its timeline:\n%s", inc, n, r.timeline(inc))
			return
		}
		if story := r.timeline(inc); !one.quiet && !strings.Contains(story, "auditor") {
			t.Errorf("the timeline does not tell of it:\n%s", story)
		}
	}
	if found := r.foundStuck(one.kind); !one.loops && found < len(ids) {
		t.Errorf("found %d times, want at least %d", found, len(ids))
	}
}

// foundStuck is how often the auditor found something of a kind.
func (r *running) foundStuck(kind string) int {
	r.t.Helper()
	families, err := r.Registry().Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "muster_stuck_found_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == kind {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	return 0
}

// brief has a policy that is soon at its end.
const brief = `
organization: shop
users: {ana: {contacts: {a: {probe: ana}}}}
connections: {probe: {probe: ''}}
policies:
  shop: {steps: [{notify: [user:ana], wait: 10h}]}
  brief: {steps: [{notify: [user:ana], wait: 1s}]}
services: {shop: {policy: shop}, brief: {policy: brief}}
integrations: {i: {kind: muster, key: the-only-key, service: shop}, j: {kind: muster, key: the-brief-key, service: brief}}
`

// TestAuditorBesideTheVersionBefore: servers of the version before open and
// change incidents, and leave alone the columns that they do not know. Nothing
// of that is stuck: nobody is told or paged, and the columns are filled in.
func TestAuditorBesideTheVersionBefore(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		p := &probe{}
		r := start(t, address, options{channels: []notify.Kind{p.kind()}})
		r.apply(brief)
		db := openSQL(t, address)
		defer db.Close()
		var ids []string
		for _, status := range []incident.Status{incident.Triggered, incident.Acknowledged, incident.Snoozed, incident.Resolved} {
			for range 2 {
				inc := r.trigger("the-only-key", id.New(time.Now()), string(status)).Incident
				r.bring(inc, status)
				ids = append(ids, inc)
			}
		}
		for range 2 {
			ids = append(ids, r.trigger("the-brief-key", id.New(time.Now()), "exhausted").Incident)
		}
		const columns = `SELECT count(*) FROM incidents WHERE status <> 'resolved' AND seq = (SELECT max(seq) FROM timeline WHERE incident = incidents.id) AND waits = '%s'`
		filled := func() string {
			var list []string
			for _, waits := range []string{"", incident.WaitsAcknowledged, incident.WaitsExhausted} {
				list = append(list, fmt.Sprint(number(t, address, fmt.Sprintf(columns, waits))))
			}
			return strings.Join(list, " ")
		}
		r.wait("all is quiet", 60*time.Second, func() bool {
			return filled() == "4 2 2" && number(t, address, `SELECT count(*) FROM outbox WHERE state = 'pending'`) == 0
		})
		sent := len(p.pages(""))
		for i, inc := range ids {
			seq := `0` // of one that it opened
			if i%2 > 0 {
				seq = `seq - 1` // of one that it changed
			}
			if _, err := db.Exec(`UPDATE incidents SET version = version + 1, waits = '', seq = `+seq+`, body = replace(replace(body, '"exhausted":true,', ''),
				'"version":' || version, '"version":' || (version + 1)) WHERE id = $1`, inc); err != nil {
				t.Fatal(err)
			}
		}
		if filled() == "4 2 2" {
			t.Fatal("nothing is as the version before leaves it")
		}
		for range 2 {
			if err := r.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := filled(); got != "4 2 2" {
			t.Errorf("columns are as they should be of %s incidents, want 4 2 2", got)
		}
		if n := counter(t, r, "muster_stuck_found_total"); n != 0 {
			t.Errorf("%v findings where nothing is stuck:\n%s", n, r.log.last(20))
		}
		for _, inc := range ids {
			if story := r.timeline(inc); strings.Contains(story, "auditor") {
				t.Errorf("the timeline tells of it:\n%s", story)
			}
		}
		if n := len(p.pages("")) - sent; n != 0 {
			t.Errorf("%d pages", n)
		}
	})
}
