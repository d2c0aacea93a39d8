package gate

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A goPackage is what go test told so far of one package's tests.
type goPackage struct {
	report  *Report
	name    string // import path; "" until it is known
	log     log
	tests   map[string]*goTest // those that run, and those that failed
	open    *int               // how many those are, of all packages
	results int                // tests that passed, failed or were skipped
	told    int                // findings of the log
	unbuilt string             // "build failed" or "setup failed"
	ended   string             // what go test says of how the binary ended: "exit status 2"
}

// A goTest is a test that runs, or failed.
type goTest struct {
	failed bool
	child  bool   // a test within it failed
	raced  bool   // the race detector says that it failed for a race
	leaked bool   // goleak wrote its list into it
	reason string // what it said last
	file   string
	line   int
}

// maxTests is how many tests may run at once, or have failed in one package, and
// how many packages there may be.
const maxTests = 10_000

// newGoPackage begins a package. Open counts the tests of all that have begun.
func newGoPackage(r *Report, name string, open *int) *goPackage {
	p := &goPackage{report: r, name: name, tests: map[string]*goTest{}, open: open}
	p.log = log{report: r, add: func(f Finding) {
		p.told++
		r.Add(f)
	}}
	return p
}

// test returns the state of a test that runs.
func (p *goPackage) test(name string) *goTest {
	t := p.tests[name]
	if t != nil {
		return t
	}
	t = &goTest{}
	if *p.open == maxTests {
		p.log.fail("more than %d tests that run at once, or failed", maxTests)
		return t
	}
	*p.open++
	p.tests[clip(name)] = t
	return t
}

// forget drops a test that is over.
func (p *goPackage) forget(name string) {
	if p.tests[name] != nil {
		*p.open--
		delete(p.tests, name)
	}
}

// result takes a test's PASS, FAIL or SKIP.
func (p *goPackage) result(name, result string) {
	p.results++
	switch result {
	case "fail":
		p.report.Tests++
		p.test(name).failed = true
		for above := parent(name); above != ""; above = parent(above) {
			p.test(above).child = true
		}
		return
	case "skip":
		p.report.Skipped++
	default:
		p.report.Tests++
	}
	p.forget(name)
}

func parent(test string) string {
	i := strings.LastIndexByte(test, '/')
	return test[:max(i, 0)]
}

var (
	reasonLine = regexp.MustCompile(`^\s*([^\s:]+\.go):(\d+): (.*)$`)
	endedLine  = regexp.MustCompile(`^(exit status \d+|signal: .*|\*\*\* Test .*)$`)
)

// output takes a line that was written while a test ran; "" for no test.
func (p *goPackage) output(test, s string) {
	p.log.test = test
	if p.reported(test, s) {
		return
	}
	if test != "" {
		p.test(test).says(s)
	} else if endedLine.MatchString(s) {
		p.ended = clip(s)
	}
}

// reported gives a line to the log, and says whether it is part of a report.
func (p *goPackage) reported(test, s string) bool {
	leak := test != "" && strings.Contains(s, goleakWords)
	if p.log.open == nil && !leak && test != "" && strings.HasPrefix(s, "    ") {
		return false // what a test logs of others, of programs that it ran
	}
	if !p.log.line(s) {
		return false
	}
	if leak {
		p.test(test).leaked = true
	}
	return true
}

// says keeps what a test said last: that is why it failed, if it did.
func (t *goTest) says(s string) {
	m := reasonLine.FindStringSubmatch(s)
	switch {
	case m == nil:
		// What testify and others write below: "Error: Not equal: …".
		if s = strings.TrimSpace(s); t.file != "" && s != "" && len(t.reason) < 300 && !strings.HasPrefix(s, "Error Trace:") {
			t.reason = clip(strings.TrimSpace(t.reason + " " + strings.Join(strings.Fields(s), " ")))
		}
	case m[1] == "testing.go" && strings.HasPrefix(m[3], "race detected during execution of test"):
		t.raced = true
	default:
		t.file, t.reason = clip(m[1]), clip(m[3])
		_, t.line, _ = splitPosition(m[1] + ":" + m[2])
	}
}

// end takes the package's result: "ok", "fail", "skip", or "cut" if there is
// none and there must be one.
func (p *goPackage) end(result string) {
	p.log.end()
	died := p.log.died
	if result == "ok" {
		died = nil // a panic that the tests expected, and only its words were seen
	}
	for _, f := range died {
		p.report.Stopped = true
		p.log.add(f)
	}
	for _, name := range slices.Sorted(maps.Keys(p.tests)) {
		switch t := p.tests[name]; {
		case t.failed:
			p.failed(name, t, len(died) > 0)
		case result == "ok" && !strings.HasPrefix(name, "Benchmark"):
			p.log.fail("%s passed, and %s has no result", p.label(), name)
		}
		p.forget(name)
	}
	if result == "fail" && p.told == 0 {
		p.unexplained()
	}
	if strings.HasPrefix(p.ended, "signal: killed") || strings.HasPrefix(p.ended, "*** Test killed") {
		p.log.fail("%s was killed before its end: %s", p.label(), p.ended)
	}
}

// failed tells of a test that failed, if its reason is not told already: a race,
// goroutines that it left behind, a panic, a test within it.
func (p *goPackage) failed(name string, t *goTest, died bool) {
	if t.file == "" && (t.child || t.leaked || t.raced && p.log.races > 0 || died) {
		return
	}
	at := Frame{Function: p.within(name), Object: p.name}
	if t.file != "" {
		at.File, at.Line = t.file, t.line
		if p.name != "" && !strings.Contains(t.file, "/") {
			at.File = p.name + "/" + t.file
		}
	}
	message := name
	if strings.TrimSpace(name) == "" {
		message = "a test without a name"
	}
	if t.reason != "" {
		message += ": " + memoryAddress.ReplaceAllString(t.reason, "…")
	}
	p.log.add(Finding{
		Tool: "go-test", Kind: "FAIL", Class: TestFailure, Severity: Error, Message: message, At: at, Key: p.within(name),
	})
}

// unexplained tells of a package that failed, and no test of it says why.
func (p *goPackage) unexplained() {
	message := p.label() + " failed, and no test of it says why"
	if p.ended != "" {
		message += ": " + p.ended
	}
	class, severity := TestFailure, Error
	if strings.HasPrefix(p.ended, "signal: ") {
		class, severity = Crash, Critical
	}
	p.log.add(Finding{
		Tool: "go-test", Kind: "package failed", Class: class, Severity: severity, Message: message,
		At: Frame{Object: p.name}, Key: cmp.Or(p.name, "package"),
	})
}

// notBuilt tells of a package that did not compile. None of its tests ran, so it
// breaks the report: a baseline must not accept that.
func (p *goPackage) notBuilt(what string, at Frame, why string) {
	p.log.add(Finding{
		Tool: "go-test", Kind: what, Class: TestFailure, Severity: Error, Message: strings.TrimSuffix(p.label()+": "+why, ": "),
		At: at, Key: cmp.Or(p.name, "package"),
	})
	p.log.fail("%s was not built, none of its tests ran: %s", p.label(), cmp.Or(why, what))
}

// within is the full name of a test.
func (p *goPackage) within(test string) string {
	return strings.TrimPrefix(p.name+"."+test, ".")
}

// label is the package for people.
func (p *goPackage) label() string {
	return cmp.Or(p.name, "the package")
}

// cutOff ends a package that has no result, and must have one. What names what
// ends too early.
func (p *goPackage) cutOff(what string) {
	within := ""
	for _, name := range slices.Sorted(maps.Keys(p.tests)) {
		if !p.tests[name].failed {
			within = ", while " + name + " runs"
			break
		}
	}
	p.end("cut")
	p.log.fail("%s ends before the result of %s%s", what, p.label(), within)
}
