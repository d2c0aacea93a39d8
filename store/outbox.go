package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/incident"
)

// Outgoing is one row of the outbox: something that must leave, at least once.
// Its ID is fixed before it is sent and the same for every attempt.
type Outgoing struct {
	ID          string // key of the notification
	Org         string
	Incident    string
	Kind        string // page, update, card, approval, ticket …
	Destination string // what may hang or fail together: a connection of an organization, see Destination
	Place       string // where the incident's message stands: connection and address
	ClimbStep   string // of a page: climb/round/step/user
	Due         time.Time
	Body        json.RawMessage

	Attempt  int64 // the fencing token of the lease
	Revision int64
	State    string // pending, sent, failed, cancelled
	Error    string
	Avoid    string // replica that should not try it while another can

	FirstDue time.Time // of a row that failed and is to be tried again: when it was due at first
	Tries    int       // how often it failed since
	Passed   bool      // the person's next contact method does not wait for it any more

	Person   string // of a page that a budget judges: see Person
	Contact  string // of such a page
	Severity int    // of a page: the rank of its incident's when it was decided; for other rows noSeverity
}

// Destination names what may hang or fail together: the connections of two
// organizations have nothing in common but their names.
func Destination(org, connection string) string { return org + "/" + connection }

// Claim leases up to limit due rows until the given instant, at most perDest
// for each destination, one of the narrow ones and none of the busy ones: pages
// first, then what is due longest. Claim is a unit of its own. The error is
// ErrDeclaredDead for a replica that counts as dead, and ErrSole while another
// one sends without claims.
func (s *Store) Claim(ctx context.Context, now, until time.Time, limit, perDest int, busy []string, narrow ...string) ([]Outgoing, error) {
	var claimed []Outgoing
	err := s.Write(ctx, func(t *Tx) error {
		claimed = nil
		living, company, err := t.standing()
		if err != nil {
			return err
		}
		if !living {
			return ErrDeclaredDead
		}
		destinations, err := t.waiting(now)
		if err != nil {
			return err
		}
		destinations = slices.DeleteFunc(destinations, func(d dueAt) bool { return slices.Contains(busy, d.destination) })
		for some := range slices.Chunk(destinations, 400) { // SQLite joins 500 queries at most
			rows, err := t.claim(now, until, limit-len(claimed), perDest, some, narrow, company)
			if err != nil {
				return err
			}
			claimed = append(claimed, rows...)
		}
		if len(claimed) == 0 {
			return t.unlessSole()
		}
		claimed, err = t.judge(claimed, now, until)
		return err
	})
	if err != nil { // what was not committed, or perhaps not, is held by nobody
		return nil, err
	}
	slices.SortFunc(claimed, func(a, b Outgoing) int { // RETURNING has no order
		return cmp.Or(cmp.Compare(rankOf(a), rankOf(b)), a.Due.Compare(b.Due), strings.Compare(a.ID, b.ID))
	})
	return claimed, nil
}

// Unclaim makes due again what this process claimed until an instant, of the
// outbox and of runs. The rows keep the attempt that the claim gave them.
func (t *Tx) Unclaim(until time.Time) error {
	replica := t.b.c.s.replica
	if _, err := t.exec("take a claim of the outbox back", `
		UPDATE outbox SET lease_until = 0, holder = '' WHERE state = 'pending' AND lease_until = $1 AND holder = $2`, until.UnixMicro(), replica); err != nil {
		return err
	}
	_, err := t.exec("take a claim of runs back", `
		UPDATE runs SET lease_until = 0, holder = '' WHERE due IS NOT NULL AND lease_until = $1 AND holder = $2`, until.UnixMicro(), replica)
	t.b.woken.Outbox, t.b.woken.Runs = true, true
	return err
}

// A dueAt is a destination with rows that are due.
type dueAt struct {
	destination string
	since       int64 // when the first of them was due, in microseconds
}

// waiting lists the destinations of rows that are due. It reads a row or two of the
// indexes for each, however many are pending: a destination with a long backlog
// must not slow down the commits of all others, and a claim is as long a text as
// there are destinations.
func (t *Tx) waiting(now time.Time) (list []dueAt, err error) {
	rows, err := t.b.c.query(t.b.ctx, dueDestinations, now.UnixMicro())
	if err != nil {
		return nil, t.b.fail("waiting destinations", err)
	}
	defer rows.Close()
	for rows.Next() {
		var d dueAt
		if err := rows.Scan(&d.destination, &d.since); err != nil {
			return nil, t.b.fail("waiting destinations", err)
		}
		list = append(list, d)
	}
	if err := rows.Err(); err != nil {
		return nil, t.b.fail("waiting destinations", err)
	}
	return list, nil
}

const dueDestinations = `
	WITH RECURSIVE waiting (destination) AS (
		SELECT min(destination) FROM outbox WHERE state = 'pending' AND lease_until = 0
		UNION ALL
		SELECT (SELECT min(destination) FROM outbox WHERE state = 'pending' AND lease_until = 0 AND destination > waiting.destination)
		FROM waiting WHERE destination IS NOT NULL
	)
	SELECT destination, min(due) FROM (
		SELECT destination, (SELECT min(due) FROM outbox WHERE state = 'pending' AND lease_until = 0 AND destination = waiting.destination) AS due
		FROM waiting WHERE destination IS NOT NULL
		UNION ALL
		SELECT destination, due FROM outbox WHERE state = 'pending' AND lease_until > 0 AND lease_until <= $1
	) AS firsts WHERE due <= $1 GROUP BY destination ORDER BY 1`

// claim leases the first rows of some destinations: those due longest, but half
// of the hands go to the newest pages that are critical, which after an outage
// must not wait for all the others. In company, rows that this
// replica should avoid are left to the others.
//
// PostgreSQL is told since when the first is due: its indexes keep the rows that were
// due before and are not any more, until they are vacuumed, and each claim would
// walk over them all.
func (t *Tx) claim(now, until time.Time, limit, perDest int, destinations []dueAt, narrow []string, company bool) (claimed []Outgoing, err error) {
	text, args := t.b.c.s.claimText(now, until, limit, perDest, destinations, narrow, company)
	rows, err := t.b.c.conn.QueryContext(t.b.ctx, text, args...)
	if err != nil {
		return nil, t.b.fail("claim", err)
	}
	defer rows.Close()
	for rows.Next() {
		o, err := scanOutgoing(rows)
		if err != nil {
			return nil, t.b.fail("claim", err)
		}
		claimed = append(claimed, o)
	}
	if err := rows.Err(); err != nil {
		return nil, t.b.fail("claim", err)
	}
	return claimed, nil
}

func (s *Store) claimText(now, until time.Time, limit, perDest int, destinations []dueAt, narrow []string, company bool) (text string, args []any) {
	args = []any{until.UnixMicro(), now.UnixMicro(), limit, s.replica}
	mine := s.mine(company)
	var first strings.Builder // of each destination
	for i, d := range destinations {
		if i > 0 {
			first.WriteString(` UNION ALL `)
		}
		args = append(args, d.destination)
		width := perDest
		if slices.Contains(narrow, d.destination) {
			width = 1
		}
		free := fmt.Sprintf(`state = 'pending' AND destination = $%d AND due <= $2 AND lease_until <= $2%s`, len(args), mine)
		if s.dialect.name == postgres.name {
			args = append(args, d.since)
			free += fmt.Sprintf(` AND due >= $%d AND (`+pageRank+`, due) >= (0, $%[1]d)`, len(args))
		}
		fmt.Fprintf(&first, `
			SELECT id, due, kind, pick FROM (
				SELECT id, due, kind, min(pick) AS pick FROM (
				SELECT id, due, kind, 0 AS pick FROM (SELECT id, due, kind FROM outbox WHERE %[1]s AND severity = 0 ORDER BY due DESC, id DESC LIMIT %[2]d) AS c%[4]d
				UNION ALL
				SELECT id, due, kind, 1 AS pick FROM (SELECT id, due, kind FROM outbox WHERE %[1]s ORDER BY `+pagesFirst+` LIMIT %[3]d) AS o%[4]d) AS p%[4]d
				GROUP BY id, due, kind ORDER BY 4, `+pagesFirst+` LIMIT %[3]d) AS d%[4]d`, free, width/2, width, i)
	}
	return `
		UPDATE outbox SET lease_until = $1, attempt = attempt + 1, holder = $4
		WHERE id IN (SELECT id FROM (` + first.String() + `) AS firsts ORDER BY pick, ` + pagesFirst + ` LIMIT $3)` + s.noSole() + `
		RETURNING ` + outgoingColumns, args
}

// pagesFirst is the order in which rows leave, as the index outbox_waiting has
// it; rankOf is its first part.
const pagesFirst = pageRank + `, due, id`

const pageRank = `(CASE kind WHEN 'page' THEN 0 ELSE 1 END)`

// free is the condition that leaves busy destinations out, with placeholders
// from a number on.
func free(busy []string, from int) (condition string, args []any) {
	if len(busy) == 0 {
		return "", nil
	}
	return ` AND destination NOT IN (` + marks(len(busy), from) + `)`, anys(busy)
}

func rankOf(o Outgoing) int {
	if o.Kind == incident.Page {
		return 0
	}
	return 1
}

const outgoingColumns = `id, org, incident, kind, destination, place, climb_step, due, attempt, revision, state, error, avoid, first_due, tries, passed, person, contact, severity, body`

func scanOutgoing(rows *sql.Rows) (Outgoing, error) {
	var o Outgoing
	var due, passed int64
	var first sql.NullInt64
	var body []byte
	err := rows.Scan(&o.ID, &o.Org, &o.Incident, &o.Kind, &o.Destination, &o.Place, &o.ClimbStep, &due, &o.Attempt, &o.Revision, &o.State, &o.Error, &o.Avoid, &first, &o.Tries, &passed, &o.Person, &o.Contact, &o.Severity, &body)
	o.Due, o.FirstDue, o.Passed, o.Body = time.UnixMicro(due).UTC(), instant(first), passed != 0, body
	return o, err
}

// EndLeases ends every lease. It is for the start of the only process on a
// database: what was claimed before a crash need not wait for its lease.
func (t *Tx) EndLeases() error {
	if _, err := t.exec("end leases of the outbox", `UPDATE outbox SET lease_until = 0 WHERE state = 'pending' AND lease_until > 0`); err != nil {
		return err
	}
	_, err := t.exec("end leases of runs", `UPDATE runs SET lease_until = 0 WHERE due IS NOT NULL AND lease_until > 0`)
	return err
}

// NextDue returns when the next row of the outbox is due, or the zero instant.
// Busy destinations are left out, as by Claim. It reads a row or two for each
// destination, however many wait there, and the rows that are leased.
func (s *Store) NextDue(ctx context.Context, busy ...string) (time.Time, error) {
	var due sql.NullInt64
	exclude, args := free(busy, 1)
	err := s.read.QueryRowContext(ctx, fmt.Sprintf(nextDue, exclude), args...).Scan(&due)
	return instant(due), wrap("next due", err)
}

const nextDue = `
	WITH RECURSIVE waiting (destination) AS (
		SELECT min(destination) FROM outbox WHERE state = 'pending' AND lease_until = 0
		UNION ALL
		SELECT (SELECT min(destination) FROM outbox WHERE state = 'pending' AND lease_until = 0 AND destination > waiting.destination)
		FROM waiting WHERE destination IS NOT NULL
	)
	SELECT min(due) FROM (
		SELECT (SELECT min(due) FROM outbox WHERE state = 'pending' AND lease_until = 0 AND destination = waiting.destination) AS due
		FROM waiting WHERE destination IS NOT NULL%[1]s
		UNION ALL
		SELECT CASE WHEN lease_until > due THEN lease_until ELSE due END FROM outbox WHERE state = 'pending' AND lease_until > 0%[1]s
	) AS next`

// Sent stores that a claimed row was accepted by its receiver. It reports
// false if the lease was lost meanwhile. A row whose revision grew while it was
// sent stays pending: what was sent is old.
func (t *Tx) Sent(o Outgoing, now time.Time) (bool, error) {
	res, err := t.exec("store a receipt", `
		UPDATE outbox SET state = CASE WHEN revision = $3 THEN 'sent' ELSE 'pending' END, done_at = $4, lease_until = 0, holder = '', error = '',
			first_due = NULL, tries = 0
		WHERE id = $1 AND attempt = $2 AND state IN ('pending', 'cancelled')`, o.ID, o.Attempt, o.Revision, now.UnixMicro())
	if err != nil {
		return false, err
	}
	t.b.woken.Outbox = true // it may be pending anew
	n, _ := res.RowsAffected()
	return n > 0, nil
}

// Later stores that a claimed row could not be sent now and is due again.
func (t *Tx) Later(o Outgoing, due time.Time, reason string) (bool, error) {
	res, err := t.exec("store a failed attempt", `
		UPDATE outbox SET first_due = COALESCE(first_due, CASE WHEN due > 0 THEN due ELSE $3 END), tries = tries + 1, due = $3, lease_until = 0, holder = '', error = $4, avoid = $5
		WHERE id = $1 AND attempt = $2 AND state = 'pending'`,
		o.ID, o.Attempt, due.UnixMicro(), reason, o.Avoid)
	if err != nil {
		return false, err
	}
	n, _ := res.RowsAffected()
	return n > 0, nil
}

// Give ends a claimed row that will not be sent: state is "failed" or
// "cancelled". The person's next way to be paged in the same step, if it was
// not tried yet, becomes due at once, so that a refusal costs nobody the wait.
// A row whose revision grew meanwhile stays pending: what is given up is old.
// Destinations to avoid are those of which it is known that they fail.
func (t *Tx) Give(o Outgoing, state, reason string, now time.Time, avoid ...string) (bool, error) {
	res, err := t.exec("give up an outgoing row", `
		UPDATE outbox SET state = CASE WHEN revision = $6 THEN $3 ELSE 'pending' END, done_at = $4, lease_until = 0, holder = '', error = $5
		WHERE id = $1 AND attempt = $2 AND state = 'pending'`,
		o.ID, o.Attempt, state, now.UnixMicro(), reason, o.Revision)
	if err != nil {
		return false, err
	}
	if n, _ := res.RowsAffected(); n == 0 {
		return false, nil
	}
	t.b.woken.Outbox = true // it may be pending anew
	if state != "failed" {
		return true, nil
	}
	if o.Kind == "update" {
		_, err = t.exec("count a refused edit", `UPDATE messages SET refused = refused + 1 WHERE incident = $1 AND destination = $2`, o.Incident, o.Place)
		return true, err
	}
	if !o.Passed {
		_, err = t.pull(o, now, avoid)
	}
	return true, err
}

// Outgoing lists the outbox rows of an incident, oldest first.
func (s *Store) Outgoing(ctx context.Context, org, incidentID string) ([]Outgoing, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT `+outgoingColumns+` FROM outbox WHERE org = $1 AND incident = $2 ORDER BY created_at, id`, org, incidentID)
	if err != nil {
		return nil, fmt.Errorf("outbox of %s: %w", incidentID, err)
	}
	defer rows.Close()
	var list []Outgoing
	for rows.Next() {
		o, err := scanOutgoing(rows)
		if err != nil {
			return nil, fmt.Errorf("outbox of %s: %w", incidentID, err)
		}
		list = append(list, o)
	}
	return list, rows.Err()
}

// A Message is where an incident's message stands at a destination.
type Message struct {
	Incident, Destination, Org, Channel, Connection, Address string

	Ref    string // what the channel needs to edit or thread
	Shown  int64  // incident.Incident.Shown as it was when the message was last sent or edited
	Status string // the incident's then
}

// PutMessage keeps where an incident's message stands.
func (t *Tx) PutMessage(m Message) error {
	_, err := t.exec("keep a message's place", `
		INSERT INTO messages (incident, destination, org, channel, connection, address, ref, shown, status) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (incident, destination) DO UPDATE SET ref = excluded.ref, shown = excluded.shown, status = excluded.status, refused = 0`,
		m.Incident, m.Destination, m.Org, m.Channel, m.Connection, m.Address, m.Ref, m.Shown, m.Status)
	return err
}

// Message returns where an incident's message stands at a destination, or ErrNotFound.
func (s *Store) Message(ctx context.Context, org, incidentID, destination string) (Message, error) {
	m := Message{Incident: incidentID, Destination: destination, Org: org}
	err := s.read.QueryRowContext(ctx, `SELECT channel, connection, address, ref, shown, status FROM messages WHERE org = $1 AND incident = $2 AND destination = $3`, org, incidentID, destination).
		Scan(&m.Channel, &m.Connection, &m.Address, &m.Ref, &m.Shown, &m.Status)
	return m, notFound("message", err)
}

// Refresh makes the messages of an incident due to be edited.
func (t *Tx) Refresh(incidentID string) { t.staged.refresh = append(t.staged.refresh, incidentID) }
