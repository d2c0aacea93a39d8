package gate

import (
	"regexp"
	"strconv"
	"strings"
)

// A goStack collects frames as the Go runtime writes them: a line with the
// function, and below it one with the place.
//
//	example.com/shop/p2.TestPanic(0x336f51c16248?)
//		/src/p2/p_test.go:3 +0x28
type goStack struct {
	stacks   stacker
	function string // until its place is read
	by       string // the function, if it is the one that began the goroutine
}

var (
	goPlace   = regexp.MustCompile(`^(\S.*):(\d+)(?: \+0x[0-9a-f]+)?(?: fp=.*)?\]?$`)
	goCall    = regexp.MustCompile(`^(\S.*)\((.*)\)$`)
	goCreated = regexp.MustCompile(`^created by (\S+)(?: in goroutine \d+)?$`)
)

// line takes a line of a stack, without the spaces around it. It returns false
// for one that is none.
func (g *goStack) line(s string) bool {
	if m := goPlace.FindStringSubmatch(s); m != nil && g.function != "" {
		line, _ := strconv.Atoi(m[2])
		g.stacks.add(Frame{Function: g.function, File: m[1], Line: line})
		g.function = ""
		return true
	}
	if m := goCreated.FindStringSubmatch(s); m != nil {
		g.stacks.begin("created by")
		g.function, g.by = m[1], m[1]
		return true
	}
	if m := goCall.FindStringSubmatch(s); m != nil {
		g.function = m[1]
		return true
	}
	return s == "" || strings.HasPrefix(s, "...") || strings.HasPrefix(s, "[failed to restore the stack]")
}

// begin begins a stack.
func (g *goStack) begin(title string) {
	g.stacks.begin(title)
	g.function, g.by = "", ""
}

// testFunction finds the test of a stack: pkg.TestRace.func1 is of TestRace.
var testFunction = regexp.MustCompile(`\.((?:Test|Benchmark|Fuzz|Example)(?:[^a-z.(]\w*)?)(?:\.|$)`)

// testOf returns the name of the test that a finding's stacks tell of; "" if none does.
func testOf(stacks []Stack) string {
	for _, s := range stacks {
		for _, f := range s.Frames {
			if m := testFunction.FindStringSubmatch(f.Function); m != nil {
				return m[1]
			}
		}
	}
	return ""
}

// inTest says in a message which test it was.
func inTest(message, test string) string {
	if test == "" {
		return message
	}
	return message + " (" + test + ")"
}
