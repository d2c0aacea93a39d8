package engine_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/vendortest"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
)

const (
	goodSHA = "4141414141414141414141414141414141414141"
	badSHA  = "4242424242424242424242424242424242424242"
)

// A world is an engine with real stand-ins around it: the shop's traffic goes
// bad until GitLab deploys the good version.
type world struct {
	*running // the engine that the traffic and the buttons go to
	gitlab   *vendortest.GitLab
	slack    *vendortest.Slack
	smtp     *vendortest.SMTP
	pager    *vendortest.Webhook
	project  int64
	bad      atomic.Int64 // requests of twenty that fail
	badCarts atomic.Int64 // and of those of the cart, which other rules watch
	config   string
	current  atomic.Pointer[running]
	before   atomic.Pointer[func(w http.ResponseWriter, r *http.Request) (handled bool)] // sees GitLab's requests first
}

// books are runbooks, and which of them the rule proposes.
const rollback = `
runbooks:
  fix:
    approve: {by: team:payments, within: 1m}
    budget: 1 per 1h
    steps: [{gitlab.rollback: {environment: production}}]
    verify: {signal: trigger, recovers_within: 20s}
`

const webhookSecret = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"

// newWorld starts everything on a database. The traffic is good at first.
func newWorld(t *testing.T, address, books string) *world {
	t.Helper()
	w := &world{
		gitlab: vendortest.NewGitLab(time.Now), smtp: vendortest.NewSMTP(time.Now, vendortest.SMTPOptions{}), pager: vendortest.NewWebhook(time.Now, webhookSecret),
		slack: vendortest.NewSlack(time.Now, vendortest.SlackOptions{
			Token: "xoxb-token", SigningSecret: "the-signing-secret", Channels: []vendortest.SlackChannel{{ID: "C0PAYMENT", Name: "payments"}},
			Users: []vendortest.SlackUser{{ID: "U0ANA0001", Name: "ana"}, {ID: "U0BOB0001", Name: "bob"}, {ID: "U0EVE0001", Name: "eve"}},
		}),
	}
	w.gitlab.AddToken("glpat-token", vendortest.GitLabToken{})
	w.gitlab.SetDelay(200 * time.Millisecond)
	w.gitlab.SetDeploy(func(_, sha, _ string) error {
		if sha == goodSHA {
			w.bad.Store(0)
		}
		return nil
	})
	w.project = w.gitlab.AddProject("shop/checkout")
	w.gitlab.AddDeployment(w.project, vendortest.GitLabDeployment{Environment: "production", SHA: goodSHA, Ref: "v41", At: time.Now().Add(-24 * time.Hour)})
	w.gitlab.AddDeployment(w.project, vendortest.GitLabDeployment{Environment: "production", SHA: badSHA, Ref: "v42", At: time.Now().Add(-time.Minute)})
	t.Cleanup(w.gitlab.Close)
	mail, err := w.smtp.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.smtp.Close)
	serve := func(h http.Handler) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	gitlab := serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if f := w.before.Load(); f != nil && (*f)(rw, r) {
			return
		}
		w.gitlab.ServeHTTP(rw, r)
	}))
	w.config = strings.NewReplacer("GITLAB", gitlab, "SLACK", serve(w.slack), "MAIL", mail, "PAGER", serve(w.pager)).Replace(`
organization: shop
interrupts: {at_most: unlimited}
users:
  ana: {email: ana@shop.example, contacts: {chat: {slack: U0ANA0001}, pager: {webhook: ''}}}
  bob: {email: bob@shop.example, contacts: {chat: {slack: U0BOB0001}}}
  eve: {contacts: {chat: {slack: U0EVE0001}}}
teams:
  payments: {members: [ana, bob], room: {slack: "#payments"}}
connections:
  chat: {slack: "SLACK/api/", token: xoxb-token, signing_secret: the-signing-secret}
  mail: {email: "smtp://MAIL", from: muster@shop.example, starttls: "off"}
  pager: {webhook: "PAGER/page", secret: `+webhookSecret+`}
  gitlab: {gitlab: "GITLAB", token: glpat-token}
policies:
  p: {steps: [{notify: [user:ana], wait: 5m}, {notify: [user:bob], wait: 5m}]}
services:
  checkout: {team: payments, policy: p, environments: {production: {gitlab: {project: shop/checkout, environment: production}}}}
integrations:
  deploys: {kind: muster, key: key-of-deploys, service: checkout}
logs:
  shop: {format: ndjson, service: checkout}
rules:
  carts:
    service: checkout
    source: logs:shop
    ratio: {bad: status >= 500, where: path == "/cart"}
    above: 5%
    window: 6s
    resolve_after: 2s
    lateness: 1s
  errors:
    service: checkout
    source: logs:shop
    ratio: {bad: status >= 500, where: path != "/cart"}
    above: 5%
    window: 6s
    min_total: 20
    resolve_after: 2s
    lateness: 1s
    by: [path]
    severity: critical
    runbook: fix
`) + books
	w.use(start(t, address, options{}))
	w.apply(w.config)
	w.slack.SetAppURL(serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { // as the HTTP face does
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		answer, err := w.current.Load().Slack(r.Context(), "shop", r.Header, body)
		if err != nil {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		rw.Write(answer.Body)
	})))
	done := make(chan struct{})
	var traffic sync.WaitGroup
	traffic.Go(func() { w.traffic(done) })
	t.Cleanup(func() { close(done); traffic.Wait() })
	return w
}

// use makes an engine the one that traffic and buttons go to.
func (w *world) use(r *running) {
	w.running = r
	w.current.Store(r)
}

// traffic sends twenty lines each tenth of a second.
func (w *world) traffic(done chan struct{}) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-done:
			return
		}
		r := w.current.Load()
		r.Logs(r.t.Context(), r.org, "shop", append(lines(time.Now(), 20, int(w.bad.Load()), "/checkout"), lines(time.Now(), 20, int(w.badCarts.Load()), "/cart")...)) // an engine that is down loses them
	}
}

// lines are log lines of one instant, the first of them bad.
func lines(at time.Time, n, bad int, path string) []byte {
	var b strings.Builder
	for i := range n {
		status := 200
		if i < bad {
			status = 500
		}
		fmt.Fprintf(&b, "{\"time\":%q,\"path\":%q,\"status\":%d}\n", at.UTC().Format(time.RFC3339Nano), path, status)
	}
	return []byte(b.String())
}

// fire breaks the shop and waits until the runbook's run is in a state.
func (w *world) fire(state runbook.State) (inc incident.Incident, run runbook.Run) {
	w.t.Helper()
	w.bad.Store(10)
	w.wait("an incident", 10*time.Second, func() bool { return len(w.incidents()) == 1 })
	inc = w.incidents()[0]
	return inc, w.until(inc.ID, state)
}

// until waits until an incident's only run is in a state.
func (w *world) until(incidentID string, state runbook.State) (run runbook.Run) {
	w.t.Helper()
	defer func() {
		if w.t.Failed() {
			w.t.Logf("the run is %s: %s; the timeline:\n%s", run.State, run.Reason, w.timeline(incidentID))
		}
	}()
	w.wait("the run is "+string(state), 40*time.Second, func() bool {
		runs, err := w.Runs(w.t.Context(), w.org, incidentID)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(runs) == 1 {
			run = runs[0]
		}
		return run.State == state
	})
	return run
}

// press presses a button of the card in the room, as soon as it is there.
func (w *world) press(button, member string) {
	w.t.Helper()
	w.wait("a button "+button, 10*time.Second, func() bool {
		for _, m := range w.slack.Messages() {
			if m.Channel != "C0PAYMENT" || m.Buttons()[button] == "" {
				continue
			}
			answer, err := w.slack.Click(w.t.Context(), m.Channel, m.TS, button, member)
			if err != nil || answer.Status != http.StatusOK {
				w.t.Fatalf("press %s: %d, %v", button, answer.Status, err)
			}
			return true
		}
		return false
	})
}

// retries counts how often a deploy job was retried.
func (w *world) retries() (n int) {
	for _, r := range w.gitlab.Requests() {
		if r.Method == http.MethodPost && strings.HasSuffix(r.Path, "/retry") {
			n++
		}
	}
	return n
}

// pages counts what the pager got of a type.
func (w *world) pages(kind string) (n int) {
	for _, r := range w.pager.Requests() {
		if r.Err == nil && strings.Contains(string(r.Body), `"type":"incident.`+kind) {
			n++
		}
	}
	return n
}

// TestRollback is the standing example: a rule fires, the on-call is paged by
// chat, pager and mail, the run is planned, somebody outside the team may not
// approve it, somebody of the team does, GitLab rolls back once, the signal
// recovers, and the incident ends by itself.
func TestRollback(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		w := newWorld(t, address, rollback)
		inc, run := w.fire(runbook.AwaitingApproval)
		w.wait("pages by chat, pager and mail", 5*time.Second, func() bool {
			return w.pages("page") == 1 && len(w.smtp.Mails()) == 1
		})
		if run.Hash == "" || len(run.Steps) != 1 || !strings.Contains(strings.Join(run.Steps[0].Plan.Summary, "\n"), "to 41414141") {
			t.Fatalf("the plan is %+v", run.Steps)
		}

		w.press("approve", "U0EVE0001")
		w.wait("eve is told, and nobody else", 5*time.Second, func() bool {
			for _, m := range w.slack.Messages() {
				if m.Ephemeral == "U0EVE0001" && strings.Contains(m.Text, "eve may not approve") {
					return true
				}
			}
			return false
		})
		if _, err := w.Decide(t.Context(), w.org, run.ID, engine.Decision{Approve: true, By: tester, User: "ana", Hash: strings.Repeat("0", 64)}); !errors.Is(err, runbook.ErrMove) || !strings.Contains(err.Error(), "plan changed") {
			t.Errorf("the approval of another plan: %v", err)
		}
		if _, err := w.Decide(t.Context(), w.org, run.ID, engine.Decision{Approve: true, By: tester, Hash: run.Hash}); !errors.Is(err, runbook.ErrMove) {
			t.Errorf("the approval of nobody: %v", err)
		}
		if got, err := w.RunByID(t.Context(), w.org, run.ID); err != nil || got.State != runbook.AwaitingApproval || w.retries() != 0 {
			t.Fatalf("after three approvals that count for nothing the run is %s (%v), and GitLab was asked %d times", got.State, err, w.retries())
		}

		w.press("approve", "U0BOB0001")
		run = w.until(inc.ID, runbook.Ended)
		if run.Verdict != runbook.Recovered || run.Approval.DecidedBy != "bob" {
			t.Fatalf("verdict %s (%s), approved by %q", run.Verdict, run.Reason, run.Approval.DecidedBy)
		}
		if w.retries() != 1 || w.gitlab.Live(w.project, "production") != goodSHA {
			t.Errorf("%d retries; live is %s", w.retries(), w.gitlab.Live(w.project, "production"))
		}
		w.wait("the incident ends", 5*time.Second, func() bool { return !w.incidents()[0].Open() })
		w.wait("the card shows the verdict", 10*time.Second, func() bool {
			for _, m := range w.slack.Messages() {
				if m.Channel == "C0PAYMENT" && m.Thread == "" && strings.Contains(string(m.Attachments), "recovered") && strings.Contains(string(m.Attachments), "Resolved by") && len(m.Buttons()) == 0 {
					return true
				}
			}
			return false
		})
		w.wait("the postmortem", 10*time.Second, func() bool {
			text, err := w.store.Postmortem(t.Context(), w.org, inc.ID)
			return err == nil && strings.Contains(text, "recovered")
		})
		if w.pages("page") != 1 {
			t.Errorf("%d pages: a run that helped calls nobody", w.pages("page"))
		}
		story := strings.Join(strings.Fields(w.timeline(inc.ID)), " ")
		last := -1
		for _, want := range []string{"opened rule:errors", "run_planned runbook:fix", "run_approved user:bob", "run_step runbook:fix started gitlab.rollback", "run_step runbook:fix done gitlab.rollback", "run_verdict runbook:fix recovered", "resolved runbook:fix", "postmortem system"} {
			i := strings.Index(story, want)
			if i <= last {
				t.Errorf("the timeline lacks %q in its place:\n%s", want, story)
			}
			last = i
		}
		// A second incident within the hour: the budget of one is used up, before anybody is asked.
		w.bad.Store(10)
		w.gitlab.AddDeployment(w.project, vendortest.GitLabDeployment{Environment: "production", SHA: strings.Repeat("43", 20), Ref: "v43"})
		w.wait("a second incident", 20*time.Second, func() bool { return len(w.incidents()) == 2 })
		second := w.incidents()[1]
		run = w.until(second.ID, runbook.Refused)
		if !strings.Contains(run.Reason, "budget of 1 per 1h0m0s is used up") || w.retries() != 1 {
			t.Errorf("the second run: %q; %d retries", run.Reason, w.retries())
		}
		w.wait("people are called, since automation may not", 5*time.Second, func() bool { return w.pages("page") >= 2 })
	})
}

// TestReject, and the other ways in which nothing is done.
func TestNothingIsDone(t *testing.T) {
	t.Parallel()
	sqlite := func(t *testing.T, books string) *world {
		t.Parallel()
		return newWorld(t, filepath.Join(t.TempDir(), "muster.db"), books)
	}
	t.Run("rejected", func(t *testing.T) {
		w := sqlite(t, rollback)
		inc, _ := w.fire(runbook.AwaitingApproval)
		w.press("reject", "U0ANA0001")
		run := w.until(inc.ID, runbook.Rejected)
		w.wait("the card has no buttons for it any more", 5*time.Second, func() bool {
			for _, m := range w.slack.Messages() {
				if m.Thread == "" && m.Buttons()["approve"] != "" {
					return false
				}
			}
			return true
		})
		if _, err := w.Decide(t.Context(), w.org, run.ID, engine.Decision{Approve: true, By: tester, User: "bob", Hash: run.Hash}); !errors.Is(err, runbook.ErrMove) || !strings.Contains(err.Error(), "already rejected by ana") {
			t.Errorf("an approval after the rejection: %v", err)
		}
		if w.retries() != 0 || w.incidents()[0].Status != incident.Triggered {
			t.Errorf("%d retries; the incident is %s", w.retries(), w.incidents()[0].Status)
		}
	})
	t.Run("expired", func(t *testing.T) {
		w := sqlite(t, strings.Replace(rollback, "within: 1m", "within: 1s", 1))
		inc, _ := w.fire(runbook.Expired)
		w.wait("the page about it", 5*time.Second, func() bool { return w.pages("page") == 2 })
		if w.retries() != 0 || !strings.Contains(w.timeline(inc.ID), "retriggered runbook:fix   runbook fix: expired") {
			t.Errorf("%d retries; the timeline:\n%s", w.retries(), w.timeline(inc.ID))
		}
	})
	t.Run("resolved while it waits for an approval", func(t *testing.T) {
		w := sqlite(t, rollback)
		inc, run := w.fire(runbook.AwaitingApproval)
		if _, err := w.Do(t.Context(), w.org, inc.ID, engine.Command{Do: "resolve", By: tester}); err != nil {
			t.Fatal(err)
		}
		w.wait("the run is over", 5*time.Second, func() bool {
			run, _ = w.RunByID(t.Context(), w.org, run.ID)
			return run.State == runbook.Refused
		})
		if !strings.Contains(run.Reason, "the incident is resolved") || w.retries() != 0 {
			t.Errorf("%q; %d retries", run.Reason, w.retries())
		}
	})
	t.Run("resolved between two steps", func(t *testing.T) {
		w := sqlite(t, `
runbooks:
  fix:
    steps: [{wait: {duration: 3s}}, {gitlab.rollback: {environment: production}}]
    verify: {signal: trigger, recovers_within: 20s}
`)
		inc, run := w.fire(runbook.Running)
		if _, err := w.Do(t.Context(), w.org, inc.ID, engine.Command{Do: "resolve", By: tester}); err != nil {
			t.Fatal(err)
		}
		w.wait("the run is over", 10*time.Second, func() bool {
			run, _ = w.RunByID(t.Context(), w.org, run.ID)
			return run.State == runbook.Ended
		})
		if !strings.Contains(run.Reason, "the incident is resolved") || w.retries() != 0 {
			t.Errorf("%q; %d retries", run.Reason, w.retries())
		}
	})
	t.Run("no plan", func(t *testing.T) {
		w := sqlite(t, rollback)
		w.gitlab.Fail("GET", -1, vendortest.GitLabForbidden())
		inc, run := w.fire(runbook.Refused)
		if !strings.Contains(run.Reason, "no plan could be made") || strings.Contains(run.Reason, "glpat-token") || w.retries() != 0 {
			t.Errorf("%q; %d retries", run.Reason, w.retries())
		}
		// The first page may have been on its way or not: this one takes its place.
		w.wait("the page about it", 5*time.Second, func() bool {
			return slices.ContainsFunc(w.pager.Requests(), func(r vendortest.WebhookRequest) bool {
				return r.Err == nil && strings.Contains(string(r.Body), inc.ID+"/1/0/0/ana/pager/")
			})
		})
	})
	t.Run("two at once against one target", func(t *testing.T) {
		w := sqlite(t, `
runbooks:
  fix:
    budget: 9 per 1h
    steps: [{wait: {duration: 2s}}]
`)
		w.bad.Store(10) // of the path /checkout; and another path goes bad in the same instant
		stop := time.Now().Add(8 * time.Second)
		for time.Now().Before(stop) && len(w.incidents()) < 2 {
			if _, err := w.Logs(t.Context(), w.org, "shop", lines(time.Now(), 20, 20, "/basket")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		var states []string
		w.wait("both are over", 15*time.Second, func() bool {
			states = nil
			for _, inc := range w.incidents() {
				runs, err := w.Runs(t.Context(), w.org, inc.ID)
				if err != nil || len(runs) != 1 || !runs[0].State.Final() {
					return false
				}
				states = append(states, string(runs[0].State)+" "+runs[0].Reason)
			}
			return len(states) == 2
		})
		all := strings.Join(states, "; ")
		if strings.Count(all, "ended") != 1 || strings.Count(all, "acts on the same target") != 1 {
			t.Errorf("the runs: %s", all)
		}
	})
}

// TestVerifiedByAnotherRule rolls back because of one rule and is judged on
// another, which recovers too, or does not.
func TestVerifiedByAnotherRule(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		after   int64 // failing requests of twenty for the cart, once the good version runs
		verdict runbook.Verdict
	}{{"recovers", 0, runbook.Recovered}, {"does not", 8, runbook.Unchanged}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, filepath.Join(t.TempDir(), "muster.db"), `
runbooks:
  fix:
    steps: [{gitlab.rollback: {environment: production}}]
    verify: {signal: rule:carts, recovers_within: 12s}
`)
			w.gitlab.SetDeploy(func(string, string, string) error {
				w.bad.Store(0)
				w.badCarts.Store(test.after)
				return nil
			})
			w.badCarts.Store(10)
			w.bad.Store(10)
			var id string
			w.wait("the incident with the run", 10*time.Second, func() bool {
				for _, inc := range w.incidents() {
					if runs, err := w.Runs(t.Context(), w.org, inc.ID); err == nil && len(runs) == 1 {
						id = inc.ID
					}
				}
				return id != ""
			})
			if run := w.until(id, runbook.Ended); run.Verdict != test.verdict {
				t.Errorf("verdict %s (%s), want %s", run.Verdict, run.Reason, test.verdict)
			}
		})
	}
}

// TestCrash kills the engine between the moment a step was begun and the one
// in which its result would be stored, once after GitLab did what it was asked
// and once before. Another engine on the same database never asks again: it
// looks, and goes on or leaves it to people.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		done    bool // GitLab did it
		verdict runbook.Verdict
	}{
		{"after it was done", true, runbook.Recovered},
		{"before it was done", false, runbook.Unknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, address string) {
				w := newWorld(t, address, rollback)
				inc, run := w.fire(runbook.AwaitingApproval)
				release := make(chan struct{})
				killed := make(chan struct{})
				var asked atomic.Int64
				crash := func(rw http.ResponseWriter, r *http.Request) bool {
					if !strings.HasSuffix(r.URL.Path, "/retry") || asked.Add(1) > 1 {
						return false
					}
					if test.done {
						w.gitlab.ServeHTTP(httptest.NewRecorder(), r)
					}
					w.kill(sync.OnceFunc(func() { close(release) }))
					close(killed)
					<-release
					panic(http.ErrAbortHandler)
				}
				w.before.Store(&crash)
				first := w.running
				w.press("approve", "U0BOB0001")
				select {
				case <-killed:
				case <-time.After(10 * time.Second):
					t.Fatal("GitLab was not asked")
				}
				pages := w.pages("page")

				w.use(start(t, address, options{}))
				if first == w.running {
					t.Fatal("the same engine")
				}
				stored, err := w.RunByID(t.Context(), w.org, run.ID)
				if err != nil {
					t.Fatal(err)
				}
				if _, lost := stored.Lost(); !lost {
					t.Fatalf("the run is %s, and not lost in a step", stored.State)
				}
				sqlOn(t, address, `UPDATE runs SET due = 1, lease_until = 0 WHERE due IS NOT NULL`) // two minutes go by
				w.take("key-of-deploys", event.Event{Action: event.Trigger, Key: "other", Title: "wakes the loops", Severity: event.SeverityInfo})
				if _, err := w.Logs(t.Context(), w.org, "shop", lines(time.Now(), 1, 0, "/checkout")); err != nil {
					t.Error(err)
				}
				sqlWake(t, w)

				run = w.until(inc.ID, runbook.Ended)
				if run.Verdict != test.verdict {
					t.Errorf("verdict %s (%s), want %s", run.Verdict, run.Reason, test.verdict)
				}
				if n := asked.Load(); n != 1 {
					t.Errorf("GitLab was asked %d times, want once", n)
				}
				if want := map[bool]int{true: 1, false: 0}[test.done]; w.retries() != want {
					t.Errorf("GitLab deployed %d times, want %d", w.retries(), want)
				}
				if test.verdict == runbook.Unknown {
					w.wait("the page about it", 5*time.Second, func() bool { return w.pages("page") > pages })
				}
			})
		})
	}
}

// sqlWake wakes the loop of runs, which on SQLite sleeps until something is
// committed: the test has moved the clock behind its back.
func sqlWake(t *testing.T, w *world) {
	t.Helper()
	err := w.store.Write(t.Context(), func(tx *store.Tx) error { return tx.HurryRuns("none", time.Now()) })
	if err != nil {
		t.Fatal(err)
	}
	if w.store.Dialect() == "sqlite" {
		err = w.store.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.AddRun(store.Run{ID: "wake", Org: w.org, Incident: "none", Runbook: "none", State: "ended", CreatedAt: time.Now(), Body: []byte("{}")})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestPlainSteps runs notify, http and wait, without asking anybody and without
// a verdict: the team's room is told once, the request arrives once, and nobody
// is called again for it.
func TestPlainSteps(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		hook := vendortest.NewWebhook(time.Now)
		server := httptest.NewServer(hook)
		t.Cleanup(server.Close)
		w := newWorld(t, address, `
runbooks:
  fix:
    steps:
      - notify: {targets: [team:payments, user:bob], text: "Flushing the cache for {{incident.title}}"}
      - http: {url: "`+server.URL+`/flush/secret-path-0815", headers: {Authorization: Bearer sesame-open}, body: '{"incident":"{{incident.id}}"}'}
      - wait: {duration: 1s}
`)
		inc, run := w.fire(runbook.Ended)
		if run.Verdict != runbook.Unknown || !strings.Contains(run.Reason, "nothing was to be verified") {
			t.Errorf("%s: %s", run.Verdict, run.Reason)
		}
		if waited := run.Steps[2].EndedAt.Sub(run.Steps[2].BegunAt); waited < time.Second || waited > 4*time.Second {
			t.Errorf("waited %v, want a second", waited)
		}
		got := hook.Requests()
		if len(got) != 1 || got[0].Path != "/flush/secret-path-0815" || !strings.Contains(string(got[0].Body), inc.ID) || got[0].Header.Get("Authorization") != "Bearer sesame-open" {
			t.Errorf("the hook got %+v", got)
		}
		told := func() (n int) {
			for _, m := range w.slack.Messages() {
				if m.Channel == "C0PAYMENT" && m.Thread != "" && strings.Contains(string(m.Attachments), `"text":"Flushing the cache for errors`) {
					n++
				}
			}
			return n
		}
		w.wait("the room is told", 5*time.Second, func() bool { return told() == 1 })
		w.wait("bob gets a mail of it", 5*time.Second, func() bool {
			for _, m := range w.smtp.Mails() {
				if strings.Contains(strings.Join(m.To, " "), "bob@") && strings.Contains(string(m.Data), "Flushing the cache") {
					return true
				}
			}
			return false
		})
		if w.pages("page") != 1 || strings.Contains(w.timeline(inc.ID), "retriggered") {
			t.Errorf("%d pages; the timeline:\n%s", w.pages("page"), w.timeline(inc.ID))
		}
		said := w.timeline(inc.ID) + w.log.String()
		for _, secret := range []string{"sesame-open", "secret-path-0815", "glpat-token", "xoxb-token"} {
			if strings.Contains(said, secret) {
				t.Errorf("%s is in the timeline or the log", secret)
			}
		}
	})
}

// TestDeployEvents: a change is accepted and kept, and pages nobody.
func TestDeployEvents(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		p := &probe{}
		r := start(t, address, options{channels: []notify.Kind{p.kind()}})
		r.apply(people(onePager, "ana"))
		got := r.take("key-of-ana", event.Event{Action: event.Change, Key: "deploy-42", Title: "v42 is live", Severity: event.SeverityInfo})
		if got.Event == "" || got.Alert != "" || got.Incident != "" {
			t.Errorf("a change was taken as %+v", got)
		}
		raw, err := r.store.RawEvent(t.Context(), r.org, got.Event)
		if err != nil || !strings.Contains(string(raw.Event), "v42 is live") {
			t.Errorf("it was kept as %s, %v", raw.Event, err)
		}
		if len(r.incidents()) != 0 || len(p.pages("")) != 0 {
			t.Errorf("%d incidents, %d pages", len(r.incidents()), len(p.pages("")))
		}
	})
}
