package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/vendortest"
)

// hook is the pre-receive hook of a repository: it builds what is pushed, and
// lets pass what the gate passes.
const hook = `#!/bin/sh
set -e
while read -r old new ref; do
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	git archive "$new" | tar -x -C "$work"
	cd "$work"
	cc -g -O0 -o tests src/*.c
	"%[1]s" gate run --suite memory --commit "$new" --branch "${ref#refs/heads/}" --default-branch main \
		--report "%[2]s" --gate shop-memory --unsent "%[3]s" -- ./tests
done
`

const (
	leakyBasket = "#include <stdlib.h>\n\nchar *basket_new(int n) {\n\treturn malloc(n);\n}\n\nint basket_size(void) {\n\tchar *b = basket_new(42);\n\tb[0] = 1;\n\treturn b[0];\n}\n"
	cleanBasket = "#include <stdlib.h>\n\nchar *basket_new(int n) {\n\treturn malloc(n);\n}\n\nint basket_size(void) {\n\tchar *b = basket_new(42);\n\tb[0] = 1;\n\tint size = b[0];\n\tfree(b);\n\treturn size;\n}\n"
	shopMain    = "int basket_size(void);\n\nint main(void) {\n\treturn basket_size() != 1;\n}\n"
)

// TestWholeCircle: a leaky commit is pushed and refused; one ticket exists, of
// the right team, whose room was told; the fix is pushed and accepted, and the
// ticket closes; the leak comes back, and so does the ticket. Valgrind, git and
// the hook are real.
func TestWholeCircle(t *testing.T) {
	t.Parallel()
	program(t, "valgrind")
	program(t, "cc")
	c := newCircle(t)

	c.commit("a basket that leaks", leakyBasket)
	out, err := c.push()
	if err == nil || !strings.Contains(out, "Leak_DefinitelyLost") || !strings.Contains(out, "basket_new") || !strings.Contains(out, "pre-receive hook declined") {
		t.Fatalf("the leak was pushed: %v\n%s", err, out)
	}
	opened := c.issue("opened")
	for _, label := range []string{"muster", "team::payments", "class::leak"} {
		if !slices.Contains(opened.Labels, label) {
			t.Errorf("the ticket has the labels %q, and not %q", opened.Labels, label)
		}
	}
	if !strings.Contains(opened.Description, "src/basket.c:4") || !strings.Contains(opened.Description, "42 bytes") {
		t.Errorf("the ticket does not tell where:\n%s", opened.Description)
	}
	c.told("basket_new")

	// The same leak in another commit is the same defect.
	c.commit("a comment", "/* Baskets. */\n\n"+leakyBasket)
	if out, err := c.push(); err == nil {
		t.Fatalf("the leak was pushed at the second try:\n%s", out)
	}
	c.issue("opened")

	c.commit("free the basket", cleanBasket)
	if out, err := c.push(); err != nil {
		t.Fatalf("the fix was refused: %v\n%s", err, out)
	}
	c.issue("closed")

	c.commit("lose it again", leakyBasket)
	if out, err := c.push(); err == nil {
		t.Fatalf("the leak came back:\n%s", out)
	}
	c.issue("opened")
}

// TestGateWithoutServer: a server that is down makes no red gate green and no
// green one red, and hears of it later.
func TestGateWithoutServer(t *testing.T) {
	t.Parallel()
	program(t, "valgrind")
	program(t, "cc")
	c := newCircle(t)
	c.server.kill()
	c.commit("a basket that leaks", leakyBasket)
	out, err := c.push()
	if err == nil || !strings.Contains(out, "the server was not told") || !strings.Contains(out, "kept in") {
		t.Fatalf("red, without a server: %v\n%s", err, out)
	}
	c.commit("free the basket", cleanBasket)
	if out, err := c.push(); err != nil {
		t.Fatalf("green, without a server: %v\n%s", err, out)
	}
	if kept, _ := filepath.Glob(filepath.Join(c.unsent, "*.json")); len(kept) != 2 {
		t.Fatalf("%d reports are kept, want 2", len(kept))
	}
	if got := c.gitlab.Issues(c.project); len(got) != 0 {
		t.Fatalf("there are tickets already: %v", got)
	}
	c.restart()
	c.commit("a comment", "/* Baskets. */\n\n"+cleanBasket)
	if out, err := c.push(); err != nil {
		t.Fatalf("green, with the server back: %v\n%s", err, out)
	}
	c.issue("closed")
	if kept, _ := filepath.Glob(filepath.Join(c.unsent, "*.json")); len(kept) != 0 {
		t.Errorf("%d reports are still kept", len(kept))
	}
}

// A circle is a repository with a gate before it, a Muster, and what that
// reaches.
type circle struct {
	*testing.T
	dir, unsent string
	server      *server
	base        string // address of the server, also while it is down
	args        []string
	gitlab      *vendortest.GitLab
	project     int64
	slack       *vendortest.Slack
	env         []string
}

func newCircle(t *testing.T) *circle {
	t.Helper()
	c := &circle{T: t, dir: t.TempDir()}
	c.unsent = filepath.Join(c.dir, "unsent")
	c.gitlab = vendortest.NewGitLab(time.Now)
	t.Cleanup(c.gitlab.Close)
	c.gitlab.AddToken("glpat-circle", vendortest.GitLabToken{})
	c.project = c.gitlab.AddProject("shop/checkout")
	tracker := httptest.NewServer(c.gitlab)
	t.Cleanup(tracker.Close)
	c.slack = vendortest.NewSlack(time.Now, vendortest.SlackOptions{
		Token: "xoxb-circle", SigningSecret: "circle", Channels: []vendortest.SlackChannel{{ID: "C0PAYMENT", Name: "payments"}},
	})
	chat := httptest.NewServer(c.slack)
	t.Cleanup(chat.Close)

	c.args = []string{"--config", write(t, c.dir, "shop.yaml", fmt.Sprintf(`
organization: shop
users:
  ana: {contacts: {chat: {slack: U0ANA0001, via: chat}}}
teams:
  payments: {members: [ana], room: {slack: "#payments"}}
connections:
  chat: {slack: %q, token: xoxb-circle, signing_secret: circle, allow: [127.0.0.0/8]}
  tracker: {gitlab: %q, token: glpat-circle, allow: [127.0.0.0/8]}
policies:
  calm: {steps: [{notify: [user:ana], wait: 1h}]}
services:
  checkout: {policy: calm}
gates:
  shop-memory:
    service: checkout
    owners: {"@shop/payments": payments}
    ticket: {gitlab: tracker, project: shop/checkout}
`, chat.URL+"/api/", tracker.URL))}
	c.server = serve(t, "muster", filepath.Join(c.dir, "muster.db"), c.args...)
	c.base = c.server.base
	var made struct{ Token string }
	if err := c.server.post("/api/v1/tokens", map[string]string{"name": "ci", "role": "reporter"}, &made); err != nil {
		t.Fatal(err)
	}
	c.env = []string{
		"MUSTER_TOKEN=" + made.Token, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=ana", "GIT_AUTHOR_EMAIL=ana@shop.example", "GIT_COMMITTER_NAME=ana", "GIT_COMMITTER_EMAIL=ana@shop.example",
	}
	c.must("git", "init", "-q", "--bare", "-b", "main", "origin.git")
	c.must("git", "init", "-q", "-b", "main", "shop")
	c.must("git", "-C", "shop", "remote", "add", "origin", filepath.Join(c.dir, "origin.git"))
	c.installHook()
	if err := os.MkdirAll(filepath.Join(c.dir, "shop", "src"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(c.dir, "shop"), "CODEOWNERS", "/src/ @shop/payments\n")
	write(t, filepath.Join(c.dir, "shop", "src"), "main.c", shopMain)
	return c
}

func (c *circle) installHook() {
	c.Helper()
	path := write(c.T, filepath.Join(c.dir, "origin.git", "hooks"), "pre-receive", fmt.Sprintf(hook, binary, c.base, c.unsent))
	if err := os.Chmod(path, 0o755); err != nil {
		c.Fatal(err)
	}
}

// restart brings the server back where it was.
func (c *circle) restart() {
	c.Helper()
	listen := strings.TrimPrefix(c.base, "http://")
	c.server = serve(c.T, "muster again", filepath.Join(c.dir, "muster.db"), append(c.args, "--listen", listen)...)
}

func (c *circle) run(command ...string) (string, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (c *circle) must(command ...string) {
	c.Helper()
	if out, err := c.run(command...); err != nil {
		c.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
	}
}

func (c *circle) commit(message, basket string) {
	c.Helper()
	write(c.T, filepath.Join(c.dir, "shop", "src"), "basket.c", basket)
	c.must("git", "-C", "shop", "add", "-A")
	c.must("git", "-C", "shop", "commit", "-q", "-m", message)
}

func (c *circle) push() (string, error) {
	return c.run("git", "-C", "shop", "push", "origin", "main")
}

// issue waits until there is one ticket, which has the state, and no second one.
func (c *circle) issue(state string) vendortest.GitLabIssue {
	c.Helper()
	var found []vendortest.GitLabIssue
	err := eventually(20*time.Second, func() error {
		found = c.gitlab.Issues(c.project)
		if len(found) != 1 || found[0].State != state {
			return fmt.Errorf("the tickets are %+v, want one that is %s", found, state)
		}
		return nil
	})
	if err != nil {
		c.Fatal(err)
	}
	return found[0]
}

// told waits until the team's room was told of something.
func (c *circle) told(what string) {
	c.Helper()
	err := eventually(20*time.Second, func() error {
		for _, m := range c.slack.Messages() {
			if m.Channel == "C0PAYMENT" && strings.Contains(m.Text+string(m.Attachments), what) {
				return nil
			}
		}
		return fmt.Errorf("the room was told %+v, and nothing of %s", c.slack.Messages(), what)
	})
	if err != nil {
		c.Fatal(err)
	}
}

// TestGateKilled: the server is killed again and again while two pipelines report
// the same defects, and send again what was not answered. In the end there is one
// ticket for each, and none is open when all are gone.
func TestGateKilled(t *testing.T) {
	t.Parallel()
	c := newCircle(t)
	const rounds, each = 6, 5
	leak := func(n int) map[string]any {
		return map[string]any{
			"fingerprint": fmt.Sprintf("%032x", n), "tool": "memcheck", "kind": "Leak_DefinitelyLost", "class": "leak", "severity": "error", "message": "lost",
			"file": "src/basket.c", "line": n, "function": "f", "count": 1, "owner": "@shop/payments", "new": true, "ticket": true,
		}
	}
	report := func(base, id string, findings ...map[string]any) error {
		return (api{base, adminToken}).post("/api/v1/gates/shop-memory/reports", map[string]any{
			"id": id, "verdict": "fail", "reason": "leaks", "suite": "memory", "complete": true, "default_branch": true, "branch": "main",
			"findings": findings, "reports": []any{},
		}, nil)
	}
	for round := range rounds {
		var findings []map[string]any
		for n := range (round + 1) * each {
			findings = append(findings, leak(n+1))
		}
		var pipelines sync.WaitGroup
		for pipeline := range 2 {
			pipelines.Go(func() {
				id := fmt.Sprintf("run-%d-%d", round, pipeline)
				if err := eventually(30*time.Second, func() error { return report(c.base, id, findings...) }); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond)
		c.server.kill()
		c.restart()
		pipelines.Wait()
	}
	opened := func(want int) func() error {
		return func() error {
			titles, open := map[string]bool{}, 0
			for _, issue := range c.gitlab.Issues(c.project) {
				if titles[issue.Title] {
					t.Fatalf("twice: %s", issue.Title)
				}
				titles[issue.Title] = true
				if issue.State == "opened" {
					open++
				}
			}
			if len(titles) != rounds*each || open != want {
				return fmt.Errorf("%d tickets, %d open; want %d, %d open", len(titles), open, rounds*each, want)
			}
			return nil
		}
	}
	if err := eventually(45*time.Second, opened(rounds*each)); err != nil {
		t.Fatal(err)
	}
	if err := report(c.base, "all-gone"); err != nil {
		t.Fatal(err)
	}
	c.server.kill()
	c.restart()
	if err := eventually(45*time.Second, opened(0)); err != nil {
		t.Error(err)
	}
}
