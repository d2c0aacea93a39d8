package gate

import (
	"regexp"
	"strings"
)

// What go test writes for people, with -v or without:
//
//	--- FAIL: TestCart (0.00s)
//	    cart_test.go:7: got 1 want 2
//	FAIL
//	FAIL	example.com/shop	0.028s
//	ok  	example.com/shop/p2	0.010s
//
// A test belongs to the package whose line follows it. Nothing says how many
// packages were to come: of a run that was killed between two of them, the exit
// status alone tells.
type goText struct {
	report  *Report
	p       *goPackage
	open    int    // tests of it
	seen    bool   // a line that go test alone writes
	ran     bool   // a package with tests
	verdict string // PASS or FAIL of a test binary, whose package line may follow
	header  string // package of the lines of a compiler that are being read
	built   map[string]buildError
}

// A buildError is the first thing a compiler said of a package.
type buildError struct {
	at   Frame
	text string
}

var (
	goRunLine     = regexp.MustCompile(`^\s*=== (RUN|PAUSE|CONT|NAME|ATTR|ARTIFACTS)\s+(\S+)`)
	goResultLine  = regexp.MustCompile(`--- (PASS|FAIL|SKIP|BENCH): (\S+)(?: \(\d+\.\d+s\))?$`)
	goOKLine      = regexp.MustCompile(`^ok\s+(\S+)\s+(?:\(cached\)|\d+\.\d+s)(.*)$`)
	goFailedLine  = regexp.MustCompile(`^FAIL\s+(\S+)\s+(?:\[(build failed|setup failed)\]|\(cached\)|\d+\.\d+s)`)
	goNoTestLine  = regexp.MustCompile(`^\?\s+(\S+)\s+\[no test files\]$`)
	goHeaderLine  = regexp.MustCompile(`^# (\S+)(?: \[\S+\])?$`)
	goCompileLine = regexp.MustCompile(`^(?:vet: )?(\S+\.\w+):(\d+)(?::(\d+))?: (.*)$`)
)

func newGoText(r *Report) *goText {
	g := &goText{report: r, built: map[string]buildError{}}
	g.p = newGoPackage(r, "", &g.open)
	return g
}

func (g *goText) line(number int, s string) {
	g.p.log.number = number
	if g.framing(s) {
		return
	}
	g.compiler(s)
	g.p.output(g.p.log.test, s)
}

// framing takes the lines that say what ran and how it ended.
func (g *goText) framing(s string) bool {
	if m := goRunLine.FindStringSubmatch(s); m != nil {
		g.mark()
		switch m[1] {
		case "RUN":
			g.p.test(m[2])
			g.p.log.test = clip(m[2])
		case "PAUSE":
			g.p.log.test = ""
		default:
			g.p.log.test = clip(m[2])
		}
		return true
	}
	if m := goResultLine.FindStringSubmatch(s); m != nil {
		g.mark()
		g.p.log.test = clip(m[2])
		g.p.result(m[2], strings.ToLower(m[1]))
		if m[1] != "FAIL" {
			g.p.log.test = ""
		}
		return true
	}
	if s == "PASS" || s == "FAIL" {
		g.p.log.test, g.verdict = "", s
		return true
	}
	return g.packageLine(s)
}

// mark notes that this is go test.
func (g *goText) mark() {
	g.seen, g.verdict = true, ""
}

// packageLine takes the line that ends a package.
func (g *goText) packageLine(s string) bool {
	if m := goOKLine.FindStringSubmatch(s); m != nil {
		g.ran = g.ran || !strings.Contains(m[2], "[no tests to run]")
		g.end(m[1], "ok")
		return true
	}
	if m := goFailedLine.FindStringSubmatch(s); m != nil {
		g.ran = true
		if m[2] != "" {
			g.p.name = m[1]
			built := g.built[m[1]]
			g.p.notBuilt(m[2], built.at, built.text)
		}
		g.end(m[1], "fail")
		return true
	}
	if m := goNoTestLine.FindStringSubmatch(s); m != nil {
		g.end(m[1], "skip")
		return true
	}
	return false
}

func (g *goText) end(name, result string) {
	g.mark()
	g.p.name = name
	g.p.end(result)
	number := g.p.log.number
	g.p = newGoPackage(g.report, "", &g.open)
	g.p.log.number = number
}

// compiler keeps the first error of a package, which stands under its name.
func (g *goText) compiler(s string) {
	if m := goHeaderLine.FindStringSubmatch(s); m != nil {
		g.header = clip(m[1])
		return
	}
	m := goCompileLine.FindStringSubmatch(s)
	if m == nil || g.header == "" {
		return
	}
	if _, ok := g.built[g.header]; !ok && len(g.built) < maxTests {
		g.built[g.header] = compileError(m)
	}
}

// compileError is a match of goCompileLine.
func compileError(m []string) buildError {
	var b buildError
	b.at.File, b.at.Line, b.at.Column = splitPosition(strings.TrimSuffix(m[1]+":"+m[2]+":"+m[3], ":"))
	b.at, b.text = b.at.clipped(), clip(m[4])
	return b
}

// finish ends the text. It says whether any tool spoke in it.
func (g *goText) finish() bool {
	g.p.log.closeBlock()
	switch pending := g.p.results > 0 || len(g.p.tests) > 0; {
	case !pending: // chatter after the last package, or a log without go test
		g.p.end("cut")
	case g.verdict == "PASS" && g.p.ended == "" && len(g.p.log.died) == 0: // a test binary on its own has no line for its package
		g.ran = true
		g.p.end("ok")
	case g.verdict != "": // it failed, or died after its tests
		g.ran = true
		g.p.end("fail")
	default:
		g.ran = true
		g.p.cutOff("the text")
	}
	if g.seen && !g.ran && g.report.Total+len(g.report.Broken) == 0 {
		g.report.Break("go test ran no test")
	}
	return g.seen || g.p.log.seen || g.report.Total > 0
}
