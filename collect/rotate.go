package collect

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// look finds out whether another file stands at the path, or the same one was
// truncated, and opens what is to be read now. It returns ErrLost when bytes
// are gone that were never read.
func (t *Tail) look() error {
	if len(t.open) == 0 {
		return t.openPath()
	}
	current := t.open[len(t.open)-1]
	info, err := current.file.Stat()
	if err != nil {
		return err
	}
	if !current.matches(current.file, info.Size()) {
		return t.truncated(current)
	}
	there, err := os.Stat(t.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && current.same(there) {
		return nil
	}
	// Rotated more than once since the last look, what came between is unread.
	// A file missing at the path was renamed or deleted; its successor will come.
	between, err := t.newerThan(current.Place)
	if err != nil {
		return err
	}
	t.open = append(t.open, between...)
	if err := t.openPath(); err != nil {
		return err
	}
	for _, r := range t.open[:max(0, len(t.open)-2)] {
		r.Drain = true
	}
	return nil
}

// openPath opens the file at the path at its beginning, if there is one.
func (t *Tail) openPath() error {
	r, err := openReader(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		t.open = append(t.open, r)
	}
	return err
}

// truncated begins the current file anew. What was not read of it before is in
// a copy, if it was rotated by copying.
func (t *Tail) truncated(current *reader) error {
	old := current.Place
	current.Place = Place{Device: old.Device, Inode: old.Inode}
	copied, err := t.findCopy(old)
	if err != nil {
		return err
	}
	if copied == nil {
		return fmt.Errorf("the file was truncated, no copy of it was found, and what was written after byte %d until then was not read: %w", old.Offset, ErrLost)
	}
	between, err := t.newerThan(copied.Place)
	if err != nil {
		copied.file.Close()
		return err
	}
	before := append([]*reader{copied}, between...)
	for _, r := range before {
		r.Drain = true // nobody writes to a copy
	}
	t.open = slices.Insert(t.open, len(t.open)-1, before...)
	return nil
}

// begin opens what a stored position speaks of. lost is as look has it.
func (t *Tail) begin() (lost, err error) {
	var open []*reader
	defer func() {
		if err != nil {
			for _, r := range open {
				r.file.Close()
			}
		}
	}()
	places := slices.Clone(t.from.Older)
	if t.from.Current != (Place{}) {
		places = append(places, t.from.Current)
	}
	last := Place{}
	for _, p := range places {
		r, err := t.find(p)
		if err != nil {
			return nil, err
		}
		if r == nil {
			lost = fmt.Errorf("the file that was read up to byte %d is gone, and with it what it had after that: %w", p.Offset, ErrLost)
			continue
		}
		open = append(open, r)
		last = r.Place
	}
	var newer []*reader
	if last.Inode != 0 {
		if newer, err = t.newerThan(last); err != nil {
			return nil, err
		}
	}
	open = append(open, newer...)
	there, err := os.Stat(t.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case len(open) == 0 || !open[len(open)-1].same(there):
		r, err := openReader(t.path)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
		open = append(open, r)
	}
	for i := range open {
		if i < len(open)-2 {
			open[i].Drain = true
		}
	}
	t.open, t.begun = open, true
	return lost, nil
}

// find opens the file of a place: by inode if its beginning agrees, else by its
// beginning alone. nil: there is none.
func (t *Tail) find(p Place) (*reader, error) {
	names, err := t.files()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		r, err := openReader(name)
		if err != nil {
			continue // gone in this moment, a folder, not ours to read
		}
		if info, err := r.file.Stat(); err == nil && p.same(info) && p.matches(r.file, info.Size()) {
			r.Place = p
			return r, nil
		}
		r.file.Close()
	}
	return t.findCopy(p)
}

// findCopy opens a rotated file that begins as the place's file did.
func (t *Tail) findCopy(p Place) (*reader, error) {
	if p.Fingerprint == "" {
		return nil, nil
	}
	names, err := t.files()
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Backward(names) {
		r, err := openReader(name)
		if err != nil {
			continue
		}
		if info, err := r.file.Stat(); err == nil && name != t.path && p.matches(r.file, info.Size()) {
			r.Offset, r.Fingerprint, r.Skip, r.Drain = p.Offset, p.Fingerprint, p.Skip, true
			return r, nil
		}
		r.file.Close()
	}
	return nil, nil
}

// newerThan opens the rotated files that came after the one of p, oldest first:
// those with a number or a date behind the path, and only if the file of p has
// itself been rotated. Anything else was read before, or is no log.
func (t *Tail) newerThan(p Place) ([]*reader, error) {
	names, err := t.files()
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(names, func(name string) bool {
		info, err := os.Stat(name)
		return err == nil && p.same(info)
	})
	if at < 0 || names[at] == t.path {
		return nil, nil
	}
	var out []*reader
	for _, name := range names[at+1:] {
		suffix := name[len(t.path):]
		if suffix == "" || strings.Trim(suffix, ".-_:T0123456789") != "" {
			continue
		}
		if r, err := openReader(name); err == nil {
			out = append(out, r)
		}
	}
	return out, nil
}

// files returns the file at the path and what it may have been rotated to,
// path.* and path-*, oldest first by time of change; of equal times the higher
// number is older, but the earlier date. Compressed files are left out: a program that compresses
// must wait one rotation, as delaycompress does.
func (t *Tail) files() ([]string, error) {
	dir, base := filepath.Split(t.path)
	entries, err := os.ReadDir(filepath.Clean(dir + "."))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	type file struct {
		name   string
		time   int64
		number int
	}
	var files []file
	for _, e := range entries {
		suffix, ok := strings.CutPrefix(e.Name(), base)
		if !ok || suffix != "" && suffix[0] != '.' && suffix[0] != '-' {
			continue
		}
		switch filepath.Ext(suffix) {
		case ".gz", ".bz2", ".xz", ".zst":
			continue
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		number := 0
		if digits := strings.TrimLeft(suffix, ".-"); len(digits) < len("20261122") {
			number, _ = strconv.Atoi(digits)
		}
		files = append(files, file{dir + e.Name(), info.ModTime().UnixNano(), number})
	}
	slices.SortFunc(files, func(a, b file) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(b.number, a.number), cmp.Compare(a.name, b.name))
	})
	var names []string
	for _, f := range files {
		names = append(names, f.name)
	}
	return names, nil
}
