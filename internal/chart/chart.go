// Package chart draws a ratio over time against its threshold, as SVG for pages
// and documents and as text for terminals and Markdown code blocks. It knows
// axes and shapes; it does not know what the ratio is of, or where it came from.
// All texts it is given are hostile and come out harmless.
package chart

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Series is what a chart shows.
type Series struct {
	Title     string
	Points    []Point // in any order; a wide gap between two breaks the line
	Threshold float64 // as a ratio; none is drawn unless it is above 0 and at most 1
	Shaded    []Span  // when it was above, or fired
	Marks     []Mark  // what happened when
}

// Point is a ratio, 0.01 for one percent, at an instant. What is not between 0
// and 1 is left out.
type Point struct {
	At    time.Time
	Ratio float64
}

// Span is a stretch of time; a zero To has not ended.
type Span struct{ From, To time.Time }

// Mark is a labelled instant.
type Mark struct {
	At    time.Time
	Label string
}

// frame is the part of the plane that a chart shows.
type frame struct {
	points   []Point // sorted
	from, to time.Time
	top      float64 // the ratio at the upper edge
}

func (s Series) frame() frame {
	var f frame
	high := min(1, s.Threshold*1.25)
	see := func(t time.Time) {
		if f.from.IsZero() || t.Before(f.from) {
			f.from = t
		}
		if t.After(f.to) {
			f.to = t
		}
	}
	for _, p := range s.Points {
		if !(p.Ratio >= 0 && p.Ratio <= 1) {
			continue
		}
		f.points = append(f.points, p)
		high = max(high, p.Ratio)
		see(p.At)
	}
	if len(f.points) == 0 { // marks alone give the time axis its ends
		for _, m := range s.Marks {
			see(m.At)
		}
	}
	slices.SortStableFunc(f.points, func(a, b Point) int { return a.At.Compare(b.At) })
	if f.to.Sub(f.from) < time.Second {
		f.from, f.to = f.from.Add(-30*time.Second), f.to.Add(30*time.Second)
	}
	if !(high > 0) {
		high = 0.01
	}
	step := niceStep(high / 4)
	f.top = math.Ceil(high/step-1e-9) * step
	return f
}

// across returns how far t lies between the frame's edges, from 0 to 1.
func (f frame) across(t time.Time) float64 {
	return min(1, max(0, float64(t.Sub(f.from))/float64(f.to.Sub(f.from))))
}

// segments cuts the points where there was nothing for a while.
func (f frame) segments() [][]Point {
	var out [][]Point
	start := 0
	gap := 4 * f.to.Sub(f.from) / time.Duration(max(1, len(f.points)))
	for i := range f.points {
		if i > start && f.points[i].At.Sub(f.points[i-1].At) > max(gap, time.Second) {
			out = append(out, f.points[start:i])
			start = i
		}
	}
	if start < len(f.points) {
		out = append(out, f.points[start:])
	}
	return out
}

// niceStep returns 1, 2 or 5 times a power of ten, at least x.
func niceStep(x float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5} {
		if m*p >= x*(1-1e-9) {
			return m * p
		}
	}
	return 10 * p
}

// percent writes a ratio with as many decimals as step needs.
func percent(ratio, step float64) string {
	decimals := int(max(0, -math.Floor(math.Log10(step*100)+1e-9)))
	return strconv.FormatFloat(ratio*100, 'f', min(decimals, 9), 64) + "%"
}

// shortPercent writes a ratio with three digits that count.
func shortPercent(ratio float64) string {
	return strconv.FormatFloat(ratio*100, 'g', 3, 64) + "%"
}

// timeTicks returns round instants (UTC) in the frame, most at most, and how to
// write them.
func (f frame) timeTicks(most int) (ticks []time.Time, layout string) {
	span := f.to.Sub(f.from)
	step := 24 * time.Hour
	for _, s := range []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	} {
		if span/s <= time.Duration(most) {
			step = s
			break
		}
	}
	for span/step > time.Duration(max(1, most)) {
		step *= 2
	}
	layout = "15:04"
	switch {
	case step < time.Minute:
		layout = "15:04:05"
	case step >= 24*time.Hour:
		layout = "Jan 2"
	case span >= 24*time.Hour:
		layout = "Jan 2 15:04"
	}
	t := f.from.UTC().Truncate(step)
	if t.Before(f.from) {
		t = t.Add(step)
	}
	for ; !t.After(f.to); t = t.Add(step) {
		ticks = append(ticks, t)
	}
	return ticks, layout
}

// harmless cuts a text to a number of runes and replaces what does not print:
// controls that steer a terminal, and marks that turn the direction of writing.
func harmless(s string, most int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > most {
			b.WriteRune('…')
			break
		}
		if !unicode.IsPrint(r) {
			r = '\uFFFD'
		}
		b.WriteRune(r)
	}
	return b.String()
}
