package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/store"
)

// outage is a configuration of so many people with two contact methods each, a
// service and an integration for each of them; a page not answered climbs to
// the lead.
func outage(people int) string {
	var b strings.Builder
	b.WriteString("organization: shop\nusers:\n  lead: {contacts: {a: {probe: lead/a}}}\n")
	for i := range people {
		fmt.Fprintf(&b, "  u%d: {contacts: {a: {probe: u%d/a}, b: {probe: u%d/b}}, notify: {high: [a, {wait: 4m, by: b}], low: [a]}}\n", i, i, i)
	}
	b.WriteString("connections: {probe: {probe: ''}}\npolicies:\n")
	for i := range people {
		fmt.Fprintf(&b, "  p%d: {steps: [{notify: [user:u%d], wait: 5m}, {notify: [user:lead], wait: 30m}]}\n", i, i)
	}
	b.WriteString("services:\n")
	for i := range people {
		fmt.Fprintf(&b, "  s%d: {policy: p%d}\n", i, i)
	}
	b.WriteString("integrations: {i: {kind: muster, key: the-only-key, service: s0}}\n")
	return b.String()
}

// TestBacklog puts a server back into service after half an hour without one:
// what was taken in before is due, the sends and the climbs.
func TestBacklog(t *testing.T) {
	items, within := 400, 90*time.Second
	if os.Getenv("MUSTER_LONG") != "" {
		items, within = 20000, 2*time.Minute
	}
	onBoth(t, func(t *testing.T, address string) { backlog(t, address, items, within) })
}

func backlog(t *testing.T, address string, items int, within time.Duration) {
	const people = 5
	// Before the outage: half of the pages had left, the others had not.
	hold := make(chan struct{})
	var release sync.Once
	let := func() { release.Do(func() { close(hold) }) }
	before := &probe{behave: func(ctx context.Context, _ string, _ notify.Message) error {
		select {
		case <-hold:
			return nil
		case <-ctx.Done():
			return errors.New("nothing leaves")
		}
	}}
	r := start(t, address, options{channels: []notify.Kind{before.kind()}})
	r.apply(outage(people))
	from, err := r.SenderByKey("the-only-key")
	if err != nil {
		t.Fatal(err)
	}
	var newest [people]string // critical incident of each
	for first := 0; first < items; first += 200 {
		time.Sleep(2 * time.Millisecond) // ids tell which is newer by the millisecond
		var events []event.Event
		for i := first; i < min(items, first+200); i++ {
			ev := event.Event{Action: event.Trigger, Key: fmt.Sprint("k", i), Title: fmt.Sprint("number ", i), Service: fmt.Sprint("s", i%people), Severity: event.SeverityError}
			if i%200 < people { // one of each in each batch
				ev.Severity = event.SeverityCritical
			}
			events = append(events, ev)
		}
		got, err := r.Intake(t.Context(), from, events, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range got {
			if n := first + i; n%200 < people {
				newest[n%people] = a.Incident
			}
		}
	}
	r.kill(let)
	let()
	<-r.ended
	const half = 30 * 60 * 1e6
	shiftDue(t, address, 30*time.Minute)
	sqlOn(t, address,
		// What happened, happened half an hour ago. Every other incident is one whose page left then.
		`UPDATE outbox SET state = 'pending', lease_until = 0, carrier = '', attempt = 0, done_at = NULL, holder = '' WHERE incident <> ''`,
		`DELETE FROM outbox WHERE incident = ''`,
		fmt.Sprintf(`UPDATE outbox SET due = created_at - %d, created_at = created_at - %d`, int64(half), int64(half)),
		`UPDATE outbox SET state = 'sent', done_at = created_at WHERE contact = 'a' AND incident IN (SELECT id FROM incidents WHERE number % 2 = 1 AND severity <> 'critical')`,
	)

	p := &probe{}
	began := time.Now()
	back := start(t, address, options{channels: []notify.Kind{p.kind()}})
	for person := range people {
		name := fmt.Sprintf("u%d/", person)
		back.wait("a page to "+name, 10*time.Second+within/10, func() bool { return len(p.sent(name)) > 0 })
		if first := p.sent(name)[0]; first.incident != newest[person] || first.kind != notify.Page {
			t.Errorf("%s was told first of %s by a %s, want the newest critical one, %s", name, first.incident, first.kind, newest[person])
		}
	}
	firstPage := time.Since(began)
	back.wait("all that was due has left or will be judged again", within, func() bool {
		return number(t, address, fmt.Sprintf(`SELECT count(*) FROM incidents WHERE due < %d`, time.Now().UnixMicro()))+ // in this order: each makes work of the next kind
			number(t, address, `SELECT count(*) FROM outbox WHERE kind = 'page' AND state = 'pending' AND contact = 'a'`)+
			number(t, address, `SELECT count(*) FROM outbox WHERE state = 'gathered' AND contact = 'a'`) == 0
	})
	drained := time.Since(began)

	for person := range people {
		sends := p.sent(fmt.Sprintf("u%d/a", person))
		var kinds []string
		for _, s := range sends {
			kinds = append(kinds, s.kind)
		}
		if len(sends) > 3 || kinds[len(kinds)-1] != notify.DigestKind {
			t.Errorf("u%d was interrupted by %v, want the critical page and a digest", person, kinds)
		}
		if rung := p.sent(fmt.Sprintf("u%d/b", person)); len(rung) > 1 {
			t.Errorf("u%d was rung by the second contact method %d times", person, len(rung))
		}
	}
	if sends := p.sent("lead/"); len(sends) == 0 || len(sends) > 4 {
		t.Errorf("the lead was interrupted %d times by %d climbs", len(sends), items)
	}
	// One step at most, and each page is accounted for.
	for query, want := range map[string]int64{
		`SELECT count(*) FROM timeline WHERE kind = 'escalated'`:                                                                     int64(2 * items),
		`SELECT count(*) FROM outbox WHERE kind = 'page' AND incident <> '' AND contact = 'a' AND state NOT IN ('sent', 'digested')`: 0,
		// Four minutes are between the contact methods: the second rings only where the first had left before.
		`SELECT count(*) FROM outbox AS b WHERE contact = 'b' AND incident <> '' AND state <> 'pending'
			AND EXISTS (SELECT 1 FROM outbox AS a WHERE a.incident = b.incident AND a.contact = 'a' AND a.person = b.person AND (a.attempt > 0 OR a.state = 'digested'))`: 0,
	} {
		if n := number(t, address, query); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
	told := number(t, address, `SELECT count(DISTINCT incident) FROM timeline WHERE kind = 'notified' AND body LIKE '%within digest/%'`)
	digested := number(t, address, `SELECT count(DISTINCT incident) FROM outbox WHERE state = 'digested' AND carrier LIKE 'digest/%'`)
	if told != digested || digested < int64(items)-3*people {
		t.Errorf("%d timelines tell of a digest, %d incidents went in one, of %d", told, digested, items)
	}
	t.Logf("%d items: the newest critical first within %v, drained in %v, %d sends", items, firstPage.Round(time.Millisecond), drained.Round(time.Millisecond), len(p.sent("")))
}

// TestSettlingHoldsNoHand: digests of thousands of pages leave for eight people by one
// connection while each commit is slow. What the timelines are told of them
// takes long, but the connection is not slow: no page takes another way.
func TestSettlingHoldsNoHand(t *testing.T) {
	const people, each = 8, 600 // as many people as a destination has hands
	onBoth(t, func(t *testing.T, address string) {
		p := &probe{}
		var slow atomic.Bool
		r := start(t, address, options{channels: []notify.Kind{p.kind()}, pace: engine.Pace{Stall: 1200 * time.Millisecond}, at: func(station string) {
			if station == "flushed" && slow.Load() {
				time.Sleep(300 * time.Millisecond)
			}
		}})
		r.apply(outage(people))
		from, err := r.SenderByKey("the-only-key")
		if err != nil {
			t.Fatal(err)
		}
		for first := 0; first < people*each; first += 200 {
			var events []event.Event
			for i := first; i < first+200; i++ {
				events = append(events, event.Event{Action: event.Trigger, Key: fmt.Sprint("k", i), Title: "t", Service: fmt.Sprint("s", i%people), Severity: event.SeverityError})
			}
			if _, err := r.Intake(t.Context(), from, events, []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}
		slow.Store(true)
		r.wait("each has a digest", 30*time.Second, func() bool {
			return number(t, address, `SELECT count(DISTINCT person) FROM outbox WHERE incident = '' AND state = 'sent'`) == people
		})
		time.Sleep(3 * time.Second)
		slow.Store(false)
		const left = `SELECT count(*) FROM outbox WHERE state = 'gathered' AND carrier IN (SELECT id FROM outbox WHERE state = 'sent')`
		r.wait("all timelines tell of the digests", 50*time.Second, // the sweep would find them within a minute
			func() bool { return number(t, address, left) == 0 })
		for query, want := range map[string]int64{
			`SELECT count(*) FROM outbox WHERE passed > 0`:                       0,
			`SELECT count(*) FROM outbox WHERE contact = 'b' AND state = 'sent'`: 0,
			`SELECT count(*) FROM timeline WHERE kind = 'notify_delayed'`:        0,
			`SELECT count(DISTINCT incident) FROM outbox WHERE state = 'digested' AND incident NOT IN (SELECT incident FROM timeline WHERE body LIKE '%"within digest/%')`: 0,
		} {
			if n := number(t, address, query); n != want {
				t.Errorf("%s: %d, want %d", query, n, want)
			}
		}
		if log := r.log.String(); strings.Contains(log, "a connection fails") {
			t.Error("the connection was taken for one that fails")
		}
	})
}

// TestDigestWaits: a digest that waits is neither stuck to the auditor, nor are
// its pages, and a page that left while nothing could be written leaves it.
func TestDigestWaits(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		p := &probe{}
		r := start(t, address, options{channels: []notify.Kind{p.kind()}})
		r.apply("interrupts: {at_most: 2}\n" + outage(1))
		for i := range 5 {
			r.trigger("the-only-key", fmt.Sprint("k", i), "t")
		}
		const gathered = `SELECT count(*) FROM outbox WHERE state = 'gathered' AND contact = 'a'`
		r.wait("a page leaves and the others are gathered", 20*time.Second, func() bool { return number(t, address, gathered) == 4 && len(p.sent("")) == 1 })
		for range 2 {
			if err := r.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := counter(t, r, "muster_stuck_found_total"); n != 0 {
			t.Errorf("the auditor found %v things that are stuck", n)
		}
		const digests = `SELECT count(*) FROM outbox WHERE incident = '' AND kind = 'page' AND state = 'pending'`
		if n := number(t, address, digests); n != 1 {
			t.Errorf("%d digests wait, want 1", n)
		}

		// One that became due and may not leave is put off, and not asked about in a loop.
		sqlOn(t, address, fmt.Sprintf(`UPDATE outbox SET due = %d WHERE incident = '' AND state = 'pending'`, time.Now().UnixMicro()))
		r.trigger("the-only-key", "k", "t")
		r.wait("the digest is put off, with one page more", 20*time.Second, func() bool {
			return number(t, address, gathered) == 5 && number(t, address, fmt.Sprintf(digests+` AND due > %d`, time.Now().Add(5*time.Second).UnixMicro())) == 1
		})

		db := openSQL(t, address)
		defer db.Close()
		blind := store.Outgoing{Attempt: 1}
		if err := db.QueryRow(`SELECT max(id) FROM outbox WHERE state = 'gathered'`).Scan(&blind.ID); err != nil {
			t.Fatal(err)
		}
		err := r.Store.Write(t.Context(), func(tx *store.Tx) error {
			adopted, err := tx.AdoptSent(blind, time.Now().Add(time.Minute))
			if err != nil || !adopted {
				return fmt.Errorf("adopted: %v, %w", adopted, err)
			}
			_, err = tx.Sent(blind, time.Now())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := number(t, address, gathered); n != 4 {
			t.Errorf("%d pages are gathered, want 4", n)
		}
		if n := number(t, address, `SELECT count(*) FROM outbox WHERE state = 'sent' AND contact = 'a'`); n != 2 {
			t.Errorf("%d pages were sent, want 2", n)
		}

		// What cannot be read keeps no other from being judged.
		sqlOn(t, address,
			`UPDATE outbox SET body = '{' WHERE id = (SELECT min(id) FROM outbox WHERE contact = 'b')`,
			fmt.Sprintf(`UPDATE outbox SET due = %d WHERE contact = 'b'`, time.Now().UnixMicro()),
		)
		r.trigger("the-only-key", "another", "t")
		r.wait("the others are gathered, too", 20*time.Second, func() bool {
			return number(t, address, `SELECT count(*) FROM outbox WHERE state = 'gathered' AND contact = 'b'`) == 5 &&
				number(t, address, `SELECT count(*) FROM outbox WHERE state = 'quarantined'`) == 1
		})
	})
}

// shiftDue makes what incidents are due for due earlier, as if they had been
// opened earlier.
func shiftDue(t *testing.T, address string, by time.Duration) {
	t.Helper()
	db := openSQL(t, address)
	defer db.Close()
	rows, err := db.Query(`SELECT id, body FROM incidents WHERE due IS NOT NULL`)
	if err != nil {
		t.Fatal(err)
	}
	bodies := map[string]incident.Incident{}
	for rows.Next() {
		var id string
		var body []byte
		var inc incident.Incident
		if err := rows.Scan(&id, &body); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(body, &inc); err != nil {
			t.Fatal(err)
		}
		inc.Due, inc.OpenedAt = inc.Due.Add(-by), inc.OpenedAt.Add(-by)
		bodies[id] = inc
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for id, inc := range bodies {
		body, err := json.Marshal(inc)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(`UPDATE incidents SET due = $1, opened_at = $2, body = $3 WHERE id = $4`, inc.Due.UnixMicro(), inc.OpenedAt.UnixMicro(), string(body), id); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// sent is everything that was sent to addresses with a prefix.
func (p *probe) sent(prefix string) (list []probed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sends {
		if strings.HasPrefix(s.address, prefix) {
			list = append(list, s)
		}
	}
	return list
}
