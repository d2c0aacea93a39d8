package main

import (
	"regexp"
	"strings"
)

// A skip is a skipped test and what it said about it.
type skip struct {
	test
	reason string
}

// A place is what this machine and this run offer to the tests.
type place struct {
	ci      bool // CI=true: a machine that must have everything
	long    bool // MUSTER_LONG is set: tests of minutes were asked for
	samples bool // ../shared/samples is there
}

// forbids says why a test may not be skipped for this reason here; "" means
// that it may. A skip must say by its first words which of three things it
// lacks, and that thing must really be lacking.
func (p place) forbids(reason string) string {
	switch {
	case strings.HasPrefix(reason, "long: "):
		if p.long {
			return "MUSTER_LONG is set, so it should have run"
		}
	case strings.HasPrefix(reason, "samples absent: "):
		if p.samples {
			return "../shared/samples is there, so it should have run"
		}
	case strings.HasPrefix(reason, "not here: "):
		if p.ci {
			return "CI must have what its tests need: see scripts/install-tools.sh"
		}
	default:
		return `a reason begins with "long: ", "samples absent: " or "not here: "`
	}
	return ""
}

// said matches a line that testing.T wrote, `    x_test.go:12: text`.
var said = regexp.MustCompile(`^\s+\S+\.go:\d+: (.*)`)

// reason returns what a skipped test gave as its reason: its last message.
func reason(output []string) string {
	for i := len(output) - 1; i >= 0; i-- {
		if m := said.FindStringSubmatch(output[i]); m != nil {
			return strings.TrimSpace(m[1])
		}
	}
	return ""
}
