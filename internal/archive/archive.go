// Package archive is the form of a backup: one file that holds the rows of a
// database's tables, compressed and with checksums, the same for every kind of
// database. It knows frames, tables, columns and rows as bytes; it knows no
// SQL, and not what the rows mean.
//
// The file is the line "MUSTER BACKUP 1" and then frames:
//
//	kind (1 byte) · length of the payload (4) · CRC-32C of the payload (4) · CRC-32C of the nine bytes before (4) · payload
//
// in this order: 'H', the Header as JSON; then for each table of the header 'R',
// rows compressed with S2, any number of them, and 'T', the table's Tally as
// JSON; then 'E', the Summary as JSON; then nothing. Numbers are big-endian. A
// row is a tuple of PostgreSQL's binary COPY format (manual, "COPY", Tuples): the
// number of columns (2), and for each its length (4, -1 is NULL) and its bytes;
// integers have eight, text is UTF-8.
package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// Format is the version of the form that this package writes and reads.
const Format = 1

const magic = "MUSTER BACKUP 1\n"

// The kinds of frames.
const (
	frameHeader = 'H'
	frameRows   = 'R'
	frameTable  = 'T'
	frameEnd    = 'E'
)

const headSize = 13

// blockSize is how much of a table one frame holds, before compression; a row
// is never cut, so one that is larger makes its frame as large.
const blockSize = 512 << 10

// maxFrame bounds what a frame may say of its size: no row is a tenth of it.
const maxFrame = 512 << 20

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) } // the package keeps one

// A Header says what a backup is of.
type Header struct {
	Format   int       `json:"format"`
	Schema   int64     `json:"schema"`   // version of the database's schema
	Database string    `json:"database"` // it was made from: "sqlite" or "postgres"
	Program  string    `json:"program"`  // version of the program that made it
	MadeAt   time.Time `json:"made_at"`  // everything committed before is in it
	Tables   []Table   `json:"tables"`
}

// A Table is the name of a table and its columns, in the order of a row's.
type Table struct {
	Name    string   `json:"name"`
	Columns []Column `json:"columns"`
}

// A Column has a name and the type of its values.
type Column struct {
	Name string `json:"name"`
	Type Type   `json:"type"`
}

// Type is that of a column's values; each may be NULL.
type Type string

// The types.
const (
	Int   Type = "int"   // 64 bits, signed
	Text  Type = "text"  // UTF-8
	Bytes Type = "bytes" // anything
)

// A Tally counts what a table holds.
type Tally struct {
	Name   string `json:"name"`
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`  // of its rows, before compression
	SHA256 string `json:"sha256"` // of its rows, before compression
}

// A Summary is what the end of an archive says of the whole.
type Summary struct {
	Header Header   `json:"-"`
	Tables []Tally  `json:"tables"`
	Rows   int64    `json:"rows"`
	Keys   []string `json:"keys,omitempty"` // ids of the keys that secrets in it are sealed with
	Size   int64    `json:"-"`              // of the file, in bytes
}

// ErrDamaged is that of an archive which is not as it was written.
var ErrDamaged = errors.New("the backup is damaged")

// A Damage tells where an archive is damaged. It is an ErrDamaged.
type Damage struct {
	Offset int64  // of the frame, in bytes from the start of the file
	Table  string // that the frame belongs to; "" outside of tables
	Row    int64  // rows of the table before the frame
	What   string
}

func (d *Damage) Error() string {
	where := fmt.Sprintf("at byte %d", d.Offset)
	if d.Table != "" {
		where += fmt.Sprintf(", in table %s after row %d", d.Table, d.Row)
	}
	return fmt.Sprintf("%v %s: %s", ErrDamaged, where, d.What)
}

// Unwrap makes it an ErrDamaged.
func (d *Damage) Unwrap() error { return ErrDamaged }

// Rows calls f with the columns of each row of a block; nil is NULL. What f is
// given is valid until it returns.
func Rows(block []byte, columns int, f func(row [][]byte) error) error {
	row := make([][]byte, columns)
	for n := 0; len(block) > 0; n++ {
		size, ok := tuple(block, row)
		if !ok {
			return fmt.Errorf("row %d of the block has no form, or not %d columns", n+1, columns)
		}
		if err := f(row); err != nil {
			return err
		}
		block = block[size:]
	}
	return nil
}

// tuple reads the row at the start of a block into row and returns its size.
func tuple(block []byte, row [][]byte) (size int, ok bool) {
	if len(block) < 2 || int(binary.BigEndian.Uint16(block)) != len(row) {
		return 0, false
	}
	size = 2
	for i := range row {
		if len(block)-size < 4 {
			return 0, false
		}
		n := int(int32(binary.BigEndian.Uint32(block[size:])))
		size += 4
		if n < -1 || n > len(block)-size {
			return 0, false
		}
		if row[i] = nil; n >= 0 {
			row[i] = block[size : size+n : size+n]
			size += n
		}
	}
	return size, true
}

// AppendTuple appends the start of a row of so many columns; AppendNull,
// AppendInt and AppendBytes append each of them.
func AppendTuple(dst []byte, columns int) []byte {
	return binary.BigEndian.AppendUint16(dst, uint16(columns))
}

// AppendNull appends a column that is NULL.
func AppendNull(dst []byte) []byte { return append(dst, 0xff, 0xff, 0xff, 0xff) }

// AppendInt appends an Int.
func AppendInt(dst []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 0, 0, 0, 8), uint64(v))
}

// AppendBytes appends a Text or Bytes.
func AppendBytes[T ~string | ~[]byte](dst []byte, v T) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(v))), v...)
}

// ParseInt reads the bytes of an Int.
func ParseInt(v []byte) (int64, bool) {
	if len(v) != 8 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(v)), true
}
