package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/config"
)

// call runs one command in this process, and returns what it said.
func call(t *testing.T, s *server, token, input string, asks bool, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e strings.Builder
	env := map[string]string{"MUSTER_TOKEN": token}
	a := &app{in: strings.NewReader(input), out: &o, err: &e, getenv: func(name string) string { return env[name] },
		now: time.Now, zone: time.UTC, width: tableWidth, asks: asks}
	code = run(context.Background(), append(args, "--server", s.URL), a)
	return code, o.String(), e.String()
}

// A rule fires and proposes a runbook; by command line the plan is shown, and
// nothing is done but by an approval of that plan by who may give it.
func TestApprove(t *testing.T) {
	var calls atomic.Int32
	tool := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		calls.Add(1)
	}))
	defer tool.Close()
	pager := httptest.NewServer(http.NotFoundHandler())
	defer pager.Close()
	s := testServer(t, func(o *serveOptions) {
		o.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		o.Config = []config.File{{Name: "shop.yaml", Body: fmt.Appendf(nil, `
organization: shop
users:
  ana: {name: Ana, contacts: {hook: {webhook: ~}}}
  bob: {name: Bob}
connections:
  hook: {webhook: %q}
integrations:
  own: {kind: muster, key: own-key-0123456789}
policies:
  none: {steps: [{notify: [user:ana], wait: 1h}]}
services:
  checkout: {policy: none}
  search: {policy: none}
rules:
  errors: {service: checkout, ratio: {bad: status >= 500, where: service == "checkout"}, above: 1%%, window: 2s, lateness: 0s, runbook: mend}
  slow: {service: search, ratio: {bad: status >= 500, where: service == "search"}, above: 1%%, window: 2s, lateness: 0s, runbook: mend}
runbooks:
  mend: {approve: {by: user:ana, within: 10m}, steps: [{http: {url: %q}}]}
`, pager.URL, tool.URL)}}
	})
	defer s.Stop(context.Background())

	tokens := map[string]string{}
	for _, user := range []string{"ana", "bob"} {
		code, out, errs := call(t, s, testAdmin, "", false, "token", "add", user, "--role", "responder")
		if code != exitFine {
			t.Fatalf("token of %s: %s", user, errs)
		}
		tokens[user] = strings.TrimSpace(out)
	}
	fire(t, s)

	runs := map[string]string{} // by incident
	plan := ""
	for _, incident := range []string{"1", "2"} {
		_, out, errs := call(t, s, tokens["ana"], "", false, "runs", incident)
		id := regexp.MustCompile(`(?m)^Run +(\S+)$`).FindStringSubmatch(out)
		hash := regexp.MustCompile(`(?m)^Plan +([0-9a-f]{16})$`).FindStringSubmatch(out)
		if id == nil || hash == nil || !strings.Contains(out, "awaiting approval") || !strings.Contains(out, "1. http: to come") {
			t.Fatalf("runs %s: %s%s", incident, out, errs)
		}
		runs[incident] = id[1]
		if incident == "1" {
			plan = hash[1]
		}
	}

	// Refused: nobody can be asked; another plan; no; who may not.
	refused := []struct {
		name, token, input string
		asks               bool
		args               []string
		code               int
		says               string
	}{
		{"nobody to ask", tokens["ana"], "", false, []string{"approve", runs["1"]}, exitMisused, "--plan: is needed"},
		{"another plan", tokens["ana"], "", false, []string{"approve", runs["1"], "--plan", "0123456789abcdef"}, exitFailed, "the plan is now " + plan},
		{"too short a plan", tokens["ana"], "", false, []string{"approve", runs["1"], "--plan", plan[:6]}, exitMisused, "at least 16"},
		{"no", tokens["ana"], "n\n", true, []string{"approve", runs["1"]}, exitFailed, "not approved"},
		{"silence", tokens["ana"], "", true, []string{"approve", runs["1"]}, exitFailed, "not approved"},
		{"not bob's to say", tokens["bob"], "", false, []string{"approve", runs["1"], "--plan", plan}, exitFailed, "the server refused"},
		{"nor a program's", testAdmin, "", false, []string{"approve", runs["1"], "--plan", plan}, exitFailed, "the server refused"},
	}
	for _, tt := range refused {
		code, out, errs := call(t, s, tt.token, tt.input, tt.asks, tt.args...)
		if code != tt.code || !strings.Contains(errs, tt.says) {
			t.Errorf("%s: exit code %d, %s%s", tt.name, code, out, errs)
		}
	}
	if n := calls.Load(); n != 0 {
		t.Fatalf("%d calls before anybody approved", n)
	}

	if code, out, errs := call(t, s, tokens["ana"], "y\n", true, "approve", runs["1"]); code != exitFine || !strings.Contains(out, "Approve this plan? [y/N] ") {
		t.Fatalf("approve: exit code %d, %s%s", code, out, errs)
	}
	if code, out, errs := call(t, s, tokens["ana"], "", false, "reject", runs["2"], "-m", "not now"); code != exitFine || out != "mend is rejected\n" {
		t.Fatalf("reject: exit code %d, %s%s", code, out, errs)
	}
	if code, _, errs := call(t, s, tokens["ana"], "", false, "reject", runs["2"]); code != exitFailed || !strings.Contains(errs, "(409)") {
		t.Errorf("rejected twice: exit code %d, %s", code, errs)
	}
	eventually(t, func() error {
		if _, out, _ := call(t, s, tokens["ana"], "", false, "runs", "1"); !strings.Contains(out, "1. http: done") {
			return fmt.Errorf("the approved run: %s", out)
		}
		return nil
	})
	if n := calls.Load(); n != 1 {
		t.Errorf("%d calls for one approval", n)
	}
}

// fire makes the two rules fire, and waits for their incidents: #1 and #2.
func fire(t *testing.T, s *server) {
	t.Helper()
	now := time.Now().UTC()
	var lines strings.Builder
	for i := range 100 {
		at := now.Add(time.Duration(i-60) * 100 * time.Millisecond)
		fmt.Fprintf(&lines, `{"time":%q,"service":%q,"status":503}`+"\n", at.Format(time.RFC3339Nano), []string{"checkout", "search"}[i%2])
	}
	req, err := http.NewRequest(http.MethodPost, s.URL+"/intake/logs/shop/own-key-0123456789", strings.NewReader(lines.String()))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusAccepted {
		t.Fatalf("logs: %s: %s", resp.Status, text)
	}
	eventually(t, func() error {
		_, out, errs := call(t, s, testAdmin, "", false, "incidents", "--json")
		var open []struct{ Number int }
		if err := json.Unmarshal([]byte(out), &open); err != nil || len(open) != 2 {
			return fmt.Errorf("%d open incidents (%v): %s", len(open), err, errs)
		}
		for _, incident := range []string{"1", "2"} {
			if _, out, _ := call(t, s, testAdmin, "", false, "runs", incident); !strings.Contains(out, "awaiting approval") {
				return fmt.Errorf("runs of incident %s: %s", incident, out)
			}
		}
		return nil
	})
}

// eventually asks again until there is no error.
func eventually(t *testing.T, ask func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = ask(); err == nil {
			return
		}
	}
	t.Fatal(err)
}
