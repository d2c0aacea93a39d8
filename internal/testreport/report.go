package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

const module = "github.com/musterhq/muster"

// An event is one line of go test -json, see `go doc test2json` and
// `go help buildjson`.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output and build-fail, in place of Package
	Test        string
	Elapsed     float64 // seconds
	Output      string
	FailedBuild string // of a package's "fail": the ImportPath that did not build
}

// A test is one test of one package; the empty name stands for the package.
type test struct{ pkg, name string }

func (t test) String() string {
	pkg := strings.TrimPrefix(strings.TrimPrefix(t.pkg, module), "/")
	return strings.TrimSuffix(cmp.Or(pkg, ".")+" "+t.name, " ")
}

// A report folds test events into counts, and writes about what needs eyes.
type report struct {
	out  io.Writer
	here place

	output  map[test][]string   // what a test that has not ended has said
	build   map[string][]string // what the compiler said about an import path
	running []test
	ran     map[string]int // tests per package that has not ended
	broken  map[string]int // … and those of them that failed

	passed, failed, skipped int

	failures       []test
	allowed, wrong []skip
	slow           []timed
}

type timed struct {
	test
	seconds float64
}

func newReport(out io.Writer, here place) *report {
	return &report{
		out: out, here: here,
		output: map[test][]string{}, build: map[string][]string{},
		ran: map[string]int{}, broken: map[string]int{},
	}
}

// take reads one line of go test's output and says whether it led to a line
// of the report.
func (r *report) take(line string) (wrote bool) {
	var e event
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		fmt.Fprint(r.out, line) // what go test says outside of any package
		return true
	}
	t := test{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		r.build[e.ImportPath] = append(r.build[e.ImportPath], e.Output)
	case "run":
		r.running = append(r.running, t)
	case "output":
		r.output[t] = append(r.output[t], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			return r.endPackage(t, e)
		}
		return r.endTest(t, e)
	}
	return false
}

func (r *report) endTest(t test, e event) (wrote bool) {
	said := r.forget(t)
	r.ran[t.pkg]++
	r.slow = append(r.slow, timed{t, e.Elapsed})
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		r.skipped++
		s := skip{t, reason(said)}
		if why := r.here.forbids(s.reason); why != "" {
			fmt.Fprintf(r.out, "SKIP  %s: %q: %s\n", t, s.reason, why)
			r.wrong = append(r.wrong, s)
			return true
		}
		r.allowed = append(r.allowed, s)
	case "fail":
		r.fail(t, said)
		return true
	}
	return false
}

func (r *report) endPackage(t test, e event) (wrote bool) {
	said := r.forget(t)
	ran := r.ran[t.pkg]
	if e.Action != "fail" {
		if ran == 0 {
			return false // no test files, or none that -run chose
		}
		cached := ""
		if strings.Contains(strings.Join(said, ""), "(cached)") {
			cached = ", cached"
		}
		fmt.Fprintf(r.out, "ok    %-28s %5d tests %7.1fs%s\n", t, ran, e.Elapsed, cached)
		return true
	}

	// What was running when the process died is what a panic, os.Exit or a
	// time-out is about; go test has no event for its end.
	for _, left := range slices.Clone(r.running) {
		if left.pkg == t.pkg {
			r.fail(left, append(r.forget(left), "did not end: the process did, or was out of time"))
		}
	}
	if r.broken[t.pkg] == 0 {
		r.fail(t, append(r.build[e.FailedBuild], said...))
	}
	fmt.Fprintf(r.out, "FAIL  %-28s %5d tests %7.1fs\n", t, ran, e.Elapsed)
	return true
}

// fail writes a failure in full.
func (r *report) fail(t test, said []string) {
	r.failed++
	r.broken[t.pkg]++
	r.failures = append(r.failures, t)
	fmt.Fprintf(r.out, "FAIL  %s\n", t)
	for _, s := range said {
		fmt.Fprintf(r.out, "      | %s\n", strings.TrimSuffix(s, "\n"))
	}
}

// forget returns what a test has said, and drops it.
func (r *report) forget(t test) []string {
	said := r.output[t]
	delete(r.output, t)
	r.running = slices.DeleteFunc(r.running, func(other test) bool { return other == t })
	return said
}

// stillRunning tells what a reader is waiting for. Of a test and its subtests
// it names the subtests.
func (r *report) stillRunning() {
	var names []string
	for _, t := range r.running {
		if !slices.ContainsFunc(r.running, func(sub test) bool {
			return sub.pkg == t.pkg && strings.HasPrefix(sub.name, t.name+"/")
		}) {
			names = append(names, t.String())
		}
	}
	const most = 4
	more := ""
	if len(names) > most {
		more = fmt.Sprintf(" and %d more", len(names)-most)
		names = names[:most]
	}
	fmt.Fprintf(r.out, "...   %s%s\n", cmp.Or(strings.Join(names, ", "), "building"), more)
}

// close writes the summary and says whether all is well.
func (r *report) close() bool {
	slices.SortStableFunc(r.slow, func(a, b timed) int { return cmp.Compare(b.seconds, a.seconds) })
	for i, s := range r.slow {
		if i == 5 || s.seconds < 5 {
			break
		}
		fmt.Fprintf(r.out, "slow  %s took %.0fs\n", s.test, s.seconds)
	}
	for _, s := range r.allowed {
		fmt.Fprintf(r.out, "skip  %s: %s\n", s.test, s.reason)
	}
	for _, s := range r.wrong {
		fmt.Fprintf(r.out, "SKIP  %s: %q: %s\n", s.test, s.reason, r.here.forbids(s.reason))
	}
	for _, t := range r.failures {
		fmt.Fprintf(r.out, "FAIL  %s\n", t)
	}
	if r.passed+r.failed+r.skipped == 0 {
		fmt.Fprintln(r.out, "no test ran")
	}
	fmt.Fprintf(r.out, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
	return r.passed > 0 && r.failed == 0 && len(r.wrong) == 0
}
