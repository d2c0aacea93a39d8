package archive

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"

	"github.com/klauspost/compress/s2"
)

// A Writer writes an archive: for each table of the header, in that order, Row
// for each row and EndTable; then Close.
type Writer struct {
	to      io.Writer
	header  Header
	sum     Summary
	table   Tally
	hash    hash.Hash
	block   []byte // rows of the table that are in no frame yet
	packed  []byte
	written int64
}

// NewWriter begins an archive.
func NewWriter(to io.Writer, h Header) (*Writer, error) {
	h.Format = Format
	w := &Writer{to: to, header: h, hash: sha256.New()}
	w.sum.Header = h
	if err := w.put([]byte(magic)); err != nil {
		return nil, err
	}
	return w, w.frameJSON(frameHeader, h)
}

// Row writes a row of the present table, as AppendTuple and what follows it
// made it.
func (w *Writer) Row(row []byte) error {
	w.table.Rows++
	w.block = append(w.block, row...)
	if len(w.block) >= blockSize {
		return w.flush()
	}
	return nil
}

func (w *Writer) flush() error {
	if len(w.block) == 0 {
		return nil
	}
	w.hash.Write(w.block)
	w.table.Bytes += int64(len(w.block))
	w.packed = s2.Encode(w.packed[:cap(w.packed)], w.block)
	w.block = w.block[:0]
	return w.frame(frameRows, w.packed)
}

// EndTable ends the present table; the next row is of the next one.
func (w *Writer) EndTable() error {
	if err := w.flush(); err != nil {
		return err
	}
	n := len(w.sum.Tables)
	if n == len(w.header.Tables) {
		return fmt.Errorf("archive: more than the %d tables of the header", n)
	}
	w.table.Name = w.header.Tables[n].Name
	w.table.SHA256 = hex.EncodeToString(w.hash.Sum(nil))
	w.sum.Tables = append(w.sum.Tables, w.table)
	w.sum.Rows += w.table.Rows
	err := w.frameJSON(frameTable, w.table)
	w.table = Tally{}
	w.hash.Reset()
	return err
}

// Close ends the archive; it does not close what it is written to. Keys are the
// ids of the keys that secrets in it are sealed with.
func (w *Writer) Close(keys []string) (Summary, error) {
	if len(w.sum.Tables) != len(w.header.Tables) || len(w.block) > 0 {
		return Summary{}, fmt.Errorf("archive: %d of %d tables were written", len(w.sum.Tables), len(w.header.Tables))
	}
	w.sum.Keys = slices.Clone(keys)
	err := w.frameJSON(frameEnd, w.sum)
	w.sum.Size = w.written
	return w.sum, err
}

func (w *Writer) frameJSON(kind byte, v any) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.frame(kind, payload)
}

func (w *Writer) frame(kind byte, payload []byte) error {
	if len(payload) > maxFrame {
		return fmt.Errorf("archive: a row of %d bytes is too large", len(payload))
	}
	head := make([]byte, 0, headSize)
	head = append(head, kind)
	head = binary.BigEndian.AppendUint32(head, uint32(len(payload)))
	head = binary.BigEndian.AppendUint32(head, crc32.Checksum(payload, castagnoli()))
	head = binary.BigEndian.AppendUint32(head, crc32.Checksum(head, castagnoli()))
	if err := w.put(head); err != nil {
		return err
	}
	return w.put(payload)
}

func (w *Writer) put(b []byte) error {
	n, err := w.to.Write(b)
	w.written += int64(n)
	return err
}
