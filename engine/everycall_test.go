package engine_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/gate"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/faultdisk"
	"github.com/musterhq/muster/internal/faultwire"
	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/internal/seal"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
	"github.com/musterhq/muster/ticket"
)

// everything is a configuration in whose story each kind of unit is written.
const everything = `
organization: shop
interrupts: {at_most: 2, per: 10m}
users:
  ana: {contacts: {a: {probe: ana}}}
  bob: {contacts: {a: {probe: bob}}}
  carl: {contacts: {a: {probe: carl}}}
teams: {finders: {room: {probe: room}}}
connections: {probe: {probe: ''}}
schedules: {primary: {timezone: Europe/London, layers: [{users: [ana], rotate: daily, handoff: "09:00"}]}}
policies:
  climbs: {steps: [{notify: [schedule:primary], wait: WAIT}, {notify: [user:bob], wait: 10m}]}
  once: {steps: [{notify: [user:carl], wait: 10m}]}
services: {checkout: {policy: climbs}, search: {policy: once}}
gates: {memory: {service: search, owners: {"@shop/finders": finders}, ticket: {desk: probe}}}
integrations: {i: {kind: muster, key: the-only-key, service: checkout}}
logs: {shop: {format: ndjson, service: search}}
runbooks: {fix: {approve: {by: user:bob, within: 5m}, steps: [{flip: {}}], verify: {signal: trigger, recovers_within: 20s}}}
rules: {errors: {service: search, source: logs:shop, ratio: {bad: status >= 500}, above: 50%, window: 5s, min_total: 5, resolve_after: 2s, lateness: 0s, severity: critical, runbook: fix}}
`

// A play is one performance of a story, with one call of the database that
// fails.
type play struct {
	t      *testing.T
	e      *engine.Engine
	st     *store.Store
	org    string
	direct string // the database without faults
	log    record
	told   []string // what the acts were told when they had to be done again
	resent int      // events that were sent again
	broken []string // invariants

	pager probe
	mu    sync.Mutex
	flips int // how often the runbook's step was applied
	desk  map[string]*deskTicket
}

// A deskTicket is one of the story's tracker.
type deskTicket struct {
	open     bool
	comments map[string]bool // by key
}

// tracker is the story's: it keeps tickets by their keys, as all trackers do.
func (p *play) tracker() ticket.Tracker {
	p.desk = map[string]*deskTicket{}
	change := func(ref ticket.Ref, do func(*deskTicket)) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		do(p.desk[ref.ID])
		return nil
	}
	type (
		out = *wire.Client
		set = config.Settings
	)
	return ticket.Tracker{
		Kind: config.Kind{Name: "desk", Via: []string{"probe"}},
		Create: func(_ context.Context, _ out, _, _ set, issue ticket.Issue) (ticket.Ref, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.desk[issue.Key] == nil {
				p.desk[issue.Key] = &deskTicket{open: true, comments: map[string]bool{}}
			}
			return ticket.Ref{ID: issue.Key, URL: "https://desk.shop.example/" + issue.Key, Closed: !p.desk[issue.Key].open}, nil
		},
		Comment: func(_ context.Context, _ out, _, _ set, ref ticket.Ref, key, _ string) error {
			return change(ref, func(d *deskTicket) { d.comments[key] = true })
		},
		Close: func(_ context.Context, _ out, _, _ set, ref ticket.Ref) error {
			return change(ref, func(d *deskTicket) { d.open = false })
		},
		Reopen: func(_ context.Context, _ out, _, _ set, ref ticket.Ref) error {
			return change(ref, func(d *deskTicket) { d.open = true })
		},
	}
}

// tickets tell what stands in the tracker.
func (p *play) tickets() (list []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.desk {
		list = append(list, fmt.Sprintf("open: %v, %d comments", d.open, len(d.comments)))
	}
	slices.Sort(list)
	return list
}

// step is the runbook's, which mends the traffic.
func (p *play) step() runbook.Step {
	return runbook.Step{
		Kind: config.Kind{Name: "flip"},
		Plan: func(context.Context, runbook.Env) (runbook.Plan, error) {
			return runbook.Plan{Step: "flip", Summary: []string{"flip it"}, Pin: []byte(`{}`)}, nil
		},
		Apply: func(context.Context, runbook.Env, runbook.Plan) (runbook.Result, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.flips++
			return runbook.Result{Done: true, Outcome: runbook.OutcomeDone, Detail: "flipped"}, nil
		},
		Look: func(context.Context, runbook.Env, runbook.Plan, runbook.Result) (runbook.Result, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.flips > 0 {
				return runbook.Result{Done: true, Outcome: runbook.OutcomeDone, Detail: "flipped"}, nil
			}
			return runbook.Result{Done: true, Outcome: runbook.OutcomeUnknown}, nil
		},
	}
}

func (p *play) flipped() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.flips
}

// An outcome is what a story came to, without ids and times.
type outcome struct {
	Sent   []string // to whom, for what, and whether it came again
	Rows   map[string][]string
	Desk   []string // tickets
	Events int      // raw ones that are kept
	Resent int      // of them at most: a sender that gets no answer sends again
	Flips  int
	Again  []string // what was to be done again, and why
	Broken []string // invariants
}

// perform plays the story on a database; begin is called when all is ready, and
// end before it is looked at.
func perform(t *testing.T, address, direct string, begin, end func()) (o outcome) {
	p := &play{t: t, direct: direct}
	log := slog.New(slog.NewTextHandler(&p.log, nil))
	var err error
	if p.st, err = store.Open(t.Context(), address, log); err != nil {
		t.Fatal(err)
	}
	key, err := seal.ParseKey(strings.Repeat("ab", 32))
	if err != nil {
		t.Fatal(err)
	}
	failed := false
	p.pager.behave = func(_ context.Context, address string, m notify.Message) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if address == "ana" && !failed {
			failed = true
			return errors.New("it is not there just now")
		}
		return nil
	}
	channels, steps, trackers := []notify.Kind{p.pager.kind()}, append([]runbook.Step{p.step()}, runbook.Steps...), []ticket.Tracker{p.tracker()}
	p.e = engine.New(engine.Deps{
		Store: p.st, Wire: wire.New(wire.Options{Now: time.Now, Transport: accepting{}}), Channels: channels, Steps: steps, Trackers: trackers, Kinds: engine.KindsOf(channels, steps, trackers),
		Pace: engine.Pace{Audit: 20 * time.Second, Jitter: func(most time.Duration) time.Duration { return most }},
		Key:  key, Log: log, Keep: store.Keep{Tombstones: time.Hour, Windows: time.Hour, Events: time.Hour, Outbox: time.Hour},
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.e.Run(ctx) }()
	time.Sleep(time.Second)
	begin()
	p.story()
	end()
	time.Sleep(15 * time.Second)
	synctest.Wait()
	o = p.outcome()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := p.st.Close(); err != nil {
		t.Error(err)
	}
	return o
}

// again does something until it is done, as clients do that are told to try
// again; done tells of an error whether an attempt before had done it.
func (p *play) again(what string, do func() error, done ...error) {
	p.t.Helper()
	var err error
	for try := range 5 {
		if err = do(); err == nil || try > 0 && slices.ContainsFunc(done, func(d error) bool { return errors.Is(err, d) }) {
			return
		}
		p.told = append(p.told, fmt.Sprintf("%s: %v", what, err))
		time.Sleep(300 * time.Millisecond)
	}
	p.broken = append(p.broken, fmt.Sprintf("%s, time and again: %v", what, err))
}

// until waits for what Muster has to do by itself.
func (p *play) until(what string, so func() (bool, error)) {
	p.t.Helper()
	for range 300 {
		if ok, err := so(); err == nil && ok {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.broken = append(p.broken, "not within 30 s: "+what)
}

func (p *play) apply(wait string) {
	p.again("apply", func() error {
		applied, err := p.e.Apply(p.t.Context(), "", []config.File{{Name: "all.yaml", Body: []byte(strings.Replace(everything, "WAIT", wait, 1))}}, tester)
		if err == nil {
			p.org, err = p.e.Organization(applied.Organization)
		}
		return err
	})
}

func (p *play) intake(events ...event.Event) (incidents []string) {
	p.t.Helper()
	tries := 0
	p.again("intake", func() error {
		if tries++; tries > 1 {
			p.resent += len(events)
		}
		from, err := p.e.SenderByKey("the-only-key")
		if err != nil {
			return err
		}
		got, err := p.e.Intake(p.t.Context(), from, events, []byte(`{"a":"body"}`))
		incidents = nil
		for _, a := range got {
			incidents = append(incidents, a.Incident)
		}
		return err
	})
	return incidents
}

func (p *play) do(incidentID string, c engine.Command) {
	p.t.Helper()
	c.By = incident.Cause{Actor: "user:bob", Origin: "test"}
	p.again(c.Do, func() error { _, err := p.e.Do(p.t.Context(), p.org, incidentID, c); return err }, incident.ErrConflict)
}

func (p *play) lines(bad int) {
	p.t.Helper()
	body := lines(time.Now(), 10, bad, "/checkout")
	p.again("lines", func() error { // as the intake of log lines does
		from, err := p.e.SenderByKey("the-only-key")
		if err != nil {
			return err
		}
		_, answered, err := p.e.LogsOnce(p.t.Context(), from, "shop", "", body)
		answered(err == nil)
		return err
	})
}

// report is what a pipeline tells of a run that shows leaks.
func (p *play) report(id string, leaks ...string) {
	p.t.Helper()
	r := gate.Result{ID: id, Verdict: "fail", Reason: "leaks", Suite: "unit", Complete: true, Source: gate.Source{Branch: "main", Default: true}}
	for _, l := range leaks {
		r.Findings = append(r.Findings, leak(l, "@shop/finders"))
	}
	p.again("report", func() error { _, err := p.e.Report(p.t.Context(), p.org, "memory", r); return err })
}

func trigger(key, service string, severity event.Severity) event.Event {
	return event.Event{Action: event.Trigger, Key: key, Title: key, Service: service, Severity: severity}
}

// story is what happens. Between what depends on each other lies more time than
// one fault costs.
func (p *play) story() {
	p.apply("16s")
	// A page that fails and is sent again, a climb, an acknowledgement.
	disk := p.intake(trigger("disk", "checkout", event.SeverityCritical))[0]
	time.Sleep(3 * time.Second)
	// Several at once: more interrupts than one person may have.
	var flood []event.Event
	for i := range 5 {
		flood = append(flood, trigger(fmt.Sprint("flood", i), "search", event.SeverityError))
	}
	p.intake(append(flood, trigger("disk", "checkout", event.SeverityCritical))...)
	time.Sleep(21 * time.Second)
	p.do(disk, engine.Command{Do: "acknowledge"})
	p.apply("20s")
	// A pipeline shows two leaks, the next one shows one of them, and then it is back.
	p.report("run-1", "f1", "f2")
	time.Sleep(6 * time.Second)
	p.report("run-2", "f1")
	time.Sleep(6 * time.Second)
	p.report("run-3", "f2")
	// A rule fires, its runbook is approved, carried out, and helps.
	for range 6 {
		p.lines(10)
		time.Sleep(time.Second)
	}
	var run runbook.Run
	p.until("a run waits for its approval", func() (bool, error) {
		list, err := p.st.Incidents(p.t.Context(), p.org, store.IncidentFilter{Limit: 1})
		if err != nil || len(list) == 0 {
			return false, err
		}
		runs, err := p.e.Runs(p.t.Context(), p.org, list[0].ID)
		if err != nil || len(runs) == 0 {
			return false, err
		}
		run = runs[0]
		return run.State == runbook.AwaitingApproval, nil
	})
	p.again("approve", func() error {
		_, err := p.e.Decide(p.t.Context(), p.org, run.ID, engine.Decision{Approve: true, By: tester, User: "bob", Hash: run.Hash})
		return err
	}, runbook.ErrMove)
	p.until("the step is carried out", func() (bool, error) { return p.flipped() > 0, nil })
	for range 12 {
		p.lines(0)
		time.Sleep(time.Second)
	}
	// All ends: by the sender and by people.
	for i := range flood {
		flood[i].Action = event.Resolve
	}
	p.intake(flood[:3]...)
	list := p.list()
	for _, inc := range list {
		if inc.Open() && inc.ID != disk {
			p.do(inc.ID, engine.Command{Do: "resolve", Text: "it was nothing"})
		}
	}
	time.Sleep(time.Minute - time.Duration(time.Now().Second())*time.Second) // for retention
}

func (p *play) list() (list []incident.Incident) {
	p.again("list", func() (err error) {
		list, err = p.st.Incidents(p.t.Context(), p.org, store.IncidentFilter{Limit: 1000})
		return err
	})
	return list
}

// tables are what the database holds, without what differs from play to play.
var tables = map[string]string{
	"incidents":   `SELECT number || ' ' || status || ' ' || service || ' ' || severity || ' waits ' || waits || CASE WHEN due IS NULL THEN '' ELSE ' due' END FROM incidents`,
	"timeline":    `SELECT i.number || ' ' || t.kind FROM timeline t JOIN incidents i ON i.id = t.incident`,
	"alerts":      `SELECT dedup_key || ' ' || status || ' ' || newest || ' of ' || integration FROM alerts`,
	"outbox":      `SELECT i.number || ' ' || o.kind || ' ' || destination || ' ' || CASE WHEN o.kind = 'update' AND o.state = 'cancelled' THEN 'sent' ELSE o.state END || ' ' || climb_step || ' ' || person FROM outbox o JOIN incidents i ON i.id = o.incident`,
	"digests":     `SELECT kind || ' ' || state || ' ' || person FROM outbox WHERE incident = ''`,
	"messages":    `SELECT i.number || ' ' || destination || ' ' || m.status FROM messages m JOIN incidents i ON i.id = m.incident`,
	"runs":        `SELECT runbook || ' ' || state || CASE WHEN ended_at IS NULL THEN ' open' ELSE '' END FROM runs`,
	"windows":     `SELECT rule || ' ' || series || ' ' || sum(bad) || '/' || sum(total) FROM windows GROUP BY rule, series`,
	"postmortems": `SELECT CAST(i.number AS TEXT) FROM postmortems p JOIN incidents i ON i.id = p.incident`,
	"resources":   `SELECT kind || ' ' || slug FROM resources`,
	"revisions":   `SELECT CAST(number AS TEXT) FROM revisions`,
	"gate runs":   `SELECT gate || ' ' || result FROM gate_runs`,
	"defects":     `SELECT fingerprint || ' ' || state || ' ' || team FROM defects`,
	"counter":     `SELECT name || ' ' || value FROM counters WHERE org <> ''`,
}

// halves must not be there.
var halves = map[string]string{
	"incidents without a timeline":      `SELECT count(*) FROM incidents WHERE NOT EXISTS (SELECT 1 FROM timeline WHERE incident = incidents.id)`,
	"timelines without an incident":     `SELECT count(*) FROM timeline WHERE NOT EXISTS (SELECT 1 FROM incidents WHERE id = timeline.incident)`,
	"pages without an incident":         `SELECT count(*) FROM outbox WHERE incident <> '' AND NOT EXISTS (SELECT 1 FROM incidents WHERE id = outbox.incident)`,
	"firing alerts of nothing open":     `SELECT count(*) FROM alerts WHERE status = 'firing' AND NOT EXISTS (SELECT 1 FROM incidents WHERE id = alerts.incident AND status <> 'resolved')`,
	"open incidents that nothing moves": `SELECT count(*) FROM incidents WHERE status <> 'resolved' AND due IS NULL AND waits = ''`,
	"rows of the outbox that wait":      `SELECT count(*) FROM outbox WHERE state = 'pending'`,
}

func (p *play) outcome() (o outcome) {
	o.Rows, o.Again, o.Flips, o.Broken, o.Desk, o.Resent = map[string][]string{}, p.told, p.flipped(), p.broken, p.tickets(), p.resent
	for name, query := range tables {
		for _, row := range p.column(query) {
			o.Rows[name] = append(o.Rows[name], strings.ReplaceAll(row, p.org, "o"))
		}
	}
	o.Events, _ = strconv.Atoi(p.column(`SELECT CAST(sum(count) AS TEXT) FROM segments`)[0])
	for what, query := range halves {
		if got := p.column(query); got[0] != "0" {
			o.Broken = append(o.Broken, got[0]+" "+what)
		}
	}
	numbers := map[string]int64{}
	for _, inc := range p.list() {
		entries, err := p.st.Timeline(p.t.Context(), p.org, inc.ID, 0, 100000)
		if err != nil {
			p.t.Fatal(err)
		}
		numbers[inc.ID] = inc.Number
		folded := incident.Fold(inc.ID, inc.Org, entries)
		folded.Version = inc.Version
		if d := cmp.Diff(inc, folded); d != "" {
			o.Broken = append(o.Broken, fmt.Sprintf("incident #%d is not the fold of its timeline (-row +fold):\n%s", inc.Number, d))
		}
	}
	p.pager.mu.Lock()
	defer p.pager.mu.Unlock()
	for _, s := range p.pager.sends {
		sent := fmt.Sprintf("%s %s #%d", s.address, s.kind, numbers[s.incident])
		if s.kind == "update" && slices.Contains(o.Sent, sent) {
			continue // how often a message is edited depends on how soon its changes follow each other
		}
		o.Sent = append(o.Sent, sent)
	}
	slices.Sort(o.Sent)
	return o
}

// column is the one column of a query, in the order of the alphabet.
func (p *play) column(query string) (list []string) {
	db := openSQL(p.t, p.direct)
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		p.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			p.t.Fatal(err)
		}
		list = append(list, s)
	}
	if err := rows.Err(); err != nil {
		p.t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// differs lists what another outcome has too much (+) and what it lacks (-).
func (o outcome) differs(other outcome) string {
	var b strings.Builder
	count := map[string]int{}
	for sign, of := range map[int]outcome{-1: o, 1: other} {
		for table, rows := range of.Rows {
			for _, row := range rows {
				count[table+": "+row] += sign
			}
		}
		for _, d := range of.Desk {
			count["ticket: "+d] += sign
		}
		for _, s := range of.Sent {
			count["sent: "+s] += sign
		}
		for _, broken := range of.Broken {
			count[broken] += sign
		}
		count["flips"] += sign * of.Flips
	}
	for _, what := range slices.Sorted(maps.Keys(count)) {
		if n := count[what]; n != 0 {
			fmt.Fprintf(&b, "%+d %s\n", n, what)
		}
	}
	// An event that is sent again, for want of an answer, is kept again.
	if other.Events < o.Events || other.Events > o.Events+other.Resent {
		fmt.Fprintf(&b, "%d events and not %d; %d were sent again\n", other.Events, o.Events, other.Resent)
	}
	return b.String()
}

var (
	callSeed = flag.Uint64("callseed", 0, "seed of TestEveryCallFails; 0 is a new one")
	callFor  = flag.Duration("callfor", 5*time.Second, "how long TestEveryCallFails goes on, on each database")
)

// A faulty is a database of which one call can fail.
type faulty struct {
	address, direct string
	fresh           func() // empties it
	// arm lets a call fail from now on; n = 0: none. It returns what ends that and
	// tells the calls that there were.
	arm func(fault) (disarm func() (calls []string))
	// faults are what can be done to a call.
	faults func(call string) []string
}

// A fault is what is done to the n-th call.
type fault struct {
	n    int
	what string
}

// TestEveryCallFails plays a story in which each kind of unit is written, on a
// fake clock, again and again, and lets the n-th call of the database fail: the
// n-th round trip to PostgreSQL is not heard by it, or its answer is lost; the
// n-th write, sync or truncation of SQLite's disk has a fault. Whatever fails,
// the story comes to the same end: the tables hold the same, each page left once,
// and nothing is half.
func TestEveryCallFails(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(*testing.T) faulty{"sqlite": faultySQLite, "postgres": faultyPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everyCall(t, database(t))
		})
	}
}

func everyCall(t *testing.T, db faulty) {
	play := func(f fault) (o outcome, calls []string) {
		db.fresh()
		synctest.Test(t, func(t *testing.T) {
			var disarm func() []string
			o = perform(t, db.address, db.direct, func() { disarm = db.arm(f) }, func() { calls = disarm() })
		})
		return o, calls
	}
	want, calls := play(fault{})
	if len(want.Broken) > 0 || len(want.Again) > 0 || t.Failed() {
		t.Fatalf("without a fault: %v %v", want.Broken, want.Again)
	}
	seed := *callSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("go test ./engine -run %s -callseed %d", t.Name(), seed)
	begun, played, refused := time.Now(), 0, 0
	order := faultsOf(calls, db.faults, rand.New(rand.NewPCG(seed, 0)))
	for _, f := range order {
		if os.Getenv("MUSTER_LONG") == "" && played > 0 && time.Since(begun) > *callFor {
			break
		}
		got, heard := play(f)
		played++
		refused += len(got.Again)
		if d := want.differs(got); d != "" {
			heard = append(heard, make([]string, f.n)...) // where there were fewer
			t.Errorf("call %d was %s (%s), and the story ended otherwise:\n%sacts that were tried again: %q", f.n, f.what, heard[f.n-1], d, got.Again)
		}
	}
	t.Logf("%d of %d faults of %d calls, one a story; %d acts had to be done again", played, len(order), len(calls), refused)
}

// faultsOf puts what can be done to the calls into an order: first what has not
// been done to a call of that kind.
func faultsOf(calls []string, can func(string) []string, random *rand.Rand) (order []fault) {
	seen := map[fault]bool{}
	var later []fault
	for _, i := range random.Perm(len(calls)) {
		for _, what := range can(calls[i]) {
			kind := fault{what: what + " " + calls[i]}
			if seen[kind] {
				later = append(later, fault{i + 1, what})
			} else {
				order = append(order, fault{i + 1, what})
			}
			seen[kind] = true
		}
	}
	return append(order, later...)
}

func faultyPostgres(t *testing.T) faulty {
	dsn := pgtest.DSN(t)
	w := faultwire.New(t, dsn)
	st, err := store.Open(t.Context(), dsn, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	return faulty{
		address: w.DSN, direct: dsn,
		fresh: func() {
			sqlOn(t, dsn, `DO $$ DECLARE one TEXT; BEGIN
				FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'goose_db_version' LOOP EXECUTE 'TRUNCATE ' || one; END LOOP;
				END $$`)
		},
		arm: func(f fault) func() []string {
			var calls calls
			w.Judge(func(trip faultwire.Trip) faultwire.Fate {
				switch {
				case !calls.nth(trip.String(), f.n):
					return faultwire.Pass
				case f.what == "not heard":
					return faultwire.Unasked
				}
				return faultwire.Unheard
			})
			return func() []string {
				w.Judge(nil)
				return calls.list()
			}
		},
		faults: func(call string) []string {
			if strings.HasPrefix(call, "SELECT") || strings.HasPrefix(call, "prepare") || call == "connect" || strings.HasPrefix(call, "BEGIN") || strings.HasPrefix(call, "--") {
				return []string{"not heard"} // it changes nothing: to lose its answer is the same
			}
			return []string{"not heard", "not answered"}
		},
	}
}

// calls counts and lists calls.
type calls struct {
	mu   sync.Mutex
	were []string
}

// nth notes a call and tells whether it is the n-th.
func (c *calls) nth(call string, n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.were = append(c.were, call)
	return len(c.were) == n
}

func (c *calls) list() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.were)
}

var faultDisks = sync.OnceValues(faultdisk.Register)

func faultySQLite(t *testing.T) faulty {
	disks, err := faultDisks()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "muster.db")
	var disk *faultdisk.Disk
	return faulty{
		address: file, direct: file,
		fresh: func() {
			if disk != nil {
				disks.Remove(disk)
			}
			for _, name := range []string{file, file + "-wal", file + "-shm", file + "-reserve"} {
				os.Remove(name)
			}
			if disk, err = disks.Disk(dir); err != nil {
				t.Fatal(err)
			}
		},
		arm: func(f fault) func() []string {
			var calls calls
			disk.Refuse(func(s faultdisk.Step) error {
				if calls.nth(s.Kind+" "+s.File, f.n) {
					return errors.New("the disk has a fault")
				}
				return nil
			})
			return func() []string {
				disk.Refuse(nil)
				return calls.list()
			}
		},
		faults: func(string) []string { return []string{"refused"} },
	}
}
