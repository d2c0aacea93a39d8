package detect

import (
	"math"
	"slices"
)

// A cell is what one series counted in one second.
type cell struct {
	second     int64
	bad, total int64
	dirty      bool // counted since Dirty last handed it out
	stored     bool // Dirty has handed it out
}

// never is earlier and later than any second of a log.
const (
	never   = math.MinInt64 / 4
	forever = math.MaxInt64 / 4
)

// A window slides over the cells of one series. It moves from one second at
// which something changes to the next, so that quiet hours cost nothing.
type window struct {
	width      int64 // seconds
	cells      []cell
	lo, hi     int   // cells[lo:hi] lie in (at-width, at]
	bad, total int64 // their sums
	at         int64
	touched    bool // a count came for a second already judged
}

// add counts records of one second, in any order of seconds.
func (w *window) add(second, bad, total int64) {
	i := len(w.cells)
	for i > 0 && w.cells[i-1].second > second { // nearly always the last
		i--
		if len(w.cells)-i > 64 {
			i, _ = slices.BinarySearchFunc(w.cells, second, func(c cell, s int64) int {
				if c.second <= s {
					return -1
				}
				return 1
			})
			break
		}
	}
	if i == 0 || w.cells[i-1].second != second {
		w.cells = slices.Insert(w.cells, i, cell{second: second})
		if i < w.lo || i == w.lo && second <= w.at-w.width {
			w.lo++
		}
		if second <= w.at {
			w.hi++
		}
		i++
	}
	c := &w.cells[i-1]
	c.bad += bad
	c.total += total
	c.dirty = true
	if second <= w.at {
		w.touched = true
		if second > w.at-w.width {
			w.bad += bad
			w.total += total
		}
	}
}

// next returns the first second after at at which the sums change.
func (w *window) next() int64 {
	t := int64(forever)
	if w.hi < len(w.cells) {
		t = w.cells[w.hi].second
	}
	if w.lo < w.hi {
		t = min(t, w.cells[w.lo].second+w.width)
	}
	if w.touched {
		t = min(t, w.at+1)
	}
	return t
}

// move slides the window's end to t, which is not before at.
func (w *window) move(t int64) {
	for ; w.hi < len(w.cells) && w.cells[w.hi].second <= t; w.hi++ {
		w.bad += w.cells[w.hi].bad
		w.total += w.cells[w.hi].total
	}
	for ; w.lo < w.hi && w.cells[w.lo].second <= t-w.width; w.lo++ {
		w.bad -= w.cells[w.lo].bad
		w.total -= w.cells[w.lo].total
	}
	if t > w.at {
		w.touched = false
	}
	w.at = t
}

// forget lets go of the cells before the window.
func (w *window) forget() {
	w.cells = slices.Delete(w.cells, 0, w.lo)
	w.hi -= w.lo
	w.lo = 0
}
