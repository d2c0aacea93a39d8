package vendortest

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

type gitlabJob struct {
	id                         int64
	name, ref, sha, status     string
	env                        *gitlabEnvironment // nil: it deploys nothing
	created, started, finished time.Time
	pipeline                   int64
	failure                    string
	archived, retried          bool
	user                       string
}

// AddRef adds a branch or tag, so that pipelines can run on it.
func (g *GitLab) AddRef(project int64, ref, sha string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mustProject(project).refs[ref] = sha
}

// AddTrigger makes a pipeline trigger token valid.
func (g *GitLab) AddTrigger(project int64, token string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mustProject(project).triggers[token] = true
}

// AddManualJob adds a deploy job that waits for somebody to press play.
func (g *GitLab) AddManualJob(project int64, environment, sha, ref string) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.mustProject(project)
	p.pipelines++
	j := &gitlabJob{id: g.id(), name: "deploy-" + environment, env: p.environment(g, environment), ref: ref, sha: sha,
		status: "manual", created: g.now(), pipeline: p.pipelines, user: "someone"}
	p.jobs = append(p.jobs, j)
	return j.id
}

func (p *gitlabProject) jobJSON(j *gitlabJob) map[string]any {
	out := map[string]any{
		"id": j.id, "name": j.name, "stage": "deploy", "status": j.status, "ref": j.ref, "tag": false,
		"created_at": stamp(j.created), "started_at": stamp(j.started), "finished_at": stamp(j.finished), "erased_at": nil,
		"duration": nil, "allow_failure": false, "archived": j.archived,
		"web_url": fmt.Sprintf("%s/-/jobs/%d", p.url, j.id), "user": userJSON(j.user),
		"commit":   map[string]any{"id": j.sha, "short_id": j.sha[:min(8, len(j.sha))], "title": "a commit"},
		"pipeline": map[string]any{"id": j.pipeline, "project_id": p.id, "ref": j.ref, "sha": j.sha, "status": j.status},
	}
	if j.failure != "" {
		out["failure_reason"] = j.failure
	}
	return out
}

func (p *gitlabProject) job(id string) *gitlabJob {
	for _, j := range p.jobs {
		if strconv.FormatInt(j.id, 10) == id {
			return j
		}
	}
	return nil
}

func (g *GitLab) getJob(p *gitlabProject, id string) *gitlabAnswer {
	if j := p.job(id); j != nil {
		return &gitlabAnswer{status: 200, body: p.jobJSON(j)}
	}
	return message(404, "404 Not found")
}

// mayRun says whether the token may start the job.
func mayRun(req gitlabRequest, j *gitlabJob) bool {
	if j.env != nil && j.env.protected {
		return req.token.Level >= 40
	}
	return req.token.Level >= 30
}

// retryJob makes a new job of one that has ended. A job that was retried
// before cannot be retried again: its successor can.
func (g *GitLab) retryJob(p *gitlabProject, req gitlabRequest, id string) *gitlabAnswer {
	j := p.job(id)
	switch {
	case j == nil:
		return message(404, "404 Not found")
	case !mayRun(req, j):
		return message(403, "403 Forbidden")
	case j.archived || j.retried || j.status != "success" && j.status != "failed" && j.status != "canceled":
		return message(403, "403 Forbidden - Job is not retryable")
	case j.env != nil && p.preventOutdated && !p.allowRollback && p.outdated(j):
		return message(403, "403 Forbidden - The deployment job is older than the latest deployment")
	}
	j.retried = true
	again := &gitlabJob{id: g.id(), name: j.name, ref: j.ref, sha: j.sha, env: j.env, pipeline: j.pipeline, user: req.token.User}
	g.start(p, again)
	return &gitlabAnswer{status: 201, body: p.jobJSON(again)}
}

// outdated says that something newer than the job's deployment is live.
func (p *gitlabProject) outdated(j *gitlabJob) bool {
	live := p.live(j.env.name)
	return live != nil && live.job != j && live.sha != j.sha
}

// playJob starts a manual job.
func (g *GitLab) playJob(p *gitlabProject, req gitlabRequest, id string) *gitlabAnswer {
	j := p.job(id)
	switch {
	case j == nil:
		return message(404, "404 Not found")
	case !mayRun(req, j):
		return message(403, "403 Forbidden")
	case j.status != "manual":
		return message(400, "400 Bad request - Unplayable Job")
	}
	j.user = req.token.User
	g.start(p, j)
	return &gitlabAnswer{status: 200, body: p.jobJSON(j)}
}

// triggerPipeline runs a pipeline on a branch or tag; with the variable
// ENVIRONMENT it deploys there.
func (g *GitLab) triggerPipeline(p *gitlabProject, req gitlabRequest) *gitlabAnswer {
	ref := req.form.Get("ref")
	sha, known := p.refs[ref]
	switch {
	case !p.triggers[req.form.Get("token")]:
		return message(404, "404 Not Found")
	case ref == "":
		return problem(400, "ref is missing")
	case !known:
		return &gitlabAnswer{status: 400, body: map[string]any{"message": map[string]any{"base": []string{"Reference not found"}}}}
	}
	p.pipelines++
	j := &gitlabJob{id: g.id(), name: "deploy", ref: ref, sha: sha, pipeline: p.pipelines, user: "trigger"}
	if name := req.form.Get("variables[ENVIRONMENT]"); name != "" {
		j.env = p.environment(g, name)
		j.name = "deploy-" + name
	}
	g.start(p, j)
	return &gitlabAnswer{status: 201, body: map[string]any{
		"id": p.pipelines, "sha": sha, "ref": ref, "status": "created", "project_id": p.id,
		"created_at": stamp(j.created), "web_url": fmt.Sprintf("%s/-/pipelines/%d", p.url, p.pipelines),
	}}
}

// start lets a job run: created, half the delay later running, and at the end
// success or failed. Its deployment, which is the newest, goes along.
func (g *GitLab) start(p *gitlabProject, j *gitlabJob) {
	now := g.now()
	if p.job(strconv.FormatInt(j.id, 10)) == nil {
		p.jobs = append(p.jobs, j)
	}
	if j.created.IsZero() {
		j.created = now
	}
	j.status = "created"
	var d *gitlabDeployment
	if j.env != nil {
		d = &gitlabDeployment{id: g.id(), iid: p.iid("deployment"), env: j.env, ref: j.ref, sha: j.sha,
			status: "created", created: now, updated: now, job: j, user: j.user}
		p.deployments = append(p.deployments, d)
	}
	delay := g.delay
	g.after(delay/2, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		j.status, j.started = "running", g.now()
		if d != nil {
			d.status, d.updated = "running", j.started
		}
		g.after(delay-delay/2, func() { g.finish(j, d) })
	})
}

func (g *GitLab) finish(j *gitlabJob, d *gitlabDeployment) {
	g.mu.Lock()
	deploy := g.deploy
	g.mu.Unlock()
	var err error
	if d != nil {
		err = deploy(j.env.name, j.sha, j.ref)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	status := "success"
	if err != nil {
		status, j.failure = "failed", "script_failure"
	}
	now := g.now()
	j.status, j.finished = status, now
	if d != nil {
		d.status, d.updated, d.finished = status, now, now
	}
}

// truthy reads a boolean parameter.
func truthy(s string) bool { return cmp.Or(strings.ToLower(s), "false") == "true" || s == "1" }
