package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/store"
)

// What the timeline says of an incident that was mended.
var mendedTexts = map[string]string{
	stuckIdle:    "It was open, and nothing of it was due: the auditor made it due again.",
	stuckSettled: "It was due, though nobody was to be paged: the auditor made its row say what its timeline says.",
	stuckOverdue: "It was due for long, and nobody moved it on: the auditor did.",
	stuckSnooze:  "Its snooze was over, and nobody moved it on: the auditor did.",
	stuckFar:     "It was due later than anything can be: the auditor made its row say what its timeline says.",
	stuckBehind:  "Its row was not that of its newest entry: the auditor made it so.",
}

// auditIncidents looks for incidents that nobody would ever move on.
func (e *Engine) auditIncidents(ctx context.Context, l *look) error {
	for _, part := range []struct {
		kind string
		look func() ([]store.Suspect, error)
	}{
		{stuckIdle, func() ([]store.Suspect, error) { return e.Store.IdleIncidents(ctx, auditMost) }},
		{stuckSettled, func() ([]store.Suspect, error) { return e.Store.SettledIncidents(ctx, auditMost) }},
		{stuckFar, func() ([]store.Suspect, error) { return e.Store.FarIncidents(ctx, l.at.Add(auditFar), auditMost) }},
	} {
		found, err := part.look()
		if err != nil {
			return err
		}
		for _, one := range found {
			e.mendIncident(ctx, l, part.kind, one)
		}
	}
	return e.auditOverdue(ctx, l)
}

// walkIncidents looks for incidents whose row is not of their newest entry.
func (e *Engine) walkIncidents(ctx context.Context, l *look) error {
	return e.walk(l, "incidents", func(l *look, after store.Place) (store.Place, error) {
		found, end, err := e.Store.BehindIncidents(ctx, after, auditPage)
		for _, one := range found {
			e.mendIncident(ctx, l, stuckBehind, one)
		}
		return end, err
	})
}

// auditOverdue wakes the clock for incidents that are due for long, and mends
// those that it did not move on until the look after.
func (e *Engine) auditOverdue(ctx context.Context, l *look) error {
	found, err := e.Store.OverdueIncidents(ctx, l.at.Add(-auditGrace), auditMost)
	if err != nil {
		return err
	}
	late := map[string]bool{}
	for _, one := range found {
		kind := stuckOverdue
		if one.Status == string(incident.Snoozed) {
			kind = stuckSnooze
		}
		if e.auditor.late[one.ID] {
			e.mendIncident(ctx, l, kind, one)
			continue
		}
		late[one.ID] = true
		l.count(kind, 1)
	}
	e.auditor.late = late
	if len(late) > 0 {
		e.clock.now()
	}
	return nil
}

// mendIncident makes an incident's row what its timeline tells, and due if it
// must be. One that cannot be mended is put into quarantine.
func (e *Engine) mendIncident(ctx context.Context, l *look, kind string, one store.Suspect) {
	s, err := e.setup(one.Org)
	if err != nil { // without its configuration nothing can be said of it; that is told of
		l.count(kind, 1)
		return
	}
	var stuck bool
	_, err = guarded(e, "auditor", func() (struct{}, error) {
		return struct{}{}, e.Store.Write(ctx, func(t *store.Tx) (err error) {
			stuck, err = e.mendRow(t, s, kind, one.ID)
			return err
		})
	})
	switch {
	case err == nil && stuck:
		e.mended(l, kind, "incident", one.ID)
	case err == nil, errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrBeingWritten):
	case transient(err):
		l.errs = append(l.errs, err)
	default:
		l.count(kind, 1)
		e.Log.Error("an incident is put into quarantine", "incident", one.ID, "kind", kind, "error", err)
		if err := e.Store.Write(ctx, func(t *store.Tx) error { return t.SetAside(one.Org, one.ID) }); err != nil {
			l.errs = append(l.errs, err)
		}
	}
}

// mendRow mends one incident and reports whether anything was stuck.
func (e *Engine) mendRow(t *store.Tx, s *setup, kind, incidentID string) (bool, error) {
	row, err := t.Stored(s.org.ID, incidentID)
	if err != nil {
		return false, err
	}
	if row.Waits == store.SetAsideMark {
		return false, nil
	}
	at, inc := now(), row.Fold
	overdue := (inc.Status == incident.Triggered || inc.Status == incident.Snoozed) && !inc.Due.IsZero() && inc.Due.Before(at.Add(-auditGrace))
	idle := inc.Open() && inc.Due.IsZero() && inc.Waits() == ""
	if row.Sound() && !overdue && !idle {
		if row.Seq != inc.Seq || row.Waits != inc.Waits() { // written by a version that does not know these columns: nothing is stuck
			t.Rewrite(inc)
		}
		return false, nil
	}
	t.Adopt(inc)
	change := incident.Mend(inc, mendedTexts[kind], at)
	change = change.Then(incident.Advance(change.Incident, at, s.roster()))
	return true, e.save(t, s, change, at)
}

// auditAlerts looks for alerts that should not fire any more.
func (e *Engine) auditAlerts(ctx context.Context, l *look) error {
	expired, err := e.Store.ExpiredAlerts(ctx, l.at.Add(-auditGrace), auditMost)
	if err != nil {
		return err
	}
	for _, key := range expired {
		e.mendAlert(ctx, l, stuckExpired, key, e.mendExpired)
	}
	return nil
}

// walkAlerts looks for alerts that fire and that nobody works on.
func (e *Engine) walkAlerts(ctx context.Context, l *look) error {
	return e.walk(l, "alerts", func(l *look, after store.Place) (store.Place, error) {
		found, end, err := e.Store.OrphanAlerts(ctx, after, auditPage, auditMost)
		for _, key := range found {
			e.mendAlert(ctx, l, stuckAlert, key, e.mendOrphan)
		}
		return end, err
	})
}

func (e *Engine) mendAlert(ctx context.Context, l *look, kind string, key store.AlertKey, mend func(*store.Tx, *setup, store.AlertKey) error) {
	s, err := e.setup(key.Org)
	if err != nil {
		l.count(kind, 1)
		return
	}
	_, err = guarded(e, "auditor", func() (struct{}, error) {
		return struct{}{}, e.Store.Write(ctx, func(t *store.Tx) error { return mend(t, s, key) })
	})
	switch {
	case err == nil:
		e.mended(l, kind, "integration", key.Integration, "key", key.Key)
	case transient(err):
		l.errs = append(l.errs, err)
	default:
		l.say(key.Org, kind, "", fmt.Sprintf("An alert of %s is stuck and cannot be mended; the log tells more", key.Integration))
		e.Log.Error("an alert cannot be mended", "kind", kind, "integration", key.Integration, "key", key.Key, "error", err)
	}
}

// mendExpired ends an alert, or makes its row say that it does not expire yet.
func (e *Engine) mendExpired(t *store.Tx, s *setup, key store.AlertKey) error {
	at := now()
	a, err := t.Alert(key)
	if err != nil {
		return err
	}
	if !a.Expired(at) {
		return t.RewriteAlert(a)
	}
	ev := event.Event{Action: event.Resolve, Key: key.Key, Title: a.Title}
	_, err = e.take(t, s, origin{integration: key.Integration, cause: auditCause}, ev, a.LastEvent, at)
	return err
}

// mendOrphan begins an alert anew that fires and belongs to no open incident:
// nobody was to be called for it, and nobody knows whether somebody should have
// been.
func (e *Engine) mendOrphan(t *store.Tx, s *setup, key store.AlertKey) error {
	at := now()
	a, err := t.Alert(key)
	if err != nil || a.Status != incident.Firing {
		return err
	}
	if _, err := e.mendRow(t, s, stuckBehind, a.IncidentID); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	inc, err := t.Incident(key.Org, a.IncidentID)
	if err == nil && inc.Open() { // its row says what its body does not
		return t.RewriteAlert(a)
	}
	if err == nil {
		text := fmt.Sprintf("Its alert %q went on firing when it was resolved: the auditor began another incident for it.", a.Title)
		if err := e.record(t, s, inc.ID, auditCause, incident.Noted, incident.Data{Text: text}, at); err != nil {
			return err
		}
	}
	closed := a
	closed.Status, closed.ResolvedAt = incident.AlertOverHand, at
	if err := t.PutAlert(closed); err != nil {
		return err
	}
	ev := event.Event{Action: event.Trigger, Key: key.Key, Title: a.Title, Severity: event.Severity(a.Severity), Source: a.Source, Labels: a.Labels, Until: a.Until}
	_, err = e.take(t, s, origin{integration: key.Integration, service: a.Service, groupBy: s.doc.Integrations[key.Integration].GroupBy, cause: auditCause}, ev, id.New(at), at)
	return err
}

// auditMessages looks for messages of incidents that are not there.
func (e *Engine) auditMessages(ctx context.Context, l *look) error {
	a := &e.auditor
	incidents, last, err := e.Store.OrphanMessages(ctx, a.marks["messages"], auditPage)
	if err != nil {
		return err
	}
	a.marks["messages"] = last
	if len(incidents) > auditMost {
		incidents = incidents[:auditMost]
	}
	for _, one := range incidents {
		if err := e.Store.Write(ctx, func(t *store.Tx) error { return t.DropMessages(one) }); err != nil {
			return err
		}
		e.mended(l, stuckMessage, "incident", one)
	}
	return nil
}

// auditCounters looks for counters behind what they count.
func (e *Engine) auditCounters(ctx context.Context, l *look) error {
	for _, s := range e.orgs() {
		behind, err := e.Store.CounterBehind(ctx, s.org.ID)
		if err != nil {
			return err
		}
		if !behind {
			continue
		}
		if err := e.Store.Write(ctx, func(t *store.Tx) error { return t.MendCounter(s.org.ID) }); err != nil {
			return err
		}
		e.mended(l, stuckCounter, "organization", s.org.Slug)
	}
	return nil
}

// since says for people how long ago an instant was.
func since(at, then time.Time) string { return at.Sub(then).Round(time.Second).String() }
