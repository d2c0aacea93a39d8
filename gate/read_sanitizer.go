package gate

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
)

// Sanitizers of gcc and clang write text for people, among what the program
// itself writes, or into files log_path.PID.
//
// https://github.com/google/sanitizers/wiki
// https://clang.llvm.org/docs/UndefinedBehaviorSanitizer.html

// sanitizers are the tools by the name that their reports bear.
var sanitizers = map[string]string{
	"AddressSanitizer":           "asan",
	"HWAddressSanitizer":         "hwasan",
	"LeakSanitizer":              "lsan",
	"MemorySanitizer":            "msan",
	"ThreadSanitizer":            "tsan",
	"UndefinedBehaviorSanitizer": "ubsan",
}

var (
	// ==1641==ERROR: AddressSanitizer: heap-buffer-overflow on address …, after
	// whatever the program wrote before it without an end of line.
	sanitizerHead = regexp.MustCompile(`(==\d+== ?)?(ERROR|WARNING|FATAL): (\w+Sanitizer)(:?) (.*)`)
	summaryLine   = regexp.MustCompile(`SUMMARY: (\w+Sanitizer): (.*)`)
	tsanReported  = regexp.MustCompile(`ThreadSanitizer: reported (\d+) warnings?`)
	tsanMatched   = regexp.MustCompile(`ThreadSanitizer: Matched (\d+) suppressions?`)
	tsanPID       = regexp.MustCompile(` \(pid=\d+\)$`)
)

// sanitizer reads a line that names one, in no report.
func (l *log) sanitizer(s string) {
	if m := sanitizerHead.FindStringSubmatch(s); m != nil && sanitizers[m[3]] != "" {
		l.sanitizerReport(s, m[2], m[3], m[4] == ":", strings.TrimSpace(m[5]))
		return
	}
	if m := tsanReported.FindStringSubmatch(s); m != nil {
		l.seen = true
		n, _ := strconv.Atoi(m[1])
		l.tsanCount += n
		return
	}
	if m := tsanMatched.FindStringSubmatch(s); m != nil {
		l.seen = true
		n, _ := strconv.Atoi(m[1])
		l.report.Suppressed += n
		return
	}
	switch {
	case strings.Contains(s, "Sanitizer:DEADLYSIGNAL"):
		l.seen, l.deadly = true, strings.TrimSpace(s)
	case strings.HasPrefix(s, "Suppressions used:"):
		l.seen = true // it looked for leaks, and found none but these
		l.begin(&leaks{log: l, suppressions: true, whole: true})
	case died(s):
		l.fail("%s", strings.TrimSpace(s))
	case summaryLine.MatchString(s) && !strings.Contains(s, "UndefinedBehaviorSanitizer"):
		l.fail("the end of a report without its beginning: %s", strings.TrimSpace(s))
	}
}

// died says whether a sanitizer tells that it failed itself.
func died(s string) bool {
	for _, words := range []string{
		"Sanitizer: CHECK failed", "Sanitizer CHECK failed", "LeakSanitizer has encountered a fatal error",
		"Sanitizer: nested bug", "Sanitizer failed to", "ASan runtime does not come first", "ASan runtime mismatch", "Your application is linked against incompatible ASan runtimes",
	} {
		if strings.Contains(s, words) {
			return true
		}
	}
	return false
}

// sanitizerReport begins a report by its first line.
func (l *log) sanitizerReport(s, level, tool string, colon bool, what string) {
	l.deadly = ""
	switch {
	case level == "FATAL" || level == "ERROR" && !colon:
		l.fail("%s", strings.TrimSpace(s))
	case strings.HasPrefix(what, "detected memory leaks"):
		l.begin(&leaks{log: l})
	case tool == "ThreadSanitizer" && level == "WARNING" && colon:
		l.begin(&tsanWarning{log: l, kind: cmp.Or(tsanPID.ReplaceAllString(what, ""), "warning")})
	case level == "ERROR" || tool == "MemorySanitizer" && colon:
		// It ends the program, if nobody told the tool to go on.
		l.report.Stopped = true
		l.begin(&sanitizerError{log: l, tool: sanitizers[tool], name: tool, head: what})
	}
}

// A sanitizerError is one error of a sanitizer that ends the program: from its
// first line to its SUMMARY.
type sanitizerError struct {
	log    *log
	tool   string
	name   string
	head   string // "heap-use-after-free on address …"
	ended  bool   // its SUMMARY was read
	kind   string // by the SUMMARY
	above  string // the line above the next frame
	access string // "READ of size 1"
	region string // "3 bytes inside of 10-byte region"
	stacks stacker
}

var (
	headEnd    = regexp.MustCompile(`( on (unknown )?address)?:? (on )?0x.*| in thread T.*`)
	accessLine = regexp.MustCompile(`^((?:READ|WRITE|ACCESS) of size \d+)`)
	signalLine = regexp.MustCompile(`^==\d+== ?(?:The signal is |Hint: )(.*?)\.?$`)
	regionLine = regexp.MustCompile(`is located (\d+ bytes .* of \d+-byte region)`)
	objectLine = regexp.MustCompile(`^\s+\[\d+, \d+\) '(.*)' .*<== (?:Memory access at offset \d+ )?(.*)`)
)

func (e *sanitizerError) line(s string) bool {
	if e.ended || sanitizerHead.MatchString(s) {
		return false
	}
	if m := summaryLine.FindStringSubmatch(s); m != nil {
		e.ended = true
		e.kind, _, _ = strings.Cut(m[2], " ")
		return true
	}
	if m := stackLine.FindStringSubmatch(s); m != nil {
		if m[1] == "0" {
			e.stacks.begin(title(e.above))
		}
		e.stacks.add(sanitizerFrame(m[2]))
		return true
	}
	switch {
	case died(s), strings.Contains(s, "Sanitizer:DEADLYSIGNAL"):
		e.log.fail("%s, within a report of %s", strings.TrimSpace(s), e.name)
	default:
		e.detail(s)
	}
	e.above = s
	return true
}

// detail keeps what the message needs of a line between the stacks.
func (e *sanitizerError) detail(s string) {
	if m := accessLine.FindStringSubmatch(s); m != nil && e.access == "" {
		e.access = m[1]
	}
	if m := signalLine.FindStringSubmatch(s); m != nil && e.access == "" {
		e.access = m[1]
	}
	if m := regionLine.FindStringSubmatch(s); m != nil && e.region == "" {
		e.region = m[1]
	}
	if m := objectLine.FindStringSubmatch(s); m != nil {
		e.region = "variable '" + m[1] + "': " + m[2]
	}
}

func (e *sanitizerError) close() {
	if !e.ended {
		e.log.fail("the report of %s is cut off: it has no SUMMARY", e.name)
		e.kind, _, _ = strings.Cut(strings.TrimPrefix(e.head, "attempting "), " ")
	}
	e.kind = cmp.Or(e.kind, "error")
	message := headEnd.ReplaceAllString(strings.TrimPrefix(e.head, "attempting "), "")
	if !strings.HasPrefix(message, e.kind) {
		message = e.kind + ": " + message
	}
	if e.access != "" {
		message += ": " + e.access
	}
	if e.region != "" {
		message += ", " + e.region
	}
	stacks := e.stacks.told()
	if len(stacks) > 0 {
		stacks[0].Title = ""
	}
	e.log.add(Finding{
		Tool: e.tool, Kind: e.kind, Class: sanitizerClass(e.kind), Severity: Critical, Message: message, Stacks: stacks,
	})
}

// sanitizerClass is the class of an error that ends the program.
func sanitizerClass(kind string) Class {
	switch kind {
	case "heap-use-after-free", "stack-use-after-return", "stack-use-after-scope", "use-after-poison", "tag-mismatch":
		return UseAfterFree
	case "container-overflow", "negative-size-param", "calloc-overflow", "intra-object-overflow":
		return OutOfBounds
	case "SEGV", "BUS", "unknown-crash", "invalid-pointer-pair", "wild-addr-read", "wild-addr-write", "wild-addr":
		return InvalidAccess
	case "double-free", "bad-free", "alloc-dealloc-mismatch", "new-delete-type-mismatch", "bad-malloc_usable_size", "invalid-free":
		return InvalidFree
	case "use-of-uninitialized-value", "initialization-order-fiasco":
		return Uninitialised
	case "odr-violation", "memcpy-param-overlap", "strcpy-param-overlap", "strcat-param-overlap", "strncpy-param-overlap", "strncat-param-overlap":
		return UndefinedBehavior
	}
	if strings.HasSuffix(kind, "-buffer-overflow") || strings.HasSuffix(kind, "-buffer-underflow") {
		return OutOfBounds
	}
	return Crash // a signal, a stack that overflows, memory that is used up
}
