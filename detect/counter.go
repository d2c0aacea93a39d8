package detect

import (
	"maps"
	"slices"
	"time"
)

// maxBacktestGroups bounds the memory of a backtest. It is high, since the
// groups beyond it depend on the order of the records.
const maxBacktestGroups = 100_000

// A Counter counts recorded records for one rule, in any order, to judge them
// when all are in. Counters of parts of the records add up (Merge), so that
// parts can be counted at the same time, each in a Counter of its own.
//
// Lateness and MaxGroups do not matter to it: nothing is late, and no group
// goes into Overflow before there are a hundred thousand.
type Counter struct {
	rule   Rule
	limits limits
	namer  namer
	groups map[string]*pages
	last   *pages
	first  int64 // second of any record, Where or not
	final  int64
}

// NewCounter returns a counter of no records.
func NewCounter(r Rule) *Counter {
	return &Counter{
		rule: r, limits: r.limits(), namer: newNamer(r.By),
		groups: map[string]*pages{}, first: forever, final: never,
	}
}

// Rule returns the rule that it counts for.
func (c *Counter) Rule() Rule { return c.rule }

// Observe counts a record.
func (c *Counter) Observe(rec *Record) {
	sec := second(rec.Time)
	c.first, c.final = min(c.first, sec), max(c.final, sec)
	if !c.rule.Where.Match(rec) {
		return
	}
	bad := int64(0)
	if c.rule.Bad.Match(rec) {
		bad = 1
	}
	key := c.namer.key(rec)
	if c.last == nil || c.last.name != string(key) {
		c.last = c.groups[string(key)]
		if c.last == nil {
			c.last = c.open(string(key))
		}
	}
	c.last.add(sec, bad, 1)
}

func (c *Counter) open(name string) *pages {
	if len(c.groups) >= maxBacktestGroups {
		name = Overflow
	}
	p := c.groups[name]
	if p == nil {
		p = &pages{name: name, pages: map[int64]*page{}}
		c.groups[name] = p
	}
	return p
}

// Merge adds what another counter of the same rule counted.
func (c *Counter) Merge(o *Counter) {
	c.first, c.final = min(c.first, o.first), max(c.final, o.final)
	for _, name := range slices.Sorted(maps.Keys(o.groups)) {
		p := c.groups[name]
		if p == nil {
			p = c.open(name)
		}
		for n, from := range o.groups[name].pages {
			to := p.page(n)
			for i := range from {
				to[i].bad += from[i].bad
				to[i].total += from[i].total
			}
		}
	}
}

// Span returns the first and the last second that a record fell into; zero
// times without records.
func (c *Counter) Span() (first, last time.Time) {
	if c.final == never {
		return time.Time{}, time.Time{}
	}
	return at(c.first), at(c.final)
}

// Groups returns the series that have records, sorted.
func (c *Counter) Groups() []string { return slices.Sorted(maps.Keys(c.groups)) }

// pages are the counts of one series, 64 seconds to a page: a log names the
// same few seconds again and again, and most seconds of a long one not at all.
type pages struct {
	name  string
	pages map[int64]*page
	last  *page
	lastN int64
}

type page [64]struct{ bad, total int64 }

func (p *pages) add(second, bad, total int64) {
	n := second >> 6
	if p.last == nil || p.lastN != n {
		p.last, p.lastN = p.page(n), n
	}
	c := &p.last[second&63]
	c.bad += bad
	c.total += total
}

func (p *pages) page(n int64) *page {
	if p.pages[n] == nil {
		p.pages[n] = new(page)
	}
	return p.pages[n]
}

func (p *pages) window(width int64) window {
	w := window{width: width, at: never}
	for _, n := range slices.Sorted(maps.Keys(p.pages)) {
		for i, c := range p.pages[n] {
			if c.total > 0 {
				w.cells = append(w.cells, cell{second: n<<6 + int64(i), bad: c.bad, total: c.total})
			}
		}
	}
	return w
}
