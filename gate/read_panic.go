package gate

import (
	"cmp"
	"regexp"
	"strings"
)

// A goPanic is how a Go program dies: a panic that nobody recovers, a fatal
// error of the runtime, a signal, or a test that runs into its timeout.
type goPanic struct {
	log     *log
	message string
	timeout bool
	running []string // tests that ran, if that is a timeout
	within  bool     // a goroutine's stack is being read
	lines   int      // before the first goroutine
	stack   goStack
	first   []Stack            // of the first goroutine: it is the one that panicked
	hanging map[string][]Stack // of the goroutines of running tests
}

var (
	panicLine     = regexp.MustCompile(`^(panic: |fatal error: |SIG[A-Z]+: )`)
	goroutineLine = regexp.MustCompile(`^goroutine \d+ .*\[.*\]:$`)
	timeoutLine   = regexp.MustCompile(`^panic: test timed out after `)
	runningLine   = regexp.MustCompile(`^\t\t(\S+) \([\d.hmsµn]+\)$`)
	repanicked    = regexp.MustCompile(`( \[recovered[^\]]*\])+$`)
)

// A message may have several lines; so many, and no goroutine was meant.
const maxPanicLines = 64

func (l *log) panic(s string) {
	l.begin(&goPanic{log: l, message: repanicked.ReplaceAllString(s, ""), timeout: timeoutLine.MatchString(s), hanging: map[string][]Stack{}})
}

func (p *goPanic) line(s string) bool {
	if goroutineLine.MatchString(s) {
		p.goroutine()
		p.within = true
		p.stack.begin("")
		return true
	}
	if p.within {
		return p.stack.line(strings.TrimSpace(s))
	}
	if m := runningLine.FindStringSubmatch(s); m != nil && p.timeout && len(p.running) < maxFindings {
		p.running = append(p.running, m[1])
		return true
	}
	p.lines++
	return p.lines < maxPanicLines
}

// goroutine keeps the stack that was read, if it is one that matters.
func (p *goPanic) goroutine() {
	stacks := p.stack.stacks.told()
	p.stack = goStack{}
	if len(stacks) == 0 {
		return
	}
	if p.first == nil {
		p.first = stacks
	}
	for _, test := range p.running {
		top, _, _ := strings.Cut(test, "/")
		if p.hanging[test] == nil && testOf(stacks) == top {
			p.hanging[test] = stacks
			return
		}
	}
}

func (p *goPanic) close() {
	p.goroutine()
	if p.first == nil {
		return // words that only look like it
	}
	message := memoryAddress.ReplaceAllString(p.message, "…")
	if !p.timeout {
		kind, _, _ := strings.Cut(message, ": ")
		p.log.died = append(p.log.died, Finding{
			Tool: "go-test", Kind: kind, Class: Crash, Severity: Critical,
			Message: inTest(message, cmp.Or(testOf(p.first), p.log.test)), Stacks: p.first,
		})
		return
	}
	message = strings.TrimPrefix(message, "panic: ")
	if len(p.running) == 0 {
		p.log.died = append(p.log.died, timedOut(message, "", p.first))
	}
	for _, test := range p.running {
		p.log.died = append(p.log.died, timedOut(message, test, p.hanging[test]))
	}
}

func timedOut(message, test string, stacks []Stack) Finding {
	return Finding{
		Tool: "go-test", Kind: "test timed out", Class: TestFailure, Severity: Error,
		Message: inTest(message, test), Stacks: stacks,
	}
}
