package gate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// sarifFormat is the Static Analysis Results Interchange Format of OASIS, version
// 2.1.0. It is read as a stream, in bounded memory: of results that come before
// their rules, as many as are kept wait for them.
//
// https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html
var sarifFormat = Format{
	Name: "SARIF 2.1.0",
	Is: func(head []byte) bool {
		isSARIF, version := sarifVersion(head)
		return isSARIF && (version == "" || version == "2.1.0")
	},
	Read: func(from *bufio.Reader, r *Report) error {
		limited := &valueLimit{from: from}
		s := sarifReader{report: r, limit: limited, dec: json.NewDecoder(limited)}
		return s.judged(s.read())
	},
}

// refuseSARIF says which other version of SARIF a file is of.
func refuseSARIF(head []byte) string {
	switch isSARIF, version := sarifVersion(head); {
	case !isSARIF || version == "" || version == "2.1.0":
		return ""
	case strings.HasPrefix(version, "2.2"):
		return fmt.Sprintf("the file is SARIF %s, which is a draft; version 2.1.0 is read", clip(version))
	default:
		return fmt.Sprintf("the file is SARIF %s; version 2.1.0 is read, and Sarif.Multitool (transform) makes it of older ones", clip(version))
	}
}

// sarifVersion tells from the members of the outermost object, as far as they
// are in the head.
func sarifVersion(head []byte) (isSARIF bool, version string) {
	if trimmed := bytes.TrimLeft(head, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return false, ""
	}
	dec := json.NewDecoder(bytes.NewReader(head))
	_, _ = dec.Token()
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return isSARIF, version
		}
		if name == "runs" {
			isSARIF = true
		}
		value, err := dec.Token()
		if err != nil {
			return isSARIF, version
		}
		text, _ := value.(string)
		switch {
		case name == "version":
			version = text
		case name == "$schema" && strings.Contains(strings.ToLower(text), "sarif"):
			isSARIF = true
		}
		if _, ok := value.(json.Delim); ok && skipRest(dec) != nil {
			return isSARIF, version
		}
	}
	return isSARIF, version
}

// skipRest passes over the rest of an array or an object whose beginning was
// read.
func skipRest(dec *json.Decoder) error {
	for depth := 1; depth > 0; {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	return nil
}

// maxValue is how long a result, a rule or another value that is kept in one
// piece may be, in bytes.
const maxValue = 8 << 20

// maxDepth is how deep arrays and objects may lie in each other.
const maxDepth = 1000

var errLongValue = fmt.Errorf("a value of more than %d MB", maxValue>>20)

// A valueLimit keeps the decoder from buffering a value without end.
type valueLimit struct {
	from io.Reader
	n    int // read since the last value
}

func (l *valueLimit) Read(p []byte) (int, error) {
	if l.n > maxValue {
		return 0, errLongValue
	}
	n, err := l.from.Read(p)
	l.n += n
	return n, err
}

// A sarifReader is a file while it is read.
type sarifReader struct {
	report  *Report
	limit   *valueLimit
	dec     *json.Decoder
	version string
	runs    int
	inRuns  bool // the member runs is there
}

// A shapeError says what is wrong with the shape of the file.
type shapeError struct{ text string }

func (e shapeError) Error() string { return e.text }

// judged turns what is wrong with the file into a reason, and leaves errors of
// reading.
func (s *sarifReader) judged(err error) error {
	var shape shapeError
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	at := s.dec.InputOffset()
	switch {
	case err == nil:
	case errors.As(err, &shape):
		s.report.Break("%s (at byte %d)", shape.text, at)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		s.report.Break("the file is cut off: it ends at byte %d, within the JSON", at)
	case errors.As(err, &syntax), errors.Is(err, errLongValue):
		s.report.Break("byte %d: %v", at, err)
	case errors.As(err, &kind):
		s.report.Break("byte %d: %s is a %s", at, kind.Field, kind.Value)
	default:
		return err
	}
	return nil
}

func (s *sarifReader) read() error {
	if err := s.object(s.member); err != nil {
		return err
	}
	if _, err := s.token(); !errors.Is(err, io.EOF) {
		return shapeError{"something follows the JSON"}
	}
	switch {
	case s.version == "":
		s.report.Break("/version: missing; SARIF 2.1.0 is read")
	case !s.inRuns:
		s.report.Break("/runs: missing")
	case s.runs == 0:
		s.report.Break("/runs: empty: no tool has run")
	}
	return nil
}

// member reads one of the outermost object.
func (s *sarifReader) member(name string) error {
	switch name {
	case "version":
		if err := s.decode(&s.version); err != nil {
			return err
		}
		if s.version != "2.1.0" {
			s.report.Break("/version: %q; SARIF 2.1.0 is read", s.version)
		}
		return nil
	case "runs":
		s.inRuns = true
		_, err := s.array(func() error {
			run := newRunReader(s, s.runs)
			s.runs++
			return run.read()
		})
		return err
	case "inlineExternalProperties":
		s.report.Break("/inlineExternalProperties: not read; results may be in there")
	}
	return s.skip()
}

// token returns the next token; the one before it was no value without end.
func (s *sarifReader) token() (json.Token, error) {
	s.limit.n = 0
	return s.dec.Token()
}

// decode reads the next value into v.
func (s *sarifReader) decode(v any) error {
	s.limit.n = 0
	return s.dec.Decode(v)
}

// skip passes over the next value.
func (s *sarifReader) skip() error {
	token, err := s.token()
	for depth := 0; err == nil; token, err = s.token() {
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		switch depth {
		case 0:
			return nil
		case maxDepth:
			return shapeError{fmt.Sprintf("more than %d arrays and objects in each other", maxDepth)}
		}
	}
	return err
}

// object reads an object, member by member. Null is one without members.
func (s *sarifReader) object(member func(name string) error) error {
	there, err := s.opens('{')
	if err != nil || !there {
		return err
	}
	for s.dec.More() {
		name, err := s.token()
		if err != nil {
			return err
		}
		if err := member(name.(string)); err != nil {
			return err
		}
	}
	_, err = s.token()
	return err
}

// array reads an array, element by element. It says whether there is one: null
// is none.
func (s *sarifReader) array(element func() error) (there bool, err error) {
	there, err = s.opens('[')
	if err != nil || !there {
		return there, err
	}
	for s.dec.More() {
		if err := element(); err != nil {
			return true, err
		}
	}
	_, err = s.token()
	return true, err
}

// opens reads the beginning of an array or an object, or null.
func (s *sarifReader) opens(delim json.Delim) (there bool, err error) {
	token, err := s.token()
	switch {
	case err != nil || token == nil:
		return false, err
	case token != delim:
		return false, shapeError{fmt.Sprintf("%v instead of %v", token, delim)}
	}
	return true, nil
}
