// Package probe runs a program, its children included, with something that
// watches it: under Valgrind, or with the sanitizers that it was built with. It
// says where the reports are and how the program ended. It does not read them.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A Run is a program to be run.
type Run struct {
	Tool         string   // memcheck, helgrind, drd, or Sanitizer
	Command      []string // the program and its arguments
	Instrumented []string // programs that the command runs and that have sanitizers; none: it is the command's own
	Reports      string   // folder for the reports, which exists; one file for each process that has something to say
	Suppressions []string // files, for Valgrind
	Options      []string // further ones of Valgrind; they go last and so win
	Timeout      time.Duration
	In           io.Reader
	Out, Err     io.Writer
}

// An Ended says how a run ended.
type Ended struct {
	Code    int      // exit status; -1 if a signal ended it
	Signal  string   // "" for none
	Late    bool     // it was ended because its time was over
	Reports []string // files, sorted
	Blind   string   // why the tool could not see all; "" if it could
}

// ErrMissing says that there is no Valgrind on this machine.
var ErrMissing = errors.New("valgrind is not installed")

// grace is how long a program may take to end that was told to.
const grace = 10 * time.Second

// Do runs it. An error says that it could not be run at all.
func (r Run) Do(ctx context.Context) (Ended, error) {
	if r.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, r.Timeout)
		defer stop()
	}
	command, env := r.Command, os.Environ()
	if r.Tool == Sanitizer {
		options, err := sanitizerOptions(r.Reports, os.Getenv)
		if err != nil {
			return Ended{}, err
		}
		env = append(env, options...)
	} else {
		program, err := exec.LookPath("valgrind")
		if err != nil {
			return Ended{}, ErrMissing
		}
		command = slices.Concat([]string{program}, r.valgrindOptions(), r.Command)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, r.In, r.Out, r.Err
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that children end with it
	defer lend(cmd)()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	if err := adopt(); err != nil {
		return Ended{}, err
	}
	other := children(nil)
	err := cmd.Run()
	state := cmd.ProcessState
	if state == nil {
		return Ended{}, fmt.Errorf("run %s: %w", command[0], err)
	}
	if ctx.Err() != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what did not listen
	}
	outlived := r.outlived(ctx, other)
	ended := Ended{Code: state.ExitCode(), Late: errors.Is(ctx.Err(), context.DeadlineExceeded), Blind: r.blind(os.Getenv)}
	if len(outlived) > 0 {
		p := outlived[0]
		ended.Blind = fmt.Sprintf("%s (process %d) ran on when the program had ended, and was ended after %s: the program is to end or await what it starts", p.name, p.id, linger)
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		ended.Signal = status.Signal().String()
	}
	ended.Reports, err = files(r.Reports)
	return ended, err
}

// blind says why the tool could not see what the program does.
func (r Run) blind(getenv func(string) string) string {
	switch r.Tool {
	case "memcheck":
		if static(r.Command[0]) {
			return r.Command[0] + " is linked statically: Valgrind does not see what it allocates; link it dynamically"
		}
	case Sanitizer:
		if name := leaksUnseen(getenv); name != "" {
			return name + " turns detect_leaks off, so that nobody looks for leaks"
		}
		programs := r.Instrumented
		if len(programs) == 0 {
			programs = r.Command[:1]
		}
		for _, p := range programs {
			if !instrumented(p) {
				return p + " is not a program that was built with a sanitizer, so that its silence says nothing; of a script, name the programs that it runs with --instrumented"
			}
		}
	}
	return ""
}

// files are those of a folder, sorted.
func files(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, filepath.Join(folder, e.Name()))
		}
	}
	return names, nil
}
