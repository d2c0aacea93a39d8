package jsonscan

// A node is one name or value. Nodes stand in the order of the text: an array
// is followed by its elements, an object by name, value, name, value.
type node struct {
	start, end uint32 // in the text, with quotes or brackets
	info       uint32 // container bit and index after the last descendant, or flags of a string
}

const (
	container  = 1 << 31 // an array or object
	duplicates = 1 << 30 // an object with a name used twice
	nextMask   = 1<<30 - 1
)

// Flags of strings. A string without any is plain ASCII, to be copied as it is.
const (
	escaped  = 1 << iota // has an escape sequence
	nonASCII             // has bytes from 0x80 up
	broken               // has bad UTF-8 or an unpaired surrogate
)

// after returns the index of what follows node i and all that is within it.
func (d *Doc) after(i uint32) uint32 {
	if info := d.nodes[i].info; info&container != 0 {
		return info & nextMask
	}
	return i + 1
}
