package runbook_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/vendortest"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/runbook"
)

const (
	token = "glpat-v3ry-s3cret"
	good  = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	bad   = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	other = "cccccccccccccccccccccccccccccccccccccccc"
)

// newWire is a client that may reach loopback, and gives up after a while: a
// long one but where something hangs, for the machine may be busy.
func newWire(patience time.Duration) *wire.Client {
	return wire.New(wire.Options{Now: time.Now, Timeout: patience,
		Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}})
}

// A shop is a GitLab with a service that has just got a bad deployment.
type shop struct {
	gitlab        *vendortest.GitLab
	project       int64
	goodJob       int64
	goodAt, badAt int64 // deployments
	env           runbook.Env
	address       string
}

// newShop has good live at ten, bad at eleven, and a signal at noon. Times are
// today's, since jobs run by the real clock.
func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{gitlab: vendortest.NewGitLab(time.Now)}
	s.gitlab.AddToken(token, vendortest.GitLabToken{User: "muster"})
	s.gitlab.SetDelay(10 * time.Millisecond)
	s.project = s.gitlab.AddProject("shop/checkout")
	fired := time.Now().Add(-time.Minute)
	s.goodAt, s.goodJob = s.gitlab.AddDeployment(s.project, vendortest.GitLabDeployment{Environment: "production", SHA: good, Ref: "v1", At: fired.Add(-2 * time.Hour)})
	s.badAt, _ = s.gitlab.AddDeployment(s.project, vendortest.GitLabDeployment{Environment: "production", SHA: bad, Ref: "v2", At: fired.Add(-time.Hour)})
	server := httptest.NewServer(s.gitlab)
	t.Cleanup(server.Close)
	t.Cleanup(s.gitlab.Close)
	s.address = server.URL
	s.env = runbook.Env{
		Wire:       newWire(20 * time.Second),
		Connection: config.Settings{"url": server.URL, "token": token},
		Params:     config.Settings{"environment": "production"},
		Target: runbook.Target{Organization: "o1", Service: "checkout", Environment: "production",
			Settings: config.Settings{"project": "shop/checkout", "environment": "production"}},
		Incident: runbook.Incident{ID: "i1", Title: "5xx on checkout", OpenedAt: fired.Add(time.Second), FiredAt: fired},
		Now:      time.Now,
	}
	return s
}

// retries counts the jobs that were asked to be retried.
func (s *shop) retries() int {
	n := 0
	for _, r := range s.gitlab.Requests() {
		if r.Method == http.MethodPost && strings.HasSuffix(r.Path, "/retry") {
			n++
		}
	}
	return n
}

// changes counts the requests that could have changed something.
func (s *shop) changes() int {
	n := 0
	for _, r := range s.gitlab.Requests() {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			n++
		}
	}
	return n
}

// receiver is a web server for the http step.
func receiver(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return server.URL
}

// A stage sets a step up, with a world that counts changes.
type stage struct {
	env     runbook.Env
	changes func() int
}

// stages has one for every kind of step: a step without one fails the tests.
func stages(t *testing.T) map[string]stage {
	s := newShop(t)
	posts := 0
	address := receiver(t, func(w http.ResponseWriter, r *http.Request) { posts++ })
	env := func(params config.Settings) runbook.Env {
		e := s.env
		e.Params, e.Connection = params, nil
		return e
	}
	none := func() int { return 0 }
	return map[string]stage{
		"gitlab.rollback": {s.env, s.changes},
		"http":            {env(config.Settings{"url": address + "/hook/t0ps3cret-path", "headers.X-Key": "h3ader-s3cret", "body": "hello"}), func() int { return posts }},
		"notify":          {env(config.Settings{"targets.0": "team:payments", "text": "rolling {{target.service}} back"}), none},
		"wait":            {env(config.Settings{"duration": "90s"}), none},
	}
}

// TestStepsAreListed compares the list with the directory: a step is a
// variable of type Step in one file.
func TestStepsAreListed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "_test.go") {
			declared += strings.Count(string(text), " = Step{\n")
		}
	}
	if declared != len(runbook.Steps) {
		t.Errorf("%d steps are declared, %d are in the list", declared, len(runbook.Steps))
	}
	var names []string
	for _, s := range runbook.Steps {
		names = append(names, s.Name)
		if s.Plan == nil || s.Apply == nil || s.Look == nil {
			t.Errorf("%s lacks a function", s.Name)
		}
		if (s.Connection != "") != slices.Contains(s.Via, s.Connection) {
			t.Errorf("%s: connection %q, via %q", s.Name, s.Connection, s.Via)
		}
		fields := map[string]bool{}
		for _, f := range s.Fields {
			if f.Name == "" || f.Label == "" || fields[f.Name] {
				t.Errorf("%s: field %+v", s.Name, f)
			}
			fields[f.Name] = true
		}
	}
	if slices.Sort(names); len(slices.Compact(names)) != len(runbook.Steps) {
		t.Errorf("two steps have one name: %q", names)
	}
}

// TestStepsPlanChangesNothing is the dry run: to plan and to look reads only.
func TestStepsPlanChangesNothing(t *testing.T) {
	all := stages(t)
	for _, s := range runbook.Steps {
		t.Run(s.Name, func(t *testing.T) {
			st, ok := all[s.Name]
			if !ok {
				t.Fatal("it has no stage")
			}
			plan, err := s.Plan(t.Context(), st.env)
			if err != nil {
				t.Fatal(err)
			}
			if plan.Step != s.Name || len(plan.Summary) == 0 || len(plan.Pin) == 0 {
				t.Errorf("plan %+v", plan)
			}
			again, err := s.Plan(t.Context(), st.env)
			if err != nil || string(again.Pin) != string(plan.Pin) {
				t.Errorf("planned again: %s, %v; before: %s", again.Pin, err, plan.Pin)
			}
			if _, err := s.Look(t.Context(), st.env, plan, runbook.Result{}); err != nil {
				t.Errorf("look: %v", err)
			}
			if n := st.changes(); n != 0 {
				t.Errorf("%d changes", n)
			}
			for _, line := range append(plan.Summary, string(plan.Pin)) {
				for _, secret := range []string{token, "t0ps3cret-path", "h3ader-s3cret"} {
					if strings.Contains(line, secret) {
						t.Errorf("the plan shows a secret: %s", line)
					}
				}
			}
		})
	}
}

// TestStepsHoldToTheirPlan gives each step the plan of another.
func TestStepsHoldToTheirPlan(t *testing.T) {
	all := stages(t)
	for _, s := range runbook.Steps {
		st := all[s.Name]
		for _, plan := range []runbook.Plan{{Step: "other", Pin: []byte(`{}`)}, {Step: s.Name, Pin: []byte(`[`)}, {Step: s.Name}} {
			if got, err := s.Apply(t.Context(), st.env, plan); !errors.Is(err, wire.ErrRefused) {
				t.Errorf("%s applied %+v: %+v, %v", s.Name, plan, got, err)
			}
		}
		if n := st.changes(); n != 0 {
			t.Errorf("%s: %d changes", s.Name, n)
		}
	}
}

// TestStepsKeepWhatIsDone asks Look about a step that is done: it says the same.
func TestStepsKeepWhatIsDone(t *testing.T) {
	all := stages(t)
	done := runbook.Result{Done: true, Outcome: runbook.OutcomeFailed, Detail: "it broke"}
	for _, s := range runbook.Steps {
		st := all[s.Name]
		plan, err := s.Plan(t.Context(), st.env)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Look(t.Context(), st.env, plan, done); err != nil || got.Outcome != done.Outcome || !got.Done {
			t.Errorf("%s: %+v, %v", s.Name, got, err)
		}
	}
}

// TestStepsUnderFaults lets whatever a step talks to fail in every way, and
// each of its calls be cancelled. No secret may show, nothing may hang, and a
// refusal must not be tried again.
func TestStepsUnderFaults(t *testing.T) {
	faults := []struct {
		name  string
		fault vendortest.GitLabFault
		// of Plan, which only reads: refused, or worth another try
		refused bool
	}{
		{"403", vendortest.GitLabForbidden(), true},
		{"429", vendortest.GitLabTooMany(7 * time.Second), false},
		{"500", vendortest.GitLabBroken(), false},
		{"502", vendortest.GitLabBadGateway(), false},
		{"garbage", vendortest.GitLabGarbage(), false},
		{"half", vendortest.GitLabHalf(), false},
		{"hang", vendortest.GitLabHang(), false},
		{"echo", vendortest.GitLabFault{Status: 400, ContentType: "application/json", Body: `{"message":"bad token ` + token + ` or h3ader-s3cret at t0ps3cret-path"}`}, true},
		{"echo in HTML", vendortest.GitLabFault{Status: 500, ContentType: "text/html", Body: strings.Repeat("x", 180) + token + " h3ader-s3cret"}, false},
		{"redirect", vendortest.GitLabFault{Status: 302, Header: map[string]string{"Location": "http://169.254.169.254/" + token}}, true},
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			s := newShop(t)
			plan, err := runbook.GitLabRollback.Plan(t.Context(), s.env)
			if err != nil {
				t.Fatal(err)
			}
			web := s.env // the same faults, met by the http step
			web.Connection = nil
			web.Params = config.Settings{"url": s.address + "/hook/t0ps3cret-path", "headers.X-Key": "h3ader-s3cret", "headers.Authorization": "Bearer " + token, "body": "hello"}
			webPlan, err := runbook.HTTP.Plan(t.Context(), web)
			if err != nil {
				t.Fatal(err)
			}
			s.gitlab.Fail("/", -1, f.fault)
			if f.fault.Hang {
				s.env.Wire, web.Wire = newWire(300*time.Millisecond), newWire(300*time.Millisecond)
			}

			check := func(what string, got runbook.Result, err error) {
				t.Helper()
				text := got.Detail + " " + string(got.Data)
				if err != nil {
					text += err.Error()
				}
				secrets := []string{token, token[:12]}
				if what == "http" {
					secrets = append(secrets, "h3ader-s3cret", "t0ps3cret-path")
				}
				for _, secret := range secrets {
					if strings.Contains(text, secret) {
						t.Errorf("%s shows a secret: %s", what, text)
					}
				}
				if strings.Contains(text, "<html") && !strings.Contains(text, `"`) {
					t.Errorf("%s shows raw HTML: %s", what, text)
				}
			}
			verdict := func(what string, err error, want bool) {
				t.Helper()
				refused, after := wire.Verdict(err)
				if err == nil || refused != want {
					t.Errorf("%s: %v, refused %v, want %v", what, err, refused, want)
				}
				if f.name == "429" && after != 7*time.Second {
					t.Errorf("%s: again after %v, want 7s", what, after)
				}
			}

			_, err = runbook.GitLabRollback.Plan(t.Context(), s.env)
			check("plan", runbook.Result{}, err)
			verdict("plan", err, f.refused)
			got, err := runbook.GitLabRollback.Apply(t.Context(), s.env, plan)
			check("apply", got, err)
			verdict("apply", err, f.refused) // what it reads first fails: nothing was changed
			got, err = runbook.GitLabRollback.Look(t.Context(), s.env, plan, runbook.Result{})
			check("look", got, err)
			verdict("look", err, f.refused)

			got, err = runbook.HTTP.Apply(t.Context(), web, webPlan)
			check("http", got, err)
			switch f.name {
			case "429":
				verdict("http", err, false)
			case "403", "echo", "redirect":
				if err != nil || got.Outcome != runbook.OutcomeRefused {
					t.Errorf("http: %+v, %v; want refused", got, err)
				}
			case "garbage": // a 200 is what was asked for
				if err != nil || got.Outcome != runbook.OutcomeDone {
					t.Errorf("http: %+v, %v; want done", got, err)
				}
			case "half": // so is this one, as far as it goes
				if err != nil || !got.Done {
					t.Errorf("http: %+v, %v", got, err)
				}
			default:
				if err != nil || got.Outcome != runbook.OutcomeUnknown {
					t.Errorf("http: %+v, %v; want unknown", got, err)
				}
			}
		})
	}
}

// TestStepsEndWithTheirContext cancels every call before it is made.
func TestStepsEndWithTheirContext(t *testing.T) {
	all := stages(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, s := range runbook.Steps {
		if s.Connection == "" && s.Name != "http" {
			continue // they do not wait for anything
		}
		st := all[s.Name]
		plan, err := s.Plan(t.Context(), st.env)
		if err != nil {
			t.Fatal(err)
		}
		before := st.changes()
		got, err := s.Apply(ctx, st.env, plan)
		if st.changes() != before {
			t.Errorf("%s: a cancelled step changed something", s.Name)
		}
		if err == nil && got.Outcome == runbook.OutcomeDone {
			t.Errorf("%s: %+v", s.Name, got)
		}
	}
}

// TestStepsMeetAServerThatIsDown: nothing was sent, so that it may be tried again.
func TestStepsMeetAServerThatIsDown(t *testing.T) {
	s := newShop(t)
	plan, err := runbook.GitLabRollback.Plan(t.Context(), s.env)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.NotFoundHandler())
	web := s.env
	web.Params = config.Settings{"url": server.URL, "body": "x"}
	webPlan, err := runbook.HTTP.Plan(t.Context(), web)
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	got, err := runbook.HTTP.Apply(t.Context(), web, webPlan)
	if refused, _ := wire.Verdict(err); err == nil || refused {
		t.Errorf("http: %+v, %v; want an error worth another try", got, err)
	}

	down := s.env
	down.Connection = config.Settings{"url": server.URL, "token": token}
	if _, err := runbook.GitLabRollback.Plan(t.Context(), down); err == nil {
		t.Error("a plan without a server")
	}
	if _, err := runbook.GitLabRollback.Apply(t.Context(), down, plan); !errors.Is(err, wire.ErrRefused) || !strings.Contains(err.Error(), "another server") {
		t.Errorf("a plan for another server: %v", err)
	}
	// An address that is forbidden is refused for good.
	web.Params = config.Settings{"url": "http://169.254.169.254/latest", "method": "GET"}
	if webPlan, err = runbook.HTTP.Plan(t.Context(), web); err != nil {
		t.Fatal(err)
	}
	if got, err := runbook.HTTP.Apply(t.Context(), web, webPlan); !errors.Is(err, wire.ErrRefused) {
		t.Errorf("a forbidden address: %+v, %v", got, err)
	}
}
