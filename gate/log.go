package gate

import (
	"regexp"
	"strings"
)

// A block is a report within a log that is being read.
type block interface {
	// line takes the next line of the log. It returns false if the block had
	// ended before that line, which then is looked at anew.
	line(s string) bool
	// close ends the block: at its own end, or because the log is over or another
	// report begins. It tells the findings.
	close()
}

// A log is the output of a program, in which sanitizers, the race detector and
// the Go runtime write their reports. It is fed line by line.
type log struct {
	add    func(Finding)
	report *Report
	number int    // of the line, from 1
	test   string // the Go test that runs; "" if not known

	open      block
	seen      bool      // a word of a tool, be there a finding or not
	deadly    string    // the line that says that a signal came, until its report begins
	tsanTold  int       // reports of ThreadSanitizer that were read
	tsanCount int       // reports that it says it wrote
	races     int       // reports of Go's race detector
	leaks     int       // goroutines that goleak tells of
	died      []Finding // how a Go program died; whether it did is known when its result is
}

// fail breaks the report, with the position.
func (l *log) fail(format string, args ...any) {
	l.seen = true
	l.report.Break("line %d: "+format, append([]any{l.number}, args...)...)
}

// line reads one line. It says whether that is part of a report.
func (l *log) line(s string) bool {
	if l.open != nil {
		if l.open.line(s) {
			return true
		}
		l.closeBlock()
	}
	l.outside(s)
	return l.open != nil
}

// begin opens a block.
func (l *log) begin(b block) {
	l.closeBlock()
	l.open = b
}

func (l *log) closeBlock() {
	if b := l.open; b != nil {
		l.open = nil
		b.close()
	}
}

// outside reads a line that is in no block.
func (l *log) outside(s string) {
	switch {
	case strings.Contains(s, "Sanitizer"), strings.Contains(s, "ASan runtime"), strings.HasPrefix(s, "Suppressions used:"):
		l.sanitizer(s)
	case panicLine.MatchString(s):
		l.panic(s)
	case strings.Contains(s, ": runtime error: "), strings.HasPrefix(s, "ubsan: "):
		l.undefined(s)
	case strings.Contains(s, "WARNING: DATA RACE"):
		l.begin(&goRace{log: l})
	case strings.Contains(s, goleakWords):
		l.begin(&goleakList{log: l, test: l.test})
	case valgrindBanner.MatchString(s):
		l.fail("Valgrind's own text begins here, which is not read: --xml=yes --xml-file=NAME.%%p.xml writes what can be judged")
	case strings.HasPrefix(s, "race: limit on "): // … alive goroutines is exceeded, dying
		l.fail("%s", s)
	}
}

// valgrindBanner is the first line of what Valgrind writes for people.
var valgrindBanner = regexp.MustCompile(`^==\d+== (Memcheck|Helgrind|DRD|Valgrind), `)

// end ends the log.
func (l *log) end() {
	l.closeBlock()
	if l.deadly != "" {
		l.fail("%q, and the report of the crash is missing", l.deadly)
		l.deadly = ""
	}
	// A process that is killed does not count its warnings; one whose count is
	// higher than what is here wrote warnings that are lost.
	if l.tsanCount > l.tsanTold {
		l.fail("ThreadSanitizer reported %d warnings, of which %d are here", l.tsanCount, l.tsanTold)
	}
	l.tsanCount, l.tsanTold = 0, 0
}
