package detect

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SyntaxError says where and why a condition or a fraction does not parse.
type SyntaxError struct {
	Offset int    // bytes before the fault
	Detail string // what is wrong and what was expected
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("offset %d: %s", e.Offset, e.Detail) }

// A condition longer or deeper than this is no longer something a person
// wrote, and reading it must cost little.
const (
	maxCondition = 8192
	maxDepth     = 64
)

// ParseCondition reads a condition. Its error is a *SyntaxError.
func ParseCondition(text string) (Condition, error) {
	if len(text) > maxCondition {
		return Condition{}, &SyntaxError{maxCondition, fmt.Sprintf("a condition has at most %d bytes", maxCondition)}
	}
	p := parser{text: text}
	if err := p.next(); err != nil {
		return Condition{}, err
	}
	n, err := p.or(0)
	if err != nil {
		return Condition{}, err
	}
	if p.kind != end {
		return Condition{}, p.fail("expected and, or, or the end of the condition")
	}
	return Condition{n}, nil
}

type kind int

const (
	end kind = iota
	word
	quoted
	operator
	open
	shut
)

// parser reads a condition by recursive descent, one token ahead.
type parser struct {
	text  string
	pos   int // after the token
	start int // of the token
	kind  kind
	value string // of the token, without quotes
}

func (p *parser) fail(expected string) error {
	found := "the end"
	if p.kind != end {
		found = strconv.Quote(p.text[p.start:p.pos])
	}
	return &SyntaxError{p.start, expected + ", found " + found}
}

func (p *parser) or(depth int) (node, error) {
	return p.chain("or", depth, p.and, func(l, r node) node { return or{l, r} })
}

func (p *parser) and(depth int) (node, error) {
	return p.chain("and", depth, p.unary, func(l, r node) node { return and{l, r} })
}

// chain reads operands joined by one keyword; they group from the left.
func (p *parser) chain(joined string, depth int, operand func(int) (node, error), join func(l, r node) node) (node, error) {
	left, err := operand(depth)
	for err == nil && p.keyword(joined) {
		if err = p.next(); err != nil {
			break
		}
		var right node
		if right, err = operand(depth); err == nil {
			left = join(left, right)
		}
	}
	return left, err
}

func (p *parser) unary(depth int) (node, error) {
	if depth > maxDepth {
		return nil, &SyntaxError{p.start, fmt.Sprintf("nested deeper than %d", maxDepth)}
	}
	switch {
	case p.keyword("not"):
		if err := p.next(); err != nil {
			return nil, err
		}
		of, err := p.unary(depth + 1)
		return not{of}, err
	case p.kind == open:
		if err := p.next(); err != nil {
			return nil, err
		}
		n, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		if p.kind != shut {
			return nil, p.fail("expected and, or, or )")
		}
		return n, p.next()
	default:
		return p.comparison()
	}
}

func (p *parser) comparison() (node, error) {
	if (p.kind != word || keyword(p.value)) && p.kind != quoted || p.value == "" {
		return nil, p.fail("expected the name of a field")
	}
	field := p.value
	if err := p.next(); err != nil {
		return nil, err
	}
	if p.kind != operator {
		return nil, p.fail("expected one of == != > >= < <= =~ !~ after the field " + strconv.Quote(field))
	}
	op := p.value
	if err := p.next(); err != nil {
		return nil, err
	}
	if p.kind != word && p.kind != quoted || p.kind == word && keyword(p.value) {
		return nil, p.fail("expected a value after " + op)
	}
	n, err := p.operand(field, op)
	if err != nil {
		return nil, err
	}
	return n, p.next()
}

// operand makes a comparison out of the token that stands for its value.
func (p *parser) operand(field, op string) (node, error) {
	if op == "=~" || op == "!~" {
		expr, err := regexp.Compile(p.value)
		if err != nil {
			return nil, &SyntaxError{p.start, strings.TrimPrefix(err.Error(), "error parsing regexp: ")}
		}
		return &matching{field, expr, op == "!~"}, nil
	}
	if p.kind == word {
		if n, ok := number([]byte(p.value)); ok {
			return &numeric{field, op, n}, nil
		}
	}
	if op == "==" || op == "!=" {
		return &textual{field, p.value, op == "!="}, nil
	}
	return nil, p.fail("expected a number after " + op)
}

func keyword(s string) bool {
	return strings.EqualFold(s, "and") || strings.EqualFold(s, "or") || strings.EqualFold(s, "not")
}

func (p *parser) keyword(s string) bool { return p.kind == word && strings.EqualFold(p.value, s) }

func wordRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || r != utf8.RuneError && strings.ContainsRune("_.-+/:@%*$", r)
}

// next reads the token after the present one.
func (p *parser) next() error {
	rest := strings.TrimLeft(p.text[p.pos:], " \t\r\n")
	p.start = len(p.text) - len(rest)
	p.pos, p.value = p.start, ""
	if rest == "" {
		p.kind = end
		return nil
	}
	for _, op := range []string{"==", "!=", ">=", "<=", "=~", "!~", ">", "<"} {
		if strings.HasPrefix(rest, op) {
			p.kind, p.value, p.pos = operator, op, p.start+len(op)
			return nil
		}
	}
	switch rest[0] {
	case '(':
		p.kind, p.pos = open, p.start+1
		return nil
	case ')':
		p.kind, p.pos = shut, p.start+1
		return nil
	case '"', '\'':
		return p.quotation(rest)
	}
	p.kind = word
	p.value = rest
	if i := strings.IndexFunc(rest, func(r rune) bool { return !wordRune(r) }); i >= 0 {
		p.value = rest[:i]
	}
	if p.value == "" {
		r, size := utf8.DecodeRuneInString(rest)
		if r == utf8.RuneError && size == 1 {
			return &SyntaxError{p.start, "not UTF-8"}
		}
		return &SyntaxError{p.start, fmt.Sprintf("%q has no meaning here; operators are == != > >= < <= =~ !~ and or not", r)}
	}
	p.pos = p.start + len(p.value)
	return nil
}

// quotation reads a text in double or single quotes.
func (p *parser) quotation(rest string) error {
	var b strings.Builder
	for i := 1; i < len(rest); i++ {
		switch {
		case rest[i] == rest[0]:
			p.kind, p.value, p.pos = quoted, b.String(), p.start+i+1
			return nil
		case rest[0] == '"' && rest[i] == '\\' && i+1 < len(rest) && (rest[i+1] == '"' || rest[i+1] == '\\'):
			i++
		}
		b.WriteByte(rest[i])
	}
	return &SyntaxError{p.start, "this quote is never closed"}
}
