package gate

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// goTestJSON is what go test -json writes: an event a line. Lines of the go
// command itself and of builds may stand between them.
//
// https://pkg.go.dev/cmd/test2json
var goTestJSON = Format{
	Name: "go test -json",
	Is: func(head []byte) bool {
		for line := range strings.Lines(string(head)) {
			if goEventStart.MatchString(plainLine(line)) {
				return true
			}
		}
		return false
	},
	Read: readGoTestJSON,
}

// goEventStart begins an event. The go command writes the members in this order.
var goEventStart = regexp.MustCompile(`^\{("(?:Time|ImportPath)":"[^"]*",)*"Action":"(start|run|pause|cont|pass|bench|fail|output|skip|attr|artifacts|build-output|build-fail)"`)

type goEvent struct {
	Action      string
	Package     string
	ImportPath  string // of what is built
	Test        string
	Output      string
	FailedBuild string // ImportPath of what a package failed for
}

// A goStream is a stream of events while it is read.
type goStream struct {
	report   *Report
	packages map[string]*goPackage // those that have begun and have no result
	part     map[string]*goPart    // lines of which the end is still to come, by package
	begun    int                   // packages
	open     int                   // tests of theirs that run, or failed
	waiting  int                   // bytes of part
	ended    int
	stray    *goText // what is no event
	built    map[string]buildError
}

// maxParts is how much may wait for the ends of lines, of all packages.
const maxParts = 16 << 20

// A goPart is the beginning of a line of a test.
type goPart struct {
	test string
	text []byte
}

func readGoTestJSON(from *bufio.Reader, r *Report) error {
	g := goStream{
		report: r, packages: map[string]*goPackage{}, part: map[string]*goPart{}, stray: newGoText(r), built: map[string]buildError{},
	}
	in := lines{from: from}
	for {
		s, err := in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		g.line(&in, plainLine(s))
	}
	g.finish(in.number)
	r.Tool = cmp.Or(toolOf(r), "go-test")
	return nil
}

func (g *goStream) line(in *lines, s string) {
	start := strings.Index(s, "{")
	if at := goEventStart.FindStringIndex(s); at == nil && start > 0 {
		// The go command may have written to the same line without ending it.
		if rest := s[start:]; goEventStart.MatchString(rest) {
			g.stray.line(in.number, s[:start])
			s = rest
		}
	}
	if !goEventStart.MatchString(s) {
		if in.ended || !strings.HasPrefix(s, "{") {
			g.stray.line(in.number, s)
			return
		}
	}
	var e goEvent
	switch err := json.Unmarshal([]byte(s), &e); {
	case in.cut:
		g.report.Break("line %d: an event of more than %d bytes", in.number, maxLine)
	case err != nil && !in.ended:
		g.report.Break("line %d: the stream ends within an event", in.number)
	case err != nil:
		g.report.Break("line %d: no event of go test: %v", in.number, err)
	default:
		g.event(in.number, e)
	}
}

func (g *goStream) event(number int, e goEvent) {
	switch e.Action {
	case "build-output":
		g.building(e)
		return
	case "build-fail":
		return // the packages that need it fail for it
	}
	p := g.packages[e.Package]
	if p == nil {
		if len(g.packages) == maxTests {
			g.report.Break("line %d: more than %d packages at once", number, maxTests)
			return
		}
		g.begun++
		p = newGoPackage(g.report, clip(e.Package), &g.open)
		g.packages[e.Package] = p
	}
	p.log.number = number
	switch e.Action {
	case "run":
		p.test(e.Test)
	case "output":
		g.output(p, e)
	case "pass", "fail", "skip", "bench":
		if e.Test != "" {
			p.result(e.Test, e.Action)
			return
		}
		g.end(p, e)
	}
}

// building keeps the first error of what is built.
func (g *goStream) building(e goEvent) {
	name, _, _ := strings.Cut(clip(e.ImportPath), " ")
	if _, ok := g.built[name]; ok || len(g.built) == maxTests {
		return
	}
	for s := range strings.Lines(e.Output) {
		if m := goCompileLine.FindStringSubmatch(strings.TrimSpace(s)); m != nil {
			g.built[name] = compileError(m)
			return
		}
	}
}

// output gives a package the whole lines of its output.
func (g *goStream) output(p *goPackage, e goEvent) {
	part := g.part[p.name]
	if part == nil {
		part = &goPart{}
		g.part[p.name] = part
	}
	if part.test != e.Test && len(part.text) > 0 {
		g.whole(p, part)
	}
	part.test = e.Test
	for s := range strings.Lines(e.Output) {
		if g.waiting+len(s) > maxParts {
			p.log.fail("lines without an end, of more than %d MB", maxParts>>20)
			return
		}
		part.text = append(part.text, s...)
		g.waiting += len(s)
		if strings.HasSuffix(s, "\n") {
			g.whole(p, part)
		}
	}
}

func (g *goStream) whole(p *goPackage, part *goPart) {
	s := plainLine(strings.TrimRight(string(part.text), "\r\n"))
	g.waiting -= len(part.text)
	part.text = part.text[:0]
	if goRunLine.MatchString(s) || goResultLine.MatchString(s) {
		return // an event says the same
	}
	if m := goFailedLine.FindStringSubmatch(s); m != nil {
		if m[2] != "" && m[1] == p.name { // Go before 1.24 has no events of builds
			p.unbuilt = m[2]
		}
		return
	}
	p.output(part.test, s)
}

// end takes a package's last event.
func (g *goStream) end(p *goPackage, e goEvent) {
	if part := g.part[p.name]; part != nil && len(part.text) > 0 {
		g.whole(p, part)
	}
	delete(g.part, p.name)
	delete(g.packages, p.name)
	g.ended++
	if e.FailedBuild != "" && p.unbuilt == "" {
		p.unbuilt = "build failed"
	}
	if e.Action == "fail" && p.unbuilt != "" {
		failed, _, _ := strings.Cut(e.FailedBuild, " ")
		built, ok := g.built[failed]
		if !ok {
			built = g.stray.built[p.name]
		}
		p.notBuilt(p.unbuilt, built.at, built.text)
	}
	result := e.Action
	if result == "pass" || result == "bench" {
		result = "ok"
	}
	p.end(result)
}

func (g *goStream) finish(number int) {
	for _, name := range slices.Sorted(maps.Keys(g.packages)) {
		p := g.packages[name]
		p.log.number = number
		p.cutOff("the stream")
	}
	g.stray.finish()
	if g.ended > 0 && g.report.Tests+g.report.Skipped+g.report.Total+len(g.report.Broken) == 0 {
		g.report.Break("go test ran no test")
	}
	if g.begun == 0 && len(g.report.Broken) == 0 {
		g.report.Break("go test tells of no package")
	}
}
