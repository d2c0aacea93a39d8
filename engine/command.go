package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/store"
)

// ErrInvalid marks a request that makes no sense; the message says why.
var ErrInvalid = errors.New("invalid")

// A Command is what a person or a program does to an incident.
type Command struct {
	Do      string // acknowledge, resolve, snooze, reassign, escalate, note
	By      incident.Cause
	Text    string    // reason, or the note
	Until   time.Time // of a snooze
	Targets []string  // of a reassignment
	Version int64     // the version the sender saw; 0: any
}

// ErrStale marks a command that was given on the sight of an older state.
var ErrStale = errors.New("the incident has changed since")

// Do carries out a command and returns the incident as it is then. Errors wrap
// incident.ErrConflict, incident.ErrInvalid, ErrStale or store.ErrNotFound.
func (e *Engine) Do(ctx context.Context, org, incidentID string, c Command) (incident.Incident, error) {
	s, err := e.setup(org)
	if err != nil {
		return incident.Incident{}, err
	}
	for _, target := range c.Targets {
		if s.who(target, now()) == nil {
			return incident.Incident{}, fmt.Errorf("%w: targets: nobody stands behind %q (want user:x, team:x or schedule:x)", incident.ErrInvalid, target)
		}
	}
	var result incident.Incident
	err = e.Store.Write(ctx, func(t *store.Tx) error {
		at := now()
		inc, err := t.Incident(org, incidentID)
		if err != nil {
			return err
		}
		if c.Version != 0 && c.Version != inc.Version {
			return fmt.Errorf("%w: it is at version %d, not %d", ErrStale, inc.Version, c.Version)
		}
		change, err := decide(inc, c, at)
		if err != nil {
			return err
		}
		switch c.Do {
		case "acknowledge", "snooze", "reassign": // why, beside what
			if c.Text != "" {
				change = change.Then(incident.Record(change.Incident, at, c.By, incident.Noted, incident.Data{Text: c.Text}))
			}
		}
		if c.Do == "resolve" { // what still fires opens anew with its next trigger
			firing, err := t.FiringAlerts(incidentID)
			if err != nil {
				return err
			}
			for _, a := range firing {
				if err := t.PutAlert(a.Close(at)); err != nil {
					return err
				}
			}
		}
		change = change.Then(incident.Advance(change.Incident, at, s.roster()))
		if err := e.save(t, s, change, at); err != nil {
			return err
		}
		result, err = t.Incident(org, incidentID) // with the version that it is stored with
		return err
	})
	return result, err
}

func decide(inc incident.Incident, c Command, at time.Time) (incident.Change, error) {
	switch c.Do {
	case "acknowledge":
		return incident.Acknowledge(inc, at, c.By)
	case "resolve":
		return incident.Resolve(inc, c.Text, at, c.By)
	case "snooze":
		return incident.Snooze(inc, c.Until, at, c.By)
	case "reassign":
		return incident.Reassign(inc, c.Targets, at, c.By)
	case "escalate":
		return incident.EscalateNow(inc, c.Text, at, c.By)
	case "note":
		return incident.Note(inc, c.Text, at, c.By)
	}
	return incident.Change{}, fmt.Errorf("%w: there is no command %q", incident.ErrInvalid, c.Do)
}
