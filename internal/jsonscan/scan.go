package jsonscan

import (
	"bytes"
	"fmt"
	"math"
	"unicode/utf8"
)

// Scan reads a text that must be one JSON value, with white space around it at
// most. The error, if there is one, is an *Error about the first place where
// the text is wrong or over a limit.
//
// A byte order mark before the value is skipped, with a warning. All else that
// encoding/json's Valid refuses is refused, and the other way round.
func Scan(data []byte, lim Limits) (*Doc, error) {
	s := scanner{lim: lim, doc: &Doc{data: data}}
	if err := s.size(); err != nil {
		return nil, err
	}
	start := 0
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		start = 3
		s.doc.warn(0, "a byte order mark stands before the JSON text")
	}
	// Real texts have a name or value about every ten bytes.
	s.doc.nodes = make([]node, 0, min(len(data)/10+4, 1<<12))
	s.stack = make([]frame, 0, 6) // as deep as real texts are
	if err := s.run(start); err != nil {
		return nil, err
	}
	return s.doc, nil
}

type scanner struct {
	doc    *Doc
	lim    Limits
	stack  []frame
	values int
	inside bool // a value of the innermost frame is being read
}

// A frame is an array or object that is still open.
type frame struct {
	node   uint32
	key    uint32 // index of the last name
	count  int    // names, or finished elements
	seen   uint64 // hashes of names
	object bool
	twice  bool // two names have the same hash
	coded  bool // a name may be written in more than one way
}

func (s *scanner) size() error {
	limit := math.MaxUint32 >> 2
	if s.lim.Bytes > 0 {
		limit = min(limit, s.lim.Bytes)
	}
	if n := len(s.doc.data); n > limit {
		return &Error{Line: 1, Column: 1, Detail: fmt.Sprintf("the text is %d bytes long, more than the %d allowed", n, limit)}
	}
	return nil
}

// run is a state machine of four states and no recursion, so that no nesting
// can exhaust the stack.
func (s *scanner) run(i int) error {
	data := s.doc.data
	var (
		end   int
		flags uint32
		top   *frame
		c     byte
		bad   string
	)

value:
	i = s.space(i)
	s.inside = true
	if i == len(data) {
		return s.fail(i, s.truncated())
	}
	if s.values++; s.lim.Values > 0 && s.values > s.lim.Values {
		return s.fail(i, fmt.Sprintf("more than %d values", s.lim.Values))
	}
	switch c = data[i]; c {
	case '"':
		end, flags, bad = scanString(data, i)
		if bad != "" {
			return s.fail(end, bad)
		}
		if flags&broken != 0 {
			s.doc.warn(uint32(len(s.doc.nodes)), badText)
		}
		s.push(i, end, flags)
		i = end
		goto after
	case '{', '[':
		if s.lim.Depth > 0 && len(s.stack) == s.lim.Depth {
			return s.fail(i, fmt.Sprintf("arrays and objects nested more than %d deep", s.lim.Depth))
		}
		s.stack = append(s.stack, frame{node: uint32(len(s.doc.nodes)), object: c == '{'})
		s.push(i, i, container)
		s.inside = false
		i = s.space(i + 1)
		if i < len(data) && data[i] == c+2 { // '}' is '{'+2, ']' is '['+2
			goto closing
		}
		if c == '{' {
			goto name
		}
		goto value
	case 't':
		end = literal(data, i, "true")
	case 'f':
		end = literal(data, i, "false")
	case 'n':
		end = literal(data, i, "null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		end, bad = scanNumber(data, i)
		if bad != "" {
			return s.fail(end, bad)
		}
	default:
		end = i
	}
	if end == i {
		return s.fail(i, s.unexpected(i, "a value"))
	}
	s.push(i, end, 0)
	i = end

after:
	s.inside = false
	if len(s.stack) == 0 {
		if i = s.space(i); i < len(data) {
			return s.fail(i, s.unexpected(i, "nothing after the value"))
		}
		return nil
	}
	i = s.space(i)
	top = &s.stack[len(s.stack)-1]
	if i == len(data) {
		return s.fail(i, s.truncated())
	}
	if top.object {
		switch data[i] {
		case ',':
			i = s.space(i + 1)
			goto name
		case '}':
			goto closing
		}
		return s.fail(i, s.unexpected(i, "',' or '}'"))
	}
	top.count++
	switch data[i] {
	case ',':
		i++
		goto value
	case ']':
		goto closing
	}
	return s.fail(i, s.unexpected(i, "',' or ']'"))

name:
	if i == len(data) {
		return s.fail(i, s.truncated())
	}
	if data[i] != '"' {
		return s.fail(i, s.unexpected(i, "a name in double quotes"))
	}
	top = &s.stack[len(s.stack)-1]
	if top.count++; s.lim.Names > 0 && top.count > s.lim.Names {
		return s.fail(i, fmt.Sprintf("more than %d names in one object", s.lim.Names))
	}
	end, flags, bad = scanString(data, i)
	if bad != "" {
		return s.fail(end, bad)
	}
	top.key = uint32(len(s.doc.nodes))
	top.see(data[i+1:end-1], flags)
	s.push(i, end, flags)
	if flags&broken != 0 {
		s.doc.warn(top.key+1, badText)
	}
	if i = s.space(end); i == len(data) {
		return s.fail(i, s.truncated())
	}
	if data[i] != ':' {
		return s.fail(i, s.unexpected(i, "':' after a name"))
	}
	i++
	goto value

closing:
	top = &s.stack[len(s.stack)-1]
	s.doc.nodes[top.node].end = uint32(i + 1)
	s.doc.nodes[top.node].info = container | uint32(len(s.doc.nodes))
	if top.twice || top.coded {
		s.doc.findDuplicates(top.node, top.count > fewNames || top.coded)
	}
	s.stack = s.stack[:len(s.stack)-1]
	i++
	goto after
}

const badText = "bad UTF-8 or an unpaired surrogate, read as U+FFFD"

func (s *scanner) push(start, end int, info uint32) {
	s.doc.nodes = append(s.doc.nodes, node{uint32(start), uint32(end), info})
}

// space skips white space and remembers that there was some.
func (s *scanner) space(i int) int {
	data := s.doc.data
	if i < len(data) && data[i] > ' ' {
		return i
	}
	for ; i < len(data); i++ {
		switch data[i] {
		case ' ', '\n', '\r', '\t':
			s.doc.spaced = true
		default:
			return i
		}
	}
	return i
}

// literal returns the end of the word at i, or i if it is another word.
func literal(data []byte, i int, word string) int {
	if end := i + len(word); end <= len(data) && string(data[i:end]) == word {
		return end
	}
	return i
}

func (s *scanner) truncated() string {
	switch {
	case len(bytes.TrimSpace(s.doc.data)) == 0:
		return "the text is empty"
	case len(s.stack) == 0:
		return "the text ends before a value"
	case s.stack[len(s.stack)-1].object:
		return "the text ends within an object"
	default:
		return "the text ends within an array"
	}
}

// unexpected describes what stands at i, quoted, so that it is safe to show.
func (s *scanner) unexpected(i int, want string) string {
	data := s.doc.data
	if i == 0 {
		switch {
		case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
			return "the text is compressed with gzip; want JSON"
		case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}), data[0] == 0:
			return "the text is not UTF-8 (UTF-16 or UTF-32?); want JSON in UTF-8"
		case data[0] == '<':
			return "the text looks like XML or HTML; want JSON"
		}
	}
	r, size := utf8.DecodeRune(data[i:])
	if r == utf8.RuneError && size == 1 {
		return fmt.Sprintf("byte 0x%02x, want %s", data[i], want)
	}
	return fmt.Sprintf("%q, want %s", r, want)
}

// fail places an error at an offset, within what is being read.
func (s *scanner) fail(offset int, detail string) error {
	line, column := Position(s.doc.data, offset)
	return &Error{offset, line, column, s.pointer(), detail}
}

// pointer leads to the value being read, or to the container between values.
func (s *scanner) pointer() string {
	var p []byte
	for n, f := range s.stack {
		if n == len(s.stack)-1 && !s.inside {
			break
		}
		if f.object {
			p = appendToken(p, Value{s.doc, f.key}.Text())
		} else {
			p = appendIndex(p, f.count)
		}
	}
	return string(p)
}
