package gate

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
)

// maxLine is how much of a line is looked at, in bytes. The longest that say
// anything are events of go test -json; what comes after that is passed over.
const maxLine = 1 << 20

// lines reads a text line by line in bounded memory.
type lines struct {
	from   *bufio.Reader
	number int  // of the line that next returned, from 1
	cut    bool // that line was longer than maxLine
	ended  bool // that line had its end: not so for the last of a text that was cut off
	buf    []byte
}

// next returns the next line without its end; io.EOF after the last.
func (l *lines) next() (string, error) {
	l.buf, l.cut, l.ended = l.buf[:0], false, false
	for {
		part, err := l.from.ReadSlice('\n')
		room := maxLine - len(l.buf)
		if len(part) > room+1 { // the end of the line needs no room
			l.cut = true
		}
		l.buf = append(l.buf, part[:min(len(part), room)]...)
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
		return string(bytes.TrimRight(l.buf, "\r\n")), nil
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
	return strings.TrimPrefix(s, "\ufeff")
}
