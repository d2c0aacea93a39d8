//go:build unix

package store

import (
	"os"
	"syscall"
)

// flock locks a file that nobody else has locked; the kernel ends it with the
// process.
func flock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
