package engine

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/gate"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/store"
)

const (
	selftestEvery = time.Minute    // how often it is looked for gates that lack one
	selftestTold  = 24 * time.Hour // an alert that somebody closed by hand is raised again after so long
)

// selftestKey names the alert of a gate that does not prove itself.
const selftestKey = "selftest"

// Selftested tells what became of a self-test that was reported.
type Selftested struct {
	ID       string `json:"id"`
	Good     bool   `json:"good"`
	Repeated bool   `json:"repeated"` // it was reported before, and nothing was done this time
}

// Selftest takes in a self-test of a gate. A bad one is an alert at once, and a
// good one ends it.
func (e *Engine) Selftest(ctx context.Context, org, gateSlug string, test gate.Selftest) (Selftested, error) {
	s, g, err := e.gateOf(org, gateSlug)
	if err != nil {
		return Selftested{}, err
	}
	if err := test.Check(); err != nil {
		return Selftested{}, err
	}
	test = test.Cut()
	var done Selftested
	err = e.Store.Write(ctx, func(t *store.Tx) error {
		at := now()
		test.At = judgedAt(test.At, at)
		done = Selftested{ID: id.New(at), Good: test.Good}
		fresh, err := t.AddSelftest(store.Selftest{ID: done.ID, Org: org, Gate: gateSlug, Result: cmp.Or(test.ID, done.ID), At: test.At, Body: test})
		if err != nil || !fresh {
			done.Repeated = !fresh
			return err
		}
		switch overdue := g.Selftest > 0 && at.Sub(test.At) >= g.Selftest; {
		case !test.Good:
			return e.takeGate(t, s, gateSlug, selftestEvent(g, fmt.Sprintf("The self-test of gate %s failed: %s", gateSlug, failure(test))), "", at)
		case !overdue:
			return e.takeGate(t, s, gateSlug, event.Event{Action: event.Resolve, Key: selftestKey, Title: selftestKey, Severity: event.SeverityInfo}, "", at)
		}
		return nil
	}, store.Events(1, store.AlertKey{Org: org, Integration: "gate:" + gateSlug, Key: selftestKey}))
	if err != nil {
		return Selftested{}, fmt.Errorf("self-test of gate %s: %w", gateSlug, err)
	}
	return done, nil
}

func selftestEvent(g config.Gate, title string) event.Event {
	return event.Event{
		Action: event.Trigger, Key: selftestKey, Title: line(title, event.MaxTitle), Severity: cmp.Or(event.Severity(g.Alert), event.SeverityWarning),
		Service: g.Service,
	}
}

// failure says in a few words what went wrong with a self-test.
func failure(t gate.Selftest) string {
	for _, c := range t.Checks {
		if !c.Good {
			return c.Name + " was let pass. " + cmp.Or(c.Detail, t.Detail)
		}
	}
	return cmp.Or(t.Detail, "it does not say why")
}

// selftestLoop looks for gates that have not proved themselves for too long.
func (e *Engine) selftestLoop(ctx context.Context) error {
	for {
		e.begins("selftests")
		at := now()
		for _, s := range e.setups.Load().byID {
			for slug, g := range s.doc.Gates {
				if g.Selftest == 0 {
					continue
				}
				if err := e.missSelftest(ctx, s, slug, g, at); err != nil && ctx.Err() == nil {
					e.Log.Error("look for the last self-test", "gate", slug, "error", err)
				}
			}
		}
		if !sleep(ctx, selftestEvery) {
			return nil
		}
	}
}

// missSelftest raises an alert if the last good self-test of a gate is too long
// ago. A gate that never had one is given as long from when it was configured.
func (e *Engine) missSelftest(ctx context.Context, s *setup, slug string, g config.Gate, at time.Time) error {
	since, known, err := e.proved(ctx, s, slug)
	if err != nil || at.Before(since.Add(g.Selftest)) {
		return err
	}
	return e.Store.Write(ctx, func(t *store.Tx) error {
		if good, err := t.LastGoodSelftest(s.org.ID, slug); err != nil || good.After(since) {
			return err // one came meanwhile
		}
		before, err := t.Alert(store.AlertKey{Org: s.org.ID, Integration: "gate:" + slug, Key: selftestKey})
		if err != nil {
			return err
		}
		told := !before.OpenedAt.Before(since.Add(g.Selftest)) // and somebody has closed it by hand
		if before.Status == incident.Firing || told && at.Before(before.LastAt.Add(selftestTold)) {
			return nil
		}
		title := fmt.Sprintf("Gate %s has not proved itself since %s: no good self-test for %s", slug, instantText(since), config.FormatDuration(g.Selftest))
		if !known {
			title = fmt.Sprintf("Gate %s has never proved itself: no good self-test since it was configured at %s", slug, instantText(since))
		}
		return e.takeGate(t, s, slug, selftestEvent(g, title), "", at)
	})
}
