package runbook

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	gitlab "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/wire"
)

// GitLabRollback puts the last good version back by retrying the job that
// deployed it, as GitLab's own rollback button does. It compares and sets: it
// goes from the pinned bad version to the pinned good one, and only as long as
// the bad one is live.
var GitLabRollback = Step{
	Kind: config.Kind{
		Name: "gitlab.rollback",
		Via:  []string{"gitlab"},
		Fields: []config.Field{
			{Name: "environment", Label: "Environment", Help: "of the service, as its configuration calls it"},
			{Name: "bad", Label: "Never go back to", Help: "commits (at least 7 digits) or deployment:NUMBER", Type: "list"},
			{Name: "timeout", Label: "Time for the deployment", Default: "30m", Type: "duration"},
		},
	},
	Connection: "gitlab",
	Plan:       planRollback,
	Apply:      applyRollback,
	Look:       lookRollback,
}

const (
	// followEvery is the rhythm of following a job.
	followEvery = 5 * time.Second
	// lostFor is how long a retry whose answer was lost may take to show.
	lostFor = time.Minute
)

// A version is one side of a rollback.
type version struct {
	Deployment int64  `json:"deployment"`
	SHA        string `json:"sha"`
	Ref        string `json:"ref"`
}

func (v version) String() string { return fmt.Sprintf("%.8s (%s)", v.SHA, plainText(v.Ref)) }

// rollbackPin is what a rollback is held to.
type rollbackPin struct {
	Server      string  `json:"server"`
	Project     int64   `json:"project"`
	Path        string  `json:"path"`
	Environment string  `json:"environment"` // as GitLab calls it
	Bad         version `json:"bad"`
	Good        version `json:"good"`
	Job         int64   `json:"job"`    // to be retried
	Newest      int64   `json:"newest"` // the highest id of a deployment when this was planned
}

// rollbackData is what Look follows.
type rollbackData struct {
	Job   int64     `json:"job,omitempty"`        // the new one
	Asked time.Time `json:"asked,omitzero"`       // when the retry was sent
	Found int64     `json:"deployment,omitempty"` // somebody else's deployment of the good version
}

func planRollback(ctx context.Context, env Env) (Plan, error) {
	refuse := func(format string, args ...any) (Plan, error) {
		return Plan{}, fmt.Errorf("gitlab.rollback: %w: %w", wire.ErrRefused, fmt.Errorf(format, args...))
	}
	project := env.Target.Settings["project"]
	environment := cmp.Or(env.Target.Settings["environment"], env.Target.Environment, env.Params["environment"])
	if project == "" {
		return refuse("target: project: the service's environment %q names no project of GitLab", env.Target.Environment)
	}
	if environment == "" {
		return refuse("target: environment: it is not named")
	}
	never, err := parseMarks(listOf(env.Params, "bad"))
	if err != nil {
		return refuse("bad%w", err)
	}
	timeout, err := time.ParseDuration(cmp.Or(env.Params["timeout"], "30m"))
	if err != nil || timeout <= 0 {
		return refuse("timeout: %q is not a duration such as 30m", env.Params["timeout"])
	}
	fired := env.Incident.firedAt()
	if fired.IsZero() {
		return refuse("incident: it is not known when the signal fired")
	}
	g, err := openGitLab(env)
	if err != nil {
		return Plan{}, err
	}

	p, resp, err := g.api.Projects.GetProject(project, nil, gitlab.WithContext(ctx))
	if err != nil {
		return Plan{}, g.fail(fmt.Sprintf("read project %q", project), resp, err)
	}
	found, resp, err := g.api.Environments.ListEnvironments(p.ID, &gitlab.ListEnvironmentsOptions{Name: &environment}, gitlab.WithContext(ctx))
	if err != nil {
		return Plan{}, g.fail(fmt.Sprintf("read environment %q", environment), resp, err)
	}
	if len(found) == 0 || found[0].Name != environment {
		return refuse("project %s has no environment %q", p.PathWithNamespace, environment)
	}
	h, err := g.history(ctx, p.ID, environment)
	if err != nil {
		return Plan{}, err
	}
	c, err := h.choose(fired, never)
	if err != nil {
		return refuse("%s in %s: %w", p.PathWithNamespace, environment, err)
	}
	job, resp, err := g.api.Jobs.GetJob(p.ID, c.job, gitlab.WithContext(ctx))
	if err != nil {
		return Plan{}, g.fail(fmt.Sprintf("read job %d, which deployed %v", c.job, c.good), resp, err)
	}

	pin := rollbackPin{
		Server: g.server, Project: p.ID, Path: p.PathWithNamespace, Environment: environment, Job: c.job, Newest: h.newest(),
		Bad:  version{c.bad.ID, c.bad.SHA, c.bad.Ref},
		Good: version{c.good.ID, c.good.SHA, c.good.Ref},
	}
	plan, err := planOf("gitlab.rollback", pin, rollbackSummary(env.Now(), p, environment, c, job, h)...)
	plan.Limit = timeout
	return plan, err
}

// rollbackSummary is the card that people read before they approve.
func rollbackSummary(now time.Time, p *gitlab.Project, environment string, c choice, job *gitlab.Job, h history) []string {
	lines := []string{
		fmt.Sprintf("roll %s back in %s", p.PathWithNamespace, environment),
		fmt.Sprintf("from %v by %s, live since %s", c.bad, plainText(c.bad.By), clock(c.since)),
		fmt.Sprintf("to %v, live from %s on", c.good, clock(c.good.Landed)),
		fmt.Sprintf("by retrying job %d, %s", job.ID, plainText(job.Name)),
	}
	if d, ok := h.underway(c.good.SHA, c.bad.ID); ok {
		lines = append(lines, fmt.Sprintf("deployment %d of the good version by %s is %s already: it would be followed, and nothing started", d.ID, plainText(d.By), d.Status))
	}
	if d, ok := h.foreign(c.good.SHA); ok {
		lines = append(lines, fmt.Sprintf("%v by %s is running now: the rollback is refused while it runs", d, plainText(d.By)))
	}
	if t := job.ArtifactsExpireAt; t != nil && t.Before(now) {
		lines = append(lines, "the job's artifacts expired at "+clock(*t)+": it may fail without them")
	}
	return append(lines,
		"database migrations between the two are not looked at",
		"by hand: Retry at "+p.WebURL+fmt.Sprintf("/-/jobs/%d", job.ID),
	)
}

// applyRollback reads what is deployed once more and retries the job only if
// that is still the bad version, and nobody else is at it.
func applyRollback(ctx context.Context, env Env, plan Plan) (Result, error) {
	g, pin, h, err := openRollback(ctx, env, plan)
	if err != nil {
		return Result{}, err
	}
	refused := func(format string, args ...any) (Result, error) {
		return Result{Done: true, Outcome: OutcomeRefused, Detail: fmt.Sprintf(format, args...)}, nil
	}
	live, ok := h.live()
	switch {
	case !ok:
		return refused("nothing is deployed in %s any more", pin.Environment)
	case live.SHA == pin.Good.SHA:
		return Result{Done: true, Outcome: OutcomeDone, Detail: fmt.Sprintf("%v by %s is live already", live, plainText(live.By))}, nil
	case live.SHA != pin.Bad.SHA:
		return refused("planned from %v, but %v by %s is live since %s", pin.Bad, live, plainText(live.By), clock(live.Landed))
	}
	if d, ok := h.underway(pin.Good.SHA, pin.Newest); ok {
		return following(rollbackData{Job: d.Job, Found: d.ID}, "%v by %s is %s already, and is followed", d, plainText(d.By), d.Status)
	}
	if d, ok := h.foreign(pin.Good.SHA); ok {
		return refused("%v by %s is being deployed", d, plainText(d.By))
	}

	asked := env.Now()
	ctx, sent := watching(ctx)
	job, resp, err := g.api.Jobs.RetryJob(pin.Project, pin.Job, gitlab.WithContext(ctx))
	if err == nil && job.ID != 0 && job.ID != pin.Job {
		return following(rollbackData{Job: job.ID, Asked: asked}, "job %d is %s: %s", job.ID, job.Status, job.WebURL)
	}
	if err == nil {
		err = fmt.Errorf("no new job is named")
	}
	err = g.fail(fmt.Sprintf("retry job %d", pin.Job), resp, err)
	status := 0
	if resp != nil && resp.Response != nil {
		status = resp.StatusCode
	}
	switch {
	case status == http.StatusTooManyRequests, status == 0 && sent.neverSent():
		return Result{}, err
	case status >= 300 && status < 500 && status != http.StatusRequestTimeout:
		return refused("%v; the job may be archived or retried before, the environment protected, or rollbacks switched off in the project", err)
	case status == 0 && isRefused(err):
		return Result{}, err
	}
	// GitLab may have made the job before the answer broke: Look will find it.
	return following(rollbackData{Asked: asked}, "the answer was lost: %v", err)
}

func isRefused(err error) bool {
	refused, _ := wire.Verdict(err)
	return refused
}

func following(data rollbackData, format string, args ...any) (Result, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return Result{}, fmt.Errorf("gitlab.rollback: %w", err)
	}
	return Result{Again: followEvery, Detail: fmt.Sprintf(format, args...), Data: raw}, nil
}

// openRollback reads the pin and what is deployed now.
func openRollback(ctx context.Context, env Env, plan Plan) (gitlabAPI, rollbackPin, history, error) {
	var pin rollbackPin
	if err := unpin("gitlab.rollback", plan, &pin); err != nil {
		return gitlabAPI{}, pin, nil, err
	}
	if pin.Project == 0 || pin.Job == 0 || pin.Bad.SHA == "" || pin.Good.SHA == "" || pin.Bad.SHA == pin.Good.SHA {
		return gitlabAPI{}, pin, nil, fmt.Errorf("gitlab.rollback: %w: pin: it does not say from where to where", wire.ErrRefused)
	}
	g, err := openGitLab(env)
	if err != nil {
		return gitlabAPI{}, pin, nil, err
	}
	if g.server != pin.Server {
		return gitlabAPI{}, pin, nil, fmt.Errorf("gitlab.rollback: %w: it was planned on %s, and the connection leads to another server now", wire.ErrRefused, pin.Server)
	}
	h, err := g.history(ctx, pin.Project, pin.Environment)
	return g, pin, h, err
}

// lookRollback follows the new job's deployment to its end. Without a stored
// job it finds the deployment by the pinned version: whoever started it, it is
// what the plan wants.
func lookRollback(ctx context.Context, env Env, plan Plan, last Result) (Result, error) {
	if last.Done {
		return last, nil
	}
	var data rollbackData
	if len(last.Data) > 0 {
		if err := json.Unmarshal(last.Data, &data); err != nil {
			return Result{}, fmt.Errorf("gitlab.rollback: %w: data: %w", wire.ErrRefused, err)
		}
	}
	g, pin, h, err := openRollback(ctx, env, plan)
	if err != nil {
		return Result{}, err
	}
	ended := func(outcome, format string, args ...any) (Result, error) {
		return Result{Done: true, Outcome: outcome, Detail: fmt.Sprintf(format, args...), Data: last.Data}, nil
	}

	d, found := h.made(data.Job, pin.Good.SHA, pin.Newest)
	if data.Job == 0 && data.Found != 0 {
		d, found = h.byID(data.Found)
	}
	switch {
	case !found && data.Job != 0:
		return g.lookAtJob(ctx, pin, data)
	case !found && !data.Asked.IsZero() && env.Now().Before(data.Asked.Add(lostFor)):
		return following(data, "the answer was lost, and no deployment of %v is to be seen yet", pin.Good)
	case !found:
		return ended(OutcomeUnknown, "no deployment of %v is newer than the plan: nobody can tell whether job %d was retried", pin.Good, pin.Job)
	}
	switch d.Status {
	case "success":
		live, _ := h.live()
		if live.SHA != pin.Good.SHA {
			return ended(OutcomeFailed, "%v went live, but now %v by %s is live", d, live, plainText(live.By))
		}
		return ended(OutcomeDone, "%v by %s is live since %s", d, plainText(d.By), clock(d.Landed))
	case "failed", "canceled", "skipped":
		return ended(OutcomeFailed, "%v: %s: %s", d, d.Status, g.jobURL(pin, d.Job))
	case "blocked":
		return following(data, "%v waits for an approval in GitLab: %s", d, g.jobURL(pin, d.Job))
	}
	return following(data, "%v is %s: %s", d, d.Status, g.jobURL(pin, d.Job))
}

// lookAtJob is for a job whose deployment does not show.
func (g gitlabAPI) lookAtJob(ctx context.Context, pin rollbackPin, data rollbackData) (Result, error) {
	job, resp, err := g.api.Jobs.GetJob(pin.Project, data.Job, gitlab.WithContext(ctx))
	if err != nil {
		return Result{}, g.fail(fmt.Sprintf("read job %d", data.Job), resp, err)
	}
	switch job.Status {
	case "failed", "canceled", "skipped":
		raw, err := json.Marshal(data)
		if err != nil {
			return Result{}, fmt.Errorf("gitlab.rollback: %w", err)
		}
		why := strings.TrimSpace(job.Status + " " + plainText(job.FailureReason))
		return Result{Done: true, Outcome: OutcomeFailed, Detail: fmt.Sprintf("job %d: %s: %s", job.ID, why, g.jobURL(pin, job.ID)), Data: raw}, nil
	}
	return following(data, "job %d is %s, its deployment is not to be seen yet: %s", job.ID, job.Status, g.jobURL(pin, job.ID))
}

func (g gitlabAPI) jobURL(pin rollbackPin, job int64) string {
	return fmt.Sprintf("%s/%s/-/jobs/%d", g.server, pin.Path, job)
}
