// Package xmlscan reads hostile XML 1.0 from a stream, in little memory: tags,
// attributes and text, one after the other, and it says by line what is wrong.
//
// It is stricter than encoding/xml where a text could do harm or mislead: the
// depth and the length of a tag are bounded, of a text only the beginning is
// kept, a DOCTYPE may declare nothing, and one document is all there may be. It
// is more lenient where tools err: control characters, bad UTF-8 and references
// to characters that XML does not know read as U+FFFD.
//
// It knows nothing of namespaces (a prefix is part of the name), of DTDs, and of
// what the elements mean.
package xmlscan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Bounds of what a Scanner takes and keeps.
const (
	MaxDepth = 256      // elements within each other
	MaxTag   = 4 << 20  // bytes of one tag with its attributes; a longer one is an error
	MaxText  = 64 << 10 // bytes kept of one text; what is beyond is read and dropped
)

// A Kind is a sort of token.
type Kind int

// The kinds of tokens.
const (
	Start Kind = iota // a start tag
	End               // an end tag; it follows on Start also for <a/>
	Text              // text or a CDATA section, or the beginning of a long one
)

// What an Error may be about, for errors.Is.
var (
	ErrTruncated = errors.New("the document is not closed")
	ErrSecond    = errors.New("a second document begins")
	ErrAfter     = errors.New("something follows the document")

	errNested = errors.New("a tag lies in a tag")
)

// An Error tells why a text is not acceptable XML, and where.
type Error struct {
	Line   int // from 1
	Detail string
	About  error // ErrTruncated, ErrSecond or ErrAfter, if it is about that
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Detail) }
func (e *Error) Unwrap() error { return e.About }

// An Attr is an attribute of a start tag.
type Attr struct{ Name, Value string }

// A Scanner reads one document. What Name, Attrs and Text return is of the last
// token; Text's bytes are good until the next.
type Scanner struct {
	from    io.Reader
	err     error  // of from, io.EOF included
	buf     []byte // what is read and not yet used is buf[at:end]
	at      int
	end     int
	line    int
	decoded bool     // the encoding was looked for
	open    []string // names of the elements that are open
	begun   bool     // the outermost element was seen
	empty   bool     // of <a/>, the end is due
	name    string
	attrs   []Attr
	text    []byte
	words   map[string]string // names and short texts seen, so that each is kept once
	holder  []byte            // of Content
}

// New returns a Scanner of a document in UTF-8, with or without a byte order
// mark, or in one of the other encodings that its declaration may name: US-ASCII,
// ISO-8859-1 and windows-1252.
func New(from io.Reader) *Scanner {
	return &Scanner{from: from, buf: make([]byte, 64<<10), line: 1, words: map[string]string{}}
}

// Name returns the name of the element that a tag starts or ends.
func (s *Scanner) Name() string { return s.name }

// Attrs returns the attributes of a start tag; they are good until the next.
func (s *Scanner) Attrs() []Attr { return s.attrs }

// Attr returns the value of an attribute, and "" if there is none.
func (s *Scanner) Attr(name string) string {
	for _, a := range s.attrs {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

// Text returns the characters of a text.
func (s *Scanner) Text() []byte { return s.text }

// Line returns the line that is read, from 1.
func (s *Scanner) Line() int { return s.line }

// Next returns the next token. At the end of a whole document the error is
// io.EOF; any other is an *Error or one of reading.
func (s *Scanner) Next() (Kind, error) {
	if s.empty {
		s.empty = false
		return End, s.pop(s.name)
	}
	if !s.decoded {
		s.decoded = true
		if err := s.decode(); err != nil {
			return 0, err
		}
	}
	for {
		if !s.need(1) {
			return 0, s.ended()
		}
		if s.buf[s.at] != '<' {
			if err := s.characters(); err != nil {
				return 0, err
			}
			if len(s.open) > 0 {
				return Text, nil
			}
			if len(bytes.TrimSpace(s.text)) > 0 {
				return 0, s.outside("text")
			}
			continue
		}
		kind, token, err := s.markup()
		if token || err != nil {
			return kind, err
		}
	}
}

// markup reads what begins with <, and reports whether that is a token.
func (s *Scanner) markup() (Kind, bool, error) {
	s.need(len("<![CDATA["))
	switch b := s.buf[s.at:s.end]; {
	case bytes.HasPrefix(b, []byte("</")):
		if s.closes() {
			return End, true, nil
		}
		tag, err := s.tag()
		if err != nil {
			return 0, false, err
		}
		return End, true, s.pop(s.word(bytes.TrimRight(tag[1:], " \t\r\n")))
	case bytes.HasPrefix(b, []byte("<?")):
		return 0, false, s.instruction()
	case bytes.HasPrefix(b, []byte("<!--")):
		return 0, false, s.until("<!--", "-->")
	case bytes.HasPrefix(b, []byte("<![CDATA[")):
		if len(s.open) == 0 {
			return 0, false, s.outside("text")
		}
		return Text, true, s.until("<![CDATA[", "]]>")
	case bytes.HasPrefix(b, []byte("<!")):
		return 0, false, s.doctype()
	}
	if len(s.open) == 0 && s.begun {
		return 0, false, s.outside("another element")
	}
	if len(s.open) == MaxDepth {
		return 0, false, s.fail("elements lie in each other more than %d deep", MaxDepth)
	}
	tag, err := s.tag()
	if err != nil {
		return 0, false, err
	}
	return Start, true, s.start(tag)
}

// tag reads a tag and returns what is between < and >.
func (s *Scanner) tag() ([]byte, error) {
	var quote byte
	for i := 1; ; i++ {
		if s.at+i == s.end {
			if i > MaxTag {
				return nil, s.fail("a tag is longer than %d bytes", MaxTag)
			}
			if !s.more() {
				return nil, s.cut()
			}
		}
		switch c := s.buf[s.at+i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '<':
			return nil, &Error{s.line, "there is a < within a tag", errNested}
		case c == '>':
			tag := s.buf[s.at+1 : s.at+i]
			s.take(i + 1)
			return tag, nil
		}
	}
}

// start reads name and attributes of a start tag.
func (s *Scanner) start(tag []byte) error {
	if rest, ok := bytes.CutSuffix(tag, []byte("/")); ok {
		tag, s.empty = rest, true
	}
	name, rest, err := s.cutName(tag)
	if err != nil {
		return err
	}
	s.name, s.attrs, s.begun = s.word(name), s.attrs[:0], true
	s.open = append(s.open, s.name)
	for {
		trimmed := bytes.TrimLeft(rest, " \t\r\n")
		if len(trimmed) == 0 {
			return nil
		}
		if len(trimmed) == len(rest) && len(s.attrs) == 0 {
			return s.fail("%q is no name of an element", clip(tag))
		}
		if name, rest, err = s.cutName(trimmed); err != nil {
			return err
		}
		rest = bytes.TrimLeft(rest, " \t\r\n")
		value, ok := bytes.CutPrefix(rest, []byte("="))
		value = bytes.TrimLeft(value, " \t\r\n")
		if !ok || len(value) == 0 || value[0] != '"' && value[0] != '\'' {
			return s.fail("attribute %s has no value in quotes", clip(name))
		}
		end := bytes.IndexByte(value[1:], value[0]) + 1 // there is one, or the tag would not have ended
		if rest = value[end+1:]; bytes.IndexByte(value[1:end], '<') >= 0 {
			return s.fail("attribute %s has a < within", clip(name))
		}
		s.text = s.text[:0]
		if err := s.attribute(value[1:end]); err != nil {
			return err
		}
		s.attrs = append(s.attrs, Attr{s.word(name), s.word(s.text)})
	}
}

// cutName cuts the name off that b begins with.
func (s *Scanner) cutName(b []byte) (name, rest []byte, err error) {
	n := 0
	for n < len(b) && nameByte(b[n], n == 0) {
		n++
	}
	if n == 0 {
		return nil, nil, s.fail("%q is no name", clip(b))
	}
	return b[:n], b[n:], nil
}

// nameByte reports whether c may stand in a name. All that is not ASCII may.
func nameByte(c byte, first bool) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_', c == ':', c >= 0x80:
		return true
	}
	return !first && ('0' <= c && c <= '9' || c == '-' || c == '.')
}

// pop closes the innermost element, whose name that must be.
func (s *Scanner) pop(name string) error {
	if len(s.open) == 0 {
		return s.fail("</%s> closes nothing", clip([]byte(name)))
	}
	if last := s.open[len(s.open)-1]; last != name {
		return s.fail("</%s> stands where </%s> must", clip([]byte(name)), clip([]byte(last)))
	}
	s.open = s.open[:len(s.open)-1]
	s.name = name
	return nil
}

// closes reads the end tag of the innermost element, if it stands there with
// nothing else.
func (s *Scanner) closes() bool {
	if len(s.open) == 0 {
		return false
	}
	last := s.open[len(s.open)-1]
	n := len("</") + len(last)
	if s.end-s.at <= n || s.buf[s.at+n] != '>' || string(s.buf[s.at+2:s.at+n]) != last {
		return false
	}
	s.at += n + 1
	s.open = s.open[:len(s.open)-1]
	s.name = last
	return true
}

// instruction skips a processing instruction. One named xml is the declaration
// of a document, which stands at its beginning.
func (s *Scanner) instruction() error {
	s.need(len("<?xml "))
	b := s.buf[s.at:s.end]
	if bytes.HasPrefix(b, []byte("<?xml")) && len(b) > 5 && !nameByte(b[5], false) && s.begun {
		return &Error{s.line, "a second document begins", ErrSecond}
	}
	return s.until("<?", "?>")
}

// doctype skips a DOCTYPE, which must not declare anything: entities that are
// made of entities can make a small file a huge one.
func (s *Scanner) doctype() error {
	tag, err := s.tag()
	switch {
	case errors.Is(err, errNested), err == nil && bytes.IndexByte(tag, '[') >= 0:
		return s.fail("the DOCTYPE declares entities or elements, and is not read")
	case err != nil:
		return err
	case !bytes.HasPrefix(tag, []byte("!DOCTYPE")):
		return s.fail("<%s> is not known", clip(tag))
	case s.begun:
		return s.fail("a DOCTYPE stands before the first element")
	}
	return nil
}

// ended is the error at the end of the file, between tokens.
func (s *Scanner) ended() error {
	if s.begun && len(s.open) == 0 && s.err == io.EOF {
		return io.EOF
	}
	return s.cut()
}

// cut is the error of a file that ends too early.
func (s *Scanner) cut() error {
	detail := "the file ends within a comment"
	switch {
	case s.err != io.EOF:
		return s.err
	case len(s.open) > 0:
		detail = "the file ends within <" + clip([]byte(s.open[len(s.open)-1])) + ">"
	case !s.begun:
		detail = "the file ends before its first element"
	}
	return &Error{s.line, detail, ErrTruncated}
}

// outside is the error of what stands beside the outermost element.
func (s *Scanner) outside(what string) error {
	if s.begun {
		return &Error{s.line, what + " follows the document", ErrAfter}
	}
	return s.fail("%s stands before the first element", what)
}

func (s *Scanner) fail(format string, args ...any) error {
	return &Error{Line: s.line, Detail: fmt.Sprintf(format, args...)}
}

// clip bounds what an error quotes.
func clip(b []byte) string {
	if len(b) > 60 {
		return string(bytes.ToValidUTF8(b[:60], nil)) + "…"
	}
	return string(bytes.ToValidUTF8(b, nil))
}
