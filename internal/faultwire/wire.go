// Package faultwire is a way to a PostgreSQL that tests let fail at any round
// trip: the question never arrives, or its answer does not come back. It knows
// how messages of the protocol are framed and nothing of what they ask for.
package faultwire

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A Fate is what becomes of a round trip.
type Fate int

// The connection is gone after each of them but Pass.
const (
	Pass    Fate = iota
	Unasked      // the server does not hear of it
	Unheard      // the server did it, and nobody is told
)

// A Trip is what a client sends before it waits for an answer: the beginning of
// a connection or some statements.
type Trip struct {
	Texts []string // the statements; none at the beginning of a connection
}

// String names the trip by how its statements begin.
func (t Trip) String() string {
	if len(t.Texts) == 0 {
		return "connect"
	}
	short := make([]string, len(t.Texts))
	for i, text := range t.Texts {
		text = strings.Join(strings.Fields(text), " ")
		short[i] = text[:min(len(text), 48)]
	}
	return strings.Join(short, "; ")
}

// A Wire passes on what clients and a PostgreSQL say to each other.
type Wire struct {
	DSN    string // of the same database, by this way
	socket string // of the PostgreSQL
	l      net.Listener

	mu    sync.Mutex
	judge func(Trip) Fate
	conns map[net.Conn]bool
}

// New makes a way to the database of a URL, as pgtest gives it, until t ends. Its
// goroutines are of the caller's: in a test on a fake clock, make it outside.
func New(t testing.TB, dsn string) *Wire {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "wire") // short: the path of a socket may have a hundred bytes
	if err != nil {
		t.Fatal(err)
	}
	const name = ".s.PGSQL.5432"
	w := &Wire{socket: filepath.Join(u.Query().Get("host"), name), conns: map[net.Conn]bool{}, judge: func(Trip) Fate { return Pass }}
	if w.l, err = net.Listen("unix", filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	u.RawQuery = "host=" + url.QueryEscape(dir)
	w.DSN = u.String()
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			client, err := w.l.Accept()
			if err != nil {
				return
			}
			passing.Go(func() { w.pass(client) })
		}
	})
	t.Cleanup(func() {
		w.l.Close()
		w.mu.Lock()
		for c := range w.conns {
			c.Close()
		}
		w.mu.Unlock()
		passing.Wait()
		os.RemoveAll(dir)
	})
	return w
}

// Judge sets what is asked about each trip, one at a time; nil lets all pass.
func (w *Wire) Judge(judge func(Trip) Fate) {
	if judge == nil {
		judge = func(Trip) Fate { return Pass }
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.judge = judge
}

func (w *Wire) fate(t Trip) Fate {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.judge(t)
}

func (w *Wire) keep(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns[c] = true
}

func (w *Wire) drop(c net.Conn) {
	c.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, c)
}

// pass passes on one connection.
func (w *Wire) pass(client net.Conn) {
	server, err := net.Dial("unix", w.socket)
	if err != nil {
		client.Close()
		return
	}
	w.keep(client)
	w.keep(server)
	defer w.drop(client)
	defer w.drop(server)
	c := conn{w: w, client: client, server: server, named: map[string]string{}, fates: make(chan Fate, 1000)}
	answers := make(chan struct{})
	go func() {
		defer close(answers)
		c.answer()
	}()
	c.ask()
	server.Close()
	<-answers
}

// conn is one connection: fates are those of the trips that were sent on and not
// answered yet.
type conn struct {
	w              *Wire
	client, server net.Conn
	named          map[string]string // texts of prepared statements
	fates          chan Fate
}

// ask sends the client's messages on, trip by trip.
func (c *conn) ask() {
	in := bufio.NewReader(c.client)
	first := make([]byte, 8)
	if _, err := io.ReadFull(in, first); err != nil {
		return
	}
	rest := make([]byte, binary.BigEndian.Uint32(first)-8)
	if _, err := io.ReadFull(in, rest); err != nil {
		return
	}
	const cancel = 80877102 // a request on a connection of its own, that has no answer
	trip, held := Trip{}, append(first, rest...)
	if binary.BigEndian.Uint32(first[4:]) == cancel {
		c.server.Write(held)
		return
	}
	for {
		fate := c.w.fate(trip)
		if fate == Unasked {
			c.client.Close()
			return
		}
		c.fates <- fate
		if _, err := c.server.Write(held); err != nil {
			return
		}
		trip, held = Trip{}, held[:0]
		for whole := false; !whole; {
			kind, body, err := message(in)
			if err != nil {
				return
			}
			held = frame(held, kind, body)
			c.note(&trip, kind, body)
			switch kind {
			case 'S', 'Q': // sync, or a simple query: now the client waits
				whole = true
			case 'X': // the end
				c.server.Write(held)
				return
			}
		}
	}
}

// note adds the statement of a message to its trip.
func (c *conn) note(trip *Trip, kind byte, body []byte) {
	switch kind {
	case 'Q':
		trip.Texts = append(trip.Texts, strings.TrimSuffix(string(body), "\x00"))
	case 'P': // parse: name, text
		name, rest, _ := strings.Cut(string(body), "\x00")
		text, _, _ := strings.Cut(rest, "\x00")
		c.named[name] = text
		trip.Texts = append(trip.Texts, "prepare "+text)
	case 'B': // bind: portal, name
		_, rest, _ := strings.Cut(string(body), "\x00")
		name, _, _ := strings.Cut(rest, "\x00")
		trip.Texts = append(trip.Texts, c.named[name])
	}
}

// answer sends the server's messages on, the whole answer to a trip at once, and
// ends after one that is not to be heard.
func (c *conn) answer() {
	defer c.client.Close()
	in := bufio.NewReader(c.server)
	var held []byte
	for {
		kind, body, err := message(in)
		if err != nil {
			c.client.Write(held) // why the server ended it
			return
		}
		if held = frame(held, kind, body); kind != 'Z' { // ready for the next
			continue
		}
		fate := <-c.fates
		if fate == Unheard {
			return
		}
		if _, err := c.client.Write(held); err != nil {
			return
		}
		held = held[:0]
	}
}

// frame appends a message as it was read.
func frame(to []byte, kind byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(append(to, kind), uint32(len(body)+4)), body...)
}

// message reads one message: a letter, its length with the length itself, and
// the rest.
func message(in io.Reader) (kind byte, body []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n < 4 {
		return 0, nil, fmt.Errorf("a message of %d bytes", n)
	}
	body = make([]byte, n-4)
	_, err = io.ReadFull(in, body)
	return head[0], body, err
}
