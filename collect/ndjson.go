package collect

import (
	"bytes"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/musterhq/muster/detect"
)

// ndjson reads JSON objects (RFC 8259), one a line. It walks an object once and
// looks closely only at what is wanted, which makes it several times as fast as
// a general decoder; it therefore accepts some lines that are not quite JSON
// (control characters in strings, odd numbers). Of a key given twice the last
// counts, as in encoding/json. A null, an array or an object is no value.
type ndjson struct {
	instants
	slots   []slot
	times   int // the first slots are where a time may stand, best first
	root    *level
	scratch []byte
}

// A slot is one value that is looked for.
type slot struct {
	name      string
	otherwise []byte
	value     []byte // nil: not there
}

// A level is what is looked for in the objects at one place.
type level []wanted

// wanted is a key at a level: a value for a slot, or objects to look into, or
// both. The field a.b stands as {"a":{"b":1}} or as {"a.b":1}.
type wanted struct {
	key    string
	slot   int // -1: none
	inside *level
}

// timeNames are where the time is when a format does not say, best first.
func timeNames() []string {
	return []string{"time", "@timestamp", "timestamp", "ts", "msec", "time_iso8601", "time_local"}
}

func newNDJSON(f Format, fields []string) *ndjson {
	p := &ndjson{root: &level{}}
	times := timeNames()
	if name := f.Fields["time"]; name != "" {
		times = []string{name}
	}
	p.times = len(times)
	for _, name := range times {
		p.look(name, slot{name: name})
	}
	for _, name := range fields {
		p.look(source(f, name), slot{name: name, otherwise: defaultOf(f, name)})
	}
	return p
}

func (p *ndjson) look(place string, s slot) {
	p.root.add(place, len(p.slots))
	p.slots = append(p.slots, s)
}

// add looks for a place, dots and all, and for every way to read its dots as
// steps into objects.
func (l *level) add(place string, slot int) {
	*l = append(*l, wanted{key: place, slot: slot})
	for i := range len(place) {
		if place[i] != '.' || i == 0 || i == len(place)-1 || strings.Count(place, ".") > 8 {
			continue
		}
		l.inside(place[:i]).add(place[i+1:], slot)
	}
}

func (l *level) inside(key string) *level {
	for _, w := range *l {
		if w.inside != nil && w.key == key {
			return w.inside
		}
	}
	w := wanted{key: key, slot: -1, inside: &level{}}
	*l = append(*l, w)
	return w.inside
}

func (p *ndjson) parse(line []byte, rec *detect.Record) error {
	for i := range p.slots {
		p.slots[i].value = nil
	}
	p.scratch = p.scratch[:0]
	s := scanner{p: p, b: line}
	s.space()
	if s.peek() != '{' {
		return s.fail("expected {")
	}
	if err := s.object(p.root, 0); err != nil {
		return err
	}
	s.space()
	if s.i < len(line) {
		return s.fail("expected nothing after the object")
	}
	if err := p.time(rec); err != nil {
		return err
	}
	for i := p.times; i < len(p.slots); i++ {
		slot := &p.slots[i]
		value := slot.value
		if value == nil {
			value = slot.otherwise
		}
		if value == nil {
			continue
		}
		if slot.name == "path" {
			if q := bytes.IndexByte(value, '?'); q >= 0 {
				value = value[:q]
			}
		}
		rec.Add(slot.name, value)
	}
	return nil
}

func (p *ndjson) time(rec *detect.Record) error {
	for i := range p.times {
		value := p.slots[i].value
		if value == nil {
			continue
		}
		at, ok := p.read(value)
		if !ok {
			return &LineError{0, "field " + p.slots[i].name + ": expected RFC 3339 with a zone or a number since 1970"}
		}
		rec.Time = at
		return nil
	}
	names := make([]string, p.times)
	for i := range names {
		names[i] = p.slots[i].name
	}
	return &LineError{0, "no time in " + strings.Join(names, ", ")}
}

// scanner walks one line.
type scanner struct {
	p *ndjson
	b []byte
	i int
}

// maxNesting bounds recursion; a log line has no use for more.
const maxNesting = 200

func (s *scanner) fail(detail string) error { return &LineError{s.i, detail} }

func (s *scanner) peek() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

func (s *scanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\t' || s.b[s.i] == '\r' || s.b[s.i] == '\n') {
		s.i++
	}
}

// object reads an object from its brace on. Nothing is looked for when l is nil.
func (s *scanner) object(l *level, depth int) error {
	if depth > maxNesting {
		return s.fail("nested too deeply")
	}
	s.i++
	s.space()
	if s.peek() == '}' {
		s.i++
		return nil
	}
	for {
		if s.peek() != '"' {
			return s.fail("expected a key in quotes")
		}
		key, err := s.str()
		if err != nil {
			return err
		}
		if l != nil {
			key = s.unescape(key)
		}
		s.space()
		if s.peek() != ':' {
			return s.fail("expected : after a key")
		}
		s.i++
		s.space()
		if err := s.member(l, key, depth); err != nil {
			return err
		}
		s.space()
		switch s.peek() {
		case ',':
			s.i++
			s.space()
		case '}':
			s.i++
			return nil
		default:
			return s.fail("expected , or } after a value")
		}
	}
}

// member reads the value of a key and puts it where it is wanted.
func (s *scanner) member(l *level, key []byte, depth int) error {
	var inside *level
	found := false
	if l != nil {
		for i := range *l {
			if w := &(*l)[i]; w.key == string(key) {
				if found = true; w.inside != nil {
					s.p.clear(w.inside)
					inside = w.inside
				}
			}
		}
	}
	start := s.i
	switch s.peek() {
	case '{':
		if err := s.object(inside, depth+1); err != nil {
			return err
		}
		s.put(l, key, found, nil)
	case '[':
		if err := s.array(depth + 1); err != nil {
			return err
		}
		s.put(l, key, found, nil)
	case '"':
		text, err := s.str()
		if err != nil {
			return err
		}
		if found {
			text = s.unescape(text)
		}
		s.put(l, key, found, text)
	default:
		if err := s.scalar(); err != nil {
			return err
		}
		value := s.b[start:s.i]
		if value[0] == 'n' {
			value = nil
		}
		s.put(l, key, found, value)
	}
	return nil
}

func (s *scanner) put(l *level, key []byte, found bool, value []byte) {
	if !found {
		return
	}
	for i := range *l {
		if w := &(*l)[i]; w.slot >= 0 && w.key == string(key) {
			s.p.slots[w.slot].value = value
		}
	}
}

// clear forgets what an earlier object of the same key held.
func (p *ndjson) clear(l *level) {
	for _, w := range *l {
		if w.slot >= 0 {
			p.slots[w.slot].value = nil
		}
		if w.inside != nil {
			p.clear(w.inside)
		}
	}
}

func (s *scanner) array(depth int) error {
	if depth > maxNesting {
		return s.fail("nested too deeply")
	}
	s.i++
	s.space()
	if s.peek() == ']' {
		s.i++
		return nil
	}
	for {
		if err := s.member(nil, nil, depth); err != nil {
			return err
		}
		s.space()
		switch s.peek() {
		case ',':
			s.i++
			s.space()
		case ']':
			s.i++
			return nil
		default:
			return s.fail("expected , or ] after a value")
		}
	}
}

// str reads a string and returns what is between its quotes.
func (s *scanner) str() ([]byte, error) {
	start := s.i + 1
	for i := start; ; i++ {
		n := bytes.IndexByte(s.b[i:], '"')
		if n < 0 {
			return nil, s.fail("this quote is never closed")
		}
		i += n
		slashes := 0
		for i-slashes > start && s.b[i-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			s.i = i + 1
			return s.b[start:i], nil
		}
	}
}

// scalar reads a number, true, false or null.
func (s *scanner) scalar() error {
	start := s.i
	for s.i < len(s.b) {
		c := s.b[s.i]
		if c == ',' || c == '}' || c == ']' || c <= ' ' {
			break
		}
		s.i++
	}
	text := s.b[start:s.i]
	if len(text) > 0 && (isDigit(text[0]) || text[0] == '-') {
		for _, c := range text {
			if !isDigit(c) && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
				s.i = start
				return s.fail("expected a number")
			}
		}
		return nil
	}
	switch string(text) {
	case "true", "false", "null":
		return nil
	}
	s.i = start
	return s.fail("expected a value")
}

// unescape returns a string's text: b itself, or memory of the parser.
func (s *scanner) unescape(b []byte) []byte {
	if bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	to := s.p.scratch
	from := len(to)
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' || i+1 == len(b) {
			to = append(to, b[i])
			continue
		}
		i++
		switch c := b[i]; c {
		case 'b':
			to = append(to, '\b')
		case 'f':
			to = append(to, '\f')
		case 'n':
			to = append(to, '\n')
		case 'r':
			to = append(to, '\r')
		case 't':
			to = append(to, '\t')
		case 'u':
			r := unit(b, i+1)
			if r < 0 {
				to = utf8.AppendRune(to, utf8.RuneError)
				break
			}
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if i+2 < len(b) && b[i+1] == '\\' && b[i+2] == 'u' {
					low = unit(b, i+3)
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			to = utf8.AppendRune(to, r)
		default:
			to = append(to, c)
		}
	}
	s.p.scratch = to
	return to[from:len(to):len(to)]
}

// unit reads four hexadecimal digits, or returns -1.
func unit(b []byte, i int) rune {
	r := rune(0)
	for n := range 4 {
		h := hex(b, i+n)
		if h < 0 {
			return -1
		}
		r = r<<4 | rune(h)
	}
	return r
}
