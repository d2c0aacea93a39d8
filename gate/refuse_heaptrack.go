package gate

import "bytes"

// refuseHeaptrack names what heaptrack_print writes. What heaptrack records is
// packed, and refused by that.
func refuseHeaptrack(head []byte) string {
	if bytes.Contains(head, []byte("MOST CALLS TO ALLOCATION FUNCTIONS")) || bytes.Contains(head, []byte("PEAK MEMORY CONSUMERS")) {
		return "the file is a profile of heaptrack: it says where memory went, not what is wrong"
	}
	return ""
}
