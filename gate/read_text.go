package gate

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strings"
)

// Text is any text that is no report of another format: the log of a test run,
// or what a sanitizer wrote into log_path.PID. The marks of a report may stand
// after megabytes of chatter, so all of it is read.
//
// A text in which no tool says anything is broken, not clean. Sanitizers and the
// race detector are silent when all is well, and so is a run that was killed
// before they could speak, a build without them, and a file of something else.
var text = Format{
	Name: "text of sanitizers or go test",
	Is:   func(head []byte) bool { return refusal(head) == "" },
	Read: readText,
}

const silentText = "no sanitizer, race detector or go test says anything in this text, and that proves nothing: " +
	"they are silent too if they were killed, or not there. Let `muster gate run` start the program, so that its exit status counts, or give the output of go test -json"

func readText(from *bufio.Reader, r *Report) error {
	g := newGoText(r)
	in := lines{from: from}
	for {
		s, err := in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		g.line(in.number, plainLine(s))
	}
	if !g.finish() {
		r.Break(silentText)
	}
	r.Tool = toolOf(r)
	return nil
}

// toolOf are the tools whose findings a text has, or the one that found none.
func toolOf(r *Report) string {
	var tools []string
	for _, f := range r.Findings {
		if !slices.Contains(tools, f.Tool) {
			tools = append(tools, f.Tool)
		}
	}
	if len(tools) == 0 && r.Tests > 0 {
		return "go-test"
	}
	return strings.Join(tools, ", ")
}
