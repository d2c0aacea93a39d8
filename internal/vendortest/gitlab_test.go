package vendortest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	gitlab "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/musterhq/muster/internal/vendortest"
)

// gitlabServer is a stand-in with one project, and GitLab's own client for it.
func gitlabServer(t *testing.T) (*vendortest.GitLab, int64, *gitlab.Client) {
	t.Helper()
	g := vendortest.NewGitLab(time.Now)
	g.AddToken("glpat-secret", vendortest.GitLabToken{User: "bot"})
	g.SetDelay(20 * time.Millisecond)
	project := g.AddProject("shop/checkout")
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	t.Cleanup(g.Close)
	return g, project, gitlabClient(t, server.URL, "glpat-secret")
}

func gitlabClient(t *testing.T, address, token string) *gitlab.Client {
	t.Helper()
	c, err := gitlab.NewClient(token, gitlab.WithBaseURL(address), gitlab.WithoutRetries(), gitlab.WithCustomLimiter(noLimit{}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// noLimit keeps the client from waiting once it has seen a RateLimit header.
type noLimit struct{}

func (noLimit) Wait(context.Context) error { return nil }

func status(resp *gitlab.Response) int {
	if resp == nil || resp.Response == nil {
		return 0
	}
	return resp.StatusCode
}

func TestGitLabAuthentication(t *testing.T) {
	g, _, api := gitlabServer(t)
	g.AddToken("old", vendortest.GitLabToken{Expired: true})
	g.AddToken("reader", vendortest.GitLabToken{Scope: "read_api"})
	address := api.BaseURL().Scheme + "://" + api.BaseURL().Host

	for token, want := range map[string]int{"glpat-secret": 200, "wrong": 401, "": 401, "old": 401, "reader": 200} {
		_, resp, _ := gitlabClient(t, address, token).Projects.GetProject("shop/checkout", nil)
		if status(resp) != want {
			t.Errorf("token %q: status %d, want %d", token, status(resp), want)
		}
	}
	_, resp, err := gitlabClient(t, address, "reader").Issues.CreateIssue("shop/checkout", &gitlab.CreateIssueOptions{Title: gitlab.Ptr("x")})
	if status(resp) != 403 || !strings.Contains(err.Error(), "insufficient_scope") {
		t.Errorf("a reader's POST: status %d, %v", status(resp), err)
	}

	bearer, err := http.NewRequestWithContext(t.Context(), "GET", address+"/api/v4/projects/shop%2Fcheckout", nil)
	if err != nil {
		t.Fatal(err)
	}
	bearer.Header.Set("Authorization", "Bearer glpat-secret")
	if resp, err := http.DefaultClient.Do(bearer); err != nil || resp.StatusCode != 200 {
		t.Errorf("bearer: %v", err)
	} else {
		resp.Body.Close()
	}
	if _, resp, _ := api.Projects.GetProject("shop/other", nil); status(resp) != 404 {
		t.Errorf("unknown project: status %d", status(resp))
	}
	for _, r := range g.Requests() {
		if strings.Contains(r.Body+r.Path+r.Query, "glpat-secret") {
			t.Errorf("the log holds a token: %+v", r)
		}
	}
}

func TestGitLabEnvironments(t *testing.T) {
	g, project, api := gitlabServer(t)
	g.AddEnvironment(project, "production")
	g.AddEnvironment(project, "production-eu")
	list, _, err := api.Environments.ListEnvironments(project, &gitlab.ListEnvironmentsOptions{Name: gitlab.Ptr("production")})
	if err != nil || len(list) != 1 || list[0].Name != "production" {
		t.Errorf("by exact name: %v, %v", list, err)
	}
	list, _, err = api.Environments.ListEnvironments(project, &gitlab.ListEnvironmentsOptions{Search: gitlab.Ptr("production")})
	if err != nil || len(list) != 2 {
		t.Errorf("by search: %d found, %v", len(list), err)
	}
	g.AddDeployment(project, vendortest.GitLabDeployment{Environment: "production", SHA: "aaaa"})
	one, _, err := api.Environments.GetEnvironment(project, list[0].ID)
	if err != nil || one.LastDeployment == nil || one.LastDeployment.SHA != "aaaa" {
		t.Errorf("the environment's last deployment: %+v, %v", one, err)
	}
}

func TestGitLabDeployments(t *testing.T) {
	g, project, api := gitlabServer(t)
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	var ids []int64
	for i := range 45 {
		d := vendortest.GitLabDeployment{Environment: "production", SHA: strings.Repeat("a", i+1), At: noon.Add(time.Duration(i) * time.Minute)}
		switch {
		case i%5 == 4:
			d.Status = "failed"
		case i == 0:
			d.NoJob = true
		}
		id, _ := g.AddDeployment(project, d)
		ids = append(ids, id)
	}
	g.AddDeployment(project, vendortest.GitLabDeployment{Environment: "staging", SHA: "bbbb"})

	production := gitlab.Ptr("production")
	first, resp, err := api.Deployments.ListProjectDeployments("shop/checkout", &gitlab.ListProjectDeploymentsOptions{Environment: production})
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != 20 || first[0].ID != ids[0] || resp.NextPage != 2 || resp.TotalItems != 45 {
		t.Errorf("default order: %d from %d, next page %d of %d items; want 20 from the oldest", len(first), first[0].ID, resp.NextPage, resp.TotalItems)
	}
	if first[0].Deployable.ID != 0 || first[1].Deployable.ID == 0 {
		t.Error("a deployment made through the API has no deployable, others have")
	}

	opt := &gitlab.ListProjectDeploymentsOptions{Environment: production, Status: gitlab.Ptr("success"),
		OrderBy: gitlab.Ptr("id"), Sort: gitlab.Ptr("desc"), ListOptions: gitlab.ListOptions{PerPage: 7}}
	var got []int64
	for {
		some, resp, err := api.Deployments.ListProjectDeployments(project, opt)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range some {
			got = append(got, d.ID)
		}
		if resp.NextPage == 0 {
			break
		}
		if !strings.Contains(resp.Header.Get("Link"), `rel="next"`) {
			t.Errorf("page %d: no link to the next", resp.CurrentPage)
		}
		opt.Page = resp.NextPage
	}
	var want []int64
	for i := 44; i >= 0; i-- {
		if i%5 != 4 {
			want = append(want, ids[i])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("successes, newest first (-want +got):\n%s", diff)
	}

	bad := []gitlab.ListProjectDeploymentsOptions{
		{Sort: gitlab.Ptr("down")},
		{OrderBy: gitlab.Ptr("sha")},
		{Status: gitlab.Ptr("good")},
		{FinishedAfter: gitlab.Ptr(noon), OrderBy: gitlab.Ptr("id")},
		{UpdatedBefore: gitlab.Ptr(noon)},
	}
	for i, opt := range bad {
		if _, resp, _ := api.Deployments.ListProjectDeployments(project, &opt); status(resp) != 400 {
			t.Errorf("bad options %d: status %d, want 400", i, status(resp))
		}
	}
	some, _, err := api.Deployments.ListProjectDeployments(project, &gitlab.ListProjectDeploymentsOptions{
		FinishedAfter: gitlab.Ptr(noon.Add(41*time.Minute + time.Second)), OrderBy: gitlab.Ptr("finished_at"), Status: gitlab.Ptr("success"), Environment: production})
	if err != nil || len(some) != 2 {
		t.Errorf("finished after 12:41: %d, %v; want 2", len(some), err)
	}
}

func TestGitLabRetryDeploys(t *testing.T) {
	g, project, api := gitlabServer(t)
	_, good := g.AddDeployment(project, vendortest.GitLabDeployment{Environment: "production", SHA: "aaaa", Ref: "v1"})
	bad, _ := g.AddDeployment(project, vendortest.GitLabDeployment{Environment: "production", SHA: "bbbb", Ref: "v2"})
	deployed := make(chan string, 1)
	g.SetDeploy(func(environment, sha, ref string) error {
		deployed <- environment + " " + sha + " " + ref
		return nil
	})

	job, resp, err := api.Jobs.RetryJob(project, good)
	if err != nil || status(resp) != 201 || job.ID == good || job.Status != "created" {
		t.Fatalf("retry: status %d, job %+v, %v", status(resp), job, err)
	}
	if got := <-deployed; got != "production aaaa v1" {
		t.Errorf("deployed %q", got)
	}
	newest := waitForJob(t, api, project, job.ID, "success")
	if newest.ID <= bad || newest.SHA != "aaaa" || newest.Status != "success" || newest.Deployable.ID != job.ID {
		t.Errorf("newest deployment: %+v", newest)
	}
	if g.Live(project, "production") != "aaaa" {
		t.Errorf("live is %q", g.Live(project, "production"))
	}

	if _, resp, err := api.Jobs.RetryJob(project, good); status(resp) != 403 || !strings.Contains(err.Error(), "not retryable") {
		t.Errorf("a job that was retried before: status %d, %v", status(resp), err)
	}
	g.SetDeploy(func(string, string, string) error { return errors.New("no") })
	job, _, err = api.Jobs.RetryJob(project, job.ID)
	if err != nil {
		t.Fatal(err)
	}
	if d := waitForJob(t, api, project, job.ID, "failed"); d.Status != "failed" {
		t.Errorf("a failed job's deployment: %s", d.Status)
	}
}

// waitForJob waits until a job has the status and returns the newest deployment.
func waitForJob(t *testing.T, api *gitlab.Client, project, job int64, want string) *gitlab.Deployment {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		j, _, err := api.Jobs.GetJob(project, job)
		if err != nil {
			t.Fatal(err)
		}
		if j.Status == want {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("job %d is still %s", job, j.Status)
		}
	}
	all, _, err := api.Deployments.ListProjectDeployments(project, &gitlab.ListProjectDeploymentsOptions{Sort: gitlab.Ptr("desc")})
	if err != nil || len(all) == 0 {
		t.Fatalf("deployments: %v", err)
	}
	return all[0]
}

func TestGitLabRefusesJobs(t *testing.T) {
	g, project, api := gitlabServer(t)
	_, archived := g.AddDeployment(project, vendortest.GitLabDeployment{Environment: "production", SHA: "aaaa", Archived: true})
	_, old := g.AddDeployment(project, vendortest.GitLabDeployment{Environment: "production", SHA: "bbbb"})
	_, running := g.AddDeployment(project, vendortest.GitLabDeployment{Environment: "staging", SHA: "cccc", Status: "running"})
	g.AddDeployment(project, vendortest.GitLabDeployment{Environment: "production", SHA: "dddd"})
	manual := g.AddManualJob(project, "production", "eeee", "main")
	address := api.BaseURL().Scheme + "://" + api.BaseURL().Host
	g.AddToken("dev", vendortest.GitLabToken{Level: 30})
	g.AddToken("reporter", vendortest.GitLabToken{Level: 20})
	dev, reporter := gitlabClient(t, address, "dev"), gitlabClient(t, address, "reporter")

	retry := func(c *gitlab.Client, job int64) int {
		_, resp, _ := c.Jobs.RetryJob(project, job)
		return status(resp)
	}
	tests := []struct {
		name      string
		got, want int
	}{
		{"archived", retry(api, archived), 403},
		{"running", retry(api, running), 403},
		{"manual", retry(api, manual), 403},
		{"unknown", retry(api, 99999), 404},
		{"reporter", retry(reporter, old), 403},
	}
	g.AllowRollback(project, false)
	tests = append(tests, struct {
		name      string
		got, want int
	}{"outdated", retry(api, old), 403})
	g.AllowRollback(project, true)
	g.Protect(project, "production", true)
	tests = append(tests, struct {
		name      string
		got, want int
	}{"protected, developer", retry(dev, old), 403})
	g.Protect(project, "production", false)
	tests = append(tests, struct {
		name      string
		got, want int
	}{"developer", retry(dev, old), 201})
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: status %d, want %d", tt.name, tt.got, tt.want)
		}
	}

	if _, resp, _ := api.Jobs.PlayJob(project, old, nil); status(resp) != 400 {
		t.Errorf("play of an ended job: status %d", status(resp))
	}
	if _, resp, err := api.Jobs.PlayJob(project, manual, nil); err != nil || status(resp) != 200 {
		t.Errorf("play: status %d, %v", status(resp), err)
	}
	waitForJob(t, api, project, manual, "success")
}

func TestGitLabTrigger(t *testing.T) {
	g, project, api := gitlabServer(t)
	g.AddRef(project, "v1", "aaaa")
	g.AddTrigger(project, "trigger-token")
	run := func(token, ref string) int {
		_, resp, _ := api.PipelineTriggers.RunPipelineTrigger(project, &gitlab.RunPipelineTriggerOptions{
			Token: gitlab.Ptr(token), Ref: gitlab.Ptr(ref), Variables: map[string]string{"ENVIRONMENT": "production"}})
		return status(resp)
	}
	for _, tt := range []struct {
		token, ref string
		want       int
	}{
		{"trigger-token", "v1", 201}, {"glpat-secret", "v1", 404}, {"trigger-token", "aaaa", 400}, {"trigger-token", "", 400},
	} {
		if got := run(tt.token, tt.ref); got != tt.want {
			t.Errorf("token %q, ref %q: status %d, want %d", tt.token, tt.ref, got, tt.want)
		}
	}
	for deadline := time.Now().Add(5 * time.Second); g.Live(project, "production") != "aaaa"; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the pipeline deployed nothing")
		}
	}
}

func TestGitLabIssues(t *testing.T) {
	g, project, api := gitlabServer(t)
	create := func(title, description string, labels ...string) *gitlab.Issue {
		t.Helper()
		l := gitlab.LabelOptions(labels)
		i, _, err := api.Issues.CreateIssue(project, &gitlab.CreateIssueOptions{Title: &title, Description: &description, Labels: &l})
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	one := create("One", "mark-1", "muster", "p1")
	two := create("Two", "hello @ana\n/close\n```\n/confidential @bob\n```")
	if one.IID != 1 || two.IID != 2 || two.State != "closed" {
		t.Errorf("issues %d and %d, the second %s", one.IID, two.IID, two.State)
	}
	if diff := cmp.Diff([]string{"ana"}, g.Mentions()); diff != "" {
		t.Errorf("mentions (-want +got):\n%s", diff)
	}
	list := func(opt gitlab.ListProjectIssuesOptions) []int64 {
		t.Helper()
		found, _, err := api.Issues.ListProjectIssues(project, &opt)
		if err != nil {
			t.Fatal(err)
		}
		iids := []int64{}
		for _, i := range found {
			iids = append(iids, i.IID)
		}
		return iids
	}
	for _, tt := range []struct {
		name string
		opt  gitlab.ListProjectIssuesOptions
		want []int64
	}{
		{"all, newest first", gitlab.ListProjectIssuesOptions{}, []int64{2, 1}},
		{"search", gitlab.ListProjectIssuesOptions{Search: gitlab.Ptr("MARK-1"), In: gitlab.Ptr("description")}, []int64{1}},
		{"search in titles only", gitlab.ListProjectIssuesOptions{Search: gitlab.Ptr("mark-1"), In: gitlab.Ptr("title")}, []int64{}},
		{"labels", gitlab.ListProjectIssuesOptions{Labels: &gitlab.LabelOptions{"muster", "p1"}}, []int64{1}},
		{"labels, one missing", gitlab.ListProjectIssuesOptions{Labels: &gitlab.LabelOptions{"muster", "p2"}}, []int64{}},
		{"state", gitlab.ListProjectIssuesOptions{State: gitlab.Ptr("opened")}, []int64{1}},
		{"ascending", gitlab.ListProjectIssuesOptions{Sort: gitlab.Ptr("asc")}, []int64{1, 2}},
		{"iids", gitlab.ListProjectIssuesOptions{IIDs: &[]int64{2}}, []int64{2}},
	} {
		if diff := cmp.Diff(tt.want, list(tt.opt)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}

	note := func(body string) int {
		_, resp, _ := api.Notes.CreateIssueNote(project, 1, &gitlab.CreateIssueNoteOptions{Body: &body})
		return status(resp)
	}
	for body, want := range map[string]int{"hello": 201, " ": 400, "/close": 202} {
		if got := note(body); got != want {
			t.Errorf("note %q: status %d, want %d", body, got, want)
		}
	}
	reopened, _, err := api.Issues.UpdateIssue(project, 1, &gitlab.UpdateIssueOptions{StateEvent: gitlab.Ptr("reopen"), AddLabels: &gitlab.LabelOptions{"again"}})
	if err != nil || reopened.State != "opened" || len(reopened.Labels) != 3 {
		t.Errorf("reopened: %+v, %v", reopened, err)
	}
	for _, title := range []string{"", " ", strings.Repeat("ä", 256)} {
		if _, resp, _ := api.Issues.CreateIssue(project, &gitlab.CreateIssueOptions{Title: &title}); status(resp) != 400 {
			t.Errorf("title of %d bytes: status %d, want 400", len(title), status(resp))
		}
	}
	if _, resp, _ := api.Issues.GetIssue(project, 9); status(resp) != 404 {
		t.Errorf("unknown issue: status %d", status(resp))
	}
	g.AddUser("Dana")
	users, _, err := api.Users.ListUsers(&gitlab.ListUsersOptions{Username: gitlab.Ptr("dana")})
	if err != nil || len(users) != 1 || users[0].Username != "Dana" {
		t.Fatalf("users called dana: %+v, %v", users, err)
	}
	taken, _, err := api.Issues.CreateIssue(project, &gitlab.CreateIssueOptions{Title: gitlab.Ptr("Taken"), AssigneeIDs: &[]int64{users[0].ID, 7}})
	if err != nil || len(taken.Assignees) != 1 || taken.Assignees[0].Username != "Dana" {
		t.Errorf("assignees: %+v, %v", taken, err)
	}
	guest := gitlabClient(t, "http://"+api.BaseURL().Host, "guest")
	g.AddToken("guest", vendortest.GitLabToken{Level: 10, User: "mallory"})
	i, _, err := guest.Issues.CreateIssue(project, &gitlab.CreateIssueOptions{Title: gitlab.Ptr("x"), Labels: &gitlab.LabelOptions{"muster"}})
	if err != nil || len(i.Labels) != 0 {
		t.Errorf("a guest's labels: %v, %v", i.Labels, err)
	}
}

func TestGitLabFaults(t *testing.T) {
	g, project, api := gitlabServer(t)
	get := func() (int, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, resp, err := api.Issues.ListProjectIssues(project, nil, gitlab.WithContext(ctx))
		return status(resp), err
	}
	tests := []struct {
		name  string
		fault vendortest.GitLabFault
		want  int
		check func(error) bool
	}{
		{"429", vendortest.GitLabTooMany(time.Minute), 429, func(err error) bool { return err != nil }},
		{"403", vendortest.GitLabForbidden(), 403, func(err error) bool { return err != nil }},
		{"500", vendortest.GitLabBroken(), 500, func(err error) bool { return err != nil }},
		{"502", vendortest.GitLabBadGateway(), 502, func(err error) bool { return strings.Contains(err.Error(), "html") }},
		{"garbage", vendortest.GitLabGarbage(), 200, func(err error) bool { return err != nil }},
		{"hang", vendortest.GitLabHang(), 0, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
		{"half", vendortest.GitLabHalf(), 200, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
	}
	for _, tt := range tests {
		g.Fail("GET /api/v4/projects/", 1, tt.fault)
		if got, err := get(); got != tt.want || err == nil || !tt.check(err) {
			t.Errorf("%s: status %d, %v", tt.name, got, err)
		}
		if got, err := get(); got != 200 || err != nil {
			t.Errorf("after %s: status %d, %v; the fault was for one request", tt.name, got, err)
		}
	}

	g.Fail("POST", 1, vendortest.GitLabLost())
	_, _, err := api.Issues.CreateIssue(project, &gitlab.CreateIssueOptions{Title: gitlab.Ptr("lost")})
	if err == nil || len(g.Issues(project)) != 1 {
		t.Errorf("a lost answer: %v and %d issues; want an error and one issue", err, len(g.Issues(project)))
	}

	log := g.Log()
	if e := log[len(log)-1]; !strings.HasPrefix(e.What, "POST projects/") || e.Note != "done, then half an answer" || e.At.IsZero() {
		t.Errorf("log ends with %+v", e)
	}
}

func TestGitLabLimit(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	g := vendortest.NewGitLab(func() time.Time { return now })
	g.AddToken("t", vendortest.GitLabToken{})
	g.Limit(2, time.Minute)
	get := func() *http.Response {
		r := httptest.NewRequest("GET", "/api/v4/version", nil)
		r.Header.Set("PRIVATE-TOKEN", "t")
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		return w.Result()
	}
	now = now.Add(10 * time.Second)
	get()
	get()
	resp := get()
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "50" || resp.Header.Get("RateLimit-Remaining") != "0" {
		t.Errorf("third request: %d, %v", resp.StatusCode, resp.Header)
	}
	now = now.Add(50 * time.Second)
	if resp := get(); resp.StatusCode != 200 {
		t.Errorf("in the next period: %d", resp.StatusCode)
	}
}

// FuzzGitLab feeds the stand-in what no client sends: it must answer, and
// never with a 5xx of its own.
func FuzzGitLab(f *testing.F) {
	f.Add("GET", "/api/v4/projects/1/deployments?page=2", "", "application/json")
	f.Add("POST", "/api/v4/projects/shop%2Fcheckout/issues", `{"title":["a",{"b":null}]}`, "application/json")
	f.Add("POST", "/api/v4/projects/1/issues/1/notes", "body=%2Fclose", "application/x-www-form-urlencoded")
	f.Fuzz(func(t *testing.T, method, target, body, kind string) {
		g := vendortest.NewGitLab(time.Now)
		defer g.Close()
		g.AddToken("t", vendortest.GitLabToken{})
		project := g.AddProject("shop/checkout")
		g.AddDeployment(project, vendortest.GitLabDeployment{Environment: "production", SHA: "aaaa"})
		g.AddIssue(project, "ana", "One", "text")
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Skip("not a request target")
		}
		r := &http.Request{Method: method, URL: u, Host: "gitlab", Header: http.Header{"Private-Token": {"t"}, "Content-Type": {kind}},
			Body: io.NopCloser(strings.NewReader(body))}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %s: %d", method, target, w.Code)
		}
	})
}
