package gate

import (
	"regexp"
	"strings"
)

// An undefinedError is one line of UndefinedBehaviorSanitizer, and what it says
// below: notes, the bytes around the place, and a stack if one was asked for
// (print_stacktrace=1). The program goes on and exits with 0 in the end, unless
// it was built otherwise.
type undefinedError struct {
	log     *log
	at      Frame
	message string
	stacks  stacker
	ended   bool
}

var (
	undefinedLine = regexp.MustCompile(`((?:[A-Za-z]:\\)?[^:]*):(\d+):(\d+): runtime error: (.*)|<unknown>: runtime error: (.*)`)
	minimalLine   = regexp.MustCompile(`^ubsan: (\S+)`) // of -fsanitize-minimal-runtime
	noteLine      = regexp.MustCompile(`: note: |^\s*(?:[0-9a-f]{2}\s+)+[0-9a-f]{2}\s*$|^\s*\^[~\s]*$`)
)

// undefined reads a line that may be one of UndefinedBehaviorSanitizer.
func (l *log) undefined(s string) {
	if m := minimalLine.FindStringSubmatch(s); m != nil {
		l.seen = true
		l.add(Finding{Tool: "ubsan", Kind: m[1], Class: undefinedClass(m[1]), Severity: Error, Message: m[1]})
		return
	}
	m := undefinedLine.FindStringSubmatch(s)
	if m == nil {
		return
	}
	var at Frame
	if m[1] != "" {
		at.File, at.Line, at.Column = splitPosition(m[1] + ":" + m[2] + ":" + m[3])
	}
	if i := strings.LastIndex(at.File, " /"); i >= 0 { // the program wrote on the same line before
		at.File = at.File[i+1:]
	}
	l.begin(&undefinedError{log: l, at: at, message: memoryAddress.ReplaceAllString(m[4]+m[5], "…")})
}

func (u *undefinedError) line(s string) bool {
	if u.ended {
		return false
	}
	if m := stackLine.FindStringSubmatch(s); m != nil {
		u.stacks.add(sanitizerFrame(m[2]))
		return true
	}
	if m := summaryLine.FindStringSubmatch(s); m != nil && m[1] == "UndefinedBehaviorSanitizer" {
		u.ended = true
		return true
	}
	return noteLine.MatchString(s)
}

func (u *undefinedError) close() {
	kind := undefinedKind(u.message)
	if strings.TrimSpace(u.message) == "" {
		u.message = kind
	}
	u.log.add(Finding{
		Tool: "ubsan", Kind: kind, Class: undefinedClass(kind), Severity: Error, Message: u.message, At: u.at, Stacks: u.stacks.told(),
	})
}

// undefinedKind is the check that a message is of, by the name that
// -fsanitize= has for it: the message itself has numbers in it.
func undefinedKind(message string) string {
	for _, k := range []struct{ words, check string }{
		{"signed integer overflow", "signed-integer-overflow"},
		{"unsigned integer overflow", "unsigned-integer-overflow"},
		{"negation of ", "signed-integer-overflow"},
		{"shift exponent ", "shift-exponent"},
		{"left shift of ", "shift-base"},
		{"division by zero", "integer-divide-by-zero"},
		{"division of ", "signed-integer-overflow"},
		{"index ", "bounds"},
		{"pointer index expression ", "pointer-overflow"},
		{"addition of unsigned offset ", "pointer-overflow"},
		{"subtraction of unsigned offset ", "pointer-overflow"},
		{"applying ", "pointer-overflow"},
		{"null pointer passed as argument ", "nonnull-attribute"},
		{"null pointer returned from function ", "returns-nonnull-attribute"},
		{"execution reached an unreachable ", "unreachable"},
		{"execution reached the end of a value-returning ", "return"},
		{"variable length array bound ", "vla-bound"},
		{"call to function ", "function"},
		{"implicit conversion ", "implicit-conversion"},
		{"passing zero to ", "builtin"},
		{"assumption ", "alignment"},
	} {
		if strings.HasPrefix(message, k.words) {
			return k.check
		}
	}
	for _, k := range []struct{ words, check string }{ // these begin with what was done: load of, store to, member call on …
		{"misaligned address", "alignment"},
		{"null pointer", "null"},
		{"insufficient space for an object", "object-size"},
		{"does not point to an object of type", "vptr"},
		{"which is not a valid value for type 'bool'", "bool"},
		{"which is not a valid value for type", "enum"},
		{"outside the range of representable values", "float-cast-overflow"},
	} {
		if strings.Contains(message, k.words) {
			return k.check
		}
	}
	return "runtime error"
}

func undefinedClass(kind string) Class {
	if kind == "bounds" || kind == "object-size" {
		return OutOfBounds
	}
	return UndefinedBehavior
}
