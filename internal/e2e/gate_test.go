package e2e

import (
	"bytes"
	varint "encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A gate stands between servers and a PostgreSQL. It counts who comes in, and
// can lose the answer to a COMMIT.
type gate struct {
	DSN    string // of the same database, through the gate
	socket string // of the PostgreSQL

	mu     sync.Mutex
	came   []time.Time // connections
	marker []byte      // the answer to a commit that these bytes are in is lost; nil: to none
	nth    int         // of such commits
	lost   int
}

// newGate opens a gate to the database of a URL, as pgtest gives it.
func newGate(t *testing.T, dsn string) *gate {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{socket: filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432")}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	u.Host, u.RawQuery = l.Addr().String(), "sslmode=disable"
	g.DSN = u.String()
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			g.mu.Lock()
			g.came = append(g.came, time.Now())
			g.mu.Unlock()
			go g.pass(client)
		}
	}()
	return g
}

// lose loses the answer to the next commit of what holds the marker.
func (g *gate) lose(marker string) { g.loseNth(marker, 1) }

// loseNth loses that to the n-th from now on.
func (g *gate) loseNth(marker string, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.marker, g.nth = []byte(marker), n
}

// losses counts the answers that were lost.
func (g *gate) losses() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lost
}

// comings are the instants at which somebody connected.
func (g *gate) comings() []time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]time.Time(nil), g.came...)
}

func (g *gate) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", g.socket)
	if err != nil {
		return
	}
	defer server.Close()
	var marked sync.Map // whether the marker went through since the last commit
	go func() {
		defer server.Close()
		io.Copy(server, io.TeeReader(client, &watcher{g: g, seen: func() { marked.Store(true, true) }}))
	}()
	head := make([]byte, 5)
	for {
		// A message is a letter, its length with the length itself, and the rest.
		if _, err := io.ReadFull(server, head); err != nil {
			return
		}
		rest := make([]byte, varint.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(server, rest); err != nil {
			return
		}
		if head[0] == 'C' && string(rest) == "COMMIT\x00" {
			if _, ours := marked.LoadAndDelete(true); ours && g.losesThis() {
				return // it is on disk, and nobody will be told
			}
		}
		if _, err := client.Write(append(head[:5:5], rest...)); err != nil {
			return
		}
	}
}

func (g *gate) losesThis() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.marker == nil {
		return false
	}
	if g.nth--; g.nth > 0 {
		return false
	}
	g.marker = nil
	g.lost++
	return true
}

// A watcher looks for the marker in what is written to it.
type watcher struct {
	g    *gate
	seen func()
	last []byte // what the marker may have begun in
}

func (w *watcher) Write(b []byte) (int, error) {
	w.g.mu.Lock()
	marker := w.g.marker
	w.g.mu.Unlock()
	if marker == nil {
		w.last = nil
		return len(b), nil
	}
	text := append(w.last, b...)
	if bytes.Contains(text, marker) {
		w.seen()
	}
	w.last = bytes.Clone(text[max(0, len(text)-len(marker)):])
	return len(b), nil
}

// TestGate proves that the gate can do what the tests behind it rely on: a
// commit whose answer is lost is there, and so is the next one.
func TestGate(t *testing.T) {
	g := newGate(t, databases[1].make(t))
	db := open(t, g.DSN)
	if _, err := db.Exec(`CREATE TABLE words (word TEXT)`); err != nil {
		t.Fatal(err)
	}
	write := func(word string) error {
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO words (word) VALUES ($1)`, word)
		return errors.Join(err, tx.Commit())
	}
	g.lose("needle")
	for _, word := range []string{"hay", "needle", "straw"} {
		if err := write(word); (err != nil) != (word == "needle") {
			t.Errorf("write %s: %v", word, err)
		}
	}
	var n int
	if err := db.QueryRow(`SELECT count(*) FROM words`).Scan(&n); err != nil || n != 3 {
		t.Errorf("%d words are there (%v), want 3", n, err)
	}
	if lost, came := g.losses(), len(g.comings()); lost != 1 || came < 2 {
		t.Errorf("%d answers were lost and %d connections made, want 1 and at least 2", lost, came)
	}
}
