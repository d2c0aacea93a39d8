// Command testreport runs the tests of the module for `make test`. It starts
// one PostgreSQL for all of them, runs `go test -json`, shows how far it is
// and every failure in full, and fails where a test was skipped that could
// have run. Its last line is "N passed, N failed, N skipped".
//
// It knows Go's test events and when a skip is honest. It knows nothing about
// what the tests test. It is a tool of the developers, so it may read the
// environment: CI and MUSTER_LONG.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/musterhq/muster/internal/pgtest"
)

// quiet is how long the report may say nothing before it tells what runs.
const quiet = 20 * time.Second

func main() {
	race := flag.Bool("race", false, "run with the race detector")
	plain := flag.String("plain", "", "`regexp` of import paths that run without the race detector all the same")
	packages := flag.String("packages", "./...", "packages to test, as patterns of go list")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: testreport [flags] [-- flags of go test]")
		flag.PrintDefaults()
	}
	flag.Parse()

	ok, err := run(os.Stdout, *race, *plain, strings.Fields(*packages), flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
	}
	if !ok {
		os.Exit(1)
	}
}

// run tests the packages and says whether all is well. Where it is not, the
// report on out has said why, but for an error of the run itself.
func run(out io.Writer, race bool, plain string, patterns, flags []string) (ok bool, err error) {
	checked, unchecked, err := split(patterns, plain)
	if err != nil {
		return false, err
	}
	pg, err := pgtest.Start()
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, pg.Stop()) }()
	if err := os.Setenv(pgtest.Env, pg.URL()); err != nil {
		return false, err
	}

	_, noSamples := os.Stat("../shared/samples")
	rep := newReport(out, place{
		ci:      os.Getenv("CI") == "true",
		long:    os.Getenv("MUSTER_LONG") != "",
		samples: noSamples == nil,
	})
	withRace := flags
	if race {
		withRace = append([]string{"-race"}, flags...)
	}
	whole := errors.Join(goTest(rep, withRace, checked), goTest(rep, flags, unchecked))
	return rep.close() && whole == nil, whole
}

// split lists the packages and takes those that match plain aside.
func split(patterns []string, plain string) (rest, aside []string, err error) {
	if plain == "" {
		return patterns, nil, nil
	}
	re, err := regexp.Compile(plain)
	if err != nil {
		return nil, nil, fmt.Errorf("-plain: %w", err)
	}
	list := exec.Command("go", append([]string{"list", "-e"}, patterns...)...)
	list.Stderr = os.Stderr
	names, err := list.Output()
	if err != nil {
		return nil, nil, fmt.Errorf("go list: %w", err)
	}
	for _, name := range strings.Fields(string(names)) {
		if re.MatchString(name) {
			aside = append(aside, name)
		} else {
			rest = append(rest, name)
		}
	}
	return rest, aside, nil
}

// goTest runs the packages' tests and feeds the report with what they say. An
// error means that go test itself did not work: failed tests are the report's
// to tell.
func goTest(rep *report, flags, packages []string) error {
	if len(packages) == 0 {
		return nil
	}
	args := append([]string{"test", "-json"}, flags...)
	cmd := exec.Command("go", append(args, packages...)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("go test: %w", err)
	}

	lines := make(chan string)
	go func() {
		defer close(lines)
		r := bufio.NewReader(stdout)
		for {
			line, err := r.ReadString('\n')
			if line != "" {
				lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	idle := time.NewTimer(quiet)
	defer idle.Stop()
	for open := true; open; {
		var line string
		select {
		case line, open = <-lines:
			if open && rep.take(line) {
				idle.Reset(quiet)
			}
		case <-idle.C:
			rep.stillRunning()
			idle.Reset(quiet)
		}
	}

	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 {
		if rep.failed == 0 {
			return errors.New("go test failed and named no test that did")
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("go test: %w", err)
	}
	return nil
}
