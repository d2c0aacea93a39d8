package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestReport reads what go test said of a module made for it, with every way
// to fail that go test has: a failed subtest, a process that leaves, a
// time-out, a package that does not build, and skips of all sorts.
func TestReport(t *testing.T) {
	events, err := os.ReadFile("testdata/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		golden string
		here   place
	}{
		{"developer", place{samples: true}},
		{"ci", place{ci: true}},
		{"long", place{long: true}},
	}
	for _, tt := range tests {
		t.Run(tt.golden, func(t *testing.T) {
			var out bytes.Buffer
			rep := newReport(&out, tt.here)
			for line := range strings.Lines(string(events)) {
				rep.take(line)
			}
			if rep.close() {
				t.Error("all is well, says the report")
			}
			file := "testdata/" + tt.golden + ".golden"
			if *update {
				if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), out.String()); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVerdict(t *testing.T) {
	const (
		pass = `{"Action":"pass","Package":"p","Test":"TestA"}`
		fail = `{"Action":"fail","Package":"p","Test":"TestB"}`
		skip = `{"Action":"skip","Package":"p","Test":"TestC"}`
		long = `{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:1: long: ten minutes\n"}`
		dead = `{"Action":"fail","Package":"p"}`
		none = `{"Action":"skip","Package":"p"}`
	)
	tests := []struct {
		name   string
		events []string
		ok     bool
		last   string
	}{
		{"passed", []string{pass, none}, true, "1 passed, 0 failed, 0 skipped"},
		{"failed", []string{pass, fail}, false, "1 passed, 1 failed, 0 skipped"},
		{"skipped for a reason", []string{pass, long, skip}, true, "1 passed, 0 failed, 1 skipped"},
		{"skipped without one", []string{pass, skip}, false, "1 passed, 0 failed, 1 skipped"},
		{"package died", []string{pass, dead}, false, "1 passed, 1 failed, 0 skipped"},
		{"nothing ran", []string{none}, false, "0 passed, 0 failed, 0 skipped"},
		{"everything skipped", []string{long, skip}, false, "0 passed, 0 failed, 1 skipped"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			rep := newReport(&out, place{})
			for _, e := range tt.events {
				rep.take(e)
			}
			ok := rep.close()
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if last := lines[len(lines)-1]; ok != tt.ok || last != tt.last {
				t.Errorf("%v, %q; want %v, %q", ok, last, tt.ok, tt.last)
			}
		})
	}
}

func TestStillRunning(t *testing.T) {
	var out bytes.Buffer
	rep := newReport(&out, place{})
	rep.stillRunning()
	for _, name := range []string{"TestA", "TestA/one", "TestAB", "TestC", "TestD", "TestE"} {
		rep.take(`{"Action":"run","Package":"` + module + `/store","Test":"` + name + `"}`)
	}
	rep.take(`{"Action":"pass","Package":"` + module + `/store","Test":"TestC"}`)
	rep.stillRunning()
	rep.take(`{"Action":"run","Package":"` + module + `","Test":"TestF"}`)
	rep.stillRunning()
	want := "...   building\n" +
		"...   store TestA/one, store TestAB, store TestD, store TestE\n" +
		"...   store TestA/one, store TestAB, store TestD, store TestE and 1 more\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReason(t *testing.T) {
	tests := []struct{ name, output, want string }{
		{"its only message", "=== RUN   TestA\n    a_test.go:9: long: a year\n--- SKIP: TestA (0.00s)\n", "long: a year"},
		{"the last of two", "    a_test.go:9: looked\n    b.go:1: not here: valgrind\n", "not here: valgrind"},
		{"of several lines the first", "    a_test.go:9: long: a\n        b\n", "long: a"},
		{"a subtest's", "        a_test.go:9: long: a\n", "long: a"},
		{"none", "=== RUN   TestA\n--- SKIP: TestA (0.00s)\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var lines []string
			for line := range strings.Lines(tt.output) {
				lines = append(lines, line)
			}
			if got := reason(lines); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
