package collect

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/musterhq/muster/detect"
)

// block is how much of a log one worker parses at a time. It is also the
// longest line that Read can see whole.
const block = MaxLine

// Read parses a log to its end, blocks of lines at the same time on every
// processor. For each worker it calls visitor once, before it reads, and the
// worker calls what that returned with each of its records, which is valid
// until the call returns: what the workers count must add up whatever their
// order. The format's kind may be Auto; a field that it cannot have is an error. On an error of the reader, or when ctx
// ends, what was read before has been visited.
func Read(ctx context.Context, r io.Reader, f Format, fields []string, visitor func() func(*detect.Record)) (Stats, error) {
	s := splitter{ctx: ctx, r: r}
	first := s.next()
	f, err := Recognize(f, first.lines)
	if err != nil {
		if s.err != nil && s.err != io.EOF {
			err = s.err
		}
		return Stats{}, err
	}
	if err := f.Has(fields); err != nil {
		return Stats{}, err
	}
	workers := make([]*worker, runtime.GOMAXPROCS(0))
	for i := range workers {
		p, err := NewParser(f, fields)
		if err != nil {
			return Stats{}, err
		}
		workers[i] = &worker{parser: p, visit: visitor()}
	}

	blocks := make(chan part, len(workers))
	free := make(chan []byte, 2*len(workers)+2)
	s.free = free
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Go(func() { w.run(blocks, free) })
	}
	for b := first; ; b = s.next() {
		if b.lines != nil || b.long {
			blocks <- b
		}
		if s.err != nil {
			break
		}
	}
	close(blocks)
	wg.Wait()
	if s.err == io.EOF {
		s.err = nil
	}
	return total(workers), s.err
}

// part is a numbered block of whole lines, or a line too long to be read.
type part struct {
	n     int
	lines []byte
	long  bool
}

// splitter cuts a stream into blocks of whole lines.
type splitter struct {
	ctx  context.Context
	r    io.Reader
	free <-chan []byte
	rest []byte // the beginning of a line, read with the block before
	skip bool   // the line at hand is too long: pass over its rest
	n    int
	err  error // why there is no more
}

// next returns the next block. When it sets err, the block is the last.
func (s *splitter) next() part {
	buf := s.buffer()
	n := copy(buf, s.rest)
	s.rest = nil
	for n < block && s.err == nil {
		var m int
		m, s.err = s.r.Read(buf[n:])
		n += m
		if err := s.ctx.Err(); err != nil {
			s.err = err
		}
	}
	out := part{n: s.n}
	s.n++
	buf = buf[:n]
	if s.skip {
		i := bytes.IndexByte(buf, '\n')
		if i < 0 {
			return out
		}
		s.skip = false
		buf = buf[i+1:]
	}
	if s.err != nil { // the last line may lack its newline
		if len(buf) > 0 {
			out.lines = buf
		}
		return out
	}
	end := bytes.LastIndexByte(buf, '\n') + 1
	if end == 0 && len(buf) == block {
		s.skip, out.long = true, true
		return out
	}
	s.rest = bytes.Clone(buf[end:])
	out.lines = buf[:end]
	return out
}

// buffer returns one that a worker is done with, or a new one.
func (s *splitter) buffer() []byte {
	select {
	case buf := <-s.free:
		if cap(buf) >= block {
			return buf[:block]
		}
	default:
	}
	return make([]byte, block)
}

// worker parses blocks.
type worker struct {
	parser *Parser
	visit  func(*detect.Record)
	stats  Stats
	counts []lineCount
	bad    []sample
}

// lineCount says how many lines a block has, which tells the line numbers of
// those after it once all are read.
type lineCount struct {
	block int
	lines int64
}

type sample struct {
	block int
	Unparsed
}

func (w *worker) run(blocks <-chan part, free chan<- []byte) {
	var rec detect.Record
	for b := range blocks {
		st, lines := Stats{}, int64(1)
		if b.long {
			st = Stats{Unparsed: 1, Samples: []Unparsed{{1, "the line is longer than 1 MiB", ""}}}
		} else {
			st, lines = w.parser.each(b.lines, &rec, w.visit)
			select {
			case free <- b.lines[:0]:
			default:
			}
		}
		w.stats.Parsed += st.Parsed
		w.stats.Unparsed += st.Unparsed
		w.stats.Bytes += st.Bytes
		w.counts = append(w.counts, lineCount{b.n, lines})
		for _, u := range st.Samples {
			if len(w.bad) < samples {
				w.bad = append(w.bad, sample{b.n, u})
			}
		}
	}
}

// total adds up what the workers did.
func total(workers []*worker) Stats {
	var out Stats
	var counts []lineCount
	var bad []sample
	for _, w := range workers {
		out.Parsed += w.stats.Parsed
		out.Unparsed += w.stats.Unparsed
		out.Bytes += w.stats.Bytes
		counts = append(counts, w.counts...)
		bad = append(bad, w.bad...)
	}
	slices.SortFunc(counts, func(a, b lineCount) int { return cmp.Compare(a.block, b.block) })
	slices.SortFunc(bad, func(a, b sample) int {
		return cmp.Or(cmp.Compare(a.block, b.block), cmp.Compare(a.Line, b.Line))
	})
	before, i := int64(0), 0
	for _, s := range bad[:min(len(bad), samples)] {
		for ; i < len(counts) && counts[i].block < s.block; i++ {
			before += counts[i].lines
		}
		s.Line += before
		out.Samples = append(out.Samples, s.Unparsed)
	}
	return out
}
