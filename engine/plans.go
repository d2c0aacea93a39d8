package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
)

// propose starts a runbook for an incident, once: its plans are read next, by
// the loop, because that needs the network.
func (e *Engine) propose(t *store.Tx, s *setup, inc incident.Incident, slug string, why trigger, at time.Time) error {
	book, ok := s.doc.Runbooks[slug]
	if !ok {
		return nil
	}
	target := s.target(inc.Service, book.Steps)
	run := runbook.Run{
		ID: id.New(at), Organization: s.org.ID, IncidentID: inc.ID, Runbook: slug, Target: target,
		Trigger: runbook.Trigger{Rule: why.Rule, Series: why.Series, FiredAt: why.FiredAt, Ratio: why.Ratio},
	}
	if book.Approve.By != "" {
		run.Approval.By, run.Approval.Within = []string{book.Approve.By}, book.Approve.Within
	}
	run.Verify = runbook.Verification{Signal: book.Verify.Signal, RecoversWithin: book.Verify.RecoversWithin}
	row, err := rowOf(run)
	if err != nil {
		return err
	}
	row.State, row.Due, row.CreatedAt = planning, at, at
	_, err = t.AddRun(row)
	return err
}

// plan reads what each step would do, and asks for the approval.
func (e *Engine) plan(ctx context.Context, s *setup, inc incident.Incident, run runbook.Run, row store.Run) error {
	book := s.doc.Runbooks[run.Runbook]
	var failed error
	for _, step := range book.Steps {
		kind, env, err := e.env(s, inc, run, step)
		if err == nil {
			var p runbook.Plan
			callCtx, cancel := context.WithTimeout(ctx, sendLimit)
			p, err = guarded(e, "runs", func() (runbook.Plan, error) { return kind.Plan(callCtx, env) })
			cancel()
			run.Steps = append(run.Steps, runbook.StepRun{Plan: p, Repeatable: kind.Repeatable(env.Params)})
		}
		if err != nil {
			failed = err
			break
		}
	}
	at := now()
	if failed != nil {
		refused, after := wire.Verdict(failed)
		if !refused && row.Attempt < planTries {
			row.Due = at.Add(e.Pace.retry(int(row.Attempt)-1, after))
			return e.Store.Write(ctx, func(t *store.Tx) error { return t.SaveRun(row) })
		}
		return e.unplanned(ctx, s, run, row, "no plan could be made: "+failed.Error(), at)
	}
	body, err := bodyOf(book)
	if err != nil {
		return err
	}
	planned, err := runbook.New(run, body, nil, at)
	if err != nil {
		return err
	}
	planned.Version = row.Version
	past := func(org, book, target, except string, since time.Time) (store.PastRuns, error) {
		return e.Store.PastRuns(ctx, org, book, target, except, since)
	}
	if why, err := s.forbidden(planned, past, at); err != nil {
		return err
	} else if why != "" {
		return e.endRun(ctx, s, planned, runbook.Refuse{Reason: why}, at)
	}
	next, err := planned.Do(runbook.Propose{}, at)
	if err != nil {
		return err
	}
	return e.saveRun(ctx, next, func(t *store.Tx) error {
		var lines []string
		for _, step := range next.Steps {
			lines = append(lines, step.Plan.Summary...)
		}
		data := incident.Data{Run: next.ID, Runbook: next.Runbook, Text: strings.Join(lines, "\n"), Until: next.Approval.ExpiresAt}
		if err := e.record(t, s, inc.ID, runbookCause(next), incident.RunPlanned, data, at); err != nil {
			return err
		}
		if next.State == runbook.AwaitingApproval {
			s.ring(t, inc, next, "approval", fmt.Sprintf("Runbook %s wants an approval by %s:\n%s", next.Runbook, strings.Join(next.Approval.By, ", "), strings.Join(lines, "\n")), at)
		}
		return nil
	})
}

// bodyOf is a runbook as approvals are bound to it: without its secrets, so
// that the hash tells nothing about them.
func bodyOf(book config.Runbook) (json.RawMessage, error) {
	book.Steps = slices.Clone(book.Steps)
	for i, step := range book.Steps {
		step.Settings = maps.Clone(step.Settings)
		for _, name := range step.Secrets {
			step.Settings[name] = config.Masked
		}
		book.Steps[i] = step
	}
	return json.Marshal(book)
}

// planHash is the hash of a run's plans under a runbook.
func planHash(book config.Runbook, run runbook.Run) (string, error) {
	body, err := bodyOf(book)
	if err != nil {
		return "", err
	}
	plans := make([]runbook.Plan, len(run.Steps))
	for i, step := range run.Steps {
		plans[i] = step.Plan
	}
	return runbook.Hash(body, nil, run.Target, plans)
}

// unplanned ends a run that has no plan.
func (e *Engine) unplanned(ctx context.Context, s *setup, run runbook.Run, row store.Run, reason string, at time.Time) error {
	run.State, run.Reason, run.UpdatedAt, run.CreatedAt = runbook.Refused, reason, at, row.CreatedAt
	run.Steps = nil
	return e.saveEnded(ctx, s, run, at)
}

// env is what a step may use.
func (e *Engine) env(s *setup, inc incident.Incident, run runbook.Run, step configStep) (runbook.Step, runbook.Env, error) {
	var kind runbook.Step
	found := false
	for _, k := range e.Steps {
		if k.Name == step.Kind {
			kind, found = k, true
		}
	}
	if !found {
		return kind, runbook.Env{}, fmt.Errorf("step %s: %w: there is no such step", step.Kind, wire.ErrRefused)
	}
	env := runbook.Env{
		Wire: e.Wire, Target: run.Target, Now: now,
		Incident: runbook.Incident{ID: inc.ID, Title: inc.Title, OpenedAt: inc.OpenedAt, FiredAt: run.Trigger.FiredAt},
	}
	var err error
	if env.Params, err = e.params(step); err != nil {
		return kind, env, err
	}
	for _, name := range step.Secrets {
		env.Secrets = append(env.Secrets, env.Params[name])
	}
	if kind.Connection == "" {
		return kind, env, nil
	}
	slug := step.Settings["connection"]
	if slug == "" {
		slug, _, _ = s.doc.Environment(run.Target.Service, run.Target.Environment, []string{kind.Connection})
	}
	if slug == "" {
		return kind, env, fmt.Errorf("step %s: %w: service %s has no environment %q with a connection of kind %s", step.Kind, wire.ErrRefused, run.Target.Service, run.Target.Environment, kind.Connection)
	}
	l, err := e.open(s, slug)
	env.Connection, env.Wire = l.settings, l.wire
	for _, name := range s.doc.Connections[slug].Secrets {
		env.Secrets = append(env.Secrets, l.settings[name])
	}
	return kind, env, err
}

// limits are what keeps a runbook from running away.
func (s *setup) limits(slug string) runbook.Limits {
	book := s.doc.Runbooks[slug]
	l := runbook.Limits{Budget: runbook.Budget{Runs: book.Budget.Runs, Per: book.Budget.Per}, Cooldown: book.Cooldown, MaxDepth: 1}
	if l.Budget.Runs == 0 {
		l.Budget = runbook.DefaultBudget()
	}
	return l
}

// earlier reads what was before a run, of the same runbook and target.
type earlier func(org, runbook, target, except string, since time.Time) (store.PastRuns, error)

// forbidden tells why a run may not begin now; "" lets it.
func (s *setup) forbidden(run runbook.Run, read earlier, at time.Time) (string, error) {
	limits := s.limits(run.Runbook)
	row, err := rowOf(run)
	if err != nil {
		return "", err
	}
	past, err := read(row.Org, row.Runbook, row.Target, row.ID, at.Add(-max(limits.Budget.Per, limits.Cooldown)))
	if err != nil {
		return "", err
	}
	return limits.Check(runbook.Past{Began: past.Began, Ended: past.Ended, Open: past.Open}, at), nil
}
