// Package valgrind runs a program under Valgrind, its children included, and
// says where the reports are and how the program ended. It does not read them.
package valgrind

import (
	"context"
	"debug/elf"
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

// Tools are those whose reports can be judged.
var Tools = []string{"memcheck", "helgrind", "drd"}

// A Run is a program to be run.
type Run struct {
	Tool         string   // one of Tools
	Command      []string // the program and its arguments
	Reports      string   // folder for the reports, which exists; one file for each process
	Suppressions []string // files
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
	Blind   string   // why Valgrind could not see what the program allocates; "" if it could
}

// ErrMissing says that there is no Valgrind on this machine.
var ErrMissing = errors.New("valgrind is not installed")

// callers is how many calls of a stack are kept: Valgrind's own twelve cut the
// frames from which a defect gets its name.
const callers = "40"

// grace is how long a program may take to end that was told to.
const grace = 10 * time.Second

// Do runs it. An error says that it could not be run at all.
func (r Run) Do(ctx context.Context) (Ended, error) {
	program, err := exec.LookPath("valgrind")
	if err != nil {
		return Ended{}, ErrMissing
	}
	if r.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, r.Timeout)
		defer stop()
	}
	cmd := exec.CommandContext(ctx, program, append(r.options(), r.Command...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r.In, r.Out, r.Err
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that children end with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	err = cmd.Run()
	if cmd.Process != nil && ctx.Err() != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what did not listen
	}
	var ended Ended
	if state := cmd.ProcessState; state != nil {
		ended.Code = state.ExitCode()
		if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			ended.Signal = status.Signal().String()
		}
	} else {
		return Ended{}, fmt.Errorf("run valgrind: %w", err)
	}
	ended.Late = errors.Is(ctx.Err(), context.DeadlineExceeded)
	if ended.Reports, err = filepath.Glob(filepath.Join(escape(r.Reports), "*.xml")); err != nil {
		return ended, err
	}
	slices.Sort(ended.Reports)
	if r.Tool == "memcheck" && static(r.Command[0]) {
		ended.Blind = r.Command[0] + " is linked statically: Valgrind does not see what it allocates; link it dynamically"
	}
	return ended, nil
}

func (r Run) options() []string {
	options := []string{
		"--tool=" + r.Tool, "--xml=yes", "--xml-file=" + filepath.Join(strings.ReplaceAll(r.Reports, "%", "%%"), r.Tool+".%p.xml"),
		"--trace-children=yes", "--child-silent-after-fork=no", "--num-callers=" + callers,
	}
	if r.Tool == "memcheck" {
		options = append(options, "--leak-check=full", "--show-leak-kinds=definite,possible", "--errors-for-leak-kinds=definite,possible")
	}
	for _, s := range r.Suppressions {
		options = append(options, "--suppressions="+s)
	}
	return append(append(options, r.Options...), "--")
}

// escape makes a folder's name one that a pattern matches literally.
func escape(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

// static says whether a program is one that no dynamic linker loads, so that
// Valgrind cannot put its own malloc in the place of the program's.
func static(command string) bool {
	name, err := exec.LookPath(command)
	if err != nil {
		return false
	}
	if _, err := os.Stat(name); err != nil {
		return false
	}
	f, err := elf.Open(name)
	if err != nil {
		return false // a script
	}
	defer f.Close()
	return !slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
}
