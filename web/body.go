package web

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// small is how much is allocated at once for a body on the word of its
// Content-Length; a longer one must send what it promises.
const small = 64 << 10

// readBody reads a body, decompressed, of at most limit bytes. The errors are
// Problems.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	encoding, err := contentEncoding(r.Header)
	if err != nil {
		return nil, err
	}
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	raw := http.MaxBytesReader(w, r.Body, limit)
	if encoding == "" {
		if n := r.ContentLength; n >= 0 && n <= small {
			body := make([]byte, n)
			_, err := io.ReadFull(raw, body)
			return body, readProblem(err, limit)
		}
		body, err := io.ReadAll(raw)
		return body, readProblem(err, limit)
	}
	plain, err := decompress(raw, encoding)
	if err != nil {
		return nil, compressedProblem(err, encoding, limit)
	}
	body, err := io.ReadAll(io.LimitReader(plain, limit+1)) // what comes out counts, whatever goes in
	if err != nil {
		return nil, compressedProblem(err, encoding, limit)
	}
	if int64(len(body)) > limit {
		return nil, tooLarge(limit)
	}
	return body, nil
}

// contentEncoding returns "gzip", "deflate" or "" for none.
func contentEncoding(h http.Header) (string, error) {
	encoding := ""
	for name := range strings.SplitSeq(strings.Join(h.Values("Content-Encoding"), ","), ",") {
		switch name = strings.ToLower(strings.TrimSpace(name)); name {
		case "", "identity":
			continue
		case "x-gzip":
			name = "gzip"
		case "gzip", "deflate":
		default:
			return "", unsupportedEncoding("Content-Encoding is not one of gzip, deflate and identity")
		}
		if encoding != "" {
			return "", unsupportedEncoding("more than one Content-Encoding")
		}
		encoding = name
	}
	return encoding, nil
}

func unsupportedEncoding(detail string) *Problem {
	return newProblem(http.StatusUnsupportedMediaType, "%s", detail).at(Fault{Parameter: "Content-Encoding", Detail: detail}).with("Accept-Encoding", "gzip, deflate")
}

// decompress reads gzip (RFC 1952) or what HTTP calls deflate: zlib (RFC 1950)
// by the standard, and bare deflate (RFC 1951) by some senders.
func decompress(r io.Reader, encoding string) (io.Reader, error) {
	if encoding == "gzip" {
		return gzip.NewReader(r)
	}
	peek := bufio.NewReader(r)
	head, err := peek.Peek(2)
	if err == nil && head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(peek)
	}
	return flate.NewReader(peek), nil
}

func tooLarge(limit int64) *Problem {
	detail := "the body is larger than " + size(limit)
	return newProblem(http.StatusRequestEntityTooLarge, "%s", detail).at(Fault{Line: 1, Column: 1, Detail: detail})
}

func size(n int64) string {
	if n >= 1<<20 {
		return strconv.FormatInt(n>>20, 10) + " MiB"
	}
	return strconv.FormatInt(n>>10, 10) + " KiB"
}

func compressedProblem(err error, encoding string, limit int64) error {
	if p := ofTransport(err, limit); p != nil {
		return p
	}
	detail := "the body is not whole or valid " + encoding
	return newProblem(http.StatusBadRequest, "%s", detail).at(Fault{Line: 1, Column: 1, Detail: detail})
}

func readProblem(err error, limit int64) error {
	if err == nil {
		return nil
	}
	if p := ofTransport(err, limit); p != nil {
		return p
	}
	detail := "the body ended early, or could not be read"
	return newProblem(http.StatusBadRequest, "%s", detail).at(Fault{Line: 1, Column: 1, Detail: detail})
}

// ofTransport returns what is wrong with the request itself, not with what it
// holds.
func ofTransport(err error, limit int64) *Problem {
	var tooBig *http.MaxBytesError
	var network net.Error
	switch {
	case errors.As(err, &tooBig):
		return tooLarge(limit)
	case errors.As(err, &network) && network.Timeout():
		return newProblem(http.StatusRequestTimeout, "the body did not come in time")
	}
	return nil
}
