package gate

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
)

// maxLine is how much of a line's beginning is looked at, in bytes, and lineEnd,
// how much of its end at least. What a tool says stands at its end, if the program
// did not end the line before; the longest are events of go test -json.
const (
	maxLine = 1 << 20
	lineEnd = sniffed
)

// lines reads a text line by line in bounded memory.
type lines struct {
	from   *bufio.Reader
	number int  // of the line that next returned, from 1
	cut    bool // something within that line was passed over
	ended  bool // that line had its end: not so for the last of a text that was cut off
	buf    []byte
	end    []byte // what may be the end of a line that is too long
}

// next returns the next line without its end; io.EOF after the last.
func (l *lines) next() (string, error) {
	l.buf, l.end, l.cut, l.ended = l.buf[:0], l.end[:0], false, false
	for {
		part, err := l.from.ReadSlice('\n')
		l.add(part)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == nil:
			l.ended = true
		case !errors.Is(err, io.EOF):
			return "", err
		case len(l.buf) == 0:
			return "", io.EOF
		}
		l.number++
		return string(bytes.TrimRight(append(l.buf, l.end...), "\r\n")), nil
	}
}

// add adds a part to the beginning or else to the end of the line.
func (l *lines) add(part []byte) {
	room := min(maxLine-len(l.buf), len(part))
	l.buf = append(l.buf, part[:room]...)
	l.end = append(l.end, part[room:]...)
	if over := len(l.end) - lineEnd; over > lineEnd {
		l.end = append(l.end[:0], l.end[over:]...)
		l.cut = true
	}
}

// What CI systems and terminals put around the lines of a log: the times of
// GitHub and GitLab, and colours.
var (
	stamped  = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z (\d\d[OE][ +])?`)
	coloured = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")
)

// plainLine returns the line of a log as the tool wrote it.
func plainLine(s string) string {
	if strings.Contains(s, "\x1b[") {
		s = coloured.ReplaceAllString(s, "")
	}
	if len(s) > 20 && s[0] >= '0' && s[0] <= '9' && s[4] == '-' {
		s = s[len(stamped.FindString(s)):]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
