package vendortest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// A Line is the way to a stand-in: a TCP port of its own that passes everything
// on, until it breaks on request.
type Line struct {
	addr, to string

	mu       sync.Mutex
	breach   LineFault
	listener net.Listener // nil while connections are refused
	conns    map[net.Conn]bool
	closed   bool
	running  sync.WaitGroup
}

// LineFault is how a line is broken.
type LineFault int

// The ways to be broken.
const (
	LineFine    LineFault = iota
	LineRefused           // nobody listens
	LineReset             // a connection is reset once something was said
	LineHole              // connections are taken, and what is said vanishes
	LineSlow              // of the answers comes one byte a second
)

// NewLine opens a line on a free port of loopback to an address, host:port.
func NewLine(to string) (*Line, error) {
	l := &Line{to: to, addr: "127.0.0.1:0", conns: map[net.Conn]bool{}}
	if err := l.listen(); err != nil {
		return nil, err
	}
	return l, nil
}

// Addr is where the line begins, host:port.
func (l *Line) Addr() string { return l.addr }

// Break breaks the line, or mends it with LineFine, and cuts what goes over it.
func (l *Line) Break(f LineFault) error {
	l.mu.Lock()
	l.breach = f
	for c := range l.conns {
		c.Close()
	}
	listener := l.listener
	if f == LineRefused {
		l.listener = nil
	}
	l.mu.Unlock()
	switch {
	case f == LineRefused && listener != nil:
		return listener.Close()
	case f != LineRefused && listener == nil:
		return l.listen()
	}
	return nil
}

// Close ends the line and all that goes over it.
func (l *Line) Close() {
	l.mu.Lock()
	l.closed = true
	if l.listener != nil {
		l.listener.Close()
	}
	for c := range l.conns {
		c.Close()
	}
	l.mu.Unlock()
	l.running.Wait()
}

func (l *Line) listen() (err error) {
	var listener net.Listener
	for range 50 { // somebody else may have the port for a moment
		if listener, err = net.Listen("tcp", l.addr); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("line: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addr, l.listener = listener.Addr().String(), listener
	l.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil && l.keep(conn) {
				l.running.Go(func() { l.serve(conn) })
			}
		}
	})
	return nil
}

// keep remembers a connection, to be cut; it closes one that comes too late.
func (l *Line) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		c.Close()
		return false
	}
	l.conns[c] = true
	return true
}

func (l *Line) drop(c net.Conn) {
	c.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

func (l *Line) serve(in net.Conn) {
	defer l.drop(in)
	l.mu.Lock()
	breach := l.breach
	l.mu.Unlock()
	switch breach {
	case LineReset:
		// A server that speaks first may wait for a word, and so would we.
		patience := time.AfterFunc(50*time.Millisecond, func() { _ = in.SetReadDeadline(time.Unix(1, 0)) })
		_, _ = in.Read(make([]byte, 1))
		patience.Stop()
		if tcp, ok := in.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		return
	case LineHole:
		_, _ = io.Copy(io.Discard, in)
		return
	}
	out, err := net.Dial("tcp", l.to)
	if err != nil || !l.keep(out) {
		return
	}
	defer l.drop(out)
	l.running.Go(func() {
		_, _ = io.Copy(out, in)
		if tcp, ok := out.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
	})
	if breach == LineSlow {
		drip(in, out)
		return
	}
	_, _ = io.Copy(in, out)
}

// drip passes one byte a second on.
func drip(to io.Writer, from io.Reader) {
	b := make([]byte, 1)
	for {
		if _, err := from.Read(b); err != nil {
			return
		}
		if _, err := to.Write(b); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}
