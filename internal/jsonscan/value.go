package jsonscan

import (
	"iter"
	"strconv"
)

// Kind is the type of a value.
type Kind uint8

// The kinds of values. None is the kind of the zero Value: there is nothing.
const (
	None Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

func (k Kind) String() string {
	return [...]string{"nothing", "null", "a boolean", "a number", "a string", "an array", "an object"}[k]
}

// A Value is one value of a Doc, or nothing at all if it is zero.
type Value struct {
	doc *Doc
	at  uint32
}

// Kind returns the type of the value.
func (v Value) Kind() Kind {
	if v.doc == nil {
		return None
	}
	switch v.doc.data[v.doc.nodes[v.at].start] {
	case '{':
		return Object
	case '[':
		return Array
	case '"':
		return String
	case 't', 'f':
		return Bool
	case 'n':
		return Null
	}
	return Number
}

// Raw returns the value as it stands in the text; not to be changed. It is nil
// for the zero Value.
func (v Value) Raw() []byte {
	if v.doc == nil {
		return nil
	}
	n := v.doc.nodes[v.at]
	return v.doc.data[n.start:n.end:n.end]
}

// Bytes returns what a string says, and Raw for every other kind. The bytes are
// not to be changed: they may be part of the text. Bad UTF-8 and unpaired
// surrogates read as U+FFFD, as they do in encoding/json.
func (v Value) Bytes() []byte {
	raw := v.Raw()
	if v.Kind() != String {
		return raw
	}
	raw = raw[1 : len(raw)-1 : len(raw)-1]
	if v.doc.nodes[v.at].info&(escaped|broken) == 0 {
		return raw
	}
	return unquote(raw)
}

// Text returns what Bytes returns, as a string of its own.
func (v Value) Text() string { return string(v.Bytes()) }

// Offset returns where the value begins, in bytes from 0.
func (v Value) Offset() int {
	if v.doc == nil {
		return 0
	}
	return int(v.doc.nodes[v.at].start)
}

// End returns the offset after the value.
func (v Value) End() int {
	if v.doc == nil {
		return 0
	}
	return int(v.doc.nodes[v.at].end)
}

// Len returns the number of elements of an array, or of members of an object
// (duplicates included); it takes time in proportion.
func (v Value) Len() int {
	n := 0
	switch v.Kind() {
	case Array:
		for range v.Elements() {
			n++
		}
	case Object:
		for range v.Members() {
			n++
		}
	}
	return n
}

// Elements yields the elements of an array, and nothing for any other kind.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != Array {
			return
		}
		end := v.doc.after(v.at)
		for i := v.at + 1; i < end; i = v.doc.after(i) {
			if !yield(Value{v.doc, i}) {
				return
			}
		}
	}
}

// Members yields the names and values of an object in the order of the text,
// duplicates included, and nothing for any other kind. A name is not to be
// changed and is decoded as Bytes does it.
func (v Value) Members() iter.Seq2[[]byte, Value] {
	return func(yield func([]byte, Value) bool) {
		if v.Kind() != Object {
			return
		}
		end := v.doc.after(v.at)
		for i := v.at + 1; i < end; i = v.doc.after(i + 1) {
			if !yield(Value{v.doc, i}.Bytes(), Value{v.doc, i + 1}) {
				return
			}
		}
	}
}

// Get returns the member with that name; of several, the last. Without one, or
// for another kind than Object, it returns the zero Value.
func (v Value) Get(name string) Value {
	var found Value
	for n, member := range v.Members() {
		if string(n) == name {
			found = member
		}
	}
	return found
}

// index returns element n of an array, or the zero Value.
func (v Value) index(n int) Value {
	for e := range v.Elements() {
		if n == 0 {
			return e
		}
		n--
	}
	return Value{}
}

// Find follows a JSON pointer (RFC 6901). It returns the zero Value where the
// pointer leads nowhere.
func (d *Doc) Find(pointer string) Value {
	v := d.Root()
	for token := range tokens(pointer) {
		switch v.Kind() {
		case Object:
			v = v.Get(token)
		case Array:
			n, err := strconv.ParseUint(token, 10, 31)
			if err != nil || len(token) > 1 && token[0] == '0' {
				return Value{}
			}
			v = v.index(int(n))
		default:
			return Value{}
		}
	}
	return v
}

// At returns the innermost value that covers the byte at offset. A name and the
// colon after it count as the member's value. Outside the outermost value it
// returns that.
func (d *Doc) At(offset int) Value {
	v := d.Root()
	for {
		inner := v
		for name, member := range v.children() {
			if offset >= member.End() {
				continue
			}
			if offset >= member.Offset() || name.doc != nil && offset >= name.Offset() {
				inner = member
			}
			break
		}
		if inner == v {
			return v
		}
		v = inner
	}
}

// children yields members with their names, or elements with a zero Value.
func (v Value) children() iter.Seq2[Value, Value] {
	return func(yield func(Value, Value) bool) {
		kind := v.Kind()
		if kind != Object && kind != Array {
			return
		}
		end := v.doc.after(v.at)
		for i := v.at + 1; i < end; i = v.doc.after(i) {
			var name Value
			if kind == Object {
				name = Value{v.doc, i}
				i++
			}
			if !yield(name, Value{v.doc, i}) {
				return
			}
		}
	}
}
