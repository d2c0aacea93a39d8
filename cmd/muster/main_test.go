package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs testdata/script as a user would: with the built binary, each
// command a process of its own, in an empty environment.
func TestScripts(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-ldflags", "-X main.version=v1.2.3-script", "-o", bin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			address, err := freePort()
			env.Setenv("ADDRESS", address)
			env.Setenv("TZ", "Europe/Madrid")
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready":  ready,
			"export": export,
			"most":   most,
		},
		RequireExplicitExec: true,
	})
}

// freePort returns a loopback address that nobody listens on.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// ready waits until the server at an address says that it is.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ready ADDRESS")
	}
	var last error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get("http://" + args[0] + "/readyz")
		if err != nil {
			last = err
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
		last = errors.New(resp.Status)
	}
	ts.Fatalf("%s is not ready: %v", args[0], last)
}

// export puts what a pattern's first group finds in a file into a variable.
func export(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: export NAME PATTERN FILE")
	}
	found := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile(args[2]))
	if len(found) != 2 {
		ts.Fatalf("%s: nothing matches %s", args[2], args[1])
	}
	ts.Setenv(args[0], found[1])
}

// most checks that no line of a file is longer than so many characters.
func most(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: most COLUMNS FILE")
	}
	limit, err := strconv.Atoi(args[0])
	ts.Check(err)
	for i, line := range strings.Split(ts.ReadFile(args[1]), "\n") {
		if columns(line) > limit {
			ts.Fatalf("%s:%d: %d columns", args[1], i+1, columns(line))
		}
	}
}

// TestHelp asks every command for its help: it ends well, names the command's
// own flags, and fits the screen.
func TestHelp(t *testing.T) {
	parser, err := kong.New(&commands{}, kong.Name("muster"), kong.Vars{"version": "", "instant": instantHelp})
	if err != nil {
		t.Fatal(err)
	}
	var paths [][]string
	var walk func(n *kong.Node, path []string)
	walk = func(n *kong.Node, path []string) {
		if len(path) > 0 {
			paths = append(paths, path)
		}
		for _, child := range n.Children {
			walk(child, append(slices.Clone(path), child.Name))
		}
	}
	walk(parser.Model.Node, nil)
	if len(paths) < 25 {
		t.Fatalf("found %d commands only", len(paths))
	}
	for _, path := range paths {
		t.Run(strings.Join(path, " "), func(t *testing.T) {
			var out, errs strings.Builder
			a := &app{out: &out, err: &errs, getenv: os.Getenv, now: time.Now, zone: time.UTC, width: tableWidth}
			if code := run(context.Background(), append(path, "--help"), a); code != exitFine {
				t.Fatalf("exit code %d, %s", code, errs.String())
			}
			text := out.String()
			if !strings.HasPrefix(text, "Usage: muster "+strings.Join(path, " ")) {
				t.Errorf("begins otherwise:\n%s", text)
			}
			if strings.Contains(text, "${") {
				t.Errorf("a variable is left:\n%s", text)
			}
			most := 60
			if slices.Contains(path, "gate") { // what judges has flags for all that a pipeline wants of it
				most = 100
			}
			if n := strings.Count(text, "\n"); n > most {
				t.Errorf("%d lines are not short", n)
			}
			for line := range strings.Lines(text) {
				if columns(strings.TrimSuffix(line, "\n")) > 110 {
					t.Errorf("too wide: %s", line)
				}
			}
		})
	}
}
