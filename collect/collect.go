// Package collect reads what rules look at: it follows and parses log files
// and hands their lines over as records. It knows formats and files; it does
// not know what a rule makes of a record, and it reads no clock.
package collect

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/musterhq/muster/detect"
)

// The kinds of a Format.
const (
	Auto   = "auto"   // recognized from the first lines
	Access = "access" // common or combined log format of Apache and nginx
	NDJSON = "ndjson" // one JSON object a line
)

// Format says how the lines of a log source become records. The field "path"
// is cut before its first "?", whatever the kind, so that one rule reads alike
// on every source; an access log has the whole in "uri".
type Format struct {
	Kind     string            // one of the kinds above; "" is Auto
	Fields   map[string]string // our name of a field to its name in the log, where they differ; in NDJSON a dot leads into an object
	Defaults map[string]string // values of fields that a line does not have
}

// Validate reports an unknown kind or an empty name.
func (f Format) Validate() error {
	switch f.Kind {
	case "", Auto, Access, NDJSON:
	default:
		return fmt.Errorf("format kind %q: must be one of %s, %s, %s", f.Kind, Auto, Access, NDJSON)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Fields)) {
		if name == "" || f.Fields[name] == "" {
			return fmt.Errorf("format fields: %q: %q: a name is empty", name, f.Fields[name])
		}
	}
	return nil
}

// A Parser reads lines of one format. It is not safe for use by several
// goroutines: it keeps memory from line to line.
type Parser struct {
	lines lineParser
}

// A lineParser fills a record from a line without its end. What the record
// holds stays valid until the next call and while the line does.
type lineParser interface {
	parse(line []byte, rec *detect.Record) error
}

// Has reports the first of the named fields that no line of the format can
// have and that has no default, most likely a slip of the pen. Any may stand in
// NDJSON.
func (f Format) Has(fields []string) error {
	if f.Kind != Access {
		return nil
	}
	for _, name := range fields {
		_, otherwise := f.Defaults[name]
		if name != "time" && !otherwise && !slices.Contains(accessParts(), source(f, name)) {
			return fmt.Errorf("field %q: an access log has time, %s", source(f, name), strings.Join(accessParts(), ", "))
		}
	}
	return nil
}

// NewParser returns a parser that extracts the named fields, and always the
// time. The kind must be Access or NDJSON; Recognize finds it out. A field
// that the format does not have is absent from every record: one rule that asks
// for it must not stop the others. Has tells of it.
func NewParser(f Format, fields []string) (*Parser, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	fields = slices.Clone(fields)
	slices.Sort(fields)
	fields = slices.DeleteFunc(slices.Compact(fields), func(s string) bool { return s == "time" })
	switch f.Kind {
	case Access:
		return &Parser{newAccess(f, fields)}, nil
	case NDJSON:
		return &Parser{newNDJSON(f, fields)}, nil
	default:
		return nil, fmt.Errorf("format kind %q: recognize it first", f.Kind)
	}
}

// Parse fills rec from a line, which may end in a newline. The record's values
// point into the line or the parser and are valid until the next call. The
// error is a *LineError, and rec is then of no use.
func (p *Parser) Parse(line []byte, rec *detect.Record) error {
	rec.Reset()
	return p.lines.parse(trimEnd(line), rec)
}

// LineError says where and why a line does not parse.
type LineError struct {
	Offset int // bytes before the fault
	Detail string
}

func (e *LineError) Error() string { return fmt.Sprintf("offset %d: %s", e.Offset, e.Detail) }

func trimEnd(line []byte) []byte {
	for n := len(line); n > 0 && (line[n-1] == '\n' || line[n-1] == '\r'); n = len(line) {
		line = line[:n-1]
	}
	return line
}

// A default is the value of a field that a line does not have.
func defaultOf(f Format, name string) []byte {
	if v, ok := f.Defaults[name]; ok {
		return []byte(v)
	}
	return nil
}

func source(f Format, name string) string {
	if s := f.Fields[name]; s != "" {
		return s
	}
	return name
}
