package main

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// sizes are the numbers of open alerts at which the program is looked at.
var sizes = []int{10_000, 100_000, 1_000_000}

// grown are the figures of BenchmarkGrowth, in the order in which they are shown.
var grown = []struct{ unit, title string }{
	{"events/s", "alerts taken in a second, 64 a request"},
	{"page-p99-ms", "event to page, p99, ms"},
	{"list-p99-ms", "a page of the list, p99, ms"},
	{"ready-ms", "start to ready, ms"},
	{"idle-MB", "memory after the start, MB"},
	{"listed-MB", "memory after listing, MB"},
	{"idle-cpu-%", "idle, % of a core"},
	{"disk-bytes/alert", "on disk, bytes an alert"},
}

func growthBench(database string, size int) string {
	return "Growth/" + database + "/" + strconv.Itoa(size)
}

// renderGrowth makes the table of what grows with the number of open alerts.
func renderGrowth(runs []results, cores int) ([]byte, error) {
	t := &tables{runs: runs}
	fmt.Fprintf(&t.out, "%d cores, which the load generator shares; %d runs. A tenth as many incidents are open.\n\n", cores, len(runs))
	columns := []string{"Open alerts"}
	for _, size := range sizes {
		columns = append(columns, thousands(size))
	}
	t.head(columns...)
	for _, g := range grown {
		for _, db := range databases {
			cells := []string{g.title + ", " + db.title}
			for _, size := range sizes {
				cells = append(cells, t.median(growthBench(db.name, size), g.unit))
			}
			t.row(cells...)
		}
	}
	return t.out.Bytes(), t.err
}

// Of the drawing, in pixels: a panel, and the room around its plot.
const (
	panelW, panelH = 250, 170
	inLeft, inTop  = 52, 30
	inRight        = 12
	inBottom       = 24
	columns        = 4
)

// drawGrowth draws a panel for each figure: how it changes from size to size,
// both axes logarithmic, so that what grows as the alerts do has the slope of
// the dotted line and what does not grow lies flat.
func drawGrowth(runs []results) ([]byte, error) {
	t := &tables{runs: runs}
	var out bytes.Buffer
	rows := (len(grown) + columns - 1) / columns
	w, h := columns*panelW, rows*panelH+24
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" role="img" class="growth" viewBox="0 0 %d %d" width="%d" height="%d">`+"\n", w, h, w, h)
	out.WriteString(`<title>What grows with the number of open alerts</title>
<style>.growth{color:#1b1f24;font:11px system-ui,sans-serif}.growth text{fill:currentColor}.growth .axis{stroke:currentColor;stroke-opacity:.3;fill:none}` +
		`.growth .linear{stroke:currentColor;stroke-opacity:.35;stroke-dasharray:2 4}.growth .sqlite{stroke:#0969da;fill:none;stroke-width:2}.growth .postgres{stroke:#bf5b04;fill:none;stroke-width:2}` +
		`.growth circle.sqlite{fill:#0969da}.growth circle.postgres{fill:#bf5b04}` +
		`@media (prefers-color-scheme:dark){.growth{color:#e6edf3}.growth .sqlite{stroke:#58a6ff}.growth .postgres{stroke:#ffa657}.growth circle.sqlite{fill:#58a6ff}.growth circle.postgres{fill:#ffa657}}</style>` + "\n")
	for i, g := range grown {
		t.panel(&out, i%columns*panelW, i/columns*panelH, g.title, g.unit)
	}
	y := rows*panelH + 12
	for i, db := range databases {
		fmt.Fprintf(&out, `<circle class="%s" cx="%d" cy="%d" r="4"/><text x="%d" y="%d">%s</text>`+"\n", db.name, inLeft+i*100, y, inLeft+8+i*100, y+4, db.title)
	}
	fmt.Fprintf(&out, `<line class="linear" x1="%d" y1="%d" x2="%d" y2="%d"/><text x="%d" y="%d">as many times as the alerts</text>`+"\n</svg>\n", inLeft+200, y, inLeft+224, y, inLeft+230, y+4)
	return out.Bytes(), t.err
}

// panel draws one figure. Its axes cover the same number of decades, at least
// those of the alerts, so that slopes can be compared.
func (t *tables) panel(out *bytes.Buffer, left, top int, title, unit string) {
	low, high := math.Inf(1), math.Inf(-1)
	values := map[string][]float64{}
	for _, db := range databases {
		for _, size := range sizes {
			v := median(t.values(growthBench(db.name, size), unit))
			values[db.name] = append(values[db.name], v)
			low, high = min(low, v), max(high, v)
		}
	}
	floor := math.Floor(math.Log10(max(low, 0.01)))
	decades := max(math.Ceil(math.Log10(max(high, 0.01))+1e-9)-floor, math.Log10(float64(sizes[len(sizes)-1])/float64(sizes[0])))
	x := func(size int) float64 {
		share := math.Log10(float64(size)/float64(sizes[0])) / math.Log10(float64(sizes[len(sizes)-1])/float64(sizes[0]))
		return float64(left+inLeft) + share*(panelW-inLeft-inRight)
	}
	y := func(v float64) float64 {
		share := (math.Log10(max(v, 0.01)) - floor) / decades
		return float64(top+panelH-inBottom) - share*(panelH-inTop-inBottom)
	}
	fmt.Fprintf(out, `<text x="%d" y="%d" font-weight="600">%s</text>`+"\n", left+10, top+18, title)
	fmt.Fprintf(out, `<path class="axis" d="M%d,%d V%d H%d"/>`+"\n", left+inLeft, top+inTop, top+panelH-inBottom, left+panelW-inRight)
	for d := 0.0; d <= decades; d++ {
		v := math.Pow(10, floor+d)
		fmt.Fprintf(out, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left+inLeft-5, y(v)+4, short(v))
	}
	for _, size := range sizes {
		fmt.Fprintf(out, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x(size), top+panelH-8, short(float64(size)))
	}
	begin := math.Pow(10, floor)
	fmt.Fprintf(out, `<line class="linear" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`+"\n", x(sizes[0]), y(begin), x(sizes[len(sizes)-1]), y(begin*float64(sizes[len(sizes)-1])/float64(sizes[0])))
	for _, db := range databases {
		line := ""
		for i, v := range values[db.name] {
			line += fmt.Sprintf("%c%.1f,%.1f ", "ML"[min(i, 1)], x(sizes[i]), y(v))
		}
		fmt.Fprintf(out, `<path class="%s" d="%s"/>`+"\n", db.name, line)
		for i, v := range values[db.name] {
			fmt.Fprintf(out, `<circle class="%s" cx="%.1f" cy="%.1f" r="3"><title>%s: %s at %s alerts</title></circle>`+"\n", db.name, x(sizes[i]), y(v), db.title, number(v), thousands(sizes[i]))
		}
	}
}

// short writes a power of ten: 0.01, 1, 10 k, 1 M.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'g', -1, 64) + " M"
	case v >= 1e3:
		return strconv.FormatFloat(v/1e3, 'g', -1, 64) + " k"
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
