package gate

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A Format is one sort of report.
type Format struct {
	Name string
	// Is tells from the beginning of a file, of sniffed bytes at most, without a
	// byte order mark, if it is of this format. A truncated report still is.
	Is func(head []byte) bool
	// Read reads all of a file into r: findings, and what is broken. An error is
	// one of reading alone; whatever the file says or lacks goes to r.Break.
	Read func(from *bufio.Reader, r *Report) error
}

// Formats are all formats; the first that knows a file reads it.
var Formats = []Format{
	valgrind,
	junit,
	sarifFormat,
	goTestJSON,
	text, // the last: any text is one
}

// sniffed is how much of a file is looked at to find its format, in bytes.
const sniffed = 64 << 10

// Names of formats, for people.
func formatNames() string {
	var names []string
	for _, f := range Formats {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

// Read reads a report of any format. It returns a Report in any case, which is
// broken if it is not whole; an error is one of reading.
func Read(name string, from io.Reader) (Report, error) {
	r := Report{Name: name}
	sum := sha256.New()
	counted := &counter{from: io.TeeReader(from, sum)}
	in := bufio.NewReaderSize(counted, sniffed)
	head, err := in.Peek(sniffed)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return r, fmt.Errorf("read %s: %w", name, err)
	}
	if rest, ok := strings.CutPrefix(string(head[:min(3, len(head))]), "\ufeff"); ok && rest == "" {
		_, _ = in.Discard(3)
		head = head[3:]
	}
	format := recognise(head)
	switch {
	case len(head) == 0:
		r.Break("the file is empty: no tool has written a report into it")
	case format == nil:
		r.Break("%s; a report is one of %s", refuse(head), formatNames())
	default:
		r.Format = format.Name
		if err := format.Read(in, &r); err != nil {
			return r, fmt.Errorf("read %s: %w", name, err)
		}
	}
	if _, err := io.Copy(io.Discard, in); err != nil { // for the digest
		return r, fmt.Errorf("read %s: %w", name, err)
	}
	r.Digest, r.Size = hex.EncodeToString(sum.Sum(nil)), counted.n
	r.seen, r.text = nil, nil
	return r, nil
}

func recognise(head []byte) *Format {
	for i := range Formats {
		if Formats[i].Is(head) {
			return &Formats[i]
		}
	}
	return nil
}

type counter struct {
	from io.Reader
	n    int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	return n, err
}
