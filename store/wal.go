package store

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// SQLite takes from its write-ahead log what is whole from the beginning on, and
// does not complain of the rest: that is what a power cut may leave. It can be
// told from damage, since each commit is synced before the next one begins. The
// format is that of https://www.sqlite.org/fileformat2.html#walformat and
// https://www.sqlite.org/walformat.html.
const (
	walHeader = 32
	walFrame  = 24 // of a page, before it
	shmHeader = 48 // twice; then how much was copied into the file
)

// walLook is what was seen of a log.
type walLook struct {
	header  bool // it has one that is whole, or needs none
	frames  int  // committed, as SQLite will take them
	later   int  // a frame behind those, of a commit that another one followed; 0: there is none
	index   int  // committed frames that its index in the -shm file tells of, 0 if they are all in the file
	absent  bool // it is not there, though its index has frames that are not in the file
	missing bool // pages are neither in the log nor in the file
}

// damage says what was lost of what had been synced; "" for nothing.
func (l walLook) damage() string {
	switch {
	case !l.header:
		return "has a header that is not whole, with commits behind it"
	case l.later > 0:
		return fmt.Sprintf("is whole to frame %d only, and has commits up to frame %d", l.frames, l.later)
	case l.index > l.frames && !l.absent:
		return fmt.Sprintf("has lost its end: %d frames are left of %d that were committed", l.frames, l.index)
	}
	return ""
}

// lookAtLog reads the log of a database, and the index of it.
func lookAtLog(path string) (l walLook, err error) {
	index, salts := lookAtIndex(path + "-shm") // first: a writer at work only adds to what it tells of
	l.header = true
	f, err := os.Open(path + "-wal")
	if errors.Is(err, os.ErrNotExist) {
		l.index, l.absent = index, index > 0
		return l, nil
	}
	if err != nil {
		return l, err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<20)
	var head [walHeader]byte
	if _, err := io.ReadFull(in, head[:]); err != nil { // it was emptied, or is about to be begun
		l.index = index
		return l, nil
	}
	order := binary.ByteOrder(binary.LittleEndian)
	magic := binary.BigEndian.Uint32(head[:])
	if magic&1 == 1 {
		order = binary.BigEndian
	}
	sum := walSum{order: order}
	sum.add(head[:24])
	size := int(binary.BigEndian.Uint32(head[8:]))
	if magic&^1 != 0x377f0682 || size < 512 || size > 65536 || !sum.is(head[24:]) {
		_, err := in.Peek(walFrame + 1) // a header is synced before the first frame is written
		l.header = err != nil
		return l, nil
	}
	if string(head[16:24]) == salts {
		l.index = index
	}
	return l, l.read(in, path, sum, size, string(head[16:24]))
}

// read reads the frames.
func (l *walLook) read(in io.Reader, path string, sum walSum, size int, salts string) error {
	frame := make([]byte, walFrame+size)
	pages, committed, whole := map[uint32]bool{}, uint32(0), true
	var open []uint32 // pages of the transaction that is read
	ends := false     // the frame before was behind the damage, and a commit
	for n := 1; ; n++ {
		if _, err := io.ReadFull(in, frame); err != nil {
			break
		}
		ours := string(frame[8:16]) == salts
		sum.add(frame[:8])
		sum.add(frame[walFrame:])
		follows := ours && sum.is(frame[16:24]) // it was written behind the frame before it, as that is
		whole = whole && follows
		sum.one, sum.two = binary.BigEndian.Uint32(frame[16:]), binary.BigEndian.Uint32(frame[20:])
		page, commit := binary.BigEndian.Uint32(frame), binary.BigEndian.Uint32(frame[4:])
		switch {
		case whole:
			if open = append(open, page); commit > 0 {
				for _, p := range open {
					pages[p] = true
				}
				l.frames, committed, open = n, commit, open[:0]
			}
		case follows && ends: // a commit was synced before this was written behind it
			l.later = n - 1
		}
		ends = !whole && ours && commit > 0
	}
	size0, err := fileSize(path)
	if err != nil {
		return err
	}
	for p := uint32(size0/int64(size)) + 1; p <= committed; p++ {
		l.missing = l.missing || !pages[p]
	}
	return nil
}

// lookAtIndex reads how many committed frames the index of a log tells of, unless
// all of them are in the file, and of which log. An index that was not whole
// tells nothing: SQLite makes it anew.
func lookAtIndex(path string) (frames int, salts string) {
	f, err := os.Open(path)
	if err != nil {
		return 0, ""
	}
	defer f.Close()
	var head [2*shmHeader + 4]byte
	if _, err := io.ReadFull(f, head[:]); err != nil || string(head[:shmHeader]) != string(head[shmHeader:2*shmHeader]) {
		return 0, ""
	}
	sum := walSum{order: binary.NativeEndian}
	sum.add(head[:40])
	if head[12] == 0 || sum.one != binary.NativeEndian.Uint32(head[40:]) || sum.two != binary.NativeEndian.Uint32(head[44:]) {
		return 0, ""
	}
	frames = int(binary.NativeEndian.Uint32(head[16:]))
	if copied := int(binary.NativeEndian.Uint32(head[2*shmHeader:])); copied >= frames {
		return 0, ""
	}
	return frames, string(head[32:40])
}

// walSum is the checksum of a log, over all of it so far.
type walSum struct {
	order    binary.ByteOrder
	one, two uint32
}

// add takes whole words in, two at a time.
func (s *walSum) add(b []byte) {
	one, two := s.one, s.two
	if s.order == binary.LittleEndian { // nearly always; by name, so that it is compiled to a load
		for ; len(b) >= 8; b = b[8:] {
			one += binary.LittleEndian.Uint32(b) + two
			two += binary.LittleEndian.Uint32(b[4:]) + one
		}
	} else {
		for ; len(b) >= 8; b = b[8:] {
			one += s.order.Uint32(b) + two
			two += s.order.Uint32(b[4:]) + one
		}
	}
	s.one, s.two = one, two
}

// is tells whether a checksum in the log is that of what was read.
func (s *walSum) is(b []byte) bool {
	return s.one == binary.BigEndian.Uint32(b) && s.two == binary.BigEndian.Uint32(b[4:])
}
