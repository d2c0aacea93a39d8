package gate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A sample is a file of somebody else, and what a person who read it says of it.
type sample struct {
	file    string
	format  string // "" for what is no report
	total   int    // findings, each as often as it is told
	tests   int    // that ran, of a test runner
	skipped int
	broken  string // words of a reason, "" if the report is whole
	why     string
}

// readSamples reads every file of a folder of ../shared/samples and compares. A
// file that is not in the table, and one that is missing, fail the test.
func readSamples(t *testing.T, folder string, samples []sample) {
	dir := filepath.Join("..", "..", "shared", "samples", folder)
	if _, err := os.Stat(dir); err != nil {
		t.Skip("samples absent: ", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]sample{}
	for _, s := range samples {
		known[s.file] = s
	}
	for _, file := range files {
		s, ok := known[file.Name()]
		if !ok {
			t.Errorf("%s is not in the table", file.Name())
			continue
		}
		delete(known, s.file)
		r := readFile(t, filepath.Join(dir, s.file))
		format := r.Format
		if s.format == "" && format == text.Name { // any text that nobody refuses is read
			format = ""
		}
		if format != s.format || r.Total != s.total || r.Tests != s.tests || r.Skipped != s.skipped {
			t.Errorf("%s: %q, %d findings, %d tests ran and %d did not, want %q, %d, %d, %d: %s",
				s.file, r.Format, r.Total, r.Tests, r.Skipped, s.format, s.total, s.tests, s.skipped, s.why)
		}
		reasons := strings.Join(r.Broken, "\n")
		if (reasons == "") != (s.broken == "") || !strings.Contains(reasons, s.broken) {
			t.Errorf("%s: broken: %q, want %q: %s", s.file, reasons, s.broken, s.why)
		}
	}
	for name := range known {
		t.Errorf("%s is in the table, and is not there", name)
	}
}

func readFile(t *testing.T, name string) Report {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := Read(filepath.Base(name), f)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
