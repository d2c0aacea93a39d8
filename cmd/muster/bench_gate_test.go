package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkGate measures `muster gate check` as a pipeline has it, from the start
// of the process to its end: on a report of one leak, and on one of 100 MB whose
// leaks are all different. Beside it stands a process that does nothing.
func BenchmarkGate(b *testing.B) {
	dir := b.TempDir()
	binary := filepath.Join(dir, "muster")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	small, large := filepath.Join(dir, "small.xml"), filepath.Join(dir, "large.xml")
	if err := os.WriteFile(small, selftestText("bad.valgrind.xml"), 0o600); err != nil {
		b.Fatal(err)
	}
	if err := writeLeaks(large, 100_000_000); err != nil {
		b.Fatal(err)
	}
	for _, work := range []struct {
		name string
		args []string
		ends int
	}{
		{"nothing", []string{"true"}, 0},
		{"small", []string{binary, "gate", "check", small}, exitFailed},
		{"large", []string{binary, "gate", "check", large}, exitFailed},
	} {
		b.Run(work.name, func(b *testing.B) {
			var took time.Duration
			var peak int64
			rounds := 0
			for b.Loop() {
				cmd := exec.Command(work.args[0], work.args[1:]...)
				cmd.Dir = dir
				begun := time.Now()
				err := cmd.Run()
				took += time.Since(begun)
				rounds++
				if exit := (*exec.ExitError)(nil); cmd.ProcessState == nil || err != nil && !errors.As(err, &exit) || cmd.ProcessState.ExitCode() != work.ends {
					b.Fatal(cmd.ProcessState, err)
				}
				peak = max(peak, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
			}
			b.ReportMetric(float64(took.Microseconds())/1000/float64(rounds), "ms/run")
			b.ReportMetric(float64(peak)/1024, "peak-MB")
		})
	}
}

// writeLeaks writes a report of memcheck of at least size bytes, one leak after
// the other.
func writeLeaks(name string, size int) error {
	whole := string(selftestText("bad.valgrind.xml"))
	begin, end := strings.Index(whole, "<error>"), strings.Index(whole, "</error>")+len("</error>\n")
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var b strings.Builder
	written := 0
	b.WriteString(whole[:begin])
	for n := 0; written+b.Len() < size; n++ {
		b.WriteString(strings.ReplaceAll(whole[begin:end], "lose", fmt.Sprint("lose", n)))
		if b.Len() > 1<<20 {
			written += b.Len()
			if _, err := f.WriteString(b.String()); err != nil {
				return err
			}
			b.Reset()
		}
	}
	b.WriteString(whole[end:])
	if _, err := f.WriteString(b.String()); err != nil {
		return err
	}
	return f.Close()
}
