package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/musterhq/muster/gate"
	"github.com/musterhq/muster/internal/probe"
)

type gateRunCmd struct {
	gateFlags
	Tool         string        `enum:"memcheck,helgrind,drd,sanitizer" default:"memcheck" help:"Of Valgrind memcheck (leaks and wrong use of memory), helgrind or drd (races and locks); sanitizer: those that the program was built with, or Go's race detector."`
	Instrumented []string      `sep:"none" type:"existingfile" placeholder:"PROGRAM" help:"With --tool sanitizer: a program with sanitizers that the command runs, where the command is a script."`
	Suppressions []string      `sep:"none" type:"existingfile" placeholder:"FILE" help:"Of Valgrind. They count, and are not shown."`
	Option       []string      `sep:"none" placeholder:"OPTION" help:"A further one for Valgrind, such as --option=--track-origins=yes."`
	Timeout      time.Duration `placeholder:"DURATION" help:"End the program after so long, which fails the gate."`
	Keep         string        `placeholder:"FOLDER" help:"Keep the reports there."`
	Command      []string      `arg:"" passthrough:"partial" help:"The program and its arguments."`
}

func (gateRunCmd) Help() string {
	return `Children of the program are watched, too. What the program prints is shown as it is.

  muster gate run -- ./tests --fast
  muster gate run --tool sanitizer -- ./tests-asan
  muster gate run --tool helgrind --timeout 20m -- make check`
}

func (c gateRunCmd) Run(ctx context.Context, a *app) error {
	j, err := c.judge(ctx, a)
	if err != nil {
		return err
	}
	if len(c.Command) > 0 && c.Command[0] == "--" {
		c.Command = c.Command[1:]
	}
	if len(c.Command) == 0 {
		return misused("expected \"-- <command> ...\": name the program to be run")
	}
	folder := c.Keep
	if folder == "" {
		if folder, err = os.MkdirTemp("", "muster-gate-"); err != nil {
			return err
		}
		defer os.RemoveAll(folder)
	} else if err = freshFolder(folder); err != nil {
		return usageError{err}
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return err
	}
	if a.getenv("VALGRIND_OPTS") != "" && c.Tool != probe.Sanitizer {
		fmt.Fprintln(a.err, "muster gate run: VALGRIND_OPTS is not heeded: --option and --suppressions tell Valgrind more")
	}
	stdout := a.out
	if c.JSON { // which is then all that standard output has
		stdout = a.err
	}
	ended, err := probe.Run{
		Tool: c.Tool, Command: c.Command, Instrumented: c.Instrumented, Reports: folder, Suppressions: c.Suppressions, Options: c.Option, Timeout: c.Timeout,
		In: a.in, Out: stdout, Err: a.err,
	}.Do(ctx)
	if errors.Is(err, probe.ErrMissing) {
		return fmt.Errorf("%w: nothing was checked, and so nothing passes (Debian: apt-get install valgrind)", err)
	}
	if err != nil {
		return err
	}
	var reports []gate.Report
	for _, name := range ended.Reports {
		r, err := readReport(name, filepath.Base(name)) // the folder may be gone when somebody reads it
		if err != nil {
			return err
		}
		reports = append(reports, r)
	}
	if c.Tool == probe.Sanitizer && len(reports) == 0 { // who finds nothing writes nothing
		reports = []gate.Report{{Name: c.Command[0], Tool: probe.Sanitizer}}
	}
	why := ""
	switch {
	case ended.Late:
		why = fmt.Sprintf("the program was ended after %s, its time", c.Timeout)
	case ctx.Err() != nil:
		why = "the run was interrupted"
	case ended.Blind != "":
		why = ended.Blind
	}
	if why != "" && len(reports) > 0 { // it comes first: what the report says follows from it
		reports[0].Broken = slices.Insert(reports[0].Broken, 0, why)
	}
	return j.conclude(context.WithoutCancel(ctx), reports, &gate.Exit{Code: ended.Code, Signal: ended.Signal})
}

// freshFolder makes a folder, or takes one that is empty: a report of an earlier
// run must not be judged again.
func freshFolder(name string) error {
	if err := os.MkdirAll(name, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(name)
	if err == nil && len(entries) > 0 {
		return fmt.Errorf("--keep: %s is not empty", name)
	}
	return err
}

func signalName(number int) string {
	if name := unix.SignalName(unix.Signal(number)); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", number)
}
