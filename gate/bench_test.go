package gate

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// BenchmarkReadValgrind reads 100 MB as memcheck writes it, of one finding after
// the other.
func BenchmarkReadValgrind(b *testing.B) {
	text, err := io.ReadAll(generate(100<<20, nil))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := Read("bench", bytes.NewReader(text))
		if err != nil || r.Total == 0 || len(r.Broken) > 0 {
			b.Fatal(r.Total, r.Broken, err)
		}
	}
}

// generate is a report of Valgrind of about size bytes. The errors are those of a
// program of a thousand functions; a tenth of them are told twice. Each
// megabyte, look is called with what was read so far.
func generate(size int, look func(read int)) io.Reader {
	g := &generator{size: size, look: look, fill: (*generator).error, end: "\n\n<status>\n  <state>FINISHED</state>\n</status>\n\n<errorcounts>\n</errorcounts>\n\n</valgrindoutput>\n"}
	g.buf.WriteString(`<?xml version="1.0"?>

<valgrindoutput>

<protocolversion>4</protocolversion>
<protocoltool>memcheck</protocoltool>
<pid>306</pid>
<tool>memcheck</tool>

<status>
  <state>RUNNING</state>
  <time>00:00:00:00.375 </time>
</status>

`)
	return g
}

// A generator is a text that fill makes bit by bit, until it has its size, and
// that ends with end.
type generator struct {
	size int
	fill func(*generator)
	end  string
	look func(read int)

	read int
	n    int // errors
	done bool
	buf  strings.Builder
	rest string
}

func (g *generator) Read(p []byte) (int, error) {
	if len(g.rest) == 0 {
		if g.done {
			return 0, io.EOF
		}
		for g.buf.Len() < 1<<20 && g.read+g.buf.Len() < g.size {
			g.fill(g)
		}
		if g.done = g.read+g.buf.Len() >= g.size; g.done {
			g.buf.WriteString(g.end)
		}
		g.rest = g.buf.String()
		g.buf.Reset()
		g.read += len(g.rest)
		if g.look != nil {
			g.look(g.read)
		}
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

// error adds an <error>.
func (g *generator) error() {
	which := g.n - g.n%10/9 // each tenth is as the one before
	fmt.Fprintf(&g.buf, "<error>\n  <unique>0x%x</unique>\n  <tid>1</tid>\n  <kind>InvalidRead</kind>\n  <what>Invalid read of size 4</what>\n", g.n)
	g.stack(which, 6)
	fmt.Fprintf(&g.buf, "  <auxwhat>Address 0x%x is 4 bytes before a block of size %d alloc'd</auxwhat>\n", 0x4a40000+g.n*64, 16+which%2000)
	g.stack(which/1000, 4)
	g.buf.WriteString("</error>\n\n")
	g.n++
}

func (g *generator) stack(which, depth int) {
	g.buf.WriteString("  <stack>\n")
	for i := range depth {
		f := (which*7 + i*13) % 1000
		fmt.Fprintf(&g.buf, `    <frame>
      <ip>0x%X</ip>
      <obj>/build/shop/server</obj>
      <fn>shop::cart&lt;item&gt;::take_%d(std::vector&lt;int&gt; const&amp;)</fn>
      <dir>/build/shop/src</dir>
      <file>cart_%d.cc</file>
      <line>%d</line>
    </frame>
`, 0x109000+f*16, f, f/20, 10+f%300)
	}
	g.buf.WriteString("  </stack>\n")
}
