package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"time"
)

// The room around the plot, in pixels.
const (
	left   = 56
	right  = 16
	above  = 30
	bottom = 26
)

// style colours the chart. Ink follows the page (or, in a file of its own, the
// reader's choice of light or dark).
const style = `<style>.muster-chart{color:#1b1f24;font:12px system-ui,sans-serif}` +
	`.muster-chart text{fill:currentColor}` +
	`.muster-chart .axis{stroke:currentColor;stroke-opacity:.25}` +
	`.muster-chart .line{fill:none;stroke:#0969da;stroke-width:1.5;stroke-linejoin:round}` +
	`.muster-chart .dot{fill:#0969da}` +
	`.muster-chart .threshold{stroke:#cf222e;stroke-dasharray:6 4}` +
	`.muster-chart .fire{fill:#cf222e;fill-opacity:.12}` +
	`.muster-chart .mark{stroke:currentColor;stroke-dasharray:2 3}` +
	`@media (prefers-color-scheme:dark){.muster-chart{color:#e6edf3}` +
	`.muster-chart .line{stroke:#58a6ff}.muster-chart .dot{fill:#58a6ff}` +
	`.muster-chart .threshold{stroke:#ff7b72}.muster-chart .fire{fill:#ff7b72;fill-opacity:.2}}</style>`

// SVG draws a chart of w by h pixels, at least 160 by 100, with the time in UTC.
// It is one svg element that holds no script, link or id.
func SVG(s Series, w, h int) []byte {
	d := drawing{frame: s.frame(), w: max(w, 160), h: max(h, 100)}
	title := harmless(s.Title, 120)
	d.addf(`<svg xmlns="http://www.w3.org/2000/svg" class="muster-chart" role="img" viewBox="0 0 %d %d" width="%d" height="%d">`, d.w, d.h, d.w, d.h)
	d.addf("\n<title>%s</title>\n%s\n", escape(title), style)
	d.addf(`<text x="%d" y="18" font-weight="600">%s</text>`+"\n", left, escape(harmless(s.Title, max(1, (d.w-left)/7))))
	for _, span := range s.Shaded {
		d.shade(span)
	}
	d.axes()
	if s.Threshold > 0 && s.Threshold <= 1 {
		y := d.y(s.Threshold)
		d.addf(`<line class="threshold" x1="%d" y1="%.1f" x2="%d" y2="%.1f"><title>threshold %s</title></line>`+"\n",
			left, y, d.w-right, y, shortPercent(s.Threshold))
	}
	for _, points := range d.segments() {
		d.line(points)
	}
	if len(d.points) == 0 {
		d.addf(`<text x="%d" y="%d" text-anchor="middle">no data</text>`+"\n", (d.w+left-right)/2, d.h/2)
	}
	for i, m := range s.Marks {
		d.mark(m, i)
	}
	d.addf("</svg>\n")
	return d.Bytes()
}

type drawing struct {
	frame
	bytes.Buffer
	w, h int
}

func (d *drawing) addf(format string, args ...any) { fmt.Fprintf(d, format, args...) }

func (d *drawing) x(t time.Time) float64 { return left + d.across(t)*float64(d.w-left-right) }

func (d *drawing) y(ratio float64) float64 {
	return float64(d.h-bottom) - ratio/d.top*float64(d.h-bottom-above)
}

func (d *drawing) shade(s Span) {
	to := s.To
	if to.IsZero() {
		to = d.to
	}
	if !to.After(d.from) || s.From.After(d.to) {
		return
	}
	x := d.x(s.From)
	d.addf(`<rect class="fire" x="%.1f" y="%d" width="%.1f" height="%d"/>`+"\n", x, above, max(1, d.x(to)-x), d.h-bottom-above)
}

func (d *drawing) axes() {
	step := niceStep(d.top / float64(max(1, min(5, (d.h-above-bottom)/28))))
	for i := 0; float64(i)*step <= d.top*(1+1e-9); i++ {
		ratio := float64(i) * step
		y := d.y(ratio)
		d.addf(`<line class="axis" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/>`, left, y, d.w-right, y)
		d.addf(`<text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left-6, y+4, percent(ratio, step))
	}
	ticks, layout := d.timeTicks((d.w - left - right) / 100)
	for i, t := range ticks {
		x := d.x(t)
		d.addf(`<line class="axis" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`, x, above, x, d.h-bottom)
		text := t.Format(layout)
		if i == 0 {
			text += " UTC"
		}
		d.addf(`<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", min(x, float64(d.w-right-20)), d.h-8, text)
	}
}

func (d *drawing) line(points []Point) {
	if len(points) == 1 {
		d.addf(`<circle class="dot" cx="%.1f" cy="%.1f" r="2"/>`+"\n", d.x(points[0].At), d.y(points[0].Ratio))
		return
	}
	d.addf(`<polyline class="line" points="`)
	for i, p := range points {
		if i > 0 {
			d.WriteByte(' ')
		}
		d.addf("%.1f,%.1f", d.x(p.At), d.y(p.Ratio))
	}
	d.addf(`"/>` + "\n")
}

// mark draws a vertical line with its label, on one of three heights so that
// marks near each other can be read.
func (d *drawing) mark(m Mark, i int) {
	if m.At.Before(d.from) || m.At.After(d.to) {
		return
	}
	x, anchor, shift := d.x(m.At), "start", 4.0
	if x > float64(d.w)*0.6 {
		anchor, shift = "end", -4
	}
	d.addf(`<line class="mark" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`, x, above, x, d.h-bottom)
	d.addf(`<text x="%.1f" y="%d" text-anchor="%s">%s</text>`+"\n", x+shift, above+12+i%3*14, anchor, escape(harmless(m.Label, 40)))
}

// escape makes a text safe between tags.
func escape(s string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(s)) // a Buffer does not fail
	return b.String()
}
