package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
)

// planning is the state of a run's row before its plans exist.
const planning = "planning"

const (
	runLease  = time.Minute
	runsAtOne = 8 // runs that are worked on at a time
	planTries = 4 // of reading what a plan needs
)

// runs is the state of the loop that carries runbooks out.
type runs struct{ wake waker }

func newRuns() runs { return runs{wake: newWaker()} }

// runLoop claims runs that are due and moves each on by one move.
func (e *Engine) runLoop(ctx context.Context) error {
	var working sync.WaitGroup
	defer working.Wait()
	slots := make(chan struct{}, runsAtOne)
	for {
		at := now()
		next, err := e.Store.NextRun(ctx)
		var claimed []store.Run
		if free := runsAtOne - len(slots); err == nil && free > 0 && !next.IsZero() && !next.After(at) {
			claimed, err = e.Store.ClaimRuns(ctx, at, at.Add(runLease), free)
		}
		if err != nil && ctx.Err() == nil {
			e.Log.Error("claim runs", "error", err)
		}
		for _, row := range claimed {
			slots <- struct{}{}
			working.Go(func() {
				defer func() { <-slots; e.runs.wake.now() }()
				_, err := guarded(e, "runs", func() (struct{}, error) { return struct{}{}, e.move(context.WithoutCancel(ctx), row) })
				if err != nil { // its lease will end, and then it is looked after again
					e.Log.Error("run", "run", row.ID, "incident", row.Incident, "error", err)
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

func (e *Engine) runsOf(ctx context.Context, inc incident.Incident) ([]runbook.Run, error) {
	return e.Runs(ctx, inc.Org, inc.ID)
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
		if err != nil {
			return nil, err
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
		err = e.saveRun(ctx, s, next, func(t *store.Tx) error {
			return e.record(t, s, run.IncidentID, d.By, kind, incident.Data{Run: run.ID, Runbook: run.Runbook, Text: next.Reason}, at)
		})
		if !errors.Is(err, store.ErrMoved) {
			return next, err
		}
	}
	return runbook.Run{}, fmt.Errorf("run %s: %w", runID, store.ErrMoved)
}

// saveRun writes a run and what goes with it in one transaction.
func (e *Engine) saveRun(ctx context.Context, s *setup, r runbook.Run, also func(*store.Tx) error) error {
	row, err := rowOf(r)
	if err != nil {
		return err
	}
	return e.Store.Write(ctx, func(t *store.Tx) error {
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
	})
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
			row.Due = at.Add(max(after, backoff(row.Attempt)))
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
	return e.saveRun(ctx, s, next, func(t *store.Tx) error {
		var lines []string
		for _, step := range next.Steps {
			lines = append(lines, step.Plan.Summary...)
		}
		data := incident.Data{Run: next.ID, Runbook: next.Runbook, Text: joinLines(lines), Until: next.Approval.ExpiresAt}
		if err := e.record(t, s, inc.ID, runbookCause(next), incident.RunPlanned, data, at); err != nil {
			return err
		}
		if next.State == runbook.AwaitingApproval {
			s.ring(t, inc, next, "approval", fmt.Sprintf("Runbook %s wants an approval by %s:\n%s", next.Runbook, joinWords(next.Approval.By), joinLines(lines)), at)
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

func runbookCause(r runbook.Run) incident.Cause {
	return incident.Cause{Actor: incident.Actor("runbook:" + r.Runbook), Origin: "engine"}
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
	callCtx, cancel := context.WithTimeout(ctx, runLease-5*time.Second)
	defer cancel()
	if run.Steps[i].InFlight() { // after a crash, too: Look decides, and nothing is applied again
		result, err := guarded(e, "runs", func() (runbook.Result, error) {
			return kind.Look(callCtx, env, run.Steps[i].Plan, run.Steps[i].Result)
		})
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
	var refused string
	err = e.Store.Write(ctx, func(t *store.Tx) (err error) { // committed before anything is done
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
	result, err := guarded(e, "runs", func() (runbook.Result, error) { return kind.Apply(callCtx, env, begun.Steps[i].Plan) })
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
	return e.saveRun(ctx, s, next, func(t *store.Tx) error {
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
	return e.Store.Write(ctx, func(t *store.Tx) error { return t.SaveRun(row) })
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

// endRun gives a run a command that ends it, if it does.
func (e *Engine) endRun(ctx context.Context, s *setup, run runbook.Run, c runbook.Command, at time.Time) error {
	next, err := run.Do(c, at)
	if err != nil {
		return err
	}
	return e.saveEnded(ctx, s, next, at)
}

// helped tells whether nobody need be called because of how a run ended: the
// signal recovered, or every step was done and nothing was to be verified.
func helped(run runbook.Run) bool {
	if run.State != runbook.Ended || run.Verify.RecoversWithin > 0 {
		return run.Verdict == runbook.Recovered
	}
	return !slices.ContainsFunc(run.Steps, func(s runbook.StepRun) bool { return s.Result.Outcome != runbook.OutcomeDone })
}

// saveEnded writes a run that is over, with its verdict, and calls people again
// if it did not help.
func (e *Engine) saveEnded(ctx context.Context, s *setup, run runbook.Run, at time.Time) error {
	if run.Verdict != "" {
		e.metrics.verdicts.WithLabelValues(string(run.Verdict)).Inc()
	}
	return e.saveRun(ctx, s, run, func(t *store.Tx) error {
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
