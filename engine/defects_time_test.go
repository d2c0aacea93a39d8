package engine_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/gate"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/vendortest"
	"github.com/musterhq/muster/store"
)

// inProcess is a network of one server, without sockets: those do not belong in
// a bubble.
type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	answer := w.Result()
	answer.Request = r
	return answer, nil
}

// A diary is an engine on the fake clock, with a tracker.
type diary struct {
	*engine.Engine
	t       *testing.T
	org     string
	gitlab  *vendortest.GitLab
	project int64
}

// onFakeTime runs a test on the fake clock of synctest, with a SQLite in memory.
func onFakeTime(t *testing.T, test func(*diary)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st, err := store.Open(t.Context(), ":memory:", nil)
		if err != nil {
			t.Fatal(err)
		}
		d := &diary{t: t, gitlab: vendortest.NewGitLab(time.Now)}
		defer d.gitlab.Close()
		d.gitlab.AddToken("glpat-token", vendortest.GitLabToken{User: "muster-bot"})
		d.project = d.gitlab.AddProject("shop/checkout")
		d.Engine = newTestEngine(t, st, inProcess{d.gitlab})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		synctest.Wait()
		defer func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			st.Close()
		}()
		_, err = d.Apply(ctx, "", []config.File{{Name: "gate.yaml", Body: []byte(`
organization: shop
users: {ana: {contacts: {pager: {webhook: ""}}}}
connections:
  gitlab: {gitlab: https://gitlab.shop.example, token: glpat-token}
  pager: {webhook: "https://pager.shop.example/"} # which answers 404
teams: {payments: {members: [ana]}}
policies: {p: {steps: [{notify: [user:ana]}]}}
services: {checkout: {team: payments, policy: p}}
gates: {memory: {service: checkout, ticket: {gitlab: gitlab, project: shop/checkout}, selftest: 1h}}
`)}}, incident.Engine)
		if err != nil {
			t.Fatal(err)
		}
		if d.org, err = d.Organization(""); err != nil {
			t.Fatal(err)
		}
		test(d)
	})
}

// later lets time go by, and everything come to rest.
func (d *diary) later(by time.Duration) {
	time.Sleep(by)
	synctest.Wait()
}

// alert is the newest of the gate's alerts of a key.
func (d *diary) alert(key string) incident.Alert {
	d.t.Helper()
	list, err := d.Store.Alerts(d.t.Context(), d.org, store.AlertFilter{Integration: "gate:memory", Limit: 10})
	if err != nil {
		d.t.Fatal(err)
	}
	for _, a := range list {
		if a.Key == key {
			return a
		}
	}
	return incident.Alert{}
}

// TestDefectIsRetoldDaily: what is seen all the time is commented once a day, and
// then opened again if somebody closed its ticket by hand.
func TestDefectIsRetoldDaily(t *testing.T) {
	onFakeTime(t, func(d *diary) {
		begun := time.Now()
		report := func() {
			d.t.Helper()
			if _, err := d.Report(d.t.Context(), d.org, "memory", gate.Result{Verdict: "fail", Suite: "unit", Findings: []gate.ResultFinding{leak("a", "")}}); err != nil {
				d.t.Fatal(err)
			}
			d.later(10 * time.Second)
		}
		for _, step := range []struct {
			at       time.Duration
			byHand   bool
			comments int
			state    string
		}{
			{0, false, 0, "opened"}, {time.Hour, false, 0, "opened"}, {23*time.Hour + 59*time.Minute, false, 0, "opened"},
			{24*time.Hour + time.Minute, false, 1, "opened"}, {25 * time.Hour, true, 1, "closed"}, {47 * time.Hour, false, 1, "closed"},
			{49 * time.Hour, false, 2, "opened"},
		} {
			d.later(step.at - time.Since(begun))
			if step.byHand {
				d.closeByHand()
			}
			report()
			issues := d.gitlab.Issues(d.project)
			if len(issues) != 1 || len(issues[0].Notes) != step.comments || issues[0].State != step.state {
				d.t.Fatalf("after %v: %+v; want one issue, %s, with %d comments", step.at, issues, step.state, step.comments)
			}
		}
		if last := d.gitlab.Issues(d.project)[0].Notes[1]; !strings.Contains(last, "It was seen again") || !strings.Contains(last, "7 reports") {
			d.t.Errorf("the comment says %q", last)
		}
	})
}

func (d *diary) closeByHand() {
	d.t.Helper()
	r := httptest.NewRequest("PUT", "/api/v4/projects/shop%2Fcheckout/issues/1", strings.NewReader(`{"state_event":"close"}`))
	r.Header.Set("PRIVATE-TOKEN", "glpat-token")
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	d.gitlab.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		d.t.Fatal(w.Body)
	}
}

// TestSelftestIsMissed: a gate that does not prove itself raises an alert, once,
// and again a day after somebody closed it; a good self-test ends it.
func TestSelftestIsMissed(t *testing.T) {
	onFakeTime(t, func(d *diary) {
		prove := func(good bool) engine.Selftested {
			d.t.Helper()
			done, err := d.Selftest(d.t.Context(), d.org, "memory", gate.Selftest{Good: good, Checks: []gate.SelftestCheck{{Name: "leak", Good: good}}})
			if err != nil {
				d.t.Fatal(err)
			}
			return done
		}
		is := func(want incident.AlertStatus, title string) incident.Alert {
			d.t.Helper()
			a := d.alert("selftest")
			if a.Status != want || !strings.Contains(a.Title, title) {
				d.t.Fatalf("alert %q, %q; want it %q, %q", a.Status, a.Title, want, title)
			}
			return a
		}
		d.later(59 * time.Minute)
		is(incident.NoAlert, "")
		d.later(3 * time.Minute)
		first := is(incident.Firing, "has never proved itself")
		inc, err := d.Store.Incident(d.t.Context(), d.org, first.IncidentID)
		if err != nil || inc.Urgency != incident.Low || inc.Severity != "warning" {
			d.t.Errorf("incident %+v, %v", inc, err)
		}
		d.later(10 * time.Minute)
		if again := is(incident.Firing, "never"); again.ID != first.ID || again.Count != 1 {
			d.t.Errorf("told again: %+v", again)
		}
		if _, err := d.Do(d.t.Context(), d.org, inc.ID, engine.Command{Do: "resolve", By: incident.Cause{Actor: "user:ana", Origin: "api"}}); err != nil {
			d.t.Fatal(err)
		}
		d.later(20 * time.Hour)
		is(incident.AlertOverHand, "never")
		d.later(4 * time.Hour)
		if again := is(incident.Firing, "never"); again.ID == first.ID {
			d.t.Error("it was not told again after a day")
		}

		prove(true)
		is(incident.AlertOver, "")
		prove(false)
		is(incident.Firing, "The self-test of gate memory failed: leak was let pass")
		prove(true)
		is(incident.AlertOver, "")
		d.later(59 * time.Minute)
		is(incident.AlertOver, "")
		d.later(3 * time.Minute)
		is(incident.Firing, "has not proved itself since 2000-01-")
	})
}
