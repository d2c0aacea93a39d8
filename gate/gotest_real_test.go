package gate

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shopTests is what the tests of testdata/gomod do wrong, by whom it is told.
var shopTests = []string{
	"go-race DATA RACE race.add: data race: read in example.com/shop/race.add, previous write in example.com/shop/race.add (TestRace)",
	"go-test FAIL example.com/shop/cart.TestSum/of_two: TestSum/of_two: got 2 want 3",
	"go-test FAIL example.com/shop/cart.TestSum: TestSum: adding", // a log, or why it failed: go test does not say
	"go-test build failed unbuilt/unbuilt_test.go:5:34: example.com/shop/unbuilt: undefined: missing",
	"go-test package failed : example.com/shop/exit failed, and no test of it says why",
	"go-test panic crash.set: panic: assignment to entry in nil map (TestCrash)",
	"goleak unexpected goroutine leak.leave: goroutine left behind in state chan send, in example.com/shop/leak.leave, created by example.com/shop/leak.TestLeak (TestLeak)",
}

// TestGoTestReal runs the real go test, for machines and for people. Both ways
// it is the same that is wrong.
func TestGoTestReal(t *testing.T) {
	packages := []string{"./cart", "./crash", "./exit", "./leak", "./race", "./unbuilt"}
	for _, flags := range [][]string{{"-json"}, nil, {"-v"}} {
		t.Run(fmt.Sprint(flags), func(t *testing.T) {
			t.Parallel()
			out := runGoTest(t, slices.Concat([]string{"-race"}, flags, packages)...)
			r := readString(t, string(out))
			if diff := cmp.Diff(shopTests, tellTests(r)); diff != "" {
				t.Errorf("-want +got:\n%s\n%s", diff, out)
			}
			if len(r.Broken) != 1 || !strings.Contains(r.Broken[0], "example.com/shop/unbuilt was not built, none of its tests ran: undefined: missing") {
				t.Errorf("broken: %q", r.Broken)
			}
			if !r.Stopped {
				t.Error("after a panic no test runs, and the report does not say so")
			}
			// TestAfter never ran, and without -v nobody speaks of those that passed.
			if want := (map[bool]int{true: 10, false: 5})[flags != nil]; r.Tests != want || flags != nil && r.Skipped != 1 {
				t.Errorf("%d tests ran, %d were skipped, want %d and 1", r.Tests, r.Skipped, want)
			}
			checkCuts(t, out)
		})
	}
}

// checkCuts reads what go test wrote up to the end of each line, and up to the
// middle of it. Nothing of that passes.
func checkCuts(t *testing.T, out []byte) {
	t.Helper()
	for n := range out {
		if n > 0 && out[n-1] != '\n' && n%97 != 0 {
			continue
		}
		r := readString(t, string(out[:n]))
		if len(r.Broken) == 0 && r.Total == 0 {
			t.Fatalf("%d bytes pass:\n%s", n, out[:n])
		}
		if len(r.Broken) == 0 && bytes.HasPrefix(out, []byte("{")) && !bytes.HasSuffix(out[:n], []byte("}")) && !bytes.HasSuffix(out[:n], []byte("}\n")) {
			t.Fatalf("%d bytes are whole:\n%s", n, out[:n])
		}
	}
}

// TestGoTestRealTimeout lets a test run into its time.
func TestGoTestRealTimeout(t *testing.T) {
	t.Parallel()
	r := readString(t, string(runGoTest(t, "-json", "-timeout=1s", "./hang")))
	want := []string{"go-test test timed out hang.wait: test timed out after 1s (TestHang)"}
	if diff := cmp.Diff(want, tellTests(r)); diff != "" || len(r.Broken) > 0 || !r.Stopped {
		t.Errorf("broken %q, stopped %v, -want +got:\n%s", r.Broken, r.Stopped, diff)
	}
}

// TestGoTestRealClean is a run in which all is well.
func TestGoTestRealClean(t *testing.T) {
	t.Parallel()
	for _, flags := range []string{"-json", "-v"} {
		r := readString(t, string(runGoTest(t, flags, "-run=TestAdd|TestNetwork", "./cart")))
		if r.Total > 0 || len(r.Broken) > 0 || r.Tests != 1 || r.Skipped != 1 || r.Tool != "go-test" {
			t.Errorf("%s: %+v", flags, r)
		}
	}
	r := readString(t, string(runGoTest(t, "-json", "-run=Nobody", "./cart")))
	if want := []string{"go test ran no test"}; !slices.Equal(r.Broken, want) {
		t.Errorf("no test at all: %q, want %q", r.Broken, want)
	}
}

// runGoTest runs go test in testdata/gomod, with the modules that are here.
func runGoTest(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("go", append([]string{"test"}, args...)...)
	cmd.Dir = filepath.Join("testdata", "gomod")
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOPROXY=off", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out
}

// tellTests tells findings in lines, sorted: packages end in any order.
func tellTests(r Report) []string {
	var told []string
	for _, f := range r.Findings {
		where := f.At.Function
		if f.At.File != "" && where == "" {
			where = fmt.Sprintf("%s:%d:%d", f.At.File, f.At.Line, f.At.Column)
		}
		if len(f.Stacks) > 0 {
			where = strings.TrimPrefix(NewTree("", nil, nil).place(f).Function, "example.com/shop/")
		}
		told = append(told, fmt.Sprintf("%s %s %s: %s", f.Tool, f.Kind, where, f.Message))
	}
	slices.Sort(told)
	return told
}
