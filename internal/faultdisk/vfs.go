package faultdisk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// A VFS is SQLite's way to its files: those of a Disk's folder go over that disk,
// all others the usual way.
type VFS struct {
	usual uintptr // sqlite3_vfs
	call  uintptr // sqlite3_io_methods of our files
	keep  []any   // functions that only SQLite knows

	mu    sync.Mutex
	disks map[string]*Disk    // by folder
	files map[uintptr]*handle // by sqlite3_file
}

// handle is an open file of a disk. The usual VFS's own sqlite3_file follows
// ours in memory.
type handle struct {
	disk   *Disk
	file   *file
	name   string
	folder bool // its first sync is one of the folder too
	under  uintptr
	method *sqlite3.Tsqlite3_io_methods // the usual one's
}

// ours is the size of our part of a sqlite3_file, in bytes.
const ours = 16

// Register makes a VFS and the default one of this process. It stays so: call it
// once, before any database is opened.
func Register() (*VFS, error) {
	tls := libc.NewTLS()
	v := &VFS{disks: map[string]*Disk{}, files: map[uintptr]*handle{}}
	if v.usual = sqlite3.Xsqlite3_vfs_find(tls, 0); v.usual == 0 {
		return nil, fmt.Errorf("SQLite has no VFS")
	}
	name, err := libc.CString("faultdisk")
	if err != nil {
		return nil, err
	}
	// Both structures stand in C's memory, where C expects them.
	ownAt := libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(sqlite3.Tsqlite3_vfs{})))
	v.call = libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(sqlite3.Tsqlite3_io_methods{})))
	if ownAt == 0 || v.call == 0 {
		return nil, fmt.Errorf("no memory")
	}
	own := at[sqlite3.Tsqlite3_vfs](ownAt)
	*own = *at[sqlite3.Tsqlite3_vfs](v.usual)
	own.FpNext, own.FzName = 0, name
	own.FszOsFile += ours
	own.FxOpen = v.pointer(v.open)
	own.FxDelete = v.pointer(v.delete)
	*at[sqlite3.Tsqlite3_io_methods](v.call) = sqlite3.Tsqlite3_io_methods{
		FiVersion: 2, // nothing is mapped but the index of the log
		FxClose:   v.pointer(v.close),
		FxRead: v.pointer(func(tls *libc.TLS, f, to uintptr, n int32, from int64) int32 {
			h := v.handle(f)
			if h.disk.Off() {
				return sqlite3.SQLITE_IOERR_READ
			}
			return function[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](h.method.FxRead)(tls, h.under, to, n, from)
		}),
		FxWrite:    v.pointer(v.write),
		FxTruncate: v.pointer(v.truncate),
		FxSync:     v.pointer(v.sync),
		FxFileSize: v.pointer(func(tls *libc.TLS, f, size uintptr) int32 {
			h := v.handle(f)
			return function[func(*libc.TLS, uintptr, uintptr) int32](h.method.FxFileSize)(tls, h.under, size)
		}),
		FxLock: v.pointer(func(tls *libc.TLS, f uintptr, level int32) int32 {
			h := v.handle(f)
			return function[func(*libc.TLS, uintptr, int32) int32](h.method.FxLock)(tls, h.under, level)
		}),
		FxUnlock: v.pointer(func(tls *libc.TLS, f uintptr, level int32) int32 {
			h := v.handle(f)
			return function[func(*libc.TLS, uintptr, int32) int32](h.method.FxUnlock)(tls, h.under, level)
		}),
		FxCheckReservedLock: v.pointer(func(tls *libc.TLS, f, out uintptr) int32 {
			h := v.handle(f)
			return function[func(*libc.TLS, uintptr, uintptr) int32](h.method.FxCheckReservedLock)(tls, h.under, out)
		}),
		FxFileControl: v.pointer(func(tls *libc.TLS, f uintptr, op int32, arg uintptr) int32 {
			h := v.handle(f)
			return function[func(*libc.TLS, uintptr, int32, uintptr) int32](h.method.FxFileControl)(tls, h.under, op, arg)
		}),
		FxSectorSize: v.pointer(func(tls *libc.TLS, f uintptr) int32 {
			h := v.handle(f)
			return function[func(*libc.TLS, uintptr) int32](h.method.FxSectorSize)(tls, h.under)
		}),
		FxDeviceCharacteristics: v.pointer(func(tls *libc.TLS, f uintptr) int32 {
			h := v.handle(f)
			return function[func(*libc.TLS, uintptr) int32](h.method.FxDeviceCharacteristics)(tls, h.under)
		}),
		FxShmMap: v.pointer(func(tls *libc.TLS, f uintptr, page, size, extend int32, out uintptr) int32 {
			h := v.handle(f)
			return function[func(*libc.TLS, uintptr, int32, int32, int32, uintptr) int32](h.method.FxShmMap)(tls, h.under, page, size, extend, out)
		}),
		FxShmLock: v.pointer(func(tls *libc.TLS, f uintptr, offset, n, flags int32) int32 {
			h := v.handle(f)
			return function[func(*libc.TLS, uintptr, int32, int32, int32) int32](h.method.FxShmLock)(tls, h.under, offset, n, flags)
		}),
		FxShmBarrier: v.pointer(func(tls *libc.TLS, f uintptr) {
			h := v.handle(f)
			function[func(*libc.TLS, uintptr)](h.method.FxShmBarrier)(tls, h.under)
		}),
		FxShmUnmap: v.pointer(func(tls *libc.TLS, f uintptr, remove int32) int32 {
			h := v.handle(f)
			return function[func(*libc.TLS, uintptr, int32) int32](h.method.FxShmUnmap)(tls, h.under, remove)
		}),
	}
	if rc := sqlite3.Xsqlite3_vfs_register(tls, ownAt, 1); rc != sqlite3.SQLITE_OK {
		return nil, fmt.Errorf("register a VFS: SQLite's error %d", rc)
	}
	return v, nil
}

// Disk puts the files of a folder on a disk of their own, until it is removed.
func (v *VFS) Disk(dir string) (*Disk, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	d := &Disk{dir: dir, names: map[string]*slot{}}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.disks[dir] = d
	return d, nil
}

// Remove gives the folder of a disk back to the file system.
func (v *VFS) Remove(d *Disk) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.disks, d.dir)
}

func (v *VFS) disk(path string) *Disk {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.disks[filepath.Dir(path)]
}

func (v *VFS) handle(f uintptr) *handle {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.files[f]
}

func (v *VFS) open(tls *libc.TLS, _, name, f uintptr, flags int32, out uintptr) int32 {
	usual := function[func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32](at[sqlite3.Tsqlite3_vfs](v.usual).FxOpen)
	if name == 0 {
		return usual(tls, v.usual, name, f, flags, out)
	}
	path := libc.GoString(name)
	disk := v.disk(path)
	if disk == nil {
		return usual(tls, v.usual, name, f, flags, out)
	}
	*at[uintptr](f) = 0 // not open: no methods
	if disk.Off() {
		return sqlite3.SQLITE_CANTOPEN
	}
	_, err := os.Stat(path)
	existed := err == nil
	h := &handle{disk: disk, name: filepath.Base(path), under: f + ours}
	if rc := usual(tls, v.usual, name, h.under, flags, out); rc != sqlite3.SQLITE_OK {
		return rc
	}
	h.method = at[sqlite3.Tsqlite3_io_methods](*at[uintptr](h.under))
	// As SQLite's own VFS has it: what it made anew for recovery is worth a sync
	// of the folder.
	h.folder = !existed && flags&(sqlite3.SQLITE_OPEN_WAL|sqlite3.SQLITE_OPEN_MAIN_JOURNAL|sqlite3.SQLITE_OPEN_SUPER_JOURNAL) != 0
	if h.file, err = disk.opened(h.name, existed); err != nil {
		return sqlite3.SQLITE_CANTOPEN
	}
	v.mu.Lock()
	v.files[f] = h
	v.mu.Unlock()
	*at[uintptr](f) = v.call
	return sqlite3.SQLITE_OK
}

func (v *VFS) close(tls *libc.TLS, f uintptr) int32 {
	h := v.handle(f)
	v.mu.Lock()
	delete(v.files, f)
	v.mu.Unlock()
	return function[func(*libc.TLS, uintptr) int32](h.method.FxClose)(tls, h.under)
}

func (v *VFS) write(tls *libc.TLS, f, from uintptr, n int32, to int64) (rc int32) {
	h := v.handle(f)
	err := h.disk.wrote(h.file, h.name, to, libc.GoBytes(from, int(n)), func() bool {
		rc = function[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](h.method.FxWrite)(tls, h.under, from, n, to)
		return rc == sqlite3.SQLITE_OK
	})
	return code(err, rc, sqlite3.SQLITE_IOERR_WRITE)
}

func (v *VFS) truncate(tls *libc.TLS, f uintptr, to int64) (rc int32) {
	h := v.handle(f)
	err := h.disk.truncated(h.file, h.name, to, func() bool {
		rc = function[func(*libc.TLS, uintptr, int64) int32](h.method.FxTruncate)(tls, h.under, to)
		return rc == sqlite3.SQLITE_OK
	})
	return code(err, rc, sqlite3.SQLITE_IOERR_TRUNCATE)
}

// sync does not bother the real disk: what it would keep is what we noted.
func (v *VFS) sync(_ *libc.TLS, f uintptr, _ int32) int32 {
	h := v.handle(f)
	err := h.disk.syncs(h.file, h.name, h.folder)
	if err == nil {
		h.folder = false
	}
	return code(err, sqlite3.SQLITE_OK, sqlite3.SQLITE_IOERR_FSYNC)
}

func (v *VFS) delete(tls *libc.TLS, _, name uintptr, folder int32) (rc int32) {
	usual := function[func(*libc.TLS, uintptr, uintptr, int32) int32](at[sqlite3.Tsqlite3_vfs](v.usual).FxDelete)
	path := libc.GoString(name)
	disk := v.disk(path)
	if disk == nil {
		return usual(tls, v.usual, name, folder)
	}
	err := disk.deleted(filepath.Base(path), folder != 0, func() bool {
		rc = usual(tls, v.usual, name, folder)
		return rc == sqlite3.SQLITE_OK
	})
	return code(err, rc, sqlite3.SQLITE_IOERR_DELETE)
}

// code is what SQLite is told.
func code(err error, rc, fault int32) int32 {
	switch {
	case err == nil:
		return rc
	case errors.Is(err, ErrFull):
		return sqlite3.SQLITE_FULL
	case errors.Is(err, ErrReadOnly):
		return sqlite3.SQLITE_READONLY
	}
	return fault
}

// pointer is what the translated C takes for a pointer to a function.
func (v *VFS) pointer(f any) uintptr {
	v.keep = append(v.keep, f)
	return (*[2]uintptr)(unsafe.Pointer(&f))[1]
}

// function is the inverse of pointer.
func function[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&struct{ uintptr }{p})) }

// at is what stands at an address of C's memory.
func at[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }
