package xmlscan

import (
	"bytes"
	"io"
)

// more reads on and keeps buf[at:end]. It reports whether there was more.
func (s *Scanner) more() bool {
	if s.at > 0 {
		s.end = copy(s.buf, s.buf[s.at:s.end])
		s.at = 0
	}
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	for range 100 {
		if s.err != nil {
			return false
		}
		var n int
		n, s.err = s.from.Read(s.buf[s.end:])
		s.end += n
		if n > 0 {
			return true
		}
	}
	s.err = io.ErrNoProgress
	return false
}

// need reads on until there are n bytes, and reports whether there are.
func (s *Scanner) need(n int) bool {
	for s.end-s.at < n {
		if !s.more() {
			return false
		}
	}
	return true
}

// take goes on by n bytes.
func (s *Scanner) take(n int) {
	s.line += bytes.Count(s.buf[s.at:s.at+n], []byte("\n"))
	s.at += n
}

// Of the words that are kept once, to which a hostile text may add at will.
const (
	maxWords = 16 << 10
	maxWord  = 512 // bytes
)

// word is b as a string: one that was seen before, if it can be had.
func (s *Scanner) word(b []byte) string {
	if w, ok := s.words[string(b)]; ok {
		return w
	}
	w := string(b)
	if len(w) <= maxWord && len(s.words) < maxWords {
		s.words[w] = w
	}
	return w
}
