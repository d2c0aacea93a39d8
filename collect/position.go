package collect

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Position is how far a Tail has read, made to be stored as JSON with what the
// lines gave. The zero Position is the beginning of a file never read.
type Position struct {
	Path    string  `json:"path"`
	Current Place   `json:"current"`         // in the file at Path, or in the one that was last there
	Older   []Place `json:"older,omitempty"` // in rotated files that are not finished, oldest first
}

// Place is a point in one file. The file is known by device and inode, which
// live through a rename, and by its first bytes, which live through a copy and
// tell a new file that was given an old inode.
type Place struct {
	Device      uint64 `json:"device,omitempty"`
	Inode       uint64 `json:"inode,omitempty"`
	Offset      int64  `json:"offset"`                // bytes read
	Fingerprint string `json:"fingerprint,omitempty"` // of the first bytes before Offset: their number, ":", hexadecimal SHA-256
	Skip        bool   `json:"skip,omitempty"`        // in the middle of a line that is passed over
	Drain       bool   `json:"drain,omitempty"`       // rotated, and its successor has been written to
}

// printed is how many bytes at most a fingerprint covers.
const printed = 1024

// fingerprint describes the first bytes of a file, n at most.
func fingerprint(f io.ReaderAt, n int64) (string, error) {
	n = min(n, printed)
	if n <= 0 {
		return "", nil
	}
	b := make([]byte, n)
	if _, err := f.ReadAt(b, 0); err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return fmt.Sprintf("%d:%x", n, sum[:16]), nil
}

// matches reports whether a file begins as the place's file did and is at
// least as long as what was read of it. It is so of any file of which nothing
// was read.
func (p Place) matches(f *os.File, size int64) bool {
	if size < p.Offset {
		return false
	}
	number, _, _ := strings.Cut(p.Fingerprint, ":")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 1 || n > printed {
		return p.Offset == 0
	}
	have, err := fingerprint(f, n)
	return err == nil && have == p.Fingerprint
}

// same reports whether a file is the place's by device and inode.
func (p Place) same(info os.FileInfo) bool {
	device, inode := identity(info)
	return p.Inode != 0 && p.Device == device && p.Inode == inode
}

func identity(info os.FileInfo) (device, inode uint64) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev), st.Ino
	}
	return 0, 0
}
