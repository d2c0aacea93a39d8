package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
)

const (
	auditPlaces  = 200 // destinations, at one look
	auditPerDest = 500 // rows of each that leave next
	auditRuns    = 500
)

// lateRows is what waits for too long, of one organization.
type lateRows struct {
	n      int
	oldest time.Time
}

// auditOutbox looks at what leaves next for rows that would never.
func (e *Engine) auditOutbox(ctx context.Context, l *look) error {
	a := &e.auditor
	rows, last, err := e.Store.PendingRows(ctx, a.marks["outbox"], auditPlaces, auditPerDest)
	if err != nil {
		return err
	}
	a.marks["outbox"] = last
	late := map[string]lateRows{}
	mended := 0
	for _, r := range rows {
		kind, mend := e.rowStuck(l, r)
		switch {
		case kind == stuckRowLate:
			l.count(kind, 1)
			of := late[r.Org]
			if of.n++; of.oldest.IsZero() || r.Due.Before(of.oldest) {
				of.oldest = r.Due
			}
			late[r.Org] = of
		case kind != "" && mended < auditMost:
			mended++
			if err := e.Store.Write(ctx, func(t *store.Tx) error { return mend(t, r) }); err != nil {
				return err
			}
			e.mended(l, kind, "key", r.ID, "incident", r.Incident)
		}
	}
	if len(late) > 0 {
		e.couriers.wake.now()
	}
	for org, of := range late {
		if of.oldest.Before(l.at.Add(-auditLate)) {
			l.say(org, stuckRowLate, "", fmt.Sprintf("%d messages are due and do not leave, the oldest for %s", of.n, since(l.at, of.oldest)))
		}
	}
	return nil
}

// rowStuck tells why a row would never leave, and what mends it; "" if it will.
func (e *Engine) rowStuck(l *look, r store.PendingRow) (kind string, mend func(*store.Tx, store.PendingRow) error) {
	at := l.at
	set := func(reason string) func(*store.Tx, store.PendingRow) error {
		return func(t *store.Tx, r store.PendingRow) error {
			return e.setRowAside(t, r.Org, r.Incident, r.ID, reason, now())
		}
	}
	drop := func(state, reason string) func(*store.Tx, store.PendingRow) error {
		return func(t *store.Tx, r store.PendingRow) error {
			done, err := t.Drop(r, state, reason, now())
			if err != nil || !done || r.Status == "" {
				return err
			}
			return e.noteMended(t, r.Org, r.Incident, "The auditor dropped a message: "+reason+".", now())
		}
	}
	held := r.Lease.After(at)
	switch page, why := readRow(r.Kind, r.Body); {
	case r.Lease.After(at.Add(2 * lease)):
		return stuckRowLease, func(t *store.Tx, r store.PendingRow) error {
			if err := t.EndLease(r); err != nil || r.Status == "" {
				return err
			}
			return e.noteMended(t, r.Org, r.Incident, "A message was held for longer than anybody may: the auditor let it go.", now())
		}
	case held:
		return "", nil // whoever holds it will see
	case !knownRow(r.Kind):
		return stuckRowKind, set("nobody knows rows of kind " + quoted(r.Kind))
	case why != "":
		return stuckRowBody, set(why)
	case r.Status == "" && r.Incident != "":
		return stuckRowOrphan, drop("failed", "its incident is not there")
	case page != nil && r.Incident != "" && r.Status != string(incident.Triggered): // a digest has none: it looks itself when it is sent
		return stuckRowMoot, drop("cancelled", "the incident is "+r.Status)
	case page != nil && r.Due.After(at) && e.noRecipient(r.Org, *page) != "":
		return stuckRowTo, func(t *store.Tx, r store.PendingRow) error { return t.Hurry(r.ID, now()) } // it is refused, and the next contact takes over
	case r.Due.Before(at.Add(-auditGrace)) && r.Due.UnixMicro() != 0:
		return stuckRowLate, nil
	}
	return "", nil
}

// readRow reads the body of a row and says what is wrong with it. A page's is
// returned.
func readRow(kind string, body []byte) (page *incident.Notification, why string) {
	if kind != incident.Page {
		var o outward
		if json.Unmarshal(body, &o) != nil {
			return nil, "its body is unreadable"
		}
		return nil, ""
	}
	var n incident.Notification
	if json.Unmarshal(body, &n) != nil || n.User == "" || n.Channel == "" {
		return nil, "its body is unreadable"
	}
	return &n, ""
}

// noRecipient says why a page can reach nobody: what it is for is not in the
// configuration any more.
func (e *Engine) noRecipient(org string, n incident.Notification) string {
	s, err := e.setup(org)
	if err != nil {
		return ""
	}
	if _, ok := s.doc.Users[n.User]; !ok {
		return fmt.Sprintf("user %q is not configured any more", n.User)
	}
	if _, ok := s.doc.Connections[n.Connection]; !ok && n.Connection != "" {
		return fmt.Sprintf("connection %q is not configured any more", n.Connection)
	}
	if _, ok := s.channel(n.Channel); !ok {
		return fmt.Sprintf("there is no channel %q", n.Channel)
	}
	return ""
}

// setRowAside puts a row that cannot be sent into quarantine, and tells its
// incident.
func (e *Engine) setRowAside(t *store.Tx, org, incidentID, rowID, reason string, at time.Time) error {
	done, err := t.SetRowAside(rowID, reason)
	if err != nil || !done {
		return err
	}
	return e.noteMended(t, org, incidentID, "The auditor put a message into quarantine: "+reason+".", at)
}

func quoted(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return fmt.Sprintf("%q", s)
}

// auditRuns looks for runs that nobody would ever move on.
func (e *Engine) auditRuns(ctx context.Context, l *look) error {
	a := &e.auditor
	found, last, err := e.Store.OpenRuns(ctx, a.marks["runs"], auditRuns)
	if err != nil {
		return err
	}
	a.marks["runs"] = last
	for _, r := range found {
		kind, text, mend := runStuck(l.at, r)
		if kind == "" {
			continue
		}
		if kind == stuckRunLate {
			l.count(kind, 1)
			e.runs.wake.now()
			if r.Due.Before(l.at.Add(-2 * auditLate)) {
				l.say(r.Org, kind, "", fmt.Sprintf("A run of runbook %s has been due for %s, and nobody moves it on", r.Runbook, since(l.at, r.Due)))
			}
			continue
		}
		err := e.Store.Write(ctx, func(t *store.Tx) error {
			if err := mend(t, r, now()); err != nil || r.Status == "" {
				return err
			}
			return e.noteRun(t, r, kind, text, now())
		})
		if err != nil {
			return err
		}
		e.mended(l, kind, "run", r.ID, "incident", r.Incident)
	}
	return nil
}

// noteRun tells an incident what was done about its run. One that is over holds
// the incident no longer.
func (e *Engine) noteRun(t *store.Tx, r store.OpenRun, kind, text string, at time.Time) error {
	if kind != stuckRunBody {
		return e.noteMended(t, r.Org, r.Incident, text, at)
	}
	s, err := e.setup(r.Org)
	if err != nil {
		return nil
	}
	inc, err := t.Incident(r.Org, r.Incident)
	if err != nil {
		return err
	}
	change := incident.Record(inc, at, auditCause, incident.RunRejected, incident.Data{Run: r.ID, Runbook: r.Runbook, Text: text})
	return e.save(t, s, change.Then(incident.Settle(change.Incident, at, auditCause)), at)
}

// runStuck tells why a run would never move on, and what mends it.
func runStuck(at time.Time, r store.OpenRun) (kind, text string, mend func(*store.Tx, store.OpenRun, time.Time) error) {
	var run runbook.Run
	unreadable := json.Unmarshal(r.Body, &run) != nil || run.ID != r.ID
	wake := func(t *store.Tx, r store.OpenRun, at time.Time) error { return t.WakeRun(r, at) }
	end := func(state string) func(*store.Tx, store.OpenRun, time.Time) error {
		return func(t *store.Tx, r store.OpenRun, at time.Time) error { return t.EndRun(r, state, at) }
	}
	waits := r.State == string(runbook.AwaitingApproval)
	switch {
	case unreadable:
		return stuckRunBody, "The run of runbook " + r.Runbook + " is unreadable: the auditor ended it. Whatever it did is unknown.", end("quarantined")
	case r.Status == "":
		return stuckRunOrphan, "", end(string(runbook.Refused))
	case r.Lease.After(at.Add(2 * runLease)):
		return stuckRunLease, "The run of runbook " + r.Runbook + " was held for longer than anybody may: the auditor let it go.",
			func(t *store.Tx, r store.OpenRun, _ time.Time) error { return t.EndRunLease(r) }
	case r.Lease.After(at):
		return "", "", nil
	case waits && !run.Approval.ExpiresAt.IsZero() && run.Approval.ExpiresAt.Before(at.Add(-auditGrace)) && (r.Due.IsZero() || r.Due.After(at)):
		return stuckRunApproval, "The approval of runbook " + r.Runbook + " had expired, and nobody noticed: the auditor did.", wake
	case r.Due.IsZero():
		return stuckRunIdle, "The run of runbook " + r.Runbook + " was open, and nothing of it was due: the auditor made it due.", wake
	case r.Due.Before(at.Add(-auditGrace)):
		return stuckRunLate, "", nil
	}
	return "", "", nil
}
