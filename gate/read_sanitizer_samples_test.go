package gate

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A sampleWant is what is true of a sample, found out by reading it.
type sampleWant struct {
	file   string
	format string // "" for none
	total  int
	broken string // words of the reason; "" for a whole report
	why    string
}

// checkSamples reads every file of a folder of samples, and wants each to be in
// the table.
func checkSamples(t *testing.T, folder string, wants []sampleWant) {
	t.Helper()
	dir := filepath.Join("..", "..", "shared", "samples", folder)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Skip("samples absent: ", err)
	}
	byFile := map[string]sampleWant{}
	for _, w := range wants {
		byFile[w.file] = w
	}
	for _, e := range entries {
		w, ok := byFile[e.Name()]
		delete(byFile, e.Name())
		if !ok {
			t.Errorf("%s is not in the table", e.Name())
			continue
		}
		t.Run(e.Name(), func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			r := mustRead(t, e.Name(), data)
			if r.Format != w.format || r.Total != w.total {
				t.Errorf("%q with %d findings, want %q with %d: %s", r.Format, r.Total, w.format, w.total, w.why)
				for _, f := range r.Findings {
					t.Logf("%d× %s %s: %s", f.Count, f.Tool, f.Kind, f.Message)
				}
			}
			if got := strings.Join(r.Broken, "; "); (w.broken == "") != (got == "") || !strings.Contains(got, w.broken) {
				t.Errorf("broken %q, want %q: %s", got, w.broken, w.why)
			}
		})
	}
	for file := range byFile {
		t.Errorf("%s is in the table and not among the samples", file)
	}
}

func mustRead(t *testing.T, name string, data []byte) Report {
	t.Helper()
	r, err := Read(name, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSanitizerSamples(t *testing.T) {
	text := text.Name
	proves := "that proves nothing"
	checkSamples(t, "sanitizer-and-go-test-text", []sampleWant{
		{"EXITCODES.json", "", 0, "JSON", "an object of numbers is no report"},
		{"PROVENANCE.md", text, 0, proves, "a table for people names its tools, and is no report of them"},
		{"asan-clean.txt", text, 0, proves, "the program's own 'ok': a run that was killed, or built without ASan, looks the same"},
		{"asan-hof.txt", text, 1, "", "one ERROR up to ABORTING"},
		{"asan-log_path.2186", text, 1, "", "the same as asan-uaf.txt by way of log_path"},
		{"asan-sbo.txt", text, 1, "", "a frame is told between the stack and the HINT: no second finding"},
		{"asan-segv.txt", text, 1, "", "DEADLYSIGNAL is followed by its report"},
		{"asan-uaf.txt", text, 1, "", "three stacks, one finding"},
		{"go-goleak.txt", text, 2, "", "two goroutines; the test failed for them alone"},
		{"go-test-buildfail.txt", text, 1, "was not built", "one error of the compiler; no test ran"},
		{"go-test-json.ndjson", "go test -json", 1, "", "TestFail/sub/case#1; its parent failed by it; TestRace passed (no -race)"},
		{"go-test-panic.txt", text, 1, "", "the panic of TestPanic, which failed by it"},
		{"go-test-race.txt", text, 5, "", "2 races (TestRace failed by them), the subtest, a panic, a test that timed out"},
		{"go-vet-json.txt", "", 0, "go vet -json", "refused by name: its last package did not compile, and go vet says that in no JSON"},
		{"lsan-leaks-exitcode0.txt", text, 1, "", "one direct leak, whatever the exit code"},
		{"lsan-leaks.txt", text, 1, "", "one direct leak under ASan"},
		{"ubsan-recover.txt", text, 3, "", "three lines of 'runtime error', the last with a note; the exit status was 0"},
	})
}
