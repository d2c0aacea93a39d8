package gate

import (
	"cmp"
	"regexp"
	"strings"
)

// A goleakList is what go.uber.org/goleak tells when a test, or all of them,
// left goroutines behind: each is a finding.
type goleakList struct {
	log   *log
	test  string // in which they were found; "" in none
	stack goStack
	state string // of the goroutine that is being read; "" before the first
	top   string
	whole bool
	found int
}

const goleakWords = "found unexpected goroutines:"

var goleakHead = regexp.MustCompile(`^\[?Goroutine \d+ in state (.*?), with (.*) on top of the stack:$`)

func (g *goleakList) line(s string) bool {
	s = strings.TrimSpace(s)
	if g.whole {
		return false
	}
	if m := goleakHead.FindStringSubmatch(s); m != nil {
		g.tell()
		g.state, g.top = m[1], m[2]
		g.stack.begin("")
		return true
	}
	if s == "]" {
		g.whole = true
		return true
	}
	if g.state == "" || !g.stack.line(s) {
		return false
	}
	g.whole = strings.HasSuffix(s, "]") && goPlace.MatchString(s)
	return true
}

// tell tells of the goroutine that was read.
func (g *goleakList) tell() {
	if g.state == "" {
		return
	}
	stacks := g.stack.stacks.told()
	message := "goroutine left behind in state " + g.state + ", in " + g.top
	if g.stack.by != "" {
		message += ", created by " + g.stack.by
	}
	g.log.add(Finding{
		Tool: "goleak", Kind: "unexpected goroutine", Class: GoroutineLeak, Severity: Error,
		Message: inTest(message, cmp.Or(testOf(stacks), g.test)), Stacks: stacks,
	})
	g.stack = goStack{}
	g.state = ""
	g.found++
}

func (g *goleakList) close() {
	g.tell()
	if !g.whole || g.found == 0 {
		g.log.fail("the list of unexpected goroutines is cut off")
	}
	g.log.leaks += g.found
}
