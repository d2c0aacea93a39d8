package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
)

// noSeverity ranks what has no severity, and pages of before there was a rank.
const noSeverity = 9

// Person names the user of an organization, whose interrupts are counted.
func Person(org, user string) string { return org + "/" + user }

// judge decides what of the claimed pages may interrupt the persons they are
// for, by the budgets of their organizations, together with all else that is
// due for these persons. What must wait is given back, gathered into a digest
// for each contact method. It returns what is to be sent: the claimed rows that
// may go, and in place of the others newer or worse pages, or digests.
//
// It runs within the claim's transaction and reads what was sent from the
// outbox: the committers of all replicas take turns, so that no two of them
// interrupt a person for the last time of the budget, and a restart forgets
// nothing.
func (t *Tx) judge(claimed []Outgoing, now, until time.Time) (send []Outgoing, err error) {
	byPerson := map[string][]Outgoing{}
	var persons []string // in the order of the claim
	for _, o := range claimed {
		if _, limited := t.b.c.s.budget(o.Org); o.Person == "" || !limited {
			send = append(send, o)
			continue
		}
		if byPerson[o.Person] == nil {
			persons = append(persons, o.Person)
		}
		byPerson[o.Person] = append(byPerson[o.Person], o)
	}
	for _, person := range persons {
		mine := byPerson[person]
		budget, _ := t.b.c.s.budget(mine[0].Org)
		p := judging{t: t, person: person, org: mine[0].Org, now: now.UnixMicro(), until: until.UnixMicro(), budget: budget}
		rows, err := p.judge(mine, now)
		if err != nil {
			return nil, err
		}
		send = append(send, rows...)
	}
	return send, nil
}

// judging is the judgement of one person.
type judging struct {
	t           *Tx
	person, org string
	now, until  int64 // microseconds
	budget      incident.Budget
}

// mineToo is the condition of a row that is free or was leased by this very
// claim; $2 is now, $3 the end of the lease, $4 the replica.
const mineToo = `(lease_until <= $2 OR lease_until = $3 AND holder = $4)`

func (p judging) judge(mine []Outgoing, now time.Time) ([]Outgoing, error) {
	recent, err := p.recent()
	if err != nil {
		return nil, err
	}
	waiting, pages, err := p.waiting()
	if err != nil {
		return nil, err
	}
	j := p.budget.Judge(now, recent, waiting)
	if pages == len(mine) && j.Again.IsZero() && !slices.ContainsFunc(j.Calls, func(c incident.Call) bool { return c.Digest }) && distinct(mine) {
		return mine, nil // the everyday case: all that is due may go
	}
	if err := p.giveBack(mine); err != nil {
		return nil, err
	}
	if len(waiting) > 1 {
		if err := p.keepDistance(); err != nil {
			return nil, err
		}
		if waiting, _, err = p.waiting(); err != nil {
			return nil, err
		}
		j = p.budget.Judge(now, recent, waiting)
	}
	p.t.b.woken.Outbox = true // there may be more where these came from
	var send []Outgoing
	called := map[string]bool{}
	for _, c := range j.Calls {
		for range c.Singles {
			rows, err := p.single(c.Contact)
			if err != nil {
				return nil, err
			}
			send = append(send, rows...)
		}
		if c.Digest {
			rows, err := p.digest(c.Contact)
			if err != nil {
				return nil, err
			}
			send = append(send, rows...)
			called[c.Contact] = true
		}
	}
	for _, q := range waiting {
		if !called[q.Contact] {
			if err := p.putOff(q, j.Again); err != nil {
				return nil, err
			}
		}
	}
	return send, nil
}

// distinct tells whether no two pages are of one incident and contact method:
// of such the newer one tells all.
func distinct(pages []Outgoing) bool {
	seen := map[[2]string]bool{}
	for _, o := range pages {
		key := [2]string{o.Incident, o.Contact}
		if o.Incident == "" || seen[key] {
			return false
		}
		seen[key] = true
	}
	return true
}

// recent lists what reached the person within the budget's while, and what is
// on its way.
func (p judging) recent() (list []incident.Interrupt, err error) {
	since := p.now - p.budget.Per.Microseconds()
	err = p.each("recent interrupts", recentInterrupts,
		func(rows *sql.Rows) error {
			var at, severity int64
			var r incident.Interrupt
			if err := rows.Scan(&at, &r.Contact, &severity); err != nil {
				return err
			}
			r.At, r.Critical = time.UnixMicro(at).UTC(), severity == 0
			list = append(list, r)
			return nil
		}, p.person, p.now, p.until, p.t.b.c.s.replica, since)
	return list, err
}

// recentInterrupts says that there is a person, as the indexes of persons do.
const recentInterrupts = `
	SELECT done_at, contact, severity FROM outbox WHERE state = 'sent' AND person = $1 AND person <> '' AND done_at > $5
	UNION ALL
	SELECT $2, contact, severity FROM outbox WHERE state = 'pending' AND person = $1 AND person <> '' AND lease_until > $2 AND NOT ` + mineToo

// waiting lists what is due for the person, by contact method, and counts the
// pages in it.
func (p judging) waiting() (queues []incident.Queue, pages int, err error) {
	err = p.each("what waits for a person", `
		SELECT contact, CASE incident WHEN '' THEN 1 ELSE 0 END AS digest, CASE severity WHEN 0 THEN 1 ELSE 0 END AS critical, count(*)
		FROM outbox WHERE state = 'pending' AND person = $1 AND person <> '' AND due <= $2 AND `+mineToo+`
		GROUP BY 1, 2, 3 ORDER BY 1`,
		func(rows *sql.Rows) error {
			var contact string
			var digest, critical, n int
			if err := rows.Scan(&contact, &digest, &critical, &n); err != nil {
				return err
			}
			if len(queues) == 0 || queues[len(queues)-1].Contact != contact {
				queues = append(queues, incident.Queue{Contact: contact})
			}
			q := &queues[len(queues)-1]
			if digest == 1 {
				q.Digest = true
				return nil
			}
			pages += n
			q.Pages += n
			q.Critical += n * critical
			return nil
		}, p.person, p.now, p.until, p.t.b.c.s.replica)
	return queues, pages, err
}

// giveBack ends the leases of claimed rows as if they had not been claimed: they
// were not tried.
func (p judging) giveBack(rows []Outgoing) error {
	ids := make([]string, len(rows))
	for i, o := range rows {
		ids[i] = o.ID
	}
	return inLists(ids, func(ids []any) error {
		_, err := p.t.exec("give claimed pages back", `UPDATE outbox SET lease_until = 0, holder = '', attempt = attempt - 1 WHERE id IN (`+marks(len(ids), 1)+`)`, ids...)
		return err
	})
}

// keepDistance makes a person's next contact methods wait after the first one
// as long as the person's rules say, where both became due while nothing left:
// an outage must not ring all the bells at once.
func (p judging) keepDistance() error {
	_, err := p.t.exec("keep the distance of contact methods", `
		UPDATE outbox SET due = $2 + outbox.due - firsts.due
		FROM (SELECT incident, climb_step, min(due) AS due FROM outbox
			WHERE state = 'pending' AND person = $1 AND person <> '' AND incident <> '' AND attempt = 0 AND passed = 0 AND due <= $2 AND lease_until <= $2
			GROUP BY incident, climb_step HAVING count(*) > 1) AS firsts
		WHERE outbox.state = 'pending' AND outbox.person = $1 AND outbox.person <> '' AND outbox.incident = firsts.incident AND outbox.climb_step = firsts.climb_step
			AND outbox.attempt = 0 AND outbox.due > firsts.due AND outbox.due <= $2 AND outbox.lease_until <= $2`, p.person, p.now)
	return err
}

// free is the condition of a page or digest that is due for the person by a
// contact method; $1 is the person, $2 now, $3 the contact method.
const freeFor = `state = 'pending' AND person = $1 AND person <> '' AND due <= $2 AND lease_until <= $2 AND contact = $3`

// single leases the page to be sent next by a contact method: the worst, and
// of these that of the newest incident. Older ones of the same incident go with
// it.
func (p judging) single(contact string) ([]Outgoing, error) {
	rows, err := p.lease(`(SELECT id FROM outbox WHERE `+freeFor+` AND incident <> '' ORDER BY severity, incident DESC, due DESC, id DESC LIMIT 1)`, contact)
	for _, o := range rows {
		if _, err := p.t.exec("gather older pages", `
			UPDATE outbox SET state = 'gathered', carrier = $5 WHERE `+freeFor+` AND incident = $4`, p.person, p.now, contact, o.Incident, o.ID); err != nil {
			return nil, err
		}
	}
	return rows, err
}

// digest leases the digest that is due by a contact method, with all pages that
// are.
func (p judging) digest(contact string) ([]Outgoing, error) {
	rows, err := p.lease(`(SELECT id FROM outbox WHERE `+freeFor+` AND incident = '' ORDER BY due, id LIMIT 1)`, contact)
	for _, o := range rows {
		if err := p.gather(contact, o.ID); err != nil {
			return nil, err
		}
	}
	return rows, err
}

func (p judging) lease(ids, contact string) (list []Outgoing, err error) {
	err = p.each("claim for a person", `
		UPDATE outbox SET lease_until = $4, attempt = attempt + 1, holder = $5 WHERE id IN `+ids+` RETURNING `+outgoingColumns,
		func(rows *sql.Rows) error {
			o, err := scanOutgoing(rows)
			list = append(list, o)
			return err
		}, p.person, p.now, contact, p.until, p.t.b.c.s.replica)
	return list, err
}

// gather puts the pages that are due by a contact method into a digest.
func (p judging) gather(contact, digest string) error {
	if _, err := p.t.exec("a digest is as bad as its worst page", `
		UPDATE outbox SET severity = 0 WHERE id = $4 AND EXISTS (SELECT 1 FROM outbox WHERE `+freeFor+` AND severity = 0 AND incident <> '')`,
		p.person, p.now, contact, digest); err != nil {
		return err
	}
	_, err := p.t.exec("gather pages", `UPDATE outbox SET state = 'gathered', carrier = $4 WHERE `+freeFor+` AND incident <> ''`, p.person, p.now, contact, digest)
	return err
}

// putOff gathers what could not leave by a contact method, to be judged again at
// an instant: into the digest that waits already, or into a new one.
func (p judging) putOff(q incident.Queue, again time.Time) error {
	if _, err := p.t.exec("put digests off", `UPDATE outbox SET due = $4 WHERE `+freeFor+` AND incident = ''`, p.person, p.now, q.Contact, again.UnixMicro()); err != nil {
		return err
	}
	if q.Pages == 0 {
		return nil
	}
	digest := ""
	err := p.each("the digest that waits", `
		SELECT id FROM outbox WHERE state = 'pending' AND person = $1 AND person <> '' AND lease_until <= $2 AND contact = $3 AND incident = '' ORDER BY due, id LIMIT 1`,
		func(rows *sql.Rows) error { return rows.Scan(&digest) }, p.person, p.now, q.Contact)
	if err == nil && digest == "" {
		digest, err = p.begin(q.Contact, again)
	}
	if err != nil || digest == "" {
		return err
	}
	return p.gather(q.Contact, digest)
}

// begin makes a digest of what is due by a contact method, and returns its key;
// "" if nothing is.
func (p judging) begin(contact string, due time.Time) (string, error) {
	var first Outgoing
	err := p.each("the first page of a digest", `SELECT `+outgoingColumns+` FROM outbox WHERE `+freeFor+` AND incident <> '' ORDER BY due, id LIMIT 1`,
		func(rows *sql.Rows) (err error) { first, err = scanOutgoing(rows); return err }, p.person, p.now, contact)
	if err != nil || first.ID == "" {
		return "", err
	}
	var page incident.Notification
	if json.Unmarshal(first.Body, &page) != nil { // it must not keep all others from being claimed
		if _, err := p.t.SetRowAside(first.ID, "its body is unreadable"); err != nil {
			return "", err
		}
		return p.begin(contact, due)
	}
	key := "digest/" + page.User + "/" + contact + "/" + id.New(time.UnixMicro(p.now))
	body, _ := json.Marshal(incident.Notification{ // strings and an instant: cannot fail
		Key: key, User: page.User, Contact: contact, Kind: incident.Page, Channel: page.Channel, Connection: page.Connection, Address: page.Address,
		NotBefore: time.UnixMicro(p.now).UTC(), Budgeted: true,
	})
	_, err = p.t.exec("begin a digest", `
		INSERT INTO outbox (id, org, incident, kind, destination, place, climb_step, due, created_at, body, person, contact, severity, state, lease_until, attempt, revision, error)
		VALUES ($1, $2, '', $3, $4, $5, '', $6, $7, $8, $9, $10, $11, 'pending', 0, 0, 0, '')`,
		key, p.org, incident.Page, first.Destination, first.Place, due.UnixMicro(), p.now, string(body), p.person, contact, noSeverity)
	return key, err
}

// each runs a statement and reads its rows.
func (p judging) each(what, text string, read func(*sql.Rows) error, args ...any) error {
	rows, err := p.t.b.c.query(p.t.b.ctx, text, args...)
	if err != nil {
		return p.t.b.fail(what, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := read(rows); err != nil {
			return p.t.b.fail(what, err)
		}
	}
	if err := rows.Err(); err != nil {
		return p.t.b.fail(what, err)
	}
	return nil
}

// A Digest is what a digest tells of, as it is now: incidents that nobody has
// taken since, the worst first and of these the newest.
type Digest struct {
	Incidents int // in all
	Critical  int // of them
	Since     time.Time
	First     []incident.Incident // so many as were asked for
}

// Digest reads what a digest tells of.
func (s *Store) Digest(ctx context.Context, org, key string, limit int) (Digest, error) {
	var d Digest
	var since sql.NullInt64
	const told = `FROM incidents WHERE org = $1 AND status = 'triggered' AND id IN (SELECT incident FROM outbox WHERE state = 'gathered' AND carrier = $2)`
	err := s.read.QueryRowContext(ctx, `SELECT count(*), COALESCE(sum(CASE severity WHEN 'critical' THEN 1 ELSE 0 END), 0), min(opened_at) `+told, org, key).Scan(&d.Incidents, &d.Critical, &since)
	if err != nil {
		return d, fmt.Errorf("digest %s: %w", key, err)
	}
	d.Since = instant(since)
	rows, err := s.read.QueryContext(ctx, `SELECT body `+told+`
		ORDER BY CASE severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 2 WHEN 'info' THEN 3 ELSE 1 END, id DESC LIMIT $3`, org, key, limit)
	if err != nil {
		return d, fmt.Errorf("digest %s: %w", key, err)
	}
	defer rows.Close()
	for rows.Next() {
		var body []byte
		var inc incident.Incident
		if err := rows.Scan(&body); err != nil {
			return d, fmt.Errorf("digest %s: %w", key, err)
		}
		if json.Unmarshal(body, &inc) != nil {
			continue // one that cannot be read must not keep the others from being told of
		}
		d.First = append(d.First, inc)
	}
	return d, rows.Err()
}

// Settle stores what became of pages that were gathered into a row, up to limit
// of them, and returns them: "digested" if their carrier was sent, "failed" or
// "cancelled" like it, or "pending" if they must be judged anew.
func (t *Tx) Settle(carrier, state string, now time.Time, limit int) (settled []Outgoing, err error) {
	done, still := any(now.UnixMicro()), carrier
	if state == "pending" {
		done, still = nil, ""
	}
	if err := t.begin(); err != nil {
		return nil, err
	}
	p := judging{t: t}
	err = p.each("settle gathered pages", `
		UPDATE outbox SET state = $1, done_at = $2, carrier = $5 WHERE id IN (SELECT id FROM outbox WHERE state = 'gathered' AND carrier = $3 ORDER BY id LIMIT $4)
		RETURNING `+outgoingColumns,
		func(rows *sql.Rows) error {
			o, err := scanOutgoing(rows)
			settled = append(settled, o)
			return err
		}, state, done, carrier, limit, still)
	if state == "pending" {
		t.b.woken.Outbox = true
	}
	if state == "failed" {
		for _, o := range settled {
			if !o.Passed {
				if _, err := t.pull(o, now, nil); err != nil {
					return nil, err
				}
			}
		}
	}
	return settled, err
}

// PassGathered is Pass for a digest that does not get through: the other contact
// methods of the steps whose pages it carries become due, once.
func (t *Tx) PassGathered(o Outgoing, now time.Time) error {
	res, err := t.exec("pass a digest on", `UPDATE outbox SET passed = 1 WHERE id = $1 AND state = 'pending' AND passed = 0`, o.ID)
	if err != nil {
		return err
	}
	if n, _ := res.RowsAffected(); n == 0 {
		return nil
	}
	_, err = t.exec("pull the next contact methods forward", `
		UPDATE outbox SET due = $1 WHERE state = 'pending' AND person = $2 AND person <> '' AND attempt = 0 AND due > $1 AND incident <> ''
			AND EXISTS (SELECT 1 FROM outbox AS g WHERE g.state = 'gathered' AND g.carrier = $3 AND g.incident = outbox.incident AND g.climb_step = outbox.climb_step)`,
		now.UnixMicro(), o.Person, o.ID)
	t.b.woken.Outbox = true
	return err
}

// A Carrier is a row into which pages were gathered, and what became of it:
// State is "" where there is no such row.
type Carrier struct {
	Key, State, Error string
	Org               string // of the pages
}

// Ended lists those of some rows that carry gathered pages and have an end.
func (s *Store) Ended(ctx context.Context, keys []string) (list []Carrier, err error) {
	err = inLists(keys, func(ids []any) error {
		return s.carriers(ctx, &list, `
			SELECT id, state, error, org FROM outbox AS c
			WHERE id IN (`+marks(len(ids), 1)+`) AND state <> 'pending' AND EXISTS (SELECT 1 FROM outbox AS g WHERE g.state = 'gathered' AND g.carrier = c.id)`, ids...)
	})
	return list, err
}

// Unsettled lists the carriers that have an end, while their pages have none
// yet: the process that sent them has died.
func (s *Store) Unsettled(ctx context.Context) (list []Carrier, err error) {
	err = s.carriers(ctx, &list, `
		SELECT g.carrier, COALESCE(c.state, ''), COALESCE(c.error, ''), (SELECT min(org) FROM outbox WHERE state = 'gathered' AND carrier = g.carrier)
		FROM (SELECT DISTINCT carrier FROM outbox WHERE state = 'gathered') AS g LEFT JOIN outbox AS c ON c.id = g.carrier
		WHERE COALESCE(c.state, '') <> 'pending'`)
	return list, err
}

func (s *Store) carriers(ctx context.Context, list *[]Carrier, query string, args ...any) error {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("carriers: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var c Carrier
		if err := rows.Scan(&c.Key, &c.State, &c.Error, &c.Org); err != nil {
			return fmt.Errorf("carriers: %w", err)
		}
		*list = append(*list, c)
	}
	return wrap("carriers", rows.Err())
}
