package vendortest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

type gitlabProject struct {
	id   int64
	path string
	url  string // of its page
	iids map[string]int64

	environments []*gitlabEnvironment
	deployments  []*gitlabDeployment
	jobs         []*gitlabJob
	issues       []*gitlabIssue
	refs         map[string]string // branch or tag to sha
	triggers     map[string]bool
	pipelines    int64

	preventOutdated, allowRollback bool
}

type gitlabEnvironment struct {
	id        int64
	name      string
	protected bool
	created   time.Time
}

type gitlabDeployment struct {
	id, iid                    int64
	env                        *gitlabEnvironment
	ref, sha, status           string
	created, updated, finished time.Time
	job                        *gitlabJob // nil if it was made through the API
	user                       string
}

// A GitLabDeployment is a deployment to be put into the history.
type GitLabDeployment struct {
	Environment string
	SHA, Ref    string
	Status      string    // "success" if empty
	At          time.Time // when it was created and, if it has ended, ended; now if zero
	NoJob       bool      // made through the API: there is no deployable
	Archived    bool      // its job may not be retried any more
}

// AddProject adds a project, such as "shop/checkout", and returns its id. It
// prevents outdated deployments and allows rollbacks, as is GitLab's default.
func (g *GitLab) AddProject(path string) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := &gitlabProject{
		id: g.id(), path: path, url: "https://gitlab.example/" + path, iids: map[string]int64{},
		refs: map[string]string{}, triggers: map[string]bool{}, preventOutdated: true, allowRollback: true,
	}
	g.projects = append(g.projects, p)
	return p.id
}

// AddEnvironment adds an environment; a deployment to an unknown one adds it too.
func (g *GitLab) AddEnvironment(project int64, name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mustProject(project).environment(g, name)
}

// Protect lets only maintainers deploy to an environment.
func (g *GitLab) Protect(project int64, environment string, protected bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mustProject(project).environment(g, environment).protected = protected
}

// AllowRollback is the project's "allow job retries for rollback deployments".
func (g *GitLab) AllowRollback(project int64, allow bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mustProject(project).allowRollback = allow
}

// AddDeployment puts a deployment into the history and returns its id and the
// id of its job (0 if it has none).
func (g *GitLab) AddDeployment(project int64, d GitLabDeployment) (deployment, job int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.mustProject(project)
	at := d.At
	if at.IsZero() {
		at = g.now()
	}
	made := &gitlabDeployment{
		id: g.id(), iid: p.iid("deployment"), env: p.environment(g, d.Environment),
		ref: cmp.Or(d.Ref, "main"), sha: d.SHA, status: cmp.Or(d.Status, "success"),
		created: at, updated: at, user: "someone",
	}
	if made.status == "success" {
		made.finished = at
	}
	p.deployments = append(p.deployments, made)
	if d.NoJob {
		return made.id, 0
	}
	p.pipelines++
	made.job = &gitlabJob{
		id: g.id(), name: "deploy-" + d.Environment, env: made.env, ref: made.ref, sha: made.sha,
		status: jobStatus(made.status), created: at, started: at, pipeline: p.pipelines, archived: d.Archived, user: made.user,
	}
	if made.status != "created" && made.status != "running" {
		made.job.finished = at
	}
	p.jobs = append(p.jobs, made.job)
	return made.id, made.job.id
}

// jobStatus is the status of the job of a deployment.
func jobStatus(deployment string) string {
	if deployment == "blocked" {
		return "manual"
	}
	return deployment
}

// Live returns the sha that is deployed: that of the success which ended last.
func (g *GitLab) Live(project int64, environment string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if d := g.mustProject(project).live(environment); d != nil {
		return d.sha
	}
	return ""
}

func (p *gitlabProject) live(environment string) *gitlabDeployment {
	var live *gitlabDeployment
	for _, d := range p.deployments {
		if d.env.name == environment && d.status == "success" && (live == nil || !d.finished.Before(live.finished)) {
			live = d
		}
	}
	return live
}

// mustProject is for the set-up of tests, where a wrong id is a mistake of theirs.
func (g *GitLab) mustProject(id int64) *gitlabProject {
	p := g.project(strconv.FormatInt(id, 10))
	if p == nil {
		panic("vendortest: no such project")
	}
	return p
}

func (p *gitlabProject) environment(g *GitLab, name string) *gitlabEnvironment {
	for _, e := range p.environments {
		if e.name == name {
			return e
		}
	}
	e := &gitlabEnvironment{id: g.id(), name: name, created: g.now()}
	p.environments = append(p.environments, e)
	return e
}

func (p *gitlabProject) iid(kind string) int64 {
	p.iids[kind]++
	return p.iids[kind]
}

func (p *gitlabProject) json() map[string]any {
	return map[string]any{"id": p.id, "path_with_namespace": p.path, "web_url": p.url, "default_branch": "main"}
}

func (p *gitlabProject) environmentJSON(e *gitlabEnvironment, withLast bool) map[string]any {
	out := map[string]any{
		"id": e.id, "name": e.name, "slug": strings.ReplaceAll(e.name, "/", "-"), "state": "available",
		"tier": "production", "created_at": stamp(e.created), "updated_at": stamp(e.created),
	}
	if withLast {
		out["last_deployment"] = nil
		if d := p.live(e.name); d != nil {
			out["last_deployment"] = p.deploymentJSON(d)
		}
	}
	return out
}

func (p *gitlabProject) deploymentJSON(d *gitlabDeployment) map[string]any {
	out := map[string]any{
		"id": d.id, "iid": d.iid, "ref": d.ref, "sha": d.sha, "status": d.status,
		"created_at": stamp(d.created), "updated_at": stamp(d.updated), "user": userJSON(d.user),
		"environment": p.environmentJSON(d.env, false), "deployable": nil,
	}
	if d.job != nil {
		out["deployable"] = p.jobJSON(d.job)
	}
	return out
}

// getEnvironments answers the list, filtered by the exact name, and one of them.
func (g *GitLab) getEnvironments(p *gitlabProject, req gitlabRequest, rest []string) *gitlabAnswer {
	if len(rest) == 1 {
		for _, e := range p.environments {
			if strconv.FormatInt(e.id, 10) == rest[0] {
				return &gitlabAnswer{status: 200, body: p.environmentJSON(e, true)}
			}
		}
		return message(404, "404 Environment Not Found")
	}
	if req.form.Has("name") && req.form.Has("search") {
		return problem(400, "name, search are mutually exclusive")
	}
	out := []map[string]any{}
	for _, e := range p.environments {
		if name := req.form.Get("name"); name != "" && e.name != name {
			continue
		}
		if search := req.form.Get("search"); search != "" && !strings.Contains(e.name, search) {
			continue
		}
		out = append(out, p.environmentJSON(e, false))
	}
	some, h, bad := page(req, out)
	if bad != nil {
		return bad
	}
	return &gitlabAnswer{status: 200, body: some, header: h}
}

// getDeployments answers the list, ordered as asked and by ascending id
// otherwise, and one of them.
func (g *GitLab) getDeployments(p *gitlabProject, req gitlabRequest, rest []string) *gitlabAnswer {
	if len(rest) == 1 {
		for _, d := range p.deployments {
			if strconv.FormatInt(d.id, 10) == rest[0] {
				return &gitlabAnswer{status: 200, body: p.deploymentJSON(d)}
			}
		}
		return message(404, "404 Deployment Not Found")
	}
	orders := map[string]func(a, b *gitlabDeployment) int{
		"id":          func(a, b *gitlabDeployment) int { return cmp.Compare(a.id, b.id) },
		"iid":         func(a, b *gitlabDeployment) int { return cmp.Compare(a.iid, b.iid) },
		"created_at":  func(a, b *gitlabDeployment) int { return a.created.Compare(b.created) },
		"updated_at":  func(a, b *gitlabDeployment) int { return a.updated.Compare(b.updated) },
		"finished_at": func(a, b *gitlabDeployment) int { return a.finished.Compare(b.finished) },
		"ref":         func(a, b *gitlabDeployment) int { return cmp.Compare(a.ref, b.ref) },
	}
	orderBy := cmp.Or(req.form.Get("order_by"), "id")
	order := orders[orderBy]
	sort := cmp.Or(req.form.Get("sort"), "asc")
	status := req.form.Get("status")
	switch {
	case order == nil:
		return problem(400, "order_by does not have a valid value")
	case sort != "asc" && sort != "desc":
		return problem(400, "sort does not have a valid value")
	case status != "" && !slices.Contains([]string{"created", "running", "success", "failed", "canceled", "skipped", "blocked"}, status):
		return problem(400, "status does not have a valid value")
	case (req.form.Has("finished_after") || req.form.Has("finished_before")) && (orderBy != "finished_at" || status != "success"):
		return message(400, "400 Bad request - `finished_at` filter must be combined with `success` status filter and `finished_at` sort.")
	case (req.form.Has("updated_after") || req.form.Has("updated_before")) && orderBy != "updated_at":
		return message(400, "400 Bad request - `updated_at` filter and `updated_at` sort must be paired.")
	}
	var found []*gitlabDeployment
	for _, d := range p.deployments {
		if name := req.form.Get("environment"); name != "" && d.env.name != name || status != "" && d.status != status {
			continue
		}
		if !within(d.updated, req.form.Get("updated_after"), req.form.Get("updated_before")) ||
			!within(d.finished, req.form.Get("finished_after"), req.form.Get("finished_before")) {
			continue
		}
		found = append(found, d)
	}
	slices.SortStableFunc(found, func(a, b *gitlabDeployment) int {
		c := cmp.Or(order(a, b), cmp.Compare(a.id, b.id))
		if sort == "desc" {
			return -c
		}
		return c
	})
	some, h, bad := page(req, found)
	if bad != nil {
		return bad
	}
	out := []map[string]any{}
	for _, d := range some {
		out = append(out, p.deploymentJSON(d))
	}
	return &gitlabAnswer{status: 200, body: out, header: h}
}

func within(t time.Time, after, before string) bool {
	a, errA := time.Parse(time.RFC3339, after)
	b, errB := time.Parse(time.RFC3339, before)
	return (errA != nil || t.After(a)) && (errB != nil || t.Before(b))
}
