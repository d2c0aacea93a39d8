package jsonscan

import (
	"bytes"
	"slices"
)

// see notes a name. The hash is cheap and only ever says "perhaps twice";
// findDuplicates then looks closely. A name with escapes may equal one that is
// written otherwise, so it always calls for the closer look.
func (f *frame) see(name []byte, flags uint32) {
	if flags&(escaped|broken) != 0 {
		f.coded = true
		return
	}
	h := uint32(len(name))
	if len(name) > 0 {
		h = h*31 + uint32(name[0])
		h = h*31 + uint32(name[len(name)/2])
		h = h*31 + uint32(name[len(name)-1])
	}
	bit := uint64(1) << (h * 0x9E3779B1 >> 26)
	f.twice = f.twice || f.seen&bit != 0
	f.seen |= bit
}

// fewNames is how many names are compared each with each; more go into a map.
const fewNames = 24

// findDuplicates marks and reports names that the object at index at uses more
// than once. Without a map there must be at most fewNames, none of them coded.
func (d *Doc) findDuplicates(at uint32, useMap bool) {
	var few [fewNames][]byte
	var many map[string]bool
	if useMap {
		many = map[string]bool{}
	}
	n, end := 0, d.after(at)
	for key := at + 1; key < end; key = d.after(key + 1) {
		name := Value{d, key}.Bytes()
		var again bool
		if useMap {
			again = many[string(name)]
			many[string(name)] = true
		} else {
			again = slices.ContainsFunc(few[:n], func(b []byte) bool { return bytes.Equal(b, name) })
			few[n] = name
			n++
		}
		if again {
			d.nodes[at].info |= duplicates
			d.warn(key+1, "this name stands more than once in its object; the last one counts")
		}
	}
}
