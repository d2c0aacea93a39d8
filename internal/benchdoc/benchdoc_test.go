package main

import (
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestRender makes the tables and drawings of three runs; the runs are the same
// text with other figures.
func TestRender(t *testing.T) {
	text, err := os.ReadFile("testdata/run.txt")
	if err != nil {
		t.Fatal(err)
	}
	var runs []results
	for _, digit := range []string{"1", "2", "9"} {
		r := results{}
		if err := r.read(strings.NewReader(strings.ReplaceAll(string(text), "#", digit))); err != nil {
			t.Fatal(err)
		}
		runs = append(runs, r)
	}
	for _, s := range suites {
		got, err := s.render(runs, 2)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, s.name+".md", got)
		if s.draw == nil {
			continue
		}
		if got, err = s.draw(runs); err != nil {
			t.Fatal(err)
		}
		compare(t, s.name+".svg", got)
		if err := xml.Unmarshal(got, new(struct{})); err != nil {
			t.Errorf("the drawing: %v", err)
		}
	}
	delete(runs[1]["Grep/grep"], "lines/s")
	if _, err := render(runs, 2); err == nil || !strings.Contains(err.Error(), "lines/s of BenchmarkGrep/grep") {
		t.Errorf("a figure is missing, and the error is %v", err)
	}
}

// compare compares with a golden file.
func compare(t *testing.T, name string, got []byte) {
	t.Helper()
	golden := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: -want +got:\n%s", name, diff)
	}
}

func TestRead(t *testing.T) {
	r := results{}
	err := r.read(strings.NewReader("goos: linux\ncpu: Some\nBenchmarkA/b-c/64-2   \t  12\t 3.5 µs/sync\t1e+06 rows/s\nBenchmarkB 1 2 ns/op\nPASS\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := results{"A/b-c/64": {"µs/sync": 3.5, "rows/s": 1e6}, "B": {"ns/op": 2}}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := r.read(strings.NewReader("BenchmarkA-2 12 many rows/s\n")); err == nil {
		t.Error("a figure that is none is read")
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0.00", 0.256: "0.26", 9.99: "9.99", 12.34: "12.3", 345.6: "346", 999.4: "999", 1000: "1,000", 4321: "4,320", 12345: "12,300", 1234567: "1,230,000"} {
		if got := number(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

func TestReplace(t *testing.T) {
	s, err := suiteOf("peers")
	if err != nil {
		t.Fatal(err)
	}
	begin, end := s.marks()
	page := "before\n" + begin + "old\n" + end + "after\n"
	got, err := s.replace([]byte(page), []byte("new\n"))
	if want := "before\n" + begin + "new\n" + end + "after\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	for _, wrong := range []string{"", begin, end, end + begin} {
		if _, err := s.replace([]byte(wrong), nil); err == nil {
			t.Errorf("%q has both marks", wrong)
		}
	}
}

// TestDoc: the page has its marks, so that each suite can write it.
func TestDoc(t *testing.T) {
	page, err := os.ReadFile("../../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range suites {
		if _, err := s.replace(page, nil); err != nil {
			t.Error(err)
		}
	}
	if strings.Contains(string(page), "NaN") {
		t.Error("a ratio is no number")
	}
}
