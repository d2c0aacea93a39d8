package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
)

// step begins the current step, or looks after the one that is in flight.
func (e *Engine) step(ctx context.Context, s *setup, inc incident.Incident, run runbook.Run) error {
	i := run.Current()
	if i >= len(run.Steps) {
		return fmt.Errorf("run %s: %s without a step to do", run.ID, run.State)
	}
	book := s.doc.Runbooks[run.Runbook]
	at := now()
	if i >= len(book.Steps) || book.Steps[i].Kind != run.Steps[i].Plan.Step {
		return e.endRun(ctx, s, run, runbook.Stop{Reason: "the runbook was edited since its plan was made"}, at)
	}
	kind, env, err := e.env(s, inc, run, book.Steps[i])
	if err != nil { // a connection is gone, or a secret cannot be read
		if run.Steps[i].InFlight() {
			return e.follow(ctx, s, run, i, runbook.AfterLook(i, run.Steps[i].Result, runbook.Result{}, err))
		}
		return e.endRun(ctx, s, run, runbook.Stop{Reason: err.Error()}, at)
	}
	callCtx, cancel := leased(ctx, time.Now().Add(runLease-runMargin), func() error { return nil })
	defer cancel()
	if run.Steps[i].InFlight() { // after a crash, too: Look decides, and nothing is applied again
		result, err := guarded(e, "runs", func() (runbook.Result, error) {
			return kind.Look(callCtx, env, run.Steps[i].Plan, run.Steps[i].Result)
		})
		e.At(stationRunLooked)
		return e.follow(ctx, s, run, i, runbook.AfterLook(i, run.Steps[i].Result, result, err))
	}
	hash, err := planHash(book, run) // of the runbook as it is now: an edit after the approval shows
	if err != nil {
		return err
	}
	begun, err := run.Do(runbook.Begin{Step: i, Hash: hash}, at)
	if errors.Is(err, runbook.ErrMove) {
		return e.endRun(ctx, s, run, runbook.Stop{Reason: short(err)}, at)
	}
	if err != nil {
		return err
	}
	row, err := rowOf(begun)
	if err != nil {
		return err
	}
	row.Due = at // when its lease has ended, nothing is in flight: who finds it then looks at once
	var refused string
	err = e.insist(ctx, at.Add(runLease-runMargin), func(t *store.Tx) (err error) { // committed before anything is done
		if run.State == runbook.Approved { // here, so that of two runs against one target one sees the other
			if refused, err = s.forbidden(run, t.PastRuns, at); err != nil || refused != "" {
				return err
			}
		}
		if err := t.HoldRun(row, at.Add(runLease)); err != nil {
			return err
		}
		data := incident.Data{Run: run.ID, Runbook: run.Runbook, Text: "started " + begun.Steps[i].Plan.Step, Step: i, Hold: run.Verify.RecoversWithin > 0}
		return e.record(t, s, run.IncidentID, runbookCause(run), incident.RunStep, data, at)
	})
	if err != nil {
		return err
	}
	if refused != "" {
		return e.endRun(ctx, s, run, runbook.Refuse{Reason: refused}, at)
	}
	begun.Version++
	e.At(stationRunBegun)
	result, err := guarded(e, "runs", func() (runbook.Result, error) { return kind.Apply(callCtx, env, begun.Steps[i].Plan) })
	e.At(stationRunApplied)
	if errors.Is(err, errPanic) { // nobody knows how far it came: Look will tell
		result, err = runbook.Result{Again: 5 * time.Second, Detail: err.Error()}, nil
	}
	return e.follow(ctx, s, begun, i, runbook.AfterApply(i, result, err))
}

// follow gives a run the command that what a step returned leads to, and
// stores it.
func (e *Engine) follow(ctx context.Context, s *setup, run runbook.Run, i int, c runbook.Command) error {
	at := now()
	next, err := run.Do(c, at)
	if err != nil {
		return err
	}
	return e.saveMoved(ctx, s, run, next, i, at)
}

// saveMoved writes a run whose step moved: the timeline tells when a step ended.
func (e *Engine) saveMoved(ctx context.Context, s *setup, before, next runbook.Run, i int, at time.Time) error {
	if next.State == runbook.Verifying {
		next.Due = at.Add(time.Second) // the first look at the signal
	}
	if next.State.Final() {
		return e.saveEnded(ctx, s, next, at)
	}
	return e.saveRun(ctx, next, func(t *store.Tx) error {
		if next.Steps[i].EndedAt.IsZero() {
			return nil
		}
		return e.stepEnded(t, s, next, i, at)
	})
}

func (e *Engine) stepEnded(t *store.Tx, s *setup, run runbook.Run, i int, at time.Time) error {
	step := run.Steps[i]
	data := incident.Data{Run: run.ID, Runbook: run.Runbook, Step: i, Text: step.Result.Outcome + " " + step.Plan.Step + ": " + step.Result.Detail}
	if err := e.record(t, s, run.IncidentID, runbookCause(run), incident.RunStep, data, at); err != nil {
		return err
	}
	return s.intent(t, run, i, at)
}
