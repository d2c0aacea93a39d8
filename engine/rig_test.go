package engine_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/internal/seal"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
	"github.com/musterhq/muster/ticket"
)

func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.parallel", "6") // most of these tests wait, and not for a processor
	goleak.VerifyTestMain(m)
}

// onBoth runs a test on a SQLite file and on PostgreSQL.
func onBoth(t *testing.T, test func(t *testing.T, address string)) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, filepath.Join(t.TempDir(), "muster.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, pgtest.DSN(t))
	})
}

func postgres(t *testing.T) string { return pgtest.DSN(t) }

// A running engine on a database of its own or shared with others.
type running struct {
	*engine.Engine
	t       testing.TB
	store   *store.Store
	address string
	org     string
	log     *record

	stop  context.CancelFunc
	ended chan struct{}
	once  sync.Once
}

// options are what tests change of an engine.
type options struct {
	channels []notify.Kind
	steps    []runbook.Step
	tails    []engine.TailFile
	resolve  func(string) (string, error)
	at       func(station string)
	pace     engine.Pace
	network  *wire.Client // that of loopback if nil
}

// start runs an engine until the test ends, end or kill is called.
func start(t testing.TB, address string, o options) *running {
	t.Helper()
	r := &running{t: t, address: address, log: &record{}, ended: make(chan struct{})}
	log := slog.New(slog.NewTextHandler(r.log, nil))
	var err error
	if r.store, err = store.Open(t.Context(), address, log); err != nil {
		t.Fatal(err)
	}
	key, err := seal.ParseKey(strings.Repeat("ab", 32))
	if err != nil {
		t.Fatal(err)
	}
	network := o.network
	if network == nil {
		network = wire.New(wire.Options{Now: time.Now, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	}
	channels, steps := append(o.channels, notify.Kinds...), append(o.steps, runbook.Steps...)
	r.Engine = engine.New(engine.Deps{
		Store: r.store, At: o.at, Channels: channels, Steps: steps, Trackers: ticket.Trackers, Kinds: engine.KindsOf(channels, steps, ticket.Trackers),
		Wire: network, Pace: o.pace,
		Resolve: o.resolve, Key: key, Log: log, URL: "https://muster.example", Contacts: filepath.Join(t.TempDir(), "contacts"), Tails: o.tails, Keep: store.Keep{Tombstones: time.Hour},
	})
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() {
		defer close(r.ended)
		if err := r.Run(ctx); err != nil {
			t.Errorf("the engine ended with %v", err)
		}
	}()
	t.Cleanup(r.end)
	r.wait("it is ready", 20*time.Second, func() bool { return r.Ready(t.Context()) == nil })
	r.org, _ = r.Organization("") // if the database has one
	return r
}

// end stops the engine as SIGTERM does, and closes its store.
func (r *running) end() {
	r.once.Do(func() {
		r.stop()
		<-r.ended
		if err := r.store.Close(); err != nil {
			r.t.Errorf("close: %v", err)
		}
		if r.t.Failed() {
			r.t.Logf("the engine logged:\n%s", r.log.last(30))
		}
	})
}

// kill takes the database away under the engine: nothing that it does from now
// on is stored. What it has in flight goes on until release ends it.
func (r *running) kill(release func()) {
	r.once.Do(func() {
		r.store.Close()
		r.stop()
		r.t.Cleanup(func() {
			release()
			<-r.ended
			if r.t.Failed() {
				r.t.Logf("the engine that was killed logged:\n%s", r.log.last(30))
			}
		})
	})
}

// apply makes a configuration that in force.
func (r *running) apply(yaml string) engine.Applied {
	r.t.Helper()
	applied, err := r.Apply(r.t.Context(), "", []config.File{{Name: "test.yaml", Body: []byte(yaml)}}, tester)
	if err != nil {
		r.t.Fatal(err)
	}
	if r.org, err = r.Organization(applied.Organization); err != nil {
		r.t.Fatal(err)
	}
	return applied
}

var tester = incident.Cause{Actor: "user:tester", Origin: "test"}

// trigger opens an alert by the integration of a key.
func (r *running) trigger(key, alert, title string) engine.Accepted {
	r.t.Helper()
	return r.take(key, event.Event{Action: event.Trigger, Key: alert, Title: title, Severity: event.SeverityCritical})
}

func (r *running) take(key string, ev event.Event) engine.Accepted {
	r.t.Helper()
	from, err := r.SenderByKey(key)
	if err != nil {
		r.t.Fatal(err)
	}
	got, err := r.Intake(r.t.Context(), from, []event.Event{ev}, []byte("{}"))
	if err != nil {
		r.t.Fatal(err)
	}
	return got[0]
}

// incidents lists all incidents, oldest first.
func (r *running) incidents() []incident.Incident {
	r.t.Helper()
	list, err := r.store.Incidents(r.t.Context(), r.org, store.IncidentFilter{Limit: 10000})
	if err != nil {
		r.t.Fatal(err)
	}
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

// timeline is what happened to an incident, a line each: kind, actor, text.
func (r *running) timeline(incidentID string) string {
	r.t.Helper()
	entries, err := r.store.Timeline(r.t.Context(), r.org, incidentID, 0, 10000)
	if err != nil {
		r.t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%s %s %s %s %s\n", e.Kind, e.Actor, e.Data.User, e.Data.Verdict, e.Data.Text)
	}
	return b.String()
}

// wait fails the test unless something becomes true in time.
func (r *running) wait(what string, within time.Duration, so func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		if so() {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// sql runs statements on the database, past the engine.
func sqlOn(t testing.TB, address string, statements ...string) {
	t.Helper()
	db := openSQL(t, address)
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// number asks the database for one number.
func number(t testing.TB, address, query string, args ...any) int64 {
	t.Helper()
	db := openSQL(t, address)
	defer db.Close()
	var n int64
	if err := db.QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func openSQL(t testing.TB, address string) *sql.DB {
	t.Helper()
	driver, dsn := "sqlite", "file:"+address+"?_pragma=busy_timeout(10000)"
	if strings.HasPrefix(address, "postgres") {
		driver, dsn = "pgx", address
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// A record is a log that can be read while it is written.
type record struct {
	mu sync.Mutex
	b  strings.Builder
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

// last is the end of the log.
func (r *record) last(n int) string {
	lines := strings.Split(strings.TrimSpace(r.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
