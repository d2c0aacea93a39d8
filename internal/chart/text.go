package chart

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Text draws a chart of w columns, at least 30, whose plot is h rows high, at
// least one. Each column shows the largest ratio of its stretch of time; the
// dashes are the threshold; the marks are listed below. It holds no control
// character but newlines and no backtick, so that it can stand in a Markdown
// code block.
func Text(s Series, w, h int) string {
	f := s.frame()
	h = max(h, 1)
	upper := percent(f.top, niceStep(f.top/4))
	margin := max(utf8.RuneCountInString(upper), len("0%"))
	width := max(w, 30) - margin - 2
	column := func(i float64) int { return min(width-1, int(i*float64(width))) }

	heights := make([]float64, width)
	for i := range heights {
		heights[i] = -1
	}
	for _, points := range f.segments() {
		last := width
		for i, p := range points {
			c := column(f.across(p.At))
			for ; last < c-1; last++ { // fewer points than columns: a ratio holds until the next
				heights[last+1] = points[i-1].Ratio / f.top
			}
			heights[c] = max(heights[c], p.Ratio/f.top)
			last = c
		}
	}
	var b strings.Builder
	if s.Title != "" {
		fmt.Fprintln(&b, plain(s.Title, max(w, 30)))
	}
	threshold := -1
	if s.Threshold > 0 && s.Threshold <= 1 {
		threshold = min(h-1, int(s.Threshold/f.top*float64(h)))
	}
	for row := h - 1; row >= 0; row-- {
		label, edge := "", "│"
		switch {
		case row == h-1:
			label, edge = upper, "┤"
		case row == 0:
			label, edge = "0%", "┤"
		}
		fmt.Fprintf(&b, "%*s %s", margin, label, edge)
		line := make([]rune, width)
		for c, height := range heights {
			line[c] = cell(height, row, h)
			if line[c] == ' ' && row == threshold {
				line[c] = '╌'
			}
		}
		fmt.Fprintln(&b, strings.TrimRight(string(line), " "))
	}
	f.legend(&b, s, margin, width)
	return b.String()
}

// cell returns how much of a cell of the row a bar fills, in eighths.
func cell(height float64, row, rows int) rune {
	if height < 0 {
		return ' '
	}
	eighths := int(math.Round(height*float64(rows)*8)) - row*8
	switch {
	case row == 0 && eighths < 1:
		return '▁' // there was something, and nothing bad: unlike no data
	case eighths < 1:
		return ' '
	case eighths >= 8:
		return '█'
	}
	return []rune("▁▂▃▄▅▆▇")[eighths-1]
}

// legend writes the ends of the time axis, the threshold and the marks.
func (f frame) legend(b *strings.Builder, s Series, margin, width int) {
	layout := "15:04:05"
	if f.from.UTC().Format("0102") != f.to.UTC().Format("0102") {
		layout = "Jan 2 15:04"
	}
	if len(f.points) == 0 {
		fmt.Fprintf(b, "%*s  no data\n", margin, "")
		return
	}
	from, to := f.from.UTC().Format(layout), f.to.UTC().Format(layout)+" UTC"
	space := max(1, width-len(from)-len(to))
	fmt.Fprintf(b, "%*s  %s%*s%s\n", margin, "", from, space, "", to)
	if s.Threshold > 0 && s.Threshold <= 1 {
		fmt.Fprintf(b, "%*s  ╌ threshold %s\n", margin, "", shortPercent(s.Threshold))
	}
	for _, m := range s.Marks {
		fmt.Fprintf(b, "%*s  %s %s\n", margin, "", m.At.UTC().Format(layout), plain(m.Label, 60))
	}
}

func plain(s string, most int) string {
	return strings.ReplaceAll(harmless(s, most), "`", "'")
}
