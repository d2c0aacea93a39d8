package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/internal/vendortest"
)

// A leakStory is that of a leak that cannot leave CI. Git, the compiler, Valgrind
// and the hook are those of this machine; only GitLab's tracker and Slack are
// stand-ins.
type leakStory struct {
	narrator
	world *demoWorld
	fault string
	dir   string

	at     map[string]time.Time // of each station
	marked int                  // messages that were told of
}

// leakStations are the points that the story must reach, in its order.
var leakStations = []string{"refused", "ticket_opened", "room_told", "accepted", "deployable", "ticket_closed"}

// The shop's basket, with its leak and without.
const (
	demoMain  = "int basket_size(void);\n\nint main(void) {\n\treturn basket_size() != 1;\n}\n"
	demoLeaky = "#include <stdlib.h>\n\nchar *basket_new(int items) {\n\treturn malloc(items);\n}\n\nint basket_size(void) {\n\tchar *b = basket_new(42);\n\tb[0] = 1;\n\treturn b[0];\n}\n"
	demoFixed = "#include <stdlib.h>\n\nchar *basket_new(int items) {\n\treturn malloc(items);\n}\n\nint basket_size(void) {\n\tchar *b = basket_new(42);\n\tb[0] = 1;\n\tint size = b[0];\n\tfree(b);\n\treturn size;\n}\n"
)

// demoHook builds what is pushed, and lets pass what the gate passes.
const demoHook = `#!/bin/sh
set -e
while read -r old new ref; do
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	git archive "$new" | tar -x -C "$work"
	cd "$work"
	cc -g -O0 -o shop src/*.c
	"$MUSTER" gate run --suite memory --commit "$new" --branch "${ref#refs/heads/}" --default-branch main \
		--report "$MUSTER_REPORT" --gate checkout-memory --unsent "$DEMO/unsent" \
		--artefact shop --sign "$DEMO/verdict.json" -- ./shop
	cp shop "$DEMO/shop.built"
done
`

// stationWithin is how long a station may take.
const stationWithin = 30 * time.Second

func (s *leakStory) play(ctx context.Context) error {
	s.at = map[string]time.Time{}
	for _, tool := range []string{"git", "cc", "valgrind", "tar"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w: there is no %s on this machine", errStory, tool)
		}
	}
	err := s.tell(ctx)
	if err == nil && len(s.missing()) > 0 {
		err = fmt.Errorf("missing: %s", strings.Join(s.missing(), ", "))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errStory, err)
	}
	s.say("muster", "every station reached: the leak never left CI")
	return nil
}

func (s *leakStory) tell(ctx context.Context) error {
	s.say("muster", "listens on %s; gate checkout-memory: @shop/payments in CODEOWNERS is team payments", s.world.muster.URL)
	if err := s.prepare(ctx); err != nil {
		return err
	}
	s.say("ana", "commits a basket that leaks, and pushes it to main")
	if err := s.commit(ctx, "count the basket", demoLeaky); err != nil {
		return err
	}
	if passed, err := s.push(ctx); err != nil || passed {
		return fmt.Errorf("the leak was accepted: %w", err)
	}
	s.reach("refused")
	if err := s.ticket(ctx, "opened"); err != nil {
		return err
	}
	if err := s.room(ctx); err != nil {
		return err
	}

	fix := demoFixed
	if s.fault == faultNoFix {
		fix = "/* Mended. */\n\n" + demoLeaky
	}
	s.say("ana", "frees the basket, and pushes again")
	if err := s.commit(ctx, "free the basket", fix); err != nil {
		return err
	}
	passed, err := s.push(ctx)
	if err != nil || !passed {
		return err
	}
	s.reach("accepted")
	if err := s.verify(ctx); err != nil {
		return err
	}
	if err := s.ticket(ctx, "closed"); err != nil {
		return err
	}
	return s.room(ctx)
}

// prepare makes the repository, its hook, a key, and a token for CI.
func (s *leakStory) prepare(ctx context.Context) error {
	for _, args := range [][]string{
		{"git", "init", "-q", "--bare", "-b", "main", "origin.git"},
		{"git", "init", "-q", "-b", "main", "shop"},
		{"git", "-C", "shop", "remote", "add", "origin", filepath.Join(s.dir, "origin.git")},
	} {
		if out, err := s.run(ctx, args...); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	for name, text := range map[string]string{
		"origin.git/hooks/pre-receive": demoHook, "shop/CODEOWNERS": "/src/ @shop/payments\n", "shop/src/main.c": demoMain,
	} {
		path := filepath.Join(s.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			return err
		}
	}
	if out, err := s.run(ctx, s.self(), "gate", "key", "gate.key"); err != nil {
		return fmt.Errorf("make a key: %w: %s", err, out)
	}
	return nil
}

func (s *leakStory) self() string {
	name, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return name
}

// run runs a command in the story's folder, as a pipeline of the shop.
func (s *leakStory) run(ctx context.Context, args ...string) (string, error) {
	key, _ := os.ReadFile(filepath.Join(s.dir, "gate.key"))
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = s.dir
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MUSTER_") || strings.HasPrefix(v, "GIT_") }),
		"MUSTER="+s.self(), "DEMO="+s.dir, "MUSTER_REPORT="+s.world.muster.URL, "MUSTER_TOKEN="+s.world.token, gateKey+"="+string(key),
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=Ana Ruiz", "GIT_AUTHOR_EMAIL=ana@shop.example", "GIT_COMMITTER_NAME=Ana Ruiz", "GIT_COMMITTER_EMAIL=ana@shop.example")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *leakStory) commit(ctx context.Context, message, basket string) error {
	if err := os.WriteFile(filepath.Join(s.dir, "shop", "src", "basket.c"), []byte(basket), 0o644); err != nil {
		return err
	}
	for _, args := range [][]string{{"add", "-A"}, {"commit", "-q", "-m", message}} {
		if out, err := s.run(ctx, append([]string{"git", "-C", "shop"}, args...)...); err != nil {
			return fmt.Errorf("git %s: %w: %s", args[0], err, out)
		}
	}
	return nil
}

// push pushes, and shows what the hook said.
func (s *leakStory) push(ctx context.Context) (passed bool, err error) {
	out, err := s.run(ctx, "git", "-C", "shop", "push", "origin", "main")
	judged := false
	for line := range strings.Lines(out) {
		line, ours := strings.CutPrefix(line, "remote: ")
		if line = strings.TrimRight(line, " \n"); !ours || line == "" {
			continue
		}
		judged = judged || strings.HasPrefix(line, "PASS") || strings.HasPrefix(line, "FAIL")
		s.say("gate", "%s", clean(line))
	}
	switch {
	case !judged:
		return false, fmt.Errorf("the gate did not judge: %w: %s", err, out)
	case err != nil:
		s.say("git", "push refused: pre-receive hook declined")
		return false, nil
	}
	s.say("git", "push accepted")
	return true, nil
}

// ticket waits for the one ticket to be in a state.
func (s *leakStory) ticket(ctx context.Context, state string) error {
	var found []vendortest.GitLabIssue
	err := s.await(ctx, func() bool {
		found = s.world.gitlab.Issues(s.world.project)
		return len(found) == 1 && found[0].State == state
	})
	if err != nil {
		return fmt.Errorf("no ticket is %s, of %d: %w", state, len(found), err)
	}
	s.say("gitlab", "issue #%d %s: %s [%s]", found[0].IID, state, found[0].Title, strings.Join(found[0].Labels, ", "))
	s.reach("ticket_" + state)
	return nil
}

// room waits for the next message in the team's room.
func (s *leakStory) room(ctx context.Context) error {
	var text string
	err := s.await(ctx, func() bool {
		messages := s.world.slack.Messages()
		if len(messages) <= s.marked {
			return false
		}
		text = messages[s.marked].Text
		return true
	})
	if err != nil {
		return fmt.Errorf("the room was told nothing: %w", err)
	}
	s.marked++
	s.say("slack", "#payments: %s", clean(text))
	s.reach("room_told")
	return nil
}

// verify asks what a deployment asks: does a signed verdict let this program go
// out, and does it let another one.
func (s *leakStory) verify(ctx context.Context) error {
	out, err := s.run(ctx, s.self(), "gate", "verify", "--artefact", "shop.built", "--key", "gate.key.pub", "verdict.json")
	if err != nil {
		return fmt.Errorf("what was judged may not be deployed: %w: %s", err, out)
	}
	s.say("deploy", "%s", clean(strings.TrimSpace(out)))
	if out, err = s.run(ctx, s.self(), "gate", "verify", "--artefact", "gate.key.pub", "--key", "gate.key.pub", "verdict.json"); err == nil {
		return fmt.Errorf("another artefact may be deployed: %s", out)
	}
	s.reach("deployable")
	return nil
}

func (s *leakStory) await(ctx context.Context, done func() bool) error {
	ctx, stop := context.WithTimeout(ctx, stationWithin)
	defer stop()
	for !done() {
		if !pause(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
	return nil
}

func (s *leakStory) reach(station string) {
	if s.at[station].IsZero() {
		s.at[station] = time.Now()
	}
}

func (s *leakStory) missing() []string {
	return slices.DeleteFunc(slices.Clone(leakStations), func(name string) bool { return !s.at[name].IsZero() })
}

func (s *leakStory) result() map[string]any {
	out := map[string]any{}
	for _, name := range leakStations {
		out[name] = nil
		if at := s.at[name]; !at.IsZero() {
			out[name] = at.UTC().Format(time.RFC3339Nano)
		}
	}
	return out
}
