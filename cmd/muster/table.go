package main

import (
	"fmt"
	"io"
	"strings"
)

// A cell is text with a colour, an SGR parameter such as "31"; "" is none.
type cell struct{ text, colour string }

// The colours, of 16 that every terminal has.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	faint  = "2"
	bold   = "1"
)

// A table is a listing for people. What does not fit into the width is cut
// from the last column, and from others only if they alone are too wide.
type table struct {
	head []string
	rows [][]cell
}

// add adds a row; cells are strings or cells.
func (t *table) add(cells ...any) {
	row := make([]cell, len(cells))
	for i, c := range cells {
		switch c := c.(type) {
		case cell:
			row[i] = c
		default:
			row[i].text = fmt.Sprint(c)
		}
		if row[i].text = clean(row[i].text); row[i].text == "" {
			row[i].text = "-"
		}
	}
	t.rows = append(t.rows, row)
}

const gutter = "  "

// write prints the table in at most width columns.
func (t *table) write(w io.Writer, width int, colour bool) error {
	widths := t.widths(width)
	var b strings.Builder
	line := func(cells []cell, head bool) {
		for i, c := range cells {
			text := cut(c.text, widths[i])
			code := c.colour
			if head {
				code = faint
			}
			if colour && code != "" {
				fmt.Fprintf(&b, "\x1b[%sm%s\x1b[0m", code, text)
			} else {
				b.WriteString(text)
			}
			if i < len(cells)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-columns(text)) + gutter)
			}
		}
		b.WriteByte('\n')
	}
	head := make([]cell, len(t.head))
	for i, h := range t.head {
		head[i].text = h
	}
	line(head, true)
	for _, row := range t.rows {
		line(row, false)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// widths shares the line out: each column gets what its widest cell needs, and
// the widest columns give way first.
func (t *table) widths(width int) []int {
	widths := make([]int, len(t.head))
	total := len(gutter) * (len(t.head) - 1)
	for i, h := range t.head {
		widths[i] = columns(h)
		for _, row := range t.rows {
			widths[i] = max(widths[i], columns(row[i].text))
		}
		total += widths[i]
	}
	for total > width {
		widest := 0
		for i := range widths {
			if widths[i] >= widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= 8 {
			break
		}
		widths[widest]--
		total--
	}
	return widths
}

// columns is how many columns of a terminal a text takes, near enough:
// combining marks take none, East Asian and emoji take two.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case r <= 0x36f, r >= 0x200b && r <= 0x200f, r >= 0xfe00 && r <= 0xfe0f:
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}

// cut shortens a text to n columns; an ellipsis stands for what is gone.
func cut(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	used := 0
	for i, r := range s {
		if used += runeColumns(r); used > n-1 {
			return s[:i] + "…"
		}
	}
	return s
}
