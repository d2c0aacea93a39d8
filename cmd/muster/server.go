package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/seal"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
	"github.com/musterhq/muster/ticket"
	"github.com/musterhq/muster/web"
)

// How long a server takes to stop, at most: together well under the 30 seconds
// that process managers wait by default.
const (
	drainRequests = 12 * time.Second
	drainLoops    = 12 * time.Second
)

// startWithin is how long the loops may take to begin; a large database is
// read in the meantime.
const startWithin = 2 * time.Minute

// A replica that starts at the same time may apply its configuration first.
// This one then tries again, once it has seen what the other did.
const (
	applyTries = 20
	applyAgain = 250 * time.Millisecond
)

// serveOptions say what a server is made of. Only Database and Key must be
// there.
type serveOptions struct {
	Database   string // postgres://…, a path of a SQLite file, or :memory:
	Listen     string // host:port; "" is a free port of loopback
	URL        string // of the console, for links in messages; "" leaves them out
	Key        seal.Key
	Resolve    func(reference string) (string, error)
	Allow      []netip.Prefix // ranges that outgoing connections may reach though they are forbidden otherwise
	Tails      []engine.TailFile
	Config     []config.File // applied at start
	Keep       store.Keep
	Contacts   string        // file that keeps whom to tell when there is no database; "": none
	AdminToken string        // the instance admin's; "": one is made at the first start
	Drain      time.Duration // how long /readyz says 503 before connections are refused
	Log        *slog.Logger
	At         func(station string) // as in engine.Deps
}

// A server is a running Muster.
type server struct {
	Addr  string // that it listens on, host:port
	URL   string // of the API
	Admin string // the admin token that was made; "" if there was one already
	Ended <-chan struct{}

	engine   *engine.Engine
	store    *store.Store
	http     *http.Server
	draining atomic.Bool
	drain    time.Duration
	log      *slog.Logger
	stop     context.CancelFunc // of the loops
	loops    chan error         // what the loops ended with
	serving  chan error         // what the listener ended with

	afterwards func() // ends what a start without a database left running
}

// startServer opens the database, starts the loops, applies the configuration
// and listens. When it returns, the server answers. Stop ends it; ctx ends only
// the start.
func startServer(ctx context.Context, o serveOptions) (*server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	s := &server{afterwards: func() {}, log: o.Log, drain: o.Drain, loops: make(chan error, 1), serving: make(chan error, 1)}

	// The port comes first, since a second server on one database is a common
	// slip. Who connects before the end of the start waits in the backlog: to an
	// answer from a half-loaded configuration, senders would drop their alerts.
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("--listen %s: %w", o.Listen, err)
	}
	var handler atomic.Pointer[http.Handler]
	serve := func(h http.Handler) {
		if handler.Swap(&h) != nil {
			return
		}
		s.http = web.Server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*handler.Load()).ServeHTTP(w, r) }))
		s.http.ErrorLog = slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug)
		go func() { s.serving <- s.http.Serve(listener) }()
	}
	network := wire.New(wire.Options{Allow: o.Allow, Now: time.Now})
	if err := s.openStore(ctx, o, network, serve); err != nil {
		listener.Close()
		s.afterwards()
		return nil, err
	}
	if err := s.store.Own(); err != nil {
		listener.Close()
		return nil, errors.Join(err, s.store.Close())
	}
	node, _ := os.Hostname() // only a name for logs
	s.engine = engine.New(engine.Deps{
		Store: s.store, Wire: network, Channels: notify.Kinds, Steps: runbook.Steps, Trackers: ticket.Trackers, Kinds: kinds(),
		Resolve: o.Resolve, Key: o.Key, Log: o.Log, URL: o.URL, Tails: o.Tails, Keep: o.Keep, Node: node, Contacts: o.Contacts, At: o.At,
	})
	loops, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	ended := make(chan struct{})
	s.Ended = ended
	go func() {
		s.loops <- s.engine.Run(loops)
		close(ended)
	}()

	if err := s.begin(ctx, o); err != nil {
		listener.Close()
		s.afterwards()
		return nil, errors.Join(err, s.stopLoops())
	}
	s.Addr = listener.Addr().String()
	s.URL = "http://" + s.Addr
	serve(s.readiness(web.New(s.engine, web.Options{Log: o.Log, Now: time.Now, Version: version})))
	return s, nil
}

// begin waits for the loops and puts into the database what the start brings.
func (s *server) begin(ctx context.Context, o serveOptions) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	var err error
	if s.Admin, err = s.engine.EnsureAdmin(ctx, o.AdminToken); err != nil {
		return fmt.Errorf("admin token: %w", err)
	}
	if len(o.Config) == 0 {
		return nil
	}
	applied, err := s.engine.Apply(ctx, "", o.Config, incident.Cause{Actor: incident.System, Origin: "start"})
	for try := 0; errors.Is(err, store.ErrMoved) && try < applyTries; try++ { // another replica was at it
		select {
		case <-time.After(applyAgain):
		case <-ctx.Done():
			return fmt.Errorf("--config: %w", context.Cause(ctx))
		}
		applied, err = s.engine.Apply(ctx, "", o.Config, incident.Cause{Actor: incident.System, Origin: "start"})
	}
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	s.log.Info("configuration applied", "organization", applied.Organization, "revision", applied.Revision, "changes", len(applied.Changes))
	return nil
}

// ready waits until the loops run, or have given up.
func (s *server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		err := s.engine.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.Ended:
			if loops := <-s.loops; loops != nil {
				err = loops
			}
			s.loops <- nil // for stopLoops
			return fmt.Errorf("start: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("start: %w: %w", context.Cause(ctx), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// readiness answers /readyz with 503 once the server drains, so that load
// balancers look elsewhere.
func (s *server) readiness(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" && s.draining.Load() {
			http.Error(w, "shutting down", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Stop ends the server in order: /readyz says 503, new connections are
// refused, requests in flight and then the loops come to their end, the
// database is closed. What does not end in time is cut off, which the database
// survives as it survives a crash.
func (s *server) Stop(ctx context.Context) error {
	s.draining.Store(true)
	select {
	case <-time.After(s.drain):
	case <-ctx.Done():
	}
	requests, cancel := context.WithTimeout(ctx, drainRequests)
	defer cancel()
	if err := s.http.Shutdown(requests); err != nil {
		s.log.Warn("requests that did not end were cut off", "error", err)
		s.http.Close()
	}
	s.afterwards()
	return s.stopLoops()
}

func (s *server) stopLoops() error {
	s.stop()
	var err error
	select {
	case err = <-s.loops:
		s.loops <- err // whoever asks again
	case <-time.After(drainLoops):
		err = errors.New("the loops were cut off")
	}
	if e := s.store.Close(); e != nil {
		err = errors.Join(err, fmt.Errorf("close the database: %w", e))
	}
	return err
}

// ownFiles are those of the server that no configuration may read.
func ownFiles(database string, files ...string) []string {
	if !strings.Contains(database, "://") && database != ":memory:" {
		files = append(files, database, database+"-wal")
	}
	var out []string
	for _, f := range files {
		if f == "" {
			continue
		}
		if abs, err := filepath.Abs(f); err == nil {
			out = append(out, abs)
		}
	}
	return out
}
