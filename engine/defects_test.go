package engine_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/gate"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/vendortest"
	"github.com/musterhq/muster/store"
)

// A gated engine has a gate, a tracker and a chat.
type gated struct {
	*running
	gitlab  *vendortest.GitLab
	slack   *vendortest.Slack
	project int64 // of the gate
	backlog int64 // of team search
	config  string
	n       int
}

const defectPatience = 30 * time.Second

func startGated(t *testing.T, address string) *gated {
	t.Helper()
	g := &gated{gitlab: vendortest.NewGitLab(time.Now)}
	g.gitlab.AddToken("glpat-very-secret-token", vendortest.GitLabToken{User: "muster-bot"})
	g.project, g.backlog = g.gitlab.AddProject("shop/checkout"), g.gitlab.AddProject("search/backlog")
	t.Cleanup(g.gitlab.Close)
	gitlab := httptest.NewServer(g.gitlab)
	t.Cleanup(gitlab.Close)
	g.slack = vendortest.NewSlack(time.Now, vendortest.SlackOptions{
		Token: "xoxb-17-very-secret-token", Channels: []vendortest.SlackChannel{{ID: "C0PAY", Name: "payments"}, {ID: "C0SEA", Name: "search"}},
	})
	slack := httptest.NewServer(g.slack)
	t.Cleanup(slack.Close)
	g.config = fmt.Sprintf(`
organization: shop
users:
  ana: {email: ana@shop.example, contacts: {chat: {webhook: 'http://127.0.0.1:1/'}}}
teams:
  payments: {members: [ana], room: {slack: C0PAY}}
  search: {room: {slack: C0SEA}, ticket: {gitlab: gitlab, project: search/backlog}}
policies:
  p: {steps: [{notify: [user:ana], wait: 1h}]}
connections:
  gitlab: {gitlab: %s, token: glpat-very-secret-token, allow: [127.0.0.0/8]}
  chat: {slack: %s/api, token: xoxb-17-very-secret-token, allow: [127.0.0.0/8]}
  hook: {webhook: 'http://127.0.0.1:1/', allow: [127.0.0.0/8]}
services:
  checkout: {team: payments, policy: p, urgency: high, ticket: {gitlab: gitlab, project: shop/checkout}}
gates:
  memory: {service: checkout, owners: {"@shop/finders": search}, alert: error, selftest: 7d}
`, gitlab.URL, slack.URL)
	g.running = start(t, address, options{})
	g.apply(g.config)
	return g
}

// leak is a finding that gets a ticket.
func leak(fingerprint, owner string) gate.ResultFinding {
	return gate.ResultFinding{
		Fingerprint: fingerprint, Tool: "memcheck", Kind: "Leak_DefinitelyLost", Class: gate.Leak, Severity: gate.Error, Message: "64 bytes in 1 blocks are definitely lost",
		File: "src/cart.c", Line: 12, Function: "cart_new_" + fingerprint, Bytes: 64, Blocks: 1, Count: 1, Owner: owner, New: true, Ticket: true,
		Stack: []string{"malloc (vg_replace_malloc.c:381)", "cart_new (src/cart.c:12)"},
	}
}

// report sends a complete run of the suite unit on the default branch, changed
// by edit.
func (g *gated) report(edit func(*gate.Result), findings ...gate.ResultFinding) engine.Reported {
	g.t.Helper()
	done, err := g.tryReport(edit, findings...)
	if err != nil {
		g.t.Fatal(err)
	}
	return done
}

func (g *gated) tryReport(edit func(*gate.Result), findings ...gate.ResultFinding) (engine.Reported, error) {
	g.n++
	r := gate.Result{
		ID: fmt.Sprintf("run-%d", g.n), Verdict: "fail", Reason: "1 finding", Suite: "unit", Complete: true, Findings: findings,
		Source: gate.Source{Commit: fmt.Sprintf("c%d", g.n), Branch: "main", Default: true, Pipeline: "https://ci.shop.example/" + fmt.Sprint(g.n)},
	}
	if len(findings) == 0 {
		r.Verdict = "pass"
	}
	if edit != nil {
		edit(&r)
	}
	return g.Report(g.t.Context(), g.org, "memory", r)
}

func onBranch(r *gate.Result) { r.Branch, r.Default = "feature", false }

// issues waits until a project's issues are as wanted: "opened 2" is one that
// is open, with two comments.
func (g *gated) issues(project int64, want ...string) []vendortest.GitLabIssue {
	g.t.Helper()
	var issues []vendortest.GitLabIssue
	var got []string
	is := func() bool {
		issues, got = g.gitlab.Issues(project), nil
		for _, i := range issues {
			got = append(got, fmt.Sprintf("%s %d", i.State, len(i.Notes)))
		}
		return cmp.Equal(want, got)
	}
	for deadline := time.Now().Add(defectPatience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			g.t.Fatalf("the issues are %q, want %q:\n%+v", got, want, issues)
		}
	}
	return issues
}

// settled waits until nothing waits to be sent but pages, and fails if
// something was given up.
func (g *gated) settled() {
	g.t.Helper()
	g.wait("all is sent", defectPatience, func() bool {
		return number(g.t, g.address, `SELECT count(*) FROM outbox WHERE kind <> 'page' AND state = 'pending'`) == 0
	})
	if n := number(g.t, g.address, `SELECT count(*) FROM outbox WHERE kind <> 'page' AND state NOT IN ('sent', 'cancelled')`); n > 0 {
		g.t.Errorf("%d rows were not sent", n)
	}
}

// said are the news that a room was told.
func (g *gated) said(room string) (texts []string) {
	for _, m := range g.slack.Messages() {
		if m.Channel == room && strings.HasPrefix(m.Text, "Gate ") {
			texts = append(texts, m.Text+"\n"+string(m.Attachments))
		}
	}
	return texts
}

// TestDefectLife: a defect is found, seen again, gone, and back: one ticket, and
// each change told once.
func TestDefectLife(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		g := startGated(t, address)
		first := g.report(nil, leak("a", "@other @shop/payments"))
		if first.New != 1 || len(first.Defects) != 1 || first.Defects[0].Team != "payments" || first.Defects[0].Change != "new" {
			t.Fatalf("reported: %+v", first)
		}
		issue := g.issues(g.project, "opened 0")[0]
		for _, want := range []string{"Leak\\_DefinitelyLost", "src/cart.c:12", "64 bytes in 1 blocks", "/api/v1/knowledge/leak", "c1", "vg\\_replace\\_malloc"} {
			if !strings.Contains(issue.Description, want) {
				t.Errorf("the ticket does not say %q:\n%s", want, issue.Description)
			}
		}
		if diff := cmp.Diff([]string{"muster", "defect", "class::leak", "team::payments"}, issue.Labels); diff != "" {
			t.Errorf("labels (-want +got):\n%s", diff)
		}
		alert := func(want incident.AlertStatus) incident.Incident {
			t.Helper()
			list, err := g.store.Alerts(t.Context(), g.org, store.AlertFilter{Integration: "gate:memory", Limit: 10})
			if err != nil || len(list) == 0 || list[0].Status != want || list[0].Key != "unit/a" {
				t.Fatalf("alerts %+v, %v; want it %s", list, err, want)
			}
			inc, err := g.store.Incident(t.Context(), g.org, list[0].IncidentID)
			if err != nil {
				t.Fatal(err)
			}
			return inc
		}
		if inc := alert(incident.Firing); inc.Urgency != incident.Low || inc.Severity != "error" || inc.Service != "checkout" || !inc.Open() {
			t.Errorf("incident %+v", inc)
		}

		again := g.report(nil, leak("a", "@shop/payments"), leak("a", "@shop/payments"))
		if again.New != 0 || again.Known != 1 {
			t.Errorf("seen again: %+v", again)
		}
		g.settled()
		g.issues(g.project, "opened 0") // not a day later
		if n := len(g.incidents()); n != 1 {
			t.Errorf("%d incidents of one defect", n)
		}

		// None of these proves that it is gone.
		g.report(func(r *gate.Result) { r.Complete = false })
		g.report(func(r *gate.Result) { r.Omitted = 1 })
		g.report(onBranch)
		g.report(func(r *gate.Result) { r.Suite = "integration" })
		g.report(func(r *gate.Result) { r.At = first.Judged.Add(-time.Minute) })
		if got := g.report(func(r *gate.Result) { r.Complete, r.Default = false, false }); got.Closed != 0 {
			t.Errorf("closed: %+v", got)
		}
		g.settled()
		g.issues(g.project, "opened 0")
		alert(incident.Firing)

		if gone := g.report(nil); gone.Closed != 1 {
			t.Errorf("gone: %+v", gone)
		}
		closed := g.issues(g.project, "closed 1")[0]
		if !strings.Contains(closed.Notes[0], "at commit c9") {
			t.Errorf("closed with %q", closed.Notes[0])
		}
		if inc := alert(incident.AlertOver); inc.Open() {
			t.Error("the incident is still open")
		}

		// A branch that lacks the fix says nothing about the default branch.
		if got := g.report(onBranch, leak("a", "@shop/payments")); got.Returned != 0 || got.Defects[0].Change != "mended" || got.Defects[0].Ticket == "" {
			t.Errorf("on an old branch: %+v", got)
		}
		if got := g.report(func(r *gate.Result) { r.At = first.Judged }, leak("a", "@shop/payments")); got.Returned != 0 {
			t.Errorf("an old run that came late: %+v", got)
		}
		if got := g.report(nil, leak("a", "@shop/payments")); got.Returned != 1 {
			t.Errorf("it is back: %+v", got)
		}
		g.issues(g.project, "opened 2")
		alert(incident.Firing)
		g.report(nil)
		g.issues(g.project, "closed 3")
		g.settled()

		var titles []string
		for _, text := range g.said("C0PAY") {
			title, rest, _ := strings.Cut(text, "\n")
			titles = append(titles, title)
			if !strings.Contains(rest, "/shop/checkout/-/issues/1") {
				t.Errorf("the room is not told of the ticket: %s", rest)
			}
		}
		if diff := cmp.Diff([]string{
			"Gate memory, suite unit: defects: 1 new", "Gate memory, suite unit: defects: 1 gone", "Gate memory, suite unit: defects: 1 back", "Gate memory, suite unit: defects: 1 gone",
		}, titles); diff != "" {
			t.Errorf("the room (-want +got):\n%s", diff)
		}
		if n := g.gitlab.Mentions(); len(n) > 0 {
			t.Errorf("mentioned: %v", n)
		}
	})
}

// TestDefectOwners: each team gets its own, in its own project and room.
func TestDefectOwners(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		g := startGated(t, address)
		g.report(nil, leak("a", "@shop/finders"), leak("b", "@ana @x/search"), leak("c", ""), leak("d", "@nobody"))
		g.issues(g.backlog, "opened 0", "opened 0")
		g.issues(g.project, "opened 0", "opened 0")
		g.settled()
		if a, b := g.said("C0SEA"), g.said("C0PAY"); len(a) != 1 || len(b) != 1 || !strings.Contains(a[0], "2 new") || !strings.Contains(b[0], "2 new") {
			t.Errorf("search was told %q, payments %q", a, b)
		}
		if n := len(g.incidents()); n != 1 {
			t.Errorf("%d incidents of one report", n)
		}
		// A team that moves its tickets elsewhere keeps those that there are where they are.
		g.apply(strings.Replace(g.config, "search/backlog", "shop/checkout", 1))
		g.report(nil)
		g.issues(g.project, "closed 1", "closed 1")
	})
}

// TestDefectAccepted: what the baseline lets pass, and what nobody wants a ticket
// of, opens none; an open defect that was accepted is not closed.
func TestDefectAccepted(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		g := startGated(t, address)
		accepted, quiet := leak("a", ""), leak("b", "")
		accepted.New, quiet.Ticket = false, false
		if got := g.report(nil, accepted, quiet); got.New != 0 || len(got.Defects) != 0 {
			t.Errorf("%+v", got)
		}
		g.report(nil, leak("a", ""))
		g.issues(g.project, "opened 0")
		if got := g.report(nil, accepted); got.Known != 1 || got.Closed != 0 {
			t.Errorf("accepted while it is open: %+v", got)
		}
		g.report(nil)
		g.issues(g.project, "closed 1")
		if got := g.report(nil, accepted); got.Returned != 0 {
			t.Errorf("accepted when it returns: %+v", got)
		}
		g.settled()
		g.issues(g.project, "closed 1")
	})
}

// TestDefectsAtOnce: many pipelines report the same new defects at the same time,
// through two servers where the database has room for two: one ticket each.
func TestDefectsAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		g := startGated(t, address)
		engines := []*engine.Engine{g.Engine}
		if strings.HasPrefix(address, "postgres") {
			other := start(t, address, options{})
			engines = append(engines, other.Engine)
		}
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				_, err := engines[i%len(engines)].Report(t.Context(), g.org, "memory", gate.Result{
					ID: fmt.Sprintf("pipeline-%d", i/2), Verdict: "fail", Suite: "unit", Complete: true, Source: gate.Source{Branch: "main", Default: true},
					Findings: []gate.ResultFinding{leak("a", ""), leak("b", ""), leak("c", "")},
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		g.issues(g.project, "opened 0", "opened 0", "opened 0")
		g.settled()
		g.issues(g.project, "opened 0", "opened 0", "opened 0")
		if n := number(t, address, `SELECT count(*) FROM defects`); n != 3 {
			t.Errorf("%d rows of 3 defects", n)
		}
		if n := number(t, address, `SELECT count(*) FROM gate_runs`); n != 8 { // each was sent twice
			t.Errorf("%d runs of 8 pipelines", n)
		}
		list, err := g.store.ListDefects(t.Context(), g.org, store.DefectFilter{Limit: 10})
		if err != nil || len(list) != 3 || list[0].Seen != 8 {
			t.Errorf("defects %+v, %v; want each seen 8 times", list, err)
		}
		if n := len(g.said("C0PAY")); n != 1 {
			t.Errorf("the room was told %d times", n)
		}
	})
}

// TestDefectRepeated: a result that is sent again is answered as it was.
func TestDefectRepeated(t *testing.T) {
	t.Parallel()
	g := startGated(t, postgres(t))
	same := func(r *gate.Result) { r.ID = "the-same" }
	a := g.report(same, leak("a", ""))
	g.issues(g.project, "opened 0")
	g.settled()
	b := g.report(same, leak("a", ""))
	if a.Repeated || !b.Repeated || a.ID != b.ID || b.New != 1 || !strings.HasSuffix(b.Defects[0].Ticket, "/issues/1") {
		t.Errorf("first %+v, then %+v", a, b)
	}
	if _, err := g.Report(t.Context(), g.org, "none", gate.Result{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a gate that is not there: %v", err)
	}
	var wrong gate.Wrong
	if _, err := g.tryReport(func(r *gate.Result) { r.Findings[1].Class = "leek" }, leak("a", ""), leak("b", "")); !errors.As(err, &wrong) || wrong.Pointer != "/findings/1/class" {
		t.Errorf("a class that is not there: %v", err)
	}
}

// TestDefectTrackerDown: while the tracker is away everything waits; then there
// is one ticket, in the state that counts, and nobody is told what is past.
func TestDefectTrackerDown(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		g := startGated(t, address)
		g.gitlab.Fail("/api/", -1, vendortest.GitLabBadGateway())
		g.report(nil, leak("a", ""), leak("b", ""))
		g.wait("it was tried", defectPatience, func() bool { return len(g.gitlab.Requests()) > 1 })
		g.report(nil, leak("b", "")) // a is gone before it had a ticket
		g.report(nil, leak("a", ""), leak("b", ""))
		g.report(nil, leak("b", ""))
		g.gitlab.Fail("/api/", 0, vendortest.GitLabFault{})
		g.settled()
		if issues := g.issuesByTitle(); len(issues) != 2 || issues["a"] != "closed 1" || issues["b"] != "opened 0" {
			t.Errorf("issues %v", issues)
		}
	})
}

func (g *gated) issuesByTitle() map[string]string {
	found := map[string]string{}
	for _, i := range g.gitlab.Issues(g.project) {
		_, rest, _ := strings.Cut(i.Title, "cart_new_")
		name, _, _ := strings.Cut(rest, " ")
		found[name] += fmt.Sprintf("%s %d", i.State, len(i.Notes))
	}
	return found
}

// TestDefectRefused: a tracker that refuses is told of at the defect, and asked
// again with the next report.
func TestDefectRefused(t *testing.T) {
	t.Parallel()
	g := startGated(t, postgres(t))
	g.gitlab.Fail("POST", 1, vendortest.GitLabForbidden())
	g.report(nil, leak("a", ""))
	var d gate.Defect
	g.wait("the refusal is known", defectPatience, func() bool {
		list, err := g.store.ListDefects(t.Context(), g.org, store.DefectFilter{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		d = list[0]
		return d.Ticket.Error != ""
	})
	if !strings.Contains(d.Ticket.Error, "403") || strings.Contains(d.Ticket.Error, "glpat") {
		t.Errorf("error %q", d.Ticket.Error)
	}
	g.report(nil, leak("a", ""))
	g.issues(g.project, "opened 0")
}

// TestDefectAnswerLost: what the tracker did although its answer was lost is not
// done a second time.
func TestDefectAnswerLost(t *testing.T) {
	t.Parallel()
	g := startGated(t, postgres(t))
	for i, want := range []string{"opened 0", "closed 1", "opened 2"} {
		g.gitlab.Fail("POST", 1, vendortest.GitLabLost())
		if i == 1 {
			g.report(nil)
		} else {
			g.report(nil, leak("a", ""))
		}
		g.issues(g.project, want)
		g.settled()
		g.issues(g.project, want)
	}
}

// TestDefectsFlood: a first report of an old program does not flood the tracker;
// the rest follows, report by report.
func TestDefectsFlood(t *testing.T) {
	t.Parallel()
	g := startGated(t, postgres(t))
	var all []gate.ResultFinding
	for i := range 120 {
		all = append(all, leak(fmt.Sprintf("f%03d", i), ""))
	}
	for i, want := range []struct{ issues, waiting int }{{50, 70}, {100, 20}, {120, 0}} {
		if got := g.report(nil, all...); got.Waiting != want.waiting {
			t.Errorf("report %d: %d wait, want %d", i, got.Waiting, want.waiting)
		}
		g.wait("the tickets are there", defectPatience, func() bool { return len(g.gitlab.Issues(g.project)) == want.issues })
	}
	if n := len(g.incidents()); n != 3 {
		t.Errorf("%d incidents of 3 reports", n)
	}
	if got := g.report(nil); got.Closed != 120 {
		t.Errorf("closed %d", got.Closed)
	}
	g.wait("all are closed", defectPatience, func() bool {
		for _, i := range g.gitlab.Issues(g.project) {
			if i.State != "closed" {
				return false
			}
		}
		return true
	})
}

// TestDefectFoundAgain: a database that knows nothing of a ticket finds it, and
// opens it again if it was closed.
func TestDefectFoundAgain(t *testing.T) {
	t.Parallel()
	g := startGated(t, postgres(t))
	g.report(nil, leak("a", ""))
	g.issues(g.project, "opened 0")
	g.report(nil)
	g.issues(g.project, "closed 1")
	g.settled()
	sqlOn(t, g.address, `DELETE FROM defects`, `DELETE FROM outbox`)
	g.report(nil, leak("a", ""))
	g.issues(g.project, "opened 2")
}

// TestDefectIsNotObeyed: what a report says is text, in the tracker, in the room
// and in the alert.
func TestDefectIsNotObeyed(t *testing.T) {
	t.Parallel()
	g := startGated(t, postgres(t))
	evil := "@all <!channel> <script>x</script> !(a)[b] #1\n/close\n/confidential\n\u202emoc.live"
	f := leak("a", "@all")
	f.Message, f.File, f.Function, f.Kind, f.Tool, f.Stack = evil, evil, evil, evil, evil, []string{evil, "/close"}
	g.report(func(r *gate.Result) { r.Branch, r.Commit, r.Pipeline, r.Reason = evil, evil, evil, evil }, f)
	g.issues(g.project, "opened 0")
	g.settled()
	g.report(func(r *gate.Result) { r.Branch, r.Commit, r.Pipeline = evil, evil, evil })
	g.issues(g.project, "closed 1")
	g.settled()
	if m := g.gitlab.Mentions(); len(m) > 0 {
		t.Errorf("mentioned: %v", m)
	}
	for _, m := range g.slack.Messages() {
		if text := m.Text + string(m.Attachments) + string(m.Blocks); strings.Contains(text, "<!channel>") || strings.Contains(text, "\u202e") {
			t.Errorf("the room was told %s", text)
		}
	}
	inc := g.incidents()[0]
	if strings.ContainsAny(inc.Title, "\n\u202e") {
		t.Errorf("the incident is called %q", inc.Title)
	}
}
