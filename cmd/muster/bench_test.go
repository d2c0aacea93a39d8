package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/internal/seal"
)

// The benchmarks measure the whole server: startServer, real HTTP on loopback,
// a database that syncs every commit. The load comes from the same process and
// so from the same cores. `make bench` runs them, beside yardsticks that do the
// bare work, and internal/benchdoc makes docs/benchmarks.md of what they print.

// benchKey is how long a random key of an integration is.
const benchKey = "bench-integration-key-0123456789abcdef"

// benchConfig pages one user by a webhook. The integration "storm" groups by
// host, so that its alerts join few incidents; each alert of "lone" opens one.
const benchConfig = `
organization: bench
interrupts: {at_most: unlimited}
users:
  pager:
    name: Pager
    email: pager@bench.example
    contacts: {hook: {webhook: ""}}
    notify: {high: [hook], low: [hook]}
  absent: {contacts: {hook: {webhook: ""}}, notify: {high: [hook], low: [{wait: 24h, by: hook}]}}
connections:
  hook: {webhook: "HOOK/page", allow: [127.0.0.0/8]}
policies:
  once:
    steps: [{notify: [user:pager], wait: 1h}]
  nobody: {steps: [{notify: [user:absent], wait: 1h}]}
services:
  checkout: {policy: once}
  quiet: {policy: nobody}
integrations:
  storm: {kind: muster, key: storm-KEY, service: checkout, group_by: [host]}
  lone: {kind: muster, key: lone-KEY, service: checkout}
`

// eachDatabase runs a benchmark on both: SQLite in a file, WAL and synchronous
// FULL, and PostgreSQL with its defaults, fsync on.
func eachDatabase(b *testing.B, run func(b *testing.B, database string)) {
	b.Run("sqlite", func(b *testing.B) { run(b, "sqlite") })
	b.Run("postgres", func(b *testing.B) { run(b, "postgres") })
}

// benchDatabase returns the address of a new, empty database.
func benchDatabase(b *testing.B, database string) string {
	if database == "postgres" {
		return pgtest.DSN(b)
	}
	return filepath.Join(b.TempDir(), "muster.db")
}

// A benchServer is a running Muster and the receiver of its pages.
type benchServer struct {
	*server
	pages    *pageReceiver
	database string // its address
}

// startBench starts a server on a new database and stops it after the benchmark.
func startBench(b *testing.B, database string) benchServer {
	b.Helper()
	key, err := seal.ParseKey(strings.Repeat("5e", 32))
	if err != nil {
		b.Fatal(err)
	}
	pages := &pageReceiver{at: map[string]chan time.Time{}}
	hook := httptest.NewServer(pages)
	b.Cleanup(hook.Close)
	text := strings.NewReplacer("HOOK", hook.URL, "KEY", benchKey).Replace(benchConfig)
	address := benchDatabase(b, database)
	s, err := startServer(b.Context(), serveOptions{
		Database: address, Key: key, AdminToken: "mst_bench-admin-0123456789",
		Config: []config.File{{Name: "bench.yaml", Body: []byte(text)}},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Stop(context.WithoutCancel(b.Context())); err != nil {
			b.Errorf("stop: %v", err)
		}
	})
	return benchServer{s, pages, address}
}

// A pageReceiver is where pages arrive. It tells who waits for a title when
// the page with it came.
type pageReceiver struct {
	mu sync.Mutex
	at map[string]chan time.Time // by title
}

// expect returns where the instant will be told at which the page of a title
// has arrived.
func (p *pageReceiver) expect(title string) <-chan time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := make(chan time.Time, 1)
	p.at[title] = c
	return c
}

// ServeHTTP is part of http.Handler.
func (p *pageReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	w.WriteHeader(http.StatusNoContent)
	p.mu.Lock()
	defer p.mu.Unlock()
	for title, c := range p.at {
		if strings.Contains(string(body), title) {
			delete(p.at, title)
			c <- at
		}
	}
}

// benchEvent is an event of about 400 bytes. Number i has a key of its own.
func benchEvent(title string, key, host int) string {
	return fmt.Sprintf(`{"action":"trigger","key":"checkout/disk/%08d/%x","title":"%s on web-%d","severity":"critical","source":"web-%d.example.com",`+
		`"environment":"production","time":"2026-11-22T13:11:35.579088Z","labels":{"alertname":"DiskFull","host":"web-%d","mountpoint":"/var","team":"payments"},`+
		`"details":{"free":"3%%","inodes":0.75,"note":"growing by 1 GB an hour"}}`, key, uint32(key)*2654435761, title, host, host, host)
}

// benchBatch is a body of n events from number first on, over so many keys and
// hosts.
func benchBatch(first, n, keys, hosts int) string {
	if n == 1 {
		return benchEvent("Disk is 97 % full", first%keys, first%keys%hosts)
	}
	var s strings.Builder
	s.WriteByte('[')
	for i := first; i < first+n; i++ {
		if i > first {
			s.WriteByte(',')
		}
		s.WriteString(benchEvent("Disk is 97 % full", i%keys, i%keys%hosts))
	}
	s.WriteByte(']')
	return s.String()
}
