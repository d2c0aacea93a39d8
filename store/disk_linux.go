package store

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// diskOf asks for the disk of a file, which need not be there yet.
func diskOf(path string) (disk, bool) {
	const readOnly = 1 // ST_RDONLY
	var s syscall.Statfs_t
	if syscall.Statfs(filepath.Dir(path), &s) != nil {
		return disk{}, false
	}
	return disk{free: int64(s.Bavail) * int64(s.Bsize), readOnly: s.Flags&readOnly != 0}, true
}

// allocate takes room for a file without writing it; done is false where that
// is not possible.
func allocate(f *os.File, size int64) (done bool, err error) {
	err = syscall.Fallocate(int(f.Fd()), 0, 0, size)
	return !errors.Is(err, syscall.EOPNOTSUPP) && !errors.Is(err, syscall.ENOSYS), err
}
