// Package jsonscan reads hostile JSON (RFC 8259) in one pass: it says whether a
// text is valid and, if not, where by line, column and JSON pointer (RFC 6901);
// it keeps depth, sizes and counts within limits; it tells of what is valid but
// odd (duplicate names, bad UTF-8); and it leaves an index of the values, so
// that nobody has to parse the text a second time.
//
// Time is linear in the length of the text. Memory is at most twelve bytes for
// each name and value besides the text itself, and Limits bounds their number.
//
// It knows nothing of what the values mean, and it never turns a number into a
// float: a number is the text that the sender wrote.
package jsonscan

import "fmt"

// Limits bound what Scan accepts. A zero means no limit, but a text is never
// longer than 1 GiB, as the index counts in 32 bits.
type Limits struct {
	Bytes  int // length of the text
	Depth  int // nesting of arrays and objects; the outermost has depth 1
	Names  int // names in one object, duplicates included
	Values int // values in the whole text, of any type, names not counted
}

// Doc is a valid JSON text and the index of its values. It refers to the text
// that was scanned, which must not change while the Doc is in use. Several
// goroutines may read one Doc.
type Doc struct {
	data   []byte
	nodes  []node
	spaced bool // there is white space between tokens
	odd    []oddity
	more   int // oddities beyond those kept
}

// Error tells why a text is not acceptable JSON, and where.
type Error struct {
	Offset  int    // in bytes, from 0
	Line    int    // from 1; a line ends with a line feed
	Column  int    // from 1, in characters (Unicode code points; a bad byte counts as one)
	Pointer string // RFC 6901, to the value being read; "" is the whole text
	Detail  string
}

func (e *Error) Error() string {
	if e.Pointer == "" {
		return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Detail)
	}
	return fmt.Sprintf("line %d, column %d, at %s: %s", e.Line, e.Column, e.Pointer, e.Detail)
}

// Warning tells of something valid but odd.
type Warning struct {
	Offset  int // in bytes, from 0, of the value that is odd
	Pointer string
	Detail  string
}

// maxWarnings bounds what a hostile text can make Warnings say.
const maxWarnings = 16

// An oddity is a Warning whose pointer has not been worked out yet.
type oddity struct {
	node uint32
	what string
}

func (d *Doc) warn(node uint32, what string) {
	if len(d.odd) == maxWarnings {
		d.more++
		return
	}
	d.odd = append(d.odd, oddity{node, what})
}

// Warnings returns what is odd about the text, in the order found: duplicate
// names (the last one counts), bad UTF-8 and unpaired surrogates (each reads as
// U+FFFD), and a byte order mark. After the sixteenth, one more Warning, about
// the whole text, says how many are left out.
func (d *Doc) Warnings() []Warning {
	if len(d.odd) == 0 {
		return nil
	}
	out := make([]Warning, 0, len(d.odd)+1)
	for _, o := range d.odd {
		v := Value{d, o.node}
		out = append(out, Warning{v.Offset(), v.Pointer(), o.what})
	}
	if d.more > 0 {
		out = append(out, Warning{d.Root().Offset(), "", fmt.Sprintf("%d more oddities of this kind", d.more)})
	}
	return out
}

// Root returns the outermost value.
func (d *Doc) Root() Value { return Value{d, 0} }
