package web

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/seal"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
	"github.com/musterhq/muster/ticket"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is Muster with its HTTP face, on a SQLite file, its loops running.
type world struct {
	t      testing.TB
	server *server
	store  *store.Store
	url    string
	path   string // of the database
	reader *sql.DB
	stop   func() // ends the loops, as a shutdown does
	log    *syncBuffer
	tokens map[string]string // by role; "bank" is an admin of the other organization, "root" of the instance
}

// syncBuffer is a log that several goroutines write.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// newWorld starts one with the organizations shop and bank.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, path: filepath.Join(t.TempDir(), "muster.db"), log: &syncBuffer{}, tokens: map[string]string{}}
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	st, err := store.Open(t.Context(), w.path, log)
	must(t, err)
	w.store = st
	key, err := seal.ParseKey(strings.Repeat("5c", 32))
	must(t, err)
	e := engine.New(engine.Deps{
		Store: st, Wire: wire.New(wire.Options{Now: time.Now}), Channels: notify.Kinds, Steps: runbook.Steps, Trackers: ticket.Trackers, Kinds: engine.KindsOf(notify.Kinds, runbook.Steps, ticket.Trackers), Key: key, Log: log,
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()

	w.server = newServer(e, Options{Log: log, Now: time.Now, Version: "test"})
	face := httptest.NewUnstartedServer(nil)
	face.Config = Server(w.server)
	face.Start()
	w.url = face.URL
	w.stop = sync.OnceFunc(func() {
		stop()
		must(t, <-ended)
	})
	t.Cleanup(func() {
		face.Close()
		w.stop()
		must(t, st.Close())
		http.DefaultClient.CloseIdleConnections()
	})

	for e.Ready(t.Context()) != nil {
		time.Sleep(time.Millisecond)
	}
	w.configure()
	return w
}

func (w *world) configure() {
	e := w.server.engine
	var err error
	w.tokens["root"], err = e.EnsureAdmin(w.t.Context(), "")
	must(w.t, err)
	for _, name := range []string{"shop", "bank"} {
		body, err := os.ReadFile("testdata/" + name + ".yaml")
		must(w.t, err)
		_, err = e.Apply(w.t.Context(), "", []config.File{{Name: name + ".yaml", Body: body}}, incident.Engine)
		must(w.t, err)
	}
	// The engine's own loop may be loading what was there before the second
	// apply, and put it in force after it: wait until that is over.
	for steady := 0; steady < 5; time.Sleep(2 * time.Millisecond) {
		steady++
		for _, slug := range []string{"shop", "bank"} {
			if _, err := e.Organization(slug); err != nil {
				steady = 0
			}
		}
	}
	for _, of := range []struct{ token, org, name, role string }{
		{"viewer", "shop", "reader", "viewer"}, {"responder", "shop", "ana", "responder"}, {"other", "shop", "bot", "responder"},
		{"admin", "shop", "ci", "admin"}, {"integration", "shop", "sender", "integration"}, {"reporter", "shop", "pipeline", "reporter"}, {"bank", "bank", "eve", "admin"},
	} {
		tick()
		_, w.tokens[of.token], err = e.AddToken(w.t.Context(), w.org(of.org), of.name, of.role)
		must(w.t, err)
	}
}

func (w *world) org(slug string) string {
	id, err := w.server.engine.Organization(slug)
	must(w.t, err)
	return id
}

// A reply is an answer, whole.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request; token names one of w.tokens, "" sends none. Headers are
// name, value, name, value.
func (w *world) do(token, method, path string, body string, headers ...string) reply {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	must(w.t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+w.tokens[token])
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return w.send(req)
}

func (w *world) send(req *http.Request) reply {
	w.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	must(w.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(w.t, err)
	return reply{resp.StatusCode, resp.Header, text}
}

// ask is do of a request that must be answered with the status; it reads the
// answer into out, if not nil.
func (w *world) ask(status int, out any, token, method, path, body string, headers ...string) reply {
	w.t.Helper()
	r := w.do(token, method, path, body, headers...)
	if r.status != status {
		w.t.Fatalf("%s %s: status %d, want %d: %s", method, path, r.status, status, r.body)
	}
	if out != nil {
		if err := json.Unmarshal(r.body, out); err != nil {
			w.t.Fatalf("%s %s: %v in %s", method, path, err, r.body)
		}
	}
	return r
}

// tick lets a millisecond go by: ids made in one are in no order.
func tick() { time.Sleep(2 * time.Millisecond) }

// trigger sends an event and returns what was answered about it.
func (w *world) trigger(key string) engine.Accepted {
	w.t.Helper()
	tick()
	var a IntakeAnswer
	w.ask(http.StatusAccepted, &a, "", "POST", "/intake/events/key-of-own-0123456789", `{"key":"`+key+`","title":"Disk full on `+key+`","severity":"critical"}`)
	if len(a.Events) != 1 || len(a.Warnings) != 0 {
		w.t.Fatalf("answer %+v, want one event and no warning", a)
	}
	return a.Events[0]
}

// problemOf reads a problem and checks what all problems promise.
func (r reply) problem(t testing.TB) Problem {
	t.Helper()
	var p Problem
	if err := json.Unmarshal(r.body, &p); err != nil {
		t.Fatalf("status %d: not a problem: %v: %.200s", r.status, err, r.body)
	}
	if got := r.header.Get("Content-Type"); got != problemType {
		t.Errorf("content type %q of a problem", got)
	}
	if p.Status != r.status || p.Type != "about:blank" || p.Title != http.StatusText(r.status) || p.Detail == "" {
		t.Errorf("status %d: problem %+v", r.status, p)
	}
	return p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// golden compares a text with a file under testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		must(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", path, diff)
	}
}
