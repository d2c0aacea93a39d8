package engine

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
)

// judge asks what the run came to, on the rule that fired.
func (e *Engine) judge(ctx context.Context, s *setup, run runbook.Run) error {
	at := now()
	q, err := e.question(ctx, s, run, at)
	if err != nil {
		return err
	}
	verdict, reason, done := runbook.Judge(q)
	next, err := run.Do(runbook.Judged{Verdict: verdict, Reason: reason, Done: done}, at)
	if err != nil {
		return err
	}
	if done {
		return e.saveEnded(ctx, s, next, at)
	}
	if soon := at.Add(time.Second); next.Due.After(soon) && (q.Resolved || !at.Before(q.Deadline)) {
		next.Due = soon // the data are on their way
	}
	row, err := rowOf(next)
	if err != nil {
		return err
	}
	return e.insist(ctx, at.Add(runLease-runMargin), func(t *store.Tx) error { return t.SaveRun(row) })
}

// watched tells which rule a run is judged on: the one that fired, of which
// one series counts, or another that the runbook names, with all of its series.
func watched(run runbook.Run) (rule string, all bool) {
	if named, ok := strings.CutPrefix(run.Verify.Signal, "rule:"); ok && named != run.Trigger.Rule {
		return named, true
	}
	return run.Trigger.Rule, false
}

// question gathers what a verdict depends on: only what came after the action.
func (e *Engine) question(ctx context.Context, s *setup, run runbook.Run, at time.Time) (runbook.Question, error) {
	rule, all := watched(run)
	compiled := s.rules[rule]
	before, err := e.peak(ctx, s, run, compiled.Window)
	if err != nil {
		return runbook.Question{}, err
	}
	q := runbook.Question{
		Done: run.DoneAt, Now: at, Deadline: run.Deadline(), Threshold: compiled.Above, MinTotal: compiled.MinTotal, Before: before,
	}
	if watermark, ok := e.watermark(s.org.ID, rule); ok {
		q.Watermark = watermark
	}
	counts, err := e.Store.Windows(ctx, s.org.ID, rule, run.Trigger.Series, all, run.DoneAt.Add(time.Second), q.Watermark)
	if err != nil {
		return q, err
	}
	for _, c := range counts {
		q.Bad += c.Bad
		q.Total += c.Total
	}
	filter := store.AlertFilter{Incident: run.IncidentID, Limit: 100}
	if all {
		filter = store.AlertFilter{Integration: "rule:" + rule, Limit: 100}
	}
	alerts, err := e.Store.Alerts(ctx, s.org.ID, filter)
	if err != nil {
		return q, err
	}
	q.Resolved = len(alerts) > 0
	for _, a := range alerts {
		if a.Integration != "rule:"+rule {
			continue
		}
		if a.Status == incident.Firing {
			q.Resolved = false
		}
		if a.Cleared.After(q.ResolvedAt) {
			q.ResolvedAt = a.Cleared
		}
	}
	return q, nil
}

// peak is the largest ratio of the rule's window from when the run was
// triggered until the action was done. The ratio at the instant of firing says
// little: the window had just begun to fill.
func (e *Engine) peak(ctx context.Context, s *setup, run runbook.Run, window time.Duration) (float64, error) {
	rule, all := watched(run)
	from, to := run.Trigger.FiredAt, run.DoneAt
	counts, err := e.Store.Windows(ctx, s.org.ID, rule, run.Trigger.Series, all, from.Add(-window), to)
	if err != nil {
		return 0, err
	}
	var peak float64
	if !all {
		peak = run.Trigger.Ratio
	}
	for _, p := range ratios(counts, window, from, to) {
		peak = max(peak, p.Ratio)
	}
	return peak, nil
}

// helped tells whether nobody need be called because of how a run ended: the
// signal recovered, or every step was done and nothing was to be verified.
func helped(run runbook.Run) bool {
	if run.State != runbook.Ended || run.Verify.RecoversWithin > 0 {
		return run.Verdict == runbook.Recovered
	}
	return !slices.ContainsFunc(run.Steps, func(s runbook.StepRun) bool { return s.Result.Outcome != runbook.OutcomeDone })
}
