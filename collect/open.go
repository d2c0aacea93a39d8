package collect

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
)

// Open opens a log to be read once, plain or gzip, told apart by its first
// bytes. The path "-" is stdin. progress, if not nil, is called with the number
// of bytes after each read of the file, before decompression.
func Open(path string, stdin io.Reader, progress func(int)) (io.ReadCloser, error) {
	var file io.ReadCloser
	if path == "-" {
		file = io.NopCloser(stdin)
	} else {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		file = f
	}
	in := bufio.NewReaderSize(counting{file, progress}, 1<<16)
	magic, err := in.Peek(2)
	if err != nil && err != io.EOF {
		file.Close()
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if string(magic) != "\x1f\x8b" {
		return opened{in, file}, nil
	}
	z, err := gzip.NewReader(in)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return opened{z, file}, nil
}

type opened struct {
	io.Reader
	io.Closer
}

type counting struct {
	io.Reader
	progress func(int)
}

func (c counting) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	if c.progress != nil {
		c.progress(n)
	}
	return n, err
}
