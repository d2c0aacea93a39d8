package collect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
)

// ErrLost says that a file was gone before it was read to its end.
var ErrLost = errors.New("lost")

// A Tail follows one log file line by line through rotation by rename, by copy
// and truncation, deletion and re-creation. It never waits: the caller asks
// again. It is not safe for use by several goroutines.
type Tail struct {
	path    string
	open    []*reader // oldest first; the last is, or was last seen, at path
	from    Position  // where to begin, until begun
	begun   bool
	skipped int64
}

// reader is an open file with the place read up to.
type reader struct {
	Place
	file *os.File
}

// OpenTail returns a tail of the file at path that goes on where pos says. It
// opens nothing yet; the file need not exist. Close it in the end.
func OpenTail(path string, pos Position) *Tail {
	return &Tail{path: path, from: pos}
}

// Close closes the files. The last position that Next returned stays good.
func (t *Tail) Close() error {
	var errs []error
	for _, r := range t.open {
		errs = append(errs, r.file.Close())
	}
	t.open = nil
	return errors.Join(errs...)
}

// Skipped returns how many lines were longer than MaxLine and passed over.
func (t *Tail) Skipped() int64 { return t.skipped }

// Next returns the next whole lines, each with its newline, of maxBytes or one
// line, whichever is more, and the position behind them. With nothing new the
// lines are empty. An error that is ErrLost is told once, and reading goes on
// after it; after any other the next call tries again.
//
// A rotated file is read until its successor has been written to and nothing
// more came; only then its last line may lack a newline, and is given one.
func (t *Tail) Next(maxBytes int) (lines []byte, pos Position, err error) {
	maxBytes = min(max(maxBytes, 1), 64<<20)
	lost := error(nil)
	if !t.begun {
		if lost, err = t.begin(); err != nil {
			return nil, t.position(), fmt.Errorf("tail %s: %w", t.path, err)
		}
	} else if err = t.look(); err != nil {
		if !errors.Is(err, ErrLost) {
			return nil, t.position(), fmt.Errorf("tail %s: %w", t.path, err)
		}
		lost = err
	}
	if lost != nil {
		return nil, t.position(), fmt.Errorf("tail %s: %w", t.path, lost)
	}
	for i := 0; i < len(t.open); i++ {
		r := t.open[i]
		lines, err = t.read(r, maxBytes)
		if err != nil {
			return nil, t.position(), fmt.Errorf("tail %s: %w", t.path, err)
		}
		if len(lines) > 0 {
			for _, older := range t.open[:i] {
				older.Drain = true
			}
			return lines, t.position(), nil
		}
		if i < len(t.open)-1 && r.Drain {
			if lines, err = r.rest(); err != nil {
				return nil, t.position(), fmt.Errorf("tail %s: %w", t.path, err)
			}
			r.file.Close()
			t.open = slices.Delete(t.open, i, i+1)
			if len(lines) > 0 {
				return lines, t.position(), nil
			}
			i--
		}
	}
	return nil, t.position(), nil
}

func (t *Tail) position() Position {
	if !t.begun {
		return t.from
	}
	pos := Position{Path: t.path}
	for i, r := range t.open {
		if i < len(t.open)-1 {
			pos.Older = append(pos.Older, r.Place)
		} else {
			pos.Current = r.Place
		}
	}
	return pos
}

// read returns the next whole lines of one file.
func (t *Tail) read(r *reader, maxBytes int) ([]byte, error) {
	info, err := r.file.Stat()
	if err != nil {
		return nil, err
	}
	for {
		if r.Skip {
			if err := r.skip(); err != nil || r.Skip {
				return nil, err
			}
		}
		have := min(info.Size()-r.Offset, MaxLine+1)
		if have <= 0 {
			return nil, nil
		}
		buf, err := r.peek(min(info.Size()-r.Offset, int64(maxBytes)))
		if err == nil && bytes.IndexByte(buf, '\n') < 0 && int64(len(buf)) < have {
			buf, err = r.peek(have) // one line, even if it is more than asked for
		}
		if err != nil {
			return nil, err
		}
		if end := bytes.LastIndexByte(buf, '\n') + 1; end > 0 {
			return buf[:end], r.advance(int64(end))
		}
		if len(buf) <= MaxLine {
			return nil, nil // the line is not finished
		}
		t.skipped++
		r.Skip = true
	}
}

// peek returns up to n bytes from the place on.
func (r *reader) peek(n int64) ([]byte, error) {
	buf := make([]byte, n)
	m, err := r.file.ReadAt(buf, r.Offset)
	if err == io.EOF {
		err = nil
	}
	return buf[:m], err
}

// skip passes over the rest of a line, or as much of it as there is.
func (r *reader) skip() error {
	for {
		buf, err := r.peek(1 << 16)
		if err != nil || len(buf) == 0 {
			return err
		}
		if i := bytes.IndexByte(buf, '\n'); i >= 0 {
			r.Skip = false
			return r.advance(int64(i + 1))
		}
		if err := r.advance(int64(len(buf))); err != nil {
			return err
		}
	}
}

// advance moves the place on, and makes it known by more bytes while those are few.
func (r *reader) advance(n int64) error {
	before := r.Offset
	r.Offset += n
	if before >= printed {
		return nil
	}
	print, err := fingerprint(r.file, r.Offset)
	if err != nil {
		r.Offset = before
		return err
	}
	r.Fingerprint = print
	return nil
}

// rest returns what a rotated file has after its last newline, as a line.
func (r *reader) rest() ([]byte, error) {
	info, err := r.file.Stat()
	if err != nil || info.Size() <= r.Offset || r.Skip {
		return nil, err
	}
	buf, err := r.peek(min(info.Size()-r.Offset, MaxLine))
	if err != nil || len(buf) == 0 {
		return nil, err
	}
	return append(buf, '\n'), nil
}

// openReader opens a file at its beginning. Only a regular file will do: a
// pipe would block.
func openReader(path string) (*reader, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	r := &reader{file: f}
	r.Device, r.Inode = identity(info)
	return r, nil
}
