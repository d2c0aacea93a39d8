// Package faultdisk is a disk under SQLite that tests let lose its power or
// hang. It stands between SQLite and the file system, notes what was written
// since each file was last synced, and tells what may be found after a cut. It
// knows nothing of what the files hold.
package faultdisk

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// sector is what a disk writes whole or not at all, in bytes.
const sector = 512

// A Disk holds the files of one folder.
type Disk struct {
	dir string

	mu    sync.Mutex
	names map[string]*slot
	steps int // writes, syncs, truncations and deletions so far
	cutAt int // the power fails within this step; 0: never
	off   bool
	liar  string        // suffix of files whose syncs are answered and not done
	slow  time.Duration // for each sync
	limit func(step Step) error
}

// A Step is something that changes a disk.
type Step struct {
	Kind string // "write", "sync", "truncate" or "delete"
	File string // its name without the folder
}

// slot is a name in the folder: the file that it has now, and the one that it
// has on the disk itself, which differ until the folder is synced.
type slot struct{ now, kept *file }

// file is what of a file is on the disk for certain, and what may be.
type file struct {
	synced  []byte
	pending []change
}

// change is a write at an offset or, if data is nil, a truncation to it.
type change struct {
	at   int64
	data []byte
}

// CutAfter lets the power fail within the n-th step from now, n > 0.
func (d *Disk) CutAfter(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cutAt = d.steps + n
}

// Cut lets the power fail now, if it did not yet.
func (d *Disk) Cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
}

// Off tells whether the power failed.
func (d *Disk) Off() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.off
}

// Steps counts what changed the disk so far.
func (d *Disk) Steps() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.steps
}

// Lie lets the disk answer syncs of files whose names end so and not do them.
func (d *Disk) Lie(suffix string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.liar = suffix
}

// SlowSync lets each sync take as long.
func (d *Disk) SlowSync(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.slow = by
}

// Refuse asks before each step whether the disk refuses it: with ErrFull or
// ErrReadOnly for what they say, with any other error for a fault. Nil refuses nothing.
func (d *Disk) Refuse(limit func(Step) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limit = limit
}

// What a disk says that is full, or may only be read.
var (
	ErrFull     = errors.New("no room")
	ErrReadOnly = errors.New("read-only")
)

var errOff = errors.New("the power failed")

// step counts a step, and tells whether it may be done.
func (d *Disk) step(kind, name string) error {
	if d.off {
		return errOff
	}
	if d.limit != nil {
		if err := d.limit(Step{kind, name}); err != nil {
			return err
		}
	}
	d.steps++
	d.off = d.steps == d.cutAt
	return nil
}

// opened notes that a name was opened; existed, that it was there before.
func (d *Disk) opened(name string, existed bool) (*file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.names[name]
	if s == nil {
		s = &slot{}
		d.names[name] = s
		if existed {
			content, err := os.ReadFile(filepath.Join(d.dir, name))
			if err != nil {
				return nil, err
			}
			s.now = &file{synced: content}
			s.kept = s.now
		}
	}
	if s.now == nil {
		s.now = &file{}
	}
	return s.now, nil
}

// wrote notes a write of a file that do does.
func (d *Disk) wrote(f *file, name string, at int64, data []byte, do func() bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("write", name); err != nil {
		return err
	}
	f.pending = append(f.pending, change{at, slices.Clone(data)})
	if d.off {
		return errOff
	}
	if !do() {
		f.pending = f.pending[:len(f.pending)-1]
	}
	return nil
}

func (d *Disk) truncated(f *file, name string, to int64, do func() bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("truncate", name); err != nil {
		return err
	}
	f.pending = append(f.pending, change{at: to})
	if d.off {
		return errOff
	}
	if !do() {
		f.pending = f.pending[:len(f.pending)-1]
	}
	return nil
}

// syncs notes that a file is synced and, if folder says so, its folder too.
func (d *Disk) syncs(f *file, name string, folder bool) error {
	d.mu.Lock()
	slow := d.slow
	d.mu.Unlock()
	if slow > 0 {
		time.Sleep(slow)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("sync", name); err != nil {
		return err
	}
	if d.off {
		return errOff
	}
	if d.liar != "" && strings.HasSuffix(name, d.liar) {
		return nil
	}
	for _, c := range f.pending {
		f.synced = c.apply(f.synced)
	}
	f.pending = nil
	if folder {
		d.keep()
	}
	return nil
}

func (d *Disk) deleted(name string, folder bool, do func() bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step("delete", name); err != nil {
		return err
	}
	if done := do(); done && d.names[name] != nil {
		d.names[name].now = nil
	}
	if d.off {
		return errOff
	}
	if folder {
		d.keep()
	}
	return nil
}

// keep syncs the folder.
func (d *Disk) keep() {
	for _, s := range d.names {
		s.kept = s.now
	}
}

func (c change) apply(content []byte) []byte {
	end := c.at + int64(len(c.data))
	if c.data == nil {
		if end < int64(len(content)) {
			return content[:end]
		}
		return append(content, make([]byte, end-int64(len(content)))...)
	}
	if end > int64(len(content)) {
		content = append(content, make([]byte, end-int64(len(content)))...)
	}
	copy(content[c.at:], c.data)
	return content
}

// How much of what was not synced is found after a cut.
const (
	nothing = iota
	everything
	first   // what was written until some moment
	some    // any of the writes, as if they had been reordered
	sectors // any of the sectors of any of the writes
	fates
)

// Leave writes into a folder the files that may be found after the power failed,
// one of many possible states, and returns its name in words.
func (d *Disk) Leave(dir string, random *rand.Rand) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.off {
		return "", errors.New("the power is on")
	}
	fate := random.IntN(fates)
	said := [...]string{"nothing", "everything", "the first", "some", "sectors"}[fate] + " of what was not synced:"
	names := make([]string, 0, len(d.names))
	for name := range d.names {
		names = append(names, name)
	}
	slices.Sort(names) // so that a seed says what is left
	for _, name := range names {
		s := d.names[name]
		f := s.kept
		if s.now != s.kept && random.IntN(2) == 0 {
			f = s.now
		}
		if f == nil {
			continue
		}
		content, kept := f.left(fate, random)
		said += fmt.Sprintf(" %s %d of %d", name, kept, len(f.pending))
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return "", err
		}
	}
	return said, nil
}

// left is what may be found of a file.
func (f *file) left(fate int, random *rand.Rand) (content []byte, kept int) {
	content = slices.Clone(f.synced)
	until := random.IntN(len(f.pending) + 1)
	for i, c := range f.pending {
		switch {
		case fate == nothing, fate == first && i >= until, fate == some && random.IntN(2) == 0:
		case fate == sectors && c.data != nil:
			kept++
			content = c.torn(content, random)
		default:
			kept++
			content = c.apply(content)
		}
	}
	return content, kept
}

// torn applies any of the sectors of a write.
func (c change) torn(content []byte, random *rand.Rand) []byte {
	for from := int64(0); from < int64(len(c.data)); {
		to := min(int64(len(c.data)), from+sector-(c.at+from)%sector)
		if random.IntN(2) == 0 {
			content = change{c.at + from, c.data[from:to]}.apply(content)
		}
		from = to
	}
	return content
}
