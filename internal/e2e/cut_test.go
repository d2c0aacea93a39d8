package e2e

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// A cut is a way to a server that the test can close: connections are passed on,
// or nothing comes through and nobody is told (hole), or they are reset and new
// ones too (reset).
type cut struct {
	l    net.Listener
	dial func() (net.Conn, error)

	mu    sync.Mutex
	state string // "", "hole" or "reset"
	free  chan struct{}
	conns map[net.Conn]bool
}

func newCut(t *testing.T, listen string, dial func() (net.Conn, error)) *cut {
	t.Helper()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	c := &cut{l: l, dial: dial, conns: map[net.Conn]bool{}, free: make(chan struct{})}
	close(c.free)
	t.Cleanup(func() {
		l.Close()
		c.set("reset")
	})
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.pass(conn)
		}
	}()
	return c
}

func (c *cut) addr() string { return c.l.Addr().String() }

// set changes what becomes of connections; "" passes them on again, and what was
// held in a hole goes on, as TCP sends again what was lost.
func (c *cut) set(state string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == "hole" {
		close(c.free)
	}
	c.state = state
	switch state {
	case "hole":
		c.free = make(chan struct{})
	case "reset":
		for conn := range c.conns {
			abort(conn)
		}
	}
}

func abort(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}

// through waits while nothing comes through, and tells whether it had to, and
// whether it may go on.
func (c *cut) through() (held, ok bool) {
	for ; ; held = true {
		c.mu.Lock()
		state, free := c.state, c.free
		c.mu.Unlock()
		switch state {
		case "":
			return held, true
		case "reset":
			return held, false
		}
		<-free
	}
}

func (c *cut) keep(conn net.Conn) (ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == "reset" {
		abort(conn)
		return false
	}
	c.conns[conn] = true
	return true
}

func (c *cut) drop(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, conn)
	conn.Close()
}

func (c *cut) pass(in net.Conn) {
	if !c.keep(in) {
		return
	}
	defer c.drop(in)
	waited, ok := c.through()
	if !ok {
		return
	}
	out, err := c.dial()
	if err != nil {
		abort(in)
		return
	}
	if !c.keep(out) {
		return
	}
	defer c.drop(out)
	var ways sync.WaitGroup
	for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
		ways.Go(func() {
			from, to := way[0], way[1]
			defer func() {
				if half, ok := to.(interface{ CloseWrite() error }); ok {
					half.CloseWrite()
				}
			}()
			buffer := make([]byte, 64<<10) // larger than what comes at once
			for {
				n, err := from.Read(buffer)
				held, ok := c.through()
				if !ok {
					return
				}
				held = held || waited && from == in
				if held && err == nil { // what its sender took back meanwhile is not delivered
					from.SetReadDeadline(time.Now().Add(time.Millisecond))
					more := 0
					if more, err = from.Read(buffer[n:cap(buffer)]); errors.Is(err, os.ErrDeadlineExceeded) {
						err = nil
					}
					n += more
					from.SetReadDeadline(time.Time{})
				}
				if err != nil && err != io.EOF { // reset: what it had under way is lost
					abort(to)
					return
				}
				if _, failed := to.Write(buffer[:n]); failed != nil || err != nil {
					return
				}
			}
		})
	}
	ways.Wait()
}

// TestCut: the proxy of these tests passes on, holds and resets.
func TestCut(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go io.Copy(conn, conn)
		}
	}()
	c := newCut(t, "127.0.0.1:0", func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) })
	echo := func(conn net.Conn, text string) string {
		if _, err := io.WriteString(conn, text); err != nil {
			return err.Error()
		}
		conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		got := make([]byte, len(text))
		if _, err := io.ReadFull(conn, got); err != nil {
			return "nothing"
		}
		return string(got)
	}
	conn, err := net.Dial("tcp", c.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := echo(conn, "one"); got != "one" {
		t.Errorf("passed on: %q", got)
	}
	c.set("hole")
	if got := echo(conn, "two"); got != "nothing" {
		t.Errorf("in a hole: %q", got)
	}
	c.set("")
	if got := echo(conn, "abc"); got != "two" { // and "abc" waits
		t.Errorf("after the hole: %q", got)
	}
	c.set("reset")
	if got := echo(conn, "four"); got == "abcf" || got == "four" {
		t.Errorf("after a reset: %q", got)
	}
}
