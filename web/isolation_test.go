package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/runbook"
)

// fire sends log lines that make the rule fire, and waits for the run that it
// proposes.
func (w *world) fire() (inc incident.Incident, run runbook.Run) {
	w.t.Helper()
	w.ask(http.StatusAccepted, nil, "", "POST", "/intake/logs/nginx/key-of-prometheus-0123", logLines())
	for range 500 {
		var list struct{ Incidents []incident.Incident }
		w.ask(200, &list, "viewer", "GET", "/api/v1/incidents?open=true", "")
		for _, inc := range list.Incidents {
			var runs struct{ Runs []runbook.Run }
			w.ask(200, &runs, "viewer", "GET", "/api/v1/incidents/"+inc.ID+"/runs", "")
			if len(runs.Runs) == 1 && runs.Runs[0].State == runbook.AwaitingApproval {
				return inc, runs.Runs[0]
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatal("no run awaits an approval")
	return inc, run
}

// logLines are twenty requests, five of them bad, and one a minute later that
// moves the rule on past them.
func logLines() string {
	var lines strings.Builder
	at := time.Now().UTC().Add(-90 * time.Second)
	stamp := func(second int) string { return at.Add(time.Duration(second) * time.Second).Format(time.RFC3339) }
	for i := range 20 {
		status := 200
		if i%4 == 0 {
			status = 503
		}
		fmt.Fprintf(&lines, `{"time":"%s","status":%d,"path":"/pay"}`+"\n", stamp(i), status)
	}
	fmt.Fprintf(&lines, `{"time":"%s","status":200,"path":"/pay"}`+"\n", stamp(60))
	return lines.String()
}

// TestTenants asks on every route of the API, as the admin of another
// organization, for what this one has: nothing of it may be seen or done.
func TestTenants(t *testing.T) {
	w := newWorld(t)
	got := w.trigger("disk")
	_, run := w.fire()
	var override Override
	w.ask(201, &override, "responder", "POST", "/api/v1/schedules/primary/overrides", `{"user":"bob","from":"2099-01-01T00:00:00Z","to":"2099-01-02T00:00:00Z"}`)
	var reported engine.Reported
	w.ask(200, &reported, "reporter", "POST", "/api/v1/gates/checkout-memory/reports", leakReport)
	w.ask(200, nil, "reporter", "POST", "/api/v1/gates/checkout-memory/reports", goneReport)
	var tokens struct{ Tokens []Token }
	w.ask(200, &tokens, "admin", "GET", "/api/v1/tokens", "")

	body := map[string]string{
		"POST /api/v1/incidents/{id}/snooze": `{"for":"1h"}`, "POST /api/v1/incidents/{id}/reassign": `{"targets":["user:eve"]}`, "POST /api/v1/incidents/{id}/notes": `{"text":"x"}`,
		"POST /api/v1/runs/{id}/approve": `{"hash":"` + run.Hash + `"}`, "POST /api/v1/schedules/{slug}/overrides": `{"user":"eve","from":"2099-01-01T00:00:00Z","to":"2099-01-02T00:00:00Z"}`,
		"POST /api/v1/gates/{slug}/reports": leakReport, "POST /api/v1/gates/{slug}/selftests": `{"good":true}`,
	}
	id := func(path string) string {
		switch {
		case strings.Contains(path, "/incidents/"):
			return got.Incident
		case strings.Contains(path, "/alerts/"):
			return got.Alert
		case strings.Contains(path, "/events/"):
			return got.Event
		case strings.Contains(path, "/runs/"):
			return run.ID
		case strings.Contains(path, "/overrides/"):
			return override.ID
		case strings.Contains(path, "/defects/"):
			return reported.Defects[0].ID
		}
		return tokens.Tokens[0].ID
	}
	rows := w.rows()
	before := rows(t)
	asked := 0
	for _, r := range w.server.routes {
		if r.role != viewer && r.role != responder && r.role != admin && r.role != reporter {
			continue
		}
		slug := "primary"
		switch {
		case strings.Contains(r.path, "/rules/"):
			slug = "checkout-5xx"
		case strings.Contains(r.path, "/gates/"):
			slug = "checkout-memory"
		}
		path := strings.NewReplacer("{id}", id(r.path), "{slug}", slug, "{class}", "leak").Replace(r.path)
		answer := w.do("bank", r.method, path, body[r.method+" "+r.path])
		switch {
		case strings.Contains(r.path, "{id}"), strings.Contains(r.path, "{slug}") && !strings.Contains(r.path, "complaints"):
			if answer.status != http.StatusNotFound {
				t.Errorf("%s %s: status %d: %s", r.method, path, answer.status, answer.body)
			}
			asked++
		case answer.status == http.StatusOK:
			for _, ours := range []string{got.Incident, got.Alert, run.ID, override.ID, "checkout", "cart_new", "c0ffee", tokens.Tokens[0].ID} {
				if strings.Contains(string(answer.body), ours) {
					t.Errorf("%s %s shows %s of another organization", r.method, path, ours)
				}
			}
		}
	}
	if asked < 28 {
		t.Errorf("only %d routes asked", asked)
	}
	after := rows(t)
	for table := range before {
		if before[table] != after[table] && table != "windows" && table != "rule_states" {
			t.Errorf("%s: %d rows, then %d", table, before[table], after[table])
		}
	}

	for _, token := range []string{"viewer", "admin"} {
		w.ask(403, nil, token, "GET", "/api/v1/incidents", "", organizationHeader, "bank").problem(t)
		w.ask(403, nil, token, "GET", "/api/v1/incidents", "", organizationHeader, "none").problem(t)
		w.ask(200, nil, token, "GET", "/api/v1/incidents", "", organizationHeader, "shop")
	}
	if p := w.ask(400, nil, "root", "GET", "/api/v1/incidents", "").problem(t); len(p.Errors) != 1 || p.Errors[0].Parameter != organizationHeader {
		t.Errorf("an admin of all organizations who names none: %+v", p)
	}
	w.ask(200, nil, "root", "GET", "/api/v1/incidents/"+got.Incident, "", organizationHeader, "shop")
	w.ask(404, nil, "root", "GET", "/api/v1/incidents/"+got.Incident, "", organizationHeader, "bank")
	w.ask(404, nil, "root", "GET", "/api/v1/incidents/"+got.Incident, "", organizationHeader, "none")

	// An intake of the other organization makes an alert of its own there.
	w.ask(202, nil, "", "POST", "/intake/events/key-of-the-bank-012345", `{"key":"disk","action":"resolve"}`)
	var inc incident.Incident
	w.ask(200, &inc, "viewer", "GET", "/api/v1/incidents/"+got.Incident, "")
	if !inc.Open() {
		t.Error("another organization's resolve ended the incident")
	}
}

// TestDecisions approves and rejects runs.
func TestDecisions(t *testing.T) {
	w := newWorld(t)
	_, run := w.fire()
	at := "/api/v1/runs/" + run.ID
	w.ask(409, nil, "responder", "POST", at+"/approve", `{"hash":"0000"}`).problem(t)
	w.ask(409, nil, "other", "POST", at+"/approve", `{"hash":"`+run.Hash+`"}`).problem(t) // nobody's token
	w.ask(403, nil, "viewer", "POST", at+"/approve", `{"hash":"`+run.Hash+`"}`).problem(t)
	w.ask(200, &run, "responder", "POST", at+"/approve", `{"hash":"`+run.Hash+`"}`)
	if run.Approval.DecidedBy != "ana" {
		t.Errorf("decided by %q", run.Approval.DecidedBy)
	}
	if p := w.ask(409, nil, "responder", "POST", at+"/approve", `{"hash":"`+run.Hash+`"}`).problem(t); !strings.Contains(p.Detail, "already approved by ana") {
		t.Errorf("409 says %q", p.Detail)
	}
	w.ask(200, nil, "viewer", "GET", at, "")
	svg := w.ask(200, nil, "viewer", "GET", "/api/v1/incidents/1/chart.svg", "")
	if svg.header.Get("Content-Type") != "image/svg+xml" || !strings.HasPrefix(string(svg.body), "<svg") {
		t.Errorf("chart: %v %.80s", svg.header, svg.body)
	}
}
