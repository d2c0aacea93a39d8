package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
)

// planning is the state of a run's row before its plans exist.
const planning = "planning"

const (
	runLease  = time.Minute
	runMargin = 5 * time.Second // before the end of a lease, when nothing is done any more
	runsAtOne = 8               // runs that are worked on at a time
	planTries = 4               // of reading what a plan needs
	moveTries = 3               // of a move that fails, within a lease
)

// runs is the state of the loop that carries runbooks out.
type runs struct{ wake waker }

func newRuns() runs { return runs{wake: newWaker()} }

// runLoop claims runs that are due and moves each on by one move.
func (e *Engine) runLoop(ctx context.Context) error {
	var working sync.WaitGroup
	defer working.Wait()
	slots := make(chan struct{}, runsAtOne)
	var lost unsure
	for {
		e.begins("runs")
		at := now()
		lost.free(ctx, e.Store, at)
		next, err := e.Store.NextRun(ctx)
		var claimed []store.Run
		if free := runsAtOne - len(slots); err == nil && free > 0 && e.replica.gate.check() == nil && !next.IsZero() && !next.After(at) {
			claimed, err = e.Store.ClaimRuns(ctx, at, at.Add(runLease), free)
			lost.note(at.Add(runLease), err)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrDeclaredDead) {
			e.Log.Error("claim runs", "error", err)
		}
		for _, row := range claimed {
			slots <- struct{}{}
			working.Go(func() {
				defer func() { <-slots; e.runs.wake.now() }()
				e.At(stationRunClaimed)
				_, err := guarded(e, "runs", func() (struct{}, error) {
					return struct{}{}, e.carryOn(context.WithoutCancel(ctx), row, at.Add(runLease-runMargin))
				})
				e.At(stationRunMoved)
				if err != nil { // its lease will end, and then it is looked after again
					e.Log.Error("run", "run", row.ID, "incident", row.Incident, "error", err)
					e.poisoned(context.WithoutCancel(ctx), row, err)
				}
			})
		}
		if err != nil || len(claimed) == 0 && !next.IsZero() && !next.After(at) {
			next = at.Add(poll) // the database has a fault, no hand is free, or another replica was faster
		}
		if !e.rest(ctx, e.runs.wake, next) {
			return nil
		}
	}
}

// runTries is how often a run may fail to move, a lease apart, before it is set
// aside.
const runTries = 5

// poisoned ends a run that fails whenever it is looked at, and calls people:
// nobody knows what came of it.
func (e *Engine) poisoned(ctx context.Context, row store.Run, cause error) {
	if row.Attempt < runTries || transient(cause) {
		return
	}
	s, err := e.setup(row.Org)
	if err != nil {
		return
	}
	err = e.Store.Write(ctx, func(t *store.Tx) error {
		at := now()
		if err := t.EndRun(store.OpenRun{Run: row}, "quarantined", at); err != nil {
			return err
		}
		inc, err := t.Incident(row.Org, row.Incident)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		text := "runbook " + row.Runbook + " cannot be carried on, and was set aside; what came of it is unknown"
		change := incident.Record(inc, at, incident.Engine, incident.RunRejected, incident.Data{Run: row.ID, Runbook: row.Runbook, Text: text})
		change = change.Then(incident.Retrigger(change.Incident, text, at, incident.Engine))
		return e.save(t, s, change.Then(incident.Advance(change.Incident, at, s.roster())), at)
	})
	if err != nil {
		e.Log.Error("set a run aside", "run", row.ID, "error", err)
		return
	}
	e.report(row.Org, event.Event{
		Action: event.Trigger, Key: "run_quarantined", Title: "A run of runbook " + row.Runbook + " was set aside: it cannot be carried on",
		Until: now().Add(2 * time.Hour), Labels: map[string]string{"kind": "run_quarantined"},
	})
}

// rowOf is how a run is stored.
func rowOf(r runbook.Run) (store.Run, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return store.Run{}, fmt.Errorf("run %s: %w", r.ID, err)
	}
	row := store.Run{
		ID: r.ID, Org: r.Organization, Incident: r.IncidentID, Runbook: r.Runbook, Target: r.Target.Service + "/" + r.Target.Environment,
		State: string(r.State), Due: r.Due, CreatedAt: r.CreatedAt, Version: r.Version, Body: body,
	}
	if r.State.Final() {
		row.EndedAt = r.UpdatedAt
	}
	for _, step := range r.Steps {
		if begun := step.BegunAt; !begun.IsZero() && row.StartedAt.IsZero() {
			row.StartedAt = begun
		}
	}
	return row, nil
}

func runOf(row store.Run) (runbook.Run, error) {
	var r runbook.Run
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return r, fmt.Errorf("run %s: unreadable: %w", row.ID, err)
	}
	r.Version = row.Version
	return r, nil
}

// Runs lists the runs of an incident, oldest first.
func (e *Engine) Runs(ctx context.Context, org, incidentID string) ([]runbook.Run, error) {
	rows, err := e.Store.Runs(ctx, org, incidentID)
	if err != nil {
		return nil, err
	}
	list := make([]runbook.Run, 0, len(rows))
	for _, row := range rows {
		r, err := runOf(row)
		if err != nil { // the auditor ends it; messages about the incident must leave
			e.Log.Error("list runs", "incident", incidentID, "error", err)
			continue
		}
		list = append(list, r)
	}
	return list, nil
}

// RunByID returns one run.
func (e *Engine) RunByID(ctx context.Context, org, runID string) (runbook.Run, error) {
	row, err := e.Store.RunByID(ctx, org, runID)
	if err != nil {
		return runbook.Run{}, err
	}
	return runOf(row)
}

// saveRun writes a run that was moved, and what goes with it, in one transaction.
// What is known of a step must not be lost because the database had a fault.
func (e *Engine) saveRun(ctx context.Context, r runbook.Run, also func(*store.Tx) error) error {
	unit, err := runUnit(r, also)
	if err != nil {
		return err
	}
	return e.insist(ctx, now().Add(runLease-runMargin), unit)
}

// runUnit is the unit that writes a run and what goes with it.
func runUnit(r runbook.Run, also func(*store.Tx) error) (func(*store.Tx) error, error) {
	row, err := rowOf(r)
	if err != nil {
		return nil, err
	}
	return func(t *store.Tx) error {
		if err := t.SaveRun(row); err != nil {
			return err
		}
		if also != nil {
			if err := also(t); err != nil {
				return err
			}
		}
		t.Refresh(r.IncidentID)
		return nil
	}, nil
}

// carryOn moves a claimed run on. A move that fails is tried again soon, from
// what the database has, and not at the end of the lease: an incident's
// escalation may wait for it.
func (e *Engine) carryOn(ctx context.Context, row store.Run, until time.Time) error {
	for try := 1; ; try++ {
		err := e.move(ctx, row)
		if err == nil || try == moveTries || now().Add(poll).After(until) {
			return err
		}
		e.Log.Warn("a move of a run failed, and is tried again", "run", row.ID, "error", err)
		select {
		case <-time.After(poll):
		case <-e.over:
			return err
		}
		is, unread := e.Store.RunByID(ctx, row.Org, row.ID)
		if unread != nil || is.Attempt != row.Attempt || is.Version != row.Version && !inFlight(is) {
			return err // it was given back, or is somebody else's
		}
		row = is
	}
}

// inFlight tells whether a step of a run was begun and has no end.
func inFlight(row store.Run) bool {
	r, err := runOf(row)
	return err == nil && r.State == runbook.Running && r.Current() < len(r.Steps) && r.Steps[r.Current()].InFlight()
}

// move moves a claimed run on by one move.
func (e *Engine) move(ctx context.Context, row store.Run) error {
	s, err := e.setup(row.Org)
	if err != nil {
		return err
	}
	run, err := runOf(row)
	if err != nil {
		return err
	}
	inc, err := e.Store.Incident(ctx, row.Org, row.Incident)
	if err != nil {
		return err
	}
	at := now()
	if row.State == planning {
		if !inc.Open() {
			return e.unplanned(ctx, s, run, row, "the incident is resolved", at)
		}
		return e.plan(ctx, s, inc, run, row)
	}
	switch run.State {
	case runbook.AwaitingApproval:
		if !inc.Open() {
			return e.endRun(ctx, s, run, runbook.Stop{Reason: "the incident is resolved"}, at)
		}
		return e.endRun(ctx, s, run, runbook.Expire{}, at)
	case runbook.Approved:
		if !inc.Open() {
			return e.endRun(ctx, s, run, runbook.Stop{Reason: "the incident is resolved"}, at)
		}
		return e.step(ctx, s, inc, run)
	case runbook.Running:
		if !inc.Open() && run.Halt == "" { // what is in flight is followed to its end; nothing more is begun
			if run, err = run.Do(runbook.Stop{Reason: "the incident is resolved"}, at); err != nil {
				return err
			}
			if run.State.Final() {
				return e.saveEnded(ctx, s, run, at)
			}
		}
		return e.step(ctx, s, inc, run)
	case runbook.Verifying:
		return e.judge(ctx, s, run)
	}
	return nil
}

func runbookCause(r runbook.Run) incident.Cause {
	return incident.Cause{Actor: incident.Actor("runbook:" + r.Runbook), Origin: "engine"}
}

// endRun gives a run a command that ends it, if it does.
func (e *Engine) endRun(ctx context.Context, s *setup, run runbook.Run, c runbook.Command, at time.Time) error {
	next, err := run.Do(c, at)
	if err != nil {
		return err
	}
	return e.saveEnded(ctx, s, next, at)
}

// saveEnded writes a run that is over, with its verdict, and calls people again
// if it did not help.
func (e *Engine) saveEnded(ctx context.Context, s *setup, run runbook.Run, at time.Time) error {
	if run.Verdict != "" {
		e.metrics.verdicts.WithLabelValues(string(run.Verdict)).Inc()
	}
	return e.saveRun(ctx, run, func(t *store.Tx) error {
		for i, step := range run.Steps {
			if step.EndedAt.Equal(at) {
				if err := e.stepEnded(t, s, run, i, at); err != nil {
					return err
				}
			}
		}
		inc, err := t.Incident(s.org.ID, run.IncidentID)
		if err != nil {
			return err
		}
		by := runbookCause(run)
		kind := incident.RunVerdict
		if run.State != runbook.Ended {
			kind = incident.RunRejected
		}
		change := incident.Record(inc, at, by, kind, incident.Data{Run: run.ID, Runbook: run.Runbook, Verdict: string(run.Verdict), Text: run.Reason})
		change = change.Then(incident.Settle(change.Incident, at, by))
		if change.Incident.Open() && !helped(run) {
			reason := fmt.Sprintf("runbook %s: %s", run.Runbook, run.State)
			if run.Verdict != "" {
				reason = fmt.Sprintf("runbook %s did not help: %s", run.Runbook, run.Verdict)
			}
			change = change.Then(incident.Retrigger(change.Incident, reason, at, by))
			change = change.Then(incident.Advance(change.Incident, at, s.roster()))
			s.ring(t, inc, run, "verdict", reason+": "+run.Reason, at)
		}
		return e.save(t, s, change, at)
	})
}
