package gate

import (
	"cmp"
	"strings"
)

// A goRace is one report of Go's race detector, between lines of equal signs.
// The program goes on after it. What other goroutines write meanwhile may stand
// between its lines.
//
// https://go.dev/doc/articles/race_detector
type goRace struct {
	log   *log
	stack goStack
	whole bool
}

func (g *goRace) line(s string) bool {
	switch trimmed := strings.TrimSpace(s); {
	case g.whole:
		return false
	case strings.HasSuffix(s, ruled):
		g.whole = true
	case strings.Contains(s, "WARNING: DATA RACE"):
		return false
	case strings.HasSuffix(s, ":") && (strings.Contains(s, " at 0x") || strings.HasSuffix(s, " created at:")):
		g.stack.begin(title(s))
	default:
		g.stack.line(trimmed)
	}
	return true
}

func (g *goRace) close() {
	if !g.whole {
		g.log.fail("the report of a data race is cut off")
	}
	stacks := g.stack.stacks.told()
	f := Finding{Tool: "go-race", Kind: "DATA RACE", Class: DataRace, Severity: Error, Stacks: stacks}
	f.Message = inTest("data race: "+raceSides(stacks), cmp.Or(testOf(stacks), g.log.test))
	if len(stacks) > 0 {
		stacks[0].Title = ""
	}
	g.log.races++
	g.log.add(f)
}
