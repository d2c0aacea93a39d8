package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
)

// A Decision is what somebody says to a proposed run.
type Decision struct {
	Approve bool
	By      incident.Cause
	User    string // slug; who decides must be a person
	Hash    string // of the plan that was seen
	Reason  string // of a rejection
}

// Decide approves or rejects a run. Errors wrap runbook.ErrMove when the run's
// state, the plan or the person does not allow it.
func (e *Engine) Decide(ctx context.Context, org, runID string, d Decision) (runbook.Run, error) {
	s, err := e.setup(org)
	if err != nil {
		return runbook.Run{}, err
	}
	for range 3 {
		run, err := e.RunByID(ctx, org, runID)
		if err != nil {
			return runbook.Run{}, err
		}
		at := now()
		person := runbook.Person{User: d.User, Teams: s.teamsOf(d.User), Schedules: s.shiftsOf(d.User, at)}
		command, kind := runbook.Command(runbook.Approve{By: person, Hash: d.Hash}), incident.RunApproved
		if !d.Approve {
			command, kind = runbook.Reject{By: person, Reason: d.Reason}, incident.RunRejected
		}
		next, err := run.Do(command, at)
		if err != nil {
			return runbook.Run{}, err
		}
		unit, err := runUnit(next, func(t *store.Tx) error {
			return e.record(t, s, run.IncidentID, d.By, kind, incident.Data{Run: run.ID, Runbook: run.Runbook, Text: next.Reason}, at)
		})
		if err == nil {
			err = e.Store.Write(ctx, unit)
		}
		if !errors.Is(err, store.ErrMoved) {
			return next, err
		}
	}
	return runbook.Run{}, fmt.Errorf("run %s: %w", runID, store.ErrMoved)
}
