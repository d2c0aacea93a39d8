package gate

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestValgrind compiles the programs of testdata and lets the real Valgrind watch
// them. Each report is what a person expects of the source.
func TestValgrind(t *testing.T) {
	needValgrind(t)
	all := []string{"--leak-check=full", "--show-leak-kinds=all", "--track-origins=yes"}
	tests := []struct {
		name     string
		source   string
		flags    []string // of the compiler
		valgrind []string
		argument string   // a program of testdata, compiled and given to the first
		own      []string // what describe says; after … anything may follow
		children []string // the same of all processes but the first
	}{
		{name: "clean", source: "clean.c", valgrind: all},
		{name: "clean, with threads", source: "race.c", valgrind: all},
		{name: "still reachable", source: "reachable.c", valgrind: all, own: []string{
			"Leak_StillReachable leak info main: memory is still reachable, 1000 bytes in 1",
		}},
		{name: "still reachable, by default", source: "reachable.c"},
		{name: "leak", source: "leak.c", valgrind: all, own: []string{
			"Leak_IndirectlyLost leak warning make: memory is lost with the block that pointed to it, 8 bytes in 1",
			"Leak_DefinitelyLost leak error make: memory is definitely lost, 16 bytes in 1",
			"Leak_StillReachable leak info main: memory is still reachable, 1000 bytes in 1",
		}},
		{name: "leak, stripped", source: "leak.c", flags: []string{"-s"}, own: []string{
			"Leak_DefinitelyLost leak error leak: memory is definitely lost, 16 bytes in 1",
		}},
		{name: "accesses", source: "access.c", valgrind: all, own: []string{
			"InvalidWrite out-of-bounds critical write_behind: Invalid write of size 4: 0 bytes after a block of size 40 alloc'd",
			"InvalidRead out-of-bounds error read_before: Invalid read of size 4: 4 bytes before a block of size 40 alloc'd",
			"UninitCondition uninitialised error decide: Conditional jump or move depends on uninitialised value(s): Uninitialised value was created by a heap allocation",
			"InvalidRead use-after-free error read_freed: Invalid read of size 4: 0 bytes inside a block of size 40 free'd",
		}},
		{name: "freed twice", source: "twice.c", own: []string{
			"InvalidFree invalid-free critical release: Invalid free() / delete / delete[] / realloc(): 0 bytes inside a block of size 10 free'd",
		}},
		{name: "C++", source: "mismatch.cc", own: []string{
			"MismatchedFree invalid-free error main: Mismatched …",
			"Leak_DefinitelyLost leak error void lose<std::…",
		}},
		{name: "SIGSEGV", source: "crash.c", own: []string{
			"InvalidWrite invalid-access critical crash: Invalid write of size 4: not stack'd, malloc'd or (recently) free'd",
			"SIGSEGV crash critical crash: the program was ended by SIGSEGV: Access not within mapped region",
			"Leak_DefinitelyLost leak error main: memory is definitely lost, 33 bytes in 1",
			"broken: the program was ended by SIGSEGV: Access not within mapped region: what it would have done after that is not in the report",
		}},
		{name: "abort", source: "abort.c", own: []string{
			"SIGABRT crash critical give_up: the program was ended by SIGABRT",
			"broken: the program was ended by SIGABRT: what it would have done after that is not in the report",
		}},
		{name: "leak in a child", source: "fork.c", children: []string{
			"Leak_DefinitelyLost leak error child: memory is definitely lost, 222 bytes in 1",
		}},
		{name: "errors before and after a fork", source: "forked_error.c", own: []string{
			"InvalidWrite out-of-bounds critical wrong: Invalid write of size 1: 0 bytes after a block of size 8 alloc'd",
		}, children: []string{
			"InvalidWrite out-of-bounds critical wrong: Invalid write of size 1: 0 bytes after a block of size 8 alloc'd",
		}},
		{name: "a child that is not watched", source: "fork.c", argument: "leak.c", children: []string{
			"broken: the file ends within <valgrindoutput>: the process was killed, or it was forked and became another program that is not watched; " +
				"--trace-children=yes watches it, --child-silent-after-fork=yes says nothing of forked processes",
		}},
		{name: "a child that is silent", source: "fork.c", argument: "leak.c", valgrind: []string{"--child-silent-after-fork=yes"}},
		{name: "leak in another program", source: "fork.c", argument: "leak.c", valgrind: []string{"--trace-children=yes"}, children: []string{
			"Leak_DefinitelyLost leak error make: memory is definitely lost, 16 bytes in 1",
		}},
		{name: "helgrind", source: "race.c", valgrind: []string{"--tool=helgrind"}, own: []string{
			"Race data-race error count: Possible data race during read of size 4",
			"Race data-race error count: Possible data race during write of size 4",
			"LockOrder lock-misuse error backwards: lock order violated: Required order was established by acquisition of lock",
		}},
		{name: "drd", source: "race.c", valgrind: []string{"--tool=drd"}, own: []string{
			"ConflictingAccess data-race error count: Conflicting load size 4",
			"ConflictingAccess data-race error count: Conflicting store size 4",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			program := []string{compile(t, dir, tt.source, tt.flags...)}
			if tt.argument != "" {
				program = append(program, compile(t, dir, tt.argument))
			}
			own, children := watch(t, dir, tt.valgrind, program)
			if diff := cmp.Diff(tt.own, describe(own), upTo); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(tt.children, describe(children...), upTo); diff != "" {
				t.Errorf("children: -want +got:\n%s", diff)
			}
		})
	}
}

// upTo compares lines of which one may end with …; versions of Valgrind and of
// compilers differ in what follows.
var upTo = cmp.Comparer(func(a, b string) bool {
	if want, ok := strings.CutSuffix(a, "…"); ok {
		return strings.HasPrefix(b, want)
	}
	if want, ok := strings.CutSuffix(b, "…"); ok {
		return strings.HasPrefix(a, want)
	}
	return a == b
})

// TestValgrindKilled kills a program, and Valgrind with it, when it has done one
// wrong thing.
func TestValgrindKilled(t *testing.T) {
	needValgrind(t)
	dir := t.TempDir()
	name := filepath.Join(dir, "report.xml")
	cmd := exec.Command("valgrind", "-q", "--xml=yes", "--xml-file="+name, compile(t, dir, "wait.c"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Errorf("%q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	want := []string{
		"InvalidWrite out-of-bounds critical main: Invalid write of size 1: 0 bytes after a block of size 8 alloc'd",
		"broken: the file ends within <valgrindoutput>: the report is truncated, as Valgrind was killed or could not write",
	}
	if diff := cmp.Diff(want, describe(readFile(t, name))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestValgrindShared lets processes write into one file: whatever they make of
// it, it must not pass for the report of one that found nothing.
func TestValgrindShared(t *testing.T) {
	needValgrind(t)
	dir := t.TempDir()
	fork, clean := compile(t, dir, "fork.c"), compile(t, dir, "clean.c")
	for _, args := range [][]string{{fork}, {"--trace-children=yes", fork, clean}} {
		name := filepath.Join(dir, "report.xml")
		if out, err := exec.Command("valgrind", append([]string{"-q", "--xml=yes", "--xml-file=" + name}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if got := strings.Join(readFile(t, name).Broken, "\n"); !strings.Contains(got, ownFile) {
			t.Errorf("%v: broken: %q", args, got)
		}
	}
}

func needValgrind(t *testing.T) {
	for _, program := range []string{"valgrind", "gcc", "g++"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("not here: ", err)
		}
	}
}

// compile makes a program of a source in testdata/programs and returns its path.
func compile(t *testing.T, dir, source string, flags ...string) string {
	t.Helper()
	compiler, ext := "gcc", filepath.Ext(source)
	if ext == ".cc" {
		compiler = "g++"
	}
	to := filepath.Join(dir, strings.TrimSuffix(source, ext))
	args := append([]string{"-g", "-O0", "-w", "-pthread", "-o", to, filepath.Join("testdata", "programs", source)}, flags...)
	if out, err := exec.Command(compiler, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", compiler, err, out)
	}
	return to
}

// watch runs a program under Valgrind and reads its report, and those of the
// processes that it starts.
func watch(t *testing.T, dir string, options, program []string) (own Report, children []Report) {
	t.Helper()
	args := append([]string{"-q", "--xml=yes", "--xml-file=" + filepath.Join(dir, "%p.xml")}, options...)
	cmd := exec.Command("valgrind", append(args, program...)...)
	out, err := cmd.CombinedOutput()
	if cmd.Process == nil {
		t.Fatalf("%v: %s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if r := readFile(t, file); r.Name == fmt.Sprintf("%d.xml", cmd.Process.Pid) {
			own = r
		} else {
			children = append(children, r)
		}
	}
	if own.Format != valgrind.Name {
		t.Fatalf("no report: %s", out)
	}
	return own, children
}

// lineNumber begins the reasons that are about a line.
var lineNumber = regexp.MustCompile(`^line \d+: `)

// describe tells a report as a person would, in lines.
func describe(reports ...Report) (lines []string) {
	for _, r := range reports {
		for _, f := range r.Findings {
			line := fmt.Sprintf("%s %s %s %s: %s", f.Kind, f.Class, f.Severity, ownFunction(f), f.Message)
			if f.Class == Leak {
				line += fmt.Sprintf(", %d bytes in %d", f.Bytes, f.Blocks)
			}
			lines = append(lines, line)
		}
		for _, why := range r.Broken {
			lines = append(lines, "broken: "+lineNumber.ReplaceAllString(why, ""))
		}
	}
	return lines
}

// ownFunction is the innermost function of the programs of testdata, and in a
// stripped program the name of the program.
func ownFunction(f Finding) string {
	for _, frame := range f.Stacks[0].Frames {
		if strings.Contains(frame.File, "testdata/programs") {
			return frame.Function
		}
	}
	for _, frame := range f.Stacks[0].Frames {
		if strings.HasPrefix(frame.Object, os.TempDir()) {
			return filepath.Base(frame.Object)
		}
	}
	return ""
}
