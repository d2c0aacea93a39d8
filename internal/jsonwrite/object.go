// Package jsonwrite appends JSON objects to a byte slice, member by member. It
// is for the few types that are written with every event, where encoding/json
// takes several times as long; what it writes, encoding/json reads back as the
// same. It knows no types but those that it is given, and no limits.
package jsonwrite

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

// An Object is a JSON object that is being written. Begin with Open, end with
// Close. Names are written as they are: they must need no escapes.
type Object struct {
	buf  []byte
	some bool // it has a member already
}

// Open begins an object at the end of dst.
func Open(dst []byte) Object { return Object{buf: append(dst, '{')} }

// Close ends the object and returns what it was appended to.
func (o *Object) Close() []byte { return append(o.buf, '}') }

func (o *Object) name(name string) {
	if o.some {
		o.buf = append(o.buf, ',')
	}
	o.some = true
	o.buf = append(o.buf, '"')
	o.buf = append(o.buf, name...)
	o.buf = append(o.buf, '"', ':')
}

// Text writes a string.
func (o *Object) Text(name, value string) {
	o.name(name)
	o.buf = String(o.buf, value)
}

// Some writes a string that is not empty.
func (o *Object) Some(name, value string) {
	if value != "" {
		o.Text(name, value)
	}
}

// Int writes a number.
func (o *Object) Int(name string, value int64) {
	o.name(name)
	o.buf = strconv.AppendInt(o.buf, value, 10)
}

// NonZero writes a number that is not 0.
func (o *Object) NonZero(name string, value int64) {
	if value != 0 {
		o.Int(name, value)
	}
}

// True writes a flag that is set.
func (o *Object) True(name string, value bool) {
	if value {
		o.name(name)
		o.buf = append(o.buf, "true"...)
	}
}

// Time writes an instant of the years 0 to 9999, as RFC 3339 with all of its
// digits.
func (o *Object) Time(name string, t time.Time) {
	o.name(name)
	o.buf = append(o.buf, '"')
	o.buf = t.AppendFormat(o.buf, time.RFC3339Nano)
	o.buf = append(o.buf, '"')
}

// Known writes an instant that is not zero.
func (o *Object) Known(name string, t time.Time) {
	if !t.IsZero() {
		o.Time(name, t)
	}
}

// Map writes strings by name, in the order of the names, unless there are none.
func (o *Object) Map(name string, m map[string]string) {
	if len(m) == 0 {
		return
	}
	o.name(name)
	names := make([]string, 0, 16) // on the stack, for most
	for n := range maps.Keys(m) {
		names = append(names, n)
	}
	slices.Sort(names)
	o.buf = append(o.buf, '{')
	for i, n := range names {
		if i > 0 {
			o.buf = append(o.buf, ',')
		}
		o.buf = append(String(o.buf, n), ':')
		o.buf = String(o.buf, m[n])
	}
	o.buf = append(o.buf, '}')
}

// Strings writes a list of strings, unless it is empty.
func (o *Object) Strings(name string, list []string) {
	if len(list) == 0 {
		return
	}
	o.name(name)
	o.buf = append(o.buf, '[')
	for i, s := range list {
		if i > 0 {
			o.buf = append(o.buf, ',')
		}
		o.buf = String(o.buf, s)
	}
	o.buf = append(o.buf, ']')
}

// Object writes an object whose members are written by a function.
func (o *Object) Object(name string, members func(*Object)) {
	o.name(name)
	inner := Open(o.buf)
	members(&inner)
	o.buf = inner.Close()
}

// Filled writes an object like Object does, unless it has no members.
func (o *Object) Filled(name string, members func(*Object)) {
	before := *o
	o.name(name)
	inner := Open(o.buf)
	members(&inner)
	o.buf = inner.Close()
	if !inner.some {
		before.buf = o.buf[:len(before.buf)]
		*o = before
	}
}

// Raw writes a value that is JSON already; nothing is written for none.
func (o *Object) Raw(name string, value []byte) {
	if len(value) > 0 {
		o.name(name)
		o.buf = append(o.buf, value...)
	}
}

// Any writes a value that is seldom there, with encoding/json. The value must
// have a JSON form.
func (o *Object) Any(name string, value any) {
	b, err := json.Marshal(value)
	if err != nil {
		b = []byte("null")
	}
	o.Raw(name, b)
}

// String appends a JSON string; most need no escapes.
func String(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string always has a JSON form
			return append(dst, quoted...)
		}
	}
	dst = append(append(dst, '"'), s...)
	return append(dst, '"')
}
