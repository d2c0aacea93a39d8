package runbook_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/vendortest"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/runbook"
)

var rollback = runbook.GitLabRollback

func (s *shop) plan(t *testing.T) runbook.Plan {
	t.Helper()
	plan, err := rollback.Plan(t.Context(), s.env)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// follow asks Look until the step is done.
func (s *shop) follow(t *testing.T, plan runbook.Plan, got runbook.Result) runbook.Result {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !got.Done; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not done: %+v", got)
		}
		var err error
		if got, err = rollback.Look(t.Context(), s.env, plan, got); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

func (s *shop) deploy(sha, status string) int64 {
	id, _ := s.gitlab.AddDeployment(s.project, vendortest.GitLabDeployment{Environment: "production", SHA: sha, Ref: "v3", Status: status})
	return id
}

func TestRollback(t *testing.T) {
	s := newShop(t)
	plan := s.plan(t)
	live := s.env.Incident.FiredAt.Add(-time.Hour).UTC().Format("2006-01-02 15:04:05 UTC")
	wasLive := s.env.Incident.FiredAt.Add(-2 * time.Hour).UTC().Format("2006-01-02 15:04:05 UTC")
	want := []string{
		"roll shop/checkout back in production",
		fmt.Sprintf("from bbbbbbbb (v2), deployment %d by someone, live since %s", s.badAt, live),
		fmt.Sprintf("to aaaaaaaa (v1), deployment %d, live from %s on", s.goodAt, wasLive),
		fmt.Sprintf("by retrying job %d, deploy-production", s.goodJob),
		"database migrations between the two are not looked at",
		fmt.Sprintf("by hand: Retry at https://gitlab.example/shop/checkout/-/jobs/%d", s.goodJob),
	}
	if diff := cmp.Diff(want, plan.Summary); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	pin := map[string]any{}
	if err := json.Unmarshal(plan.Pin, &pin); err != nil {
		t.Fatal(err)
	}
	wantPin := map[string]any{
		"server": s.address, "project": float64(s.project), "path": "shop/checkout", "environment": "production",
		"bad":  map[string]any{"deployment": float64(s.badAt), "sha": bad, "ref": "v2"},
		"good": map[string]any{"deployment": float64(s.goodAt), "sha": good, "ref": "v1"},
		"job":  float64(s.goodJob), "newest": float64(s.badAt),
	}
	if diff := cmp.Diff(wantPin, pin); diff != "" {
		t.Errorf("pin (-want +got):\n%s", diff)
	}
	if plan.Limit != 30*time.Minute {
		t.Errorf("limit %v", plan.Limit)
	}

	got, err := rollback.Apply(t.Context(), s.env, plan)
	if err != nil || got.Done || got.Again <= 0 {
		t.Fatalf("apply: %+v, %v", got, err)
	}
	got = s.follow(t, plan, got)
	if got.Outcome != runbook.OutcomeDone || !strings.Contains(got.Detail, "aaaaaaaa (v1)") || !strings.Contains(got.Detail, "by muster is live since") {
		t.Errorf("%+v", got)
	}
	if s.gitlab.Live(s.project, "production") != good || s.retries() != 1 || s.changes() != 1 {
		t.Errorf("live %.8s after %d retries and %d changes", s.gitlab.Live(s.project, "production"), s.retries(), s.changes())
	}
	// A second click finds it done, and a new plan has nothing to do.
	if got, err := rollback.Apply(t.Context(), s.env, plan); err != nil || got.Outcome != runbook.OutcomeDone || s.retries() != 1 {
		t.Errorf("applied again: %+v, %v, %d retries", got, err, s.retries())
	}
	if _, err := rollback.Plan(t.Context(), s.env); !errors.Is(err, wire.ErrRefused) || !strings.Contains(err.Error(), "rolled back already") {
		t.Errorf("planned again: %v", err)
	}
}

// TestRollbackComparesAndSets changes the world between plan and click.
func TestRollbackComparesAndSets(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*shop)
		outcome string // "" for following
		detail  string
		live    string
	}{
		{"somebody rolled back", func(s *shop) { s.deploy(good, "success") }, runbook.OutcomeDone, "is live already", good},
		{"something newer is live", func(s *shop) { s.deploy(other, "success") }, runbook.OutcomeRefused, "cccccccc (v3)", other},
		{"something newer is on its way", func(s *shop) { s.deploy(other, "running") }, runbook.OutcomeRefused, "is being deployed", bad},
		{"the bad version goes out once more", func(s *shop) { s.deploy(bad, "running") }, runbook.OutcomeRefused, "is being deployed", bad},
		{"somebody is rolling back", func(s *shop) { s.deploy(good, "running") }, "", "is followed", bad},
		{"somebody has just begun", func(s *shop) { s.deploy(good, "created") }, "", "is followed", bad},
		{"a newer one waits for a click", func(s *shop) { s.deploy(other, "created") }, "", "job", bad},
		{"the bad version again", func(s *shop) { s.deploy(bad, "success") }, "", "job", bad},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newShop(t)
			plan := s.plan(t)
			tt.change(s)
			before := s.changes()
			got, err := rollback.Apply(t.Context(), s.env, plan)
			if err != nil || got.Outcome != tt.outcome || got.Done != (tt.outcome != "") || !strings.Contains(got.Detail, tt.detail) {
				t.Errorf("%+v, %v", got, err)
			}
			wantChanges := 0
			if tt.detail == "job" {
				wantChanges = 1
			}
			if n := s.changes() - before; n != wantChanges {
				t.Errorf("%d changes, want %d", n, wantChanges)
			}
			if tt.detail != "job" && s.gitlab.Live(s.project, "production") != tt.live {
				t.Errorf("live %.8s", s.gitlab.Live(s.project, "production"))
			}
		})
	}
}

// TestRollbackFollows looks at what becomes of the job.
func TestRollbackFollows(t *testing.T) {
	t.Run("it fails", func(t *testing.T) {
		s := newShop(t)
		s.gitlab.SetDeploy(func(string, string, string) error { return errors.New("no space") })
		plan := s.plan(t)
		got, err := rollback.Apply(t.Context(), s.env, plan)
		if err != nil {
			t.Fatal(err)
		}
		got = s.follow(t, plan, got)
		if got.Outcome != runbook.OutcomeFailed || !strings.Contains(got.Detail, "failed: "+s.address+"/shop/checkout/-/jobs/") {
			t.Errorf("%+v", got)
		}
		// The next plan retries the job that failed: GitLab retries none twice.
		s.gitlab.SetDeploy(func(string, string, string) error { return nil })
		second := s.plan(t)
		if string(second.Pin) == string(plan.Pin) {
			t.Error("the second plan is the first")
		}
		if got, err = rollback.Apply(t.Context(), s.env, second); err != nil {
			t.Fatal(err)
		}
		if got = s.follow(t, second, got); got.Outcome != runbook.OutcomeDone || s.gitlab.Live(s.project, "production") != good {
			t.Errorf("second try: %+v", got)
		}
	})
	t.Run("somebody deploys over it", func(t *testing.T) {
		s := newShop(t)
		s.gitlab.SetDeploy(func(string, string, string) error { return nil })
		plan := s.plan(t)
		got, err := rollback.Apply(t.Context(), s.env, plan)
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(5 * time.Second); s.gitlab.Live(s.project, "production") != good; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("it never went live")
			}
		}
		s.deploy(other, "success")
		if got = s.follow(t, plan, got); got.Outcome != runbook.OutcomeFailed || !strings.Contains(got.Detail, "but now cccccccc") {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a deployment that never shows", func(t *testing.T) {
		s := newShop(t)
		plan := s.plan(t)
		manual := s.gitlab.AddManualJob(s.project, "production", good, "v1")
		got, err := rollback.Look(t.Context(), s.env, plan, runbook.Result{Data: json.RawMessage(fmt.Sprintf(`{"job":%d}`, manual))})
		if err != nil || got.Done || !strings.Contains(got.Detail, "is manual") {
			t.Errorf("%+v, %v", got, err)
		}
		gone, err := rollback.Look(t.Context(), s.env, plan, runbook.Result{Data: json.RawMessage(`{"job":99999}`)})
		if !errors.Is(err, wire.ErrRefused) {
			t.Errorf("a job that is gone: %+v, %v", gone, err)
		}
		if _, err := rollback.Look(t.Context(), s.env, plan, runbook.Result{Data: json.RawMessage(`[]`)}); !errors.Is(err, wire.ErrRefused) {
			t.Errorf("data of another kind: %v", err)
		}
	})
	t.Run("blocked", func(t *testing.T) {
		s := newShop(t)
		plan := s.plan(t)
		s.deploy(good, "blocked")
		got, err := rollback.Look(t.Context(), s.env, plan, runbook.Result{})
		if err != nil || got.Done || !strings.Contains(got.Detail, "waits for an approval in GitLab") {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// TestRollbackRetryFaults lets the one request that changes something fail.
func TestRollbackRetryFaults(t *testing.T) {
	after := func(f vendortest.GitLabFault) vendortest.GitLabFault {
		f.After = true
		return f
	}
	tests := []struct {
		name    string
		fault   vendortest.GitLabFault
		err     bool   // Apply is certain that nothing was changed
		outcome string // in the end
		retried bool
	}{
		{"403", vendortest.GitLabForbidden(), false, runbook.OutcomeRefused, false},
		{"429", vendortest.GitLabTooMany(time.Minute), true, "", false},
		{"lost, but done", vendortest.GitLabLost(), false, runbook.OutcomeDone, true},
		{"502, but done", after(vendortest.GitLabBadGateway()), false, runbook.OutcomeDone, true},
		{"500, but done", after(vendortest.GitLabBroken()), false, runbook.OutcomeDone, true},
		{"hang, but done", after(vendortest.GitLabHang()), false, runbook.OutcomeDone, true},
		{"garbage, but done", after(vendortest.GitLabGarbage()), false, runbook.OutcomeDone, true},
		{"502 and not done", vendortest.GitLabBadGateway(), false, runbook.OutcomeUnknown, false},
		{"hang and not done", vendortest.GitLabHang(), false, runbook.OutcomeUnknown, false},
		{"half and not done", vendortest.GitLabHalf(), false, runbook.OutcomeUnknown, false},
		{"garbage and not done", vendortest.GitLabGarbage(), false, runbook.OutcomeUnknown, false},
		{"an empty job", vendortest.GitLabFault{Status: 201, ContentType: "application/json", Body: `{}`}, false, runbook.OutcomeUnknown, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newShop(t)
			plan := s.plan(t)
			s.gitlab.Fail("/retry", 1, tt.fault)
			env := s.env
			if tt.fault.Hang {
				env.Wire = newWire(time.Second)
			}
			got, err := rollback.Apply(t.Context(), env, plan)
			if (err != nil) != tt.err {
				t.Fatalf("%+v, %v", got, err)
			}
			if tt.err {
				if refused, after := wire.Verdict(err); refused || after != time.Minute {
					t.Errorf("refused %v, after %v: %v", refused, after, err)
				}
				return
			}
			if !got.Done { // while the answer is fresh, nothing is given up
				first, err := rollback.Look(t.Context(), s.env, plan, got)
				if err != nil || first.Done && first.Outcome == runbook.OutcomeUnknown {
					t.Errorf("given up at once: %+v, %v", first, err)
				}
				if tt.outcome == runbook.OutcomeUnknown {
					s.env.Now = func() time.Time { return time.Now().Add(2 * time.Minute) }
				}
				got = s.follow(t, plan, got)
			}
			if got.Outcome != tt.outcome {
				t.Errorf("%+v, want %s", got, tt.outcome)
			}
			if s.retries() != 1 {
				t.Errorf("%d retries were sent", s.retries())
			}
			if live := s.gitlab.Live(s.project, "production"); (live == good) != tt.retried {
				t.Errorf("live %.8s", live)
			}
		})
	}
}

// TestRollbackAfterACrash loses the result at each point, and asks Look.
func TestRollbackAfterACrash(t *testing.T) {
	s := newShop(t)
	plan := s.plan(t)
	got, err := rollback.Look(t.Context(), s.env, plan, runbook.Result{})
	if err != nil || got.Outcome != runbook.OutcomeUnknown {
		t.Errorf("before the retry: %+v, %v; want unknown", got, err)
	}
	release := make(chan struct{})
	s.gitlab.SetDeploy(func(string, string, string) error { <-release; return nil })
	if _, err := rollback.Apply(t.Context(), s.env, plan); err != nil {
		t.Fatal(err)
	}
	got, err = rollback.Look(t.Context(), s.env, plan, runbook.Result{})
	if err != nil || got.Done {
		t.Errorf("while it runs: %+v, %v; want to go on", got, err)
	}
	close(release)
	if got = s.follow(t, plan, got); got.Outcome != runbook.OutcomeDone {
		t.Errorf("in the end: %+v", got)
	}
	if got, err = rollback.Look(t.Context(), s.env, plan, runbook.Result{}); err != nil || got.Outcome != runbook.OutcomeDone {
		t.Errorf("long after: %+v, %v; want done", got, err)
	}
	if s.retries() != 1 {
		t.Errorf("%d retries", s.retries())
	}
}

func TestRollbackPlanRefuses(t *testing.T) {
	tests := []struct {
		name string
		edit func(*shop)
		want string
	}{
		{"no project", func(s *shop) { s.env.Target.Settings = config.Settings{} }, "names no project"},
		{"unknown project", func(s *shop) { s.env.Target.Settings["project"] = "shop/none" }, `read project "shop/none": refused: 404`},
		{"unknown environment", func(s *shop) { s.env.Target.Settings["environment"] = "prod" }, `no environment "prod"`},
		{"no environment", func(s *shop) {
			s.env.Target.Environment, s.env.Target.Settings, s.env.Params = "", config.Settings{"project": "shop/checkout"}, nil
		}, "environment: it is not named"},
		{"wrong token", func(s *shop) { s.env.Connection["token"] = "glpat-wrong-one" }, "401"},
		{"no token", func(s *shop) { delete(s.env.Connection, "token") }, "has no token"},
		{"no url", func(s *shop) { delete(s.env.Connection, "url") }, "has no url"},
		{"a url that is none", func(s *shop) { s.env.Connection["url"] = "gitlab.shop.example" }, "refused"},
		{"bad marks", func(s *shop) { s.env.Params["bad.0"] = "v1" }, `bad[0]: "v1"`},
		{"all marked", func(s *shop) { s.env.Params["bad.0"] = good }, "no good version"},
		{"marked in one line", func(s *shop) { s.env.Params["bad"] = other + ", " + good }, "no good version"},
		{"timeout", func(s *shop) { s.env.Params["timeout"] = "soon" }, `timeout: "soon"`},
		{"nothing fired", func(s *shop) { s.env.Incident = runbook.Incident{} }, "not known when"},
		{"nothing deployed", func(s *shop) {
			s.gitlab.AddEnvironment(s.project, "staging")
			s.env.Target.Settings["environment"] = "staging"
		}, "nothing was ever deployed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newShop(t)
			s.env.Target.Settings = maps.Clone(s.env.Target.Settings)
			tt.edit(s)
			plan, err := rollback.Plan(t.Context(), s.env)
			if !errors.Is(err, wire.ErrRefused) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "glpat") {
				t.Errorf("%+v, %v; want %q", plan, err, tt.want)
			}
		})
	}
}

// TestRollbackLooksFarBack has the good version on the second page.
func TestRollbackLooksFarBack(t *testing.T) {
	s := newShop(t)
	fired := s.env.Incident.FiredAt
	for i := range 70 {
		s.gitlab.AddDeployment(s.project, vendortest.GitLabDeployment{Environment: "production", SHA: other, Status: "failed", At: fired.Add(time.Duration(i-100) * time.Second)})
	}
	plan := s.plan(t)
	if !strings.Contains(string(plan.Pin), `"job":`+fmt.Sprint(s.goodJob)+",") {
		t.Errorf("pin %s", plan.Pin)
	}
	for range 40 {
		s.deploy(other, "failed")
	}
	if _, err := rollback.Plan(t.Context(), s.env); err == nil || !strings.Contains(err.Error(), "nothing was ever deployed") {
		t.Errorf("beyond a hundred deployments: %v", err)
	}
}

// TestRollbackSummaryWarns tells what is under way at the time of planning.
func TestRollbackSummaryWarns(t *testing.T) {
	s := newShop(t)
	s.deploy(other, "running")
	s.deploy(good, "running")
	text := strings.Join(s.plan(t).Summary, "\n")
	for _, want := range []string{"it would be followed, and nothing started", "the rollback is refused while it runs"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// TestRollbackOfManyClicks lets fifty executors run one approved run through a
// store that compares and sets, and crashes them anywhere: there is one
// deployment at most, and in the end the run knows of it.
func TestRollbackOfManyClicks(t *testing.T) {
	s := newShop(t)
	plan := s.plan(t)
	run, err := runbook.New(runbook.Run{ID: "r1", Steps: []runbook.StepRun{{Plan: plan}}, Approval: runbook.Approval{By: []string{"user:ana"}}}, nil, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	do := func(c runbook.Command) error {
		mu.Lock()
		defer mu.Unlock()
		next, err := run.Do(c, time.Now())
		if err == nil {
			next.Version++
			run = next
		}
		return err
	}
	if err := do(runbook.Propose{}); err != nil {
		t.Fatal(err)
	}
	var approved, begun int
	var wg sync.WaitGroup
	hash := run.Hash
	for range 50 {
		wg.Go(func() {
			yes := do(runbook.Approve{By: runbook.Person{User: "ana"}, Hash: hash})
			began := do(runbook.Begin{Step: 0, Hash: hash})
			mu.Lock()
			if yes == nil {
				approved++
			}
			if began == nil {
				begun++
			}
			mu.Unlock()
			if began == nil {
				_, _ = rollback.Apply(t.Context(), s.env, plan) // the executor dies here, and its result with it
			}
		})
	}
	wg.Wait()
	if approved != 1 || begun != 1 || s.retries() != 1 {
		t.Fatalf("%d approvals, %d beginnings, %d retries", approved, begun, s.retries())
	}
	step, lost := run.Lost()
	if !lost {
		t.Fatal("the run does not know that it lost a result")
	}
	for run.State == runbook.Running {
		got, err := rollback.Look(t.Context(), s.env, plan, run.Steps[step].Result)
		if err := do(runbook.AfterLook(step, run.Steps[step].Result, got, err)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if run.State != runbook.Ended || run.Steps[0].Result.Outcome != runbook.OutcomeDone || s.gitlab.Live(s.project, "production") != good {
		t.Errorf("%s: %+v", run.State, run.Steps[0].Result)
	}
	deployments := 0
	for _, e := range s.gitlab.Log() {
		if strings.HasPrefix(e.What, http.MethodPost) && e.Note == "201" {
			deployments++
		}
	}
	if deployments != 1 {
		t.Errorf("%d deployments", deployments)
	}
}

// The kinds of connection that steps need are described.
func TestConnectionsAreDescribed(t *testing.T) {
	for _, s := range runbook.Steps {
		if s.Connection != "" && !slices.ContainsFunc(runbook.Connections, func(k config.Kind) bool { return k.Name == s.Connection }) {
			t.Errorf("%s needs a connection to %s, which nobody describes", s.Name, s.Connection)
		}
	}
}
