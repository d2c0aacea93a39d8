package archive

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"unicode/utf8"

	"github.com/klauspost/compress/s2"
)

// A Reader reads an archive and checks it on the way: NextTable, and NextBlock
// until it returns nil, until NextTable returns false. What it returned may be
// trusted as a whole only then.
type Reader struct {
	Header Header

	from    *bufio.Reader
	offset  int64 // of the frame that is read
	read    int64
	sum     Summary
	table   Tally
	inside  bool // a table
	hash    hash.Hash
	payload []byte
	block   []byte
}

// NewReader reads the start of an archive.
func NewReader(from io.Reader) (*Reader, error) {
	r := &Reader{from: bufio.NewReaderSize(from, 1<<20), hash: sha256.New()}
	start := make([]byte, len(magic))
	n, err := io.ReadFull(r.from, start)
	r.read = int64(n)
	switch {
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return nil, err
	case n == len(magic) && string(start[:14]) == magic[:14] && start[14] > '1' && start[14] <= '9' && start[15] == '\n':
		return nil, fmt.Errorf("the backup has form %q, this program reads %q: use a newer one", start, magic)
	case n < len(magic) || string(start) != magic:
		return nil, r.damage("it does not begin like a backup of Muster")
	}
	kind, err := r.frame()
	if err != nil {
		return nil, err
	}
	if kind != frameHeader || json.Unmarshal(r.payload, &r.Header) != nil {
		return nil, r.damage("its header cannot be read")
	}
	if r.Header.Format != Format {
		return nil, fmt.Errorf("the backup has format %d, this program reads %d", r.Header.Format, Format)
	}
	r.sum.Header = r.Header
	return r, nil
}

// NextTable goes to the next table; false after the last one, when all of the
// archive was read and found to be well.
func (r *Reader) NextTable() (Table, bool, error) {
	if r.inside {
		return Table{}, false, errors.New("archive: the table before was not read to its end")
	}
	if n := len(r.sum.Tables); n < len(r.Header.Tables) {
		r.inside = true
		r.table = Tally{Name: r.Header.Tables[n].Name}
		r.hash.Reset()
		return r.Header.Tables[n], true, nil
	}
	r.table = Tally{}
	return Table{}, false, r.end()
}

// NextBlock returns some rows of the table, for Rows; nil after the last. It is
// valid until the next call.
func (r *Reader) NextBlock() ([]byte, error) {
	kind, err := r.frame()
	if err != nil {
		return nil, err
	}
	switch kind {
	case frameRows:
		size, err := s2.DecodedLen(r.payload)
		if err != nil || size == 0 || size > maxFrame {
			return nil, r.damage("a block has no size that makes sense")
		}
		if r.block, err = s2.Decode(r.block[:cap(r.block)], r.payload); err != nil {
			return nil, r.damage("a block cannot be unpacked")
		}
		r.hash.Write(r.block)
		r.table.Bytes += int64(len(r.block))
		rows, err := r.check(r.block)
		if err != nil {
			return nil, r.damage(err.Error())
		}
		r.table.Rows += rows
		return r.block, nil
	case frameTable:
		var want Tally
		r.table.SHA256 = hex.EncodeToString(r.hash.Sum(nil))
		if json.Unmarshal(r.payload, &want) != nil || want != r.table {
			return nil, r.damage(fmt.Sprintf("the table holds %d rows that are not the %d written", r.table.Rows, want.Rows))
		}
		r.sum.Tables = append(r.sum.Tables, r.table)
		r.sum.Rows += r.table.Rows
		r.inside = false
		return nil, nil
	}
	return nil, r.damage("another part follows where rows should")
}

// check counts the rows of a block and tells what is wrong with one.
func (r *Reader) check(block []byte) (rows int64, err error) {
	columns := r.Header.Tables[len(r.sum.Tables)].Columns
	err = Rows(block, len(columns), func(row [][]byte) error {
		rows++
		for i, v := range row {
			switch {
			case v == nil:
			case columns[i].Type == Int && len(v) != 8:
				return fmt.Errorf("row %d: column %s is no integer", r.table.Rows+rows, columns[i].Name)
			case columns[i].Type == Text && !utf8.Valid(v):
				return fmt.Errorf("row %d: column %s is no UTF-8", r.table.Rows+rows, columns[i].Name)
			}
		}
		return nil
	})
	return rows, err
}

func (r *Reader) end() error {
	kind, err := r.frame()
	if err != nil {
		return err
	}
	var want Summary
	if kind != frameEnd || json.Unmarshal(r.payload, &want) != nil || len(want.Tables) != len(r.sum.Tables) || want.Rows != r.sum.Rows {
		return r.damage("its end cannot be read, or is not that of this backup")
	}
	for i, t := range want.Tables {
		if t != r.sum.Tables[i] {
			return r.damage("its end tells otherwise of table " + t.Name)
		}
	}
	r.sum.Keys, r.sum.Size = want.Keys, r.read
	r.offset = r.read
	if _, err := r.from.ReadByte(); !errors.Is(err, io.EOF) {
		return r.damage("something follows after its end")
	}
	return nil
}

// Summary is what was read; whole after NextTable returned false.
func (r *Reader) Summary() Summary { return r.sum }

// frame reads the next frame into payload.
func (r *Reader) frame() (kind byte, err error) {
	r.offset = r.read
	var head [headSize]byte
	if err := r.fill(head[:]); err != nil {
		return 0, err
	}
	if binary.BigEndian.Uint32(head[9:]) != crc32.Checksum(head[:9], castagnoli()) {
		return 0, r.damage("the checksum of a part's head does not fit")
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size > maxFrame {
		return 0, r.damage("a part is too large")
	}
	if uint32(cap(r.payload)) < size {
		r.payload = make([]byte, size)
	}
	r.payload = r.payload[:size]
	if err := r.fill(r.payload); err != nil {
		return 0, err
	}
	if binary.BigEndian.Uint32(head[5:]) != crc32.Checksum(r.payload, castagnoli()) {
		return 0, r.damage("the checksum of a part does not fit")
	}
	return head[0], nil
}

func (r *Reader) fill(b []byte) error {
	n, err := io.ReadFull(r.from, b)
	r.read += int64(n)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return r.damage(fmt.Sprintf("it is cut off: it ends at byte %d", r.read))
	}
	return err
}

func (r *Reader) damage(what string) error {
	return &Damage{Offset: r.offset, Table: r.table.Name, Row: r.table.Rows, What: what}
}

// Verify reads a whole archive and tells what it holds, or where it is damaged.
// Progress, if any, is told now and then how many bytes were read.
func Verify(from io.Reader, progress func(read int64)) (Summary, error) {
	r, err := NewReader(from)
	if err != nil {
		return Summary{}, err
	}
	for {
		_, more, err := r.NextTable()
		if err != nil || !more {
			return r.Summary(), err
		}
		for {
			block, err := r.NextBlock()
			if err != nil {
				return Summary{}, err
			}
			if block == nil {
				break
			}
			if progress != nil {
				progress(r.read)
			}
		}
	}
}
