package main

import (
	"os"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// tableWidth is what listings are cut to where nobody says how wide the
// terminal is.
const tableWidth = 100

// newApp looks at the process's own input, output and environment.
func newApp() *app {
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv, now: time.Now, zone: time.Local, width: tableWidth}
	if size, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ); err == nil {
		a.terminal = true
		if size.Col >= 40 {
			a.width = min(tableWidth, int(size.Col))
		}
	}
	_, err := unix.IoctlGetWinsize(int(os.Stdin.Fd()), unix.TIOCGWINSZ)
	a.asks = a.terminal && err == nil
	a.colour = a.terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return a
}

// clean makes hostile text fit for one line of a terminal: what could move the
// cursor, change colours, reverse the reading direction or end the line is
// replaced.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.Is(unicode.C, r): // control, format, surrogate, private use
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// cleanLines is clean for text of several lines.
func cleanLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n")
}

// when shows an instant in the local zone with its offset; "-" is never.
func (a *app) when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(a.zone).Format("2006-01-02 15:04:05 -0700")
}
