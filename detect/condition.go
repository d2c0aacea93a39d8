package detect

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Condition is a predicate over the fields of a record, such as
//
//	status >= 500 and not path =~ "^/health"
//
// Comparisons are == != > >= < <= with a number or, for == and !=, a word or
// a quoted text, and =~ !~ with an RE2 expression that may match anywhere in
// the value. "and" binds closer than "or", "not" closer than both; parentheses
// group. In double quotes \" and \\ stand for a quote and a backslash and any
// other backslash is itself, so that expressions need no doubling; in single
// quotes nothing is special.
//
// An unquoted number compares as a number: 500 equals "500.0", and a value
// that is no number compares false. For a field that the record lacks every
// comparison is false, but != and !~, which are always the opposite of == and
// =~, are true.
//
// The zero Condition is true of every record.
type Condition struct{ root node }

// Match reports whether the condition is true of a record.
func (c Condition) Match(rec *Record) bool { return c.root == nil || c.root.match(rec) }

// IsZero reports whether the condition is the zero Condition.
func (c Condition) IsZero() bool { return c.root == nil }

// Equal reports whether two conditions are written alike, but for spaces and
// needless parentheses.
func (c Condition) Equal(d Condition) bool { return c.String() == d.String() }

// Fields returns the names of the fields that the condition reads, sorted.
func (c Condition) Fields() []string {
	if c.root == nil {
		return nil
	}
	names := c.root.fields(nil)
	slices.Sort(names)
	return slices.Compact(names)
}

// String returns the condition in a canonical form, which ParseCondition reads
// as an equal one; "" for the zero Condition.
func (c Condition) String() string {
	if c.root == nil {
		return ""
	}
	return c.root.text()
}

// MarshalJSON writes the condition as the text that String returns.
func (c Condition) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// UnmarshalJSON reads what MarshalJSON writes. Its errors are those of
// ParseCondition.
func (c *Condition) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	if s == "" {
		*c = Condition{}
		return nil
	}
	parsed, err := ParseCondition(s)
	if err == nil {
		*c = parsed
	}
	return err
}

// A node is one operator of a condition with what it applies to.
type node interface {
	match(*Record) bool
	fields([]string) []string
	text() string
}

type (
	and struct{ left, right node }
	or  struct{ left, right node }
	not struct{ of node }

	// numeric compares a field with a number.
	numeric struct {
		field, op string
		number    float64
	}
	// textual is == and !=.
	textual struct {
		field  string
		want   string
		negate bool
	}
	// matching is =~ and !~.
	matching struct {
		field  string
		expr   *regexp.Regexp
		negate bool
	}
)

func (n and) match(r *Record) bool { return n.left.match(r) && n.right.match(r) }
func (n or) match(r *Record) bool  { return n.left.match(r) || n.right.match(r) }
func (n not) match(r *Record) bool { return !n.of.match(r) }

func (n *numeric) match(r *Record) bool {
	value, ok := r.Get(n.field)
	var have float64
	if ok {
		have, ok = number(value)
	}
	if !ok {
		return n.op == "!="
	}
	switch n.op {
	case "==":
		return have == n.number
	case "!=":
		return have != n.number
	case ">":
		return have > n.number
	case ">=":
		return have >= n.number
	case "<":
		return have < n.number
	default:
		return have <= n.number
	}
}

func (n *textual) match(r *Record) bool {
	value, ok := r.Get(n.field)
	return (ok && string(value) == n.want) != n.negate
}

func (n *matching) match(r *Record) bool {
	value, ok := r.Get(n.field)
	return (ok && n.expr.Match(value)) != n.negate
}

// number reads a decimal number without allocating in the common case of a
// few digits, as a status is.
func number(b []byte) (float64, bool) {
	if len(b) == 0 || len(b) > 40 {
		return 0, false
	}
	if len(b) <= 15 {
		n := int64(0)
		for i, c := range b {
			if c < '0' || c > '9' {
				break
			}
			n = n*10 + int64(c-'0')
			if i == len(b)-1 {
				return float64(n), true
			}
		}
	}
	b = bytes.TrimSpace(b)
	for _, c := range b { // no "inf", "nan" or hexadecimal
		if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return 0, false
		}
	}
	n, err := strconv.ParseFloat(string(b), 64)
	return n, err == nil
}

func (n and) fields(to []string) []string       { return n.right.fields(n.left.fields(to)) }
func (n or) fields(to []string) []string        { return n.right.fields(n.left.fields(to)) }
func (n not) fields(to []string) []string       { return n.of.fields(to) }
func (n *numeric) fields(to []string) []string  { return append(to, n.field) }
func (n *textual) fields(to []string) []string  { return append(to, n.field) }
func (n *matching) fields(to []string) []string { return append(to, n.field) }

func (n or) text() string { return n.left.text() + " or " + group(n.right, isOr) }
func (n and) text() string {
	return group(n.left, isOr) + " and " + group(n.right, func(n node) bool { return isOr(n) || isAnd(n) })
}
func (n not) text() string {
	return "not " + group(n.of, func(n node) bool { return isOr(n) || isAnd(n) })
}

func (n *numeric) text() string {
	format := byte('f')
	if math.Abs(n.number) >= 1e15 {
		format = 'g'
	}
	return name(n.field) + " " + n.op + " " + strconv.FormatFloat(n.number, format, -1, 64)
}

func (n *textual) text() string {
	return name(n.field) + pick(n.negate, " != ", " == ") + quote(n.want)
}

func (n *matching) text() string {
	return name(n.field) + pick(n.negate, " !~ ", " =~ ") + quote(n.expr.String())
}

func isOr(n node) bool  { _, ok := n.(or); return ok }
func isAnd(n node) bool { _, ok := n.(and); return ok }

// group puts parentheses around an operator that binds less than its place.
func group(n node, looser func(node) bool) string {
	if looser(n) {
		return "(" + n.text() + ")"
	}
	return n.text()
}

func pick(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

// name writes a field's name, quoted where it would not read as a name.
func name(s string) string {
	if s == "" || keyword(s) {
		return quote(s)
	}
	for _, r := range s {
		if !wordRune(r) {
			return quote(s)
		}
	}
	return s
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
