package engine_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/internal/vendortest"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/ticket"
)

var quiet = log.New(io.Discard, "", 0)

// shortPace is the pace of a server, ten times as fast, on a network whose
// exchanges may take three seconds.
var shortPace = engine.Pace{
	Patience: 1500 * time.Millisecond, Retry: 200 * time.Millisecond, RetryMost: 2 * time.Second, Probe: 500 * time.Millisecond, Stall: 300 * time.Millisecond,
}

const shortExchange = 3 * time.Second

// A cell is a provider that fails in one way, in a running engine, beside
// providers that do not fail.
type cell struct {
	*running
	p     *provider
	spare *vendortest.Webhook // ana's next contact, due hours after the policy went on
	other *vendortest.Webhook // bob's
	fault string
}

func startCell(t *testing.T, name, fault, address string) *cell {
	t.Helper()
	c := &cell{p: newProvider(t, name), fault: fault, spare: vendortest.NewWebhook(time.Now), other: vendortest.NewWebhook(time.Now)}
	fine := func(w *vendortest.Webhook) string {
		s := httptest.NewServer(w)
		t.Cleanup(s.Close)
		return s.URL
	}
	c.running = start(t, address, options{pace: shortPace, network: c.p.wire(shortExchange)})
	contact, rule, tracked := c.p.contact, "first, ", ""
	if contact == "" { // a tracker
		contact, rule = "{webhook: '', via: spare}", ""
		tracked = ", ticket: {kind: gitlab, connection: faulty, project: shop/checkout}"
	}
	c.apply(`
organization: shop
interrupts: {at_most: unlimited}
connections:
  faulty: ` + c.p.connection + `
  spare: {webhook: '` + fine(c.spare) + `'}
  other: {webhook: '` + fine(c.other) + `'}
users:
  ana: {contacts: {first: ` + contact + `, second: {webhook: '', via: spare}}, notify: {high: [` + rule + `{wait: 10h, by: second}]}}
  bob: {contacts: {hook: {webhook: '', via: other}}}
policies:
  ana: {steps: [{notify: [user:ana], wait: 5m}]}
  bob: {steps: [{notify: [user:bob], wait: 5m}]}
services:
  faulty: {policy: ana` + tracked + `}
  other: {policy: bob}
integrations:
  faulty: {kind: muster, key: key-of-faulty, service: faulty}
  other: {kind: muster, key: key-of-other, service: other}
`)
	return c
}

func got(w *vendortest.Webhook, title string) (n int) {
	for _, r := range w.Requests() {
		if strings.Contains(string(r.Body), title) {
			n++
		}
	}
	return n
}

// final are the faults that no second try can cure: the page is refused.
var final = []string{"wrong certificate"}

// round lets the fault begin and end once.
func (c *cell) round(n int) {
	t := c.t
	t.Helper()
	const within = time.Minute // a loaded machine takes its time; order and outcome are what counts
	before, during, after := fmt.Sprintf("fine-%d.", n), fmt.Sprintf("broken-%d.", n), fmt.Sprintf("mended-%d.", n)
	c.trigger("key-of-faulty", before, before)
	c.wait("on a fine day it arrives", within, func() bool { return c.p.took(before) > 0 })

	asked, begun := c.p.asked(), time.Now()
	c.p.breaks(t, c.fault)
	inc := c.trigger("key-of-faulty", during, during).Incident
	c.trigger("key-of-other", during, during)
	c.wait("others are paged", within, func() bool { return got(c.other, during) == 1 })
	reaches, harmless := c.p.contact != "", slices.Contains(c.p.harmless, c.fault)
	told := func(kinds ...string) bool {
		timeline := c.timeline(inc)
		return slices.ContainsFunc(kinds, func(k string) bool { return strings.Contains(timeline, k) })
	}
	switch {
	case harmless:
		c.wait("it arrives", within, func() bool { return c.p.took(during) == 1 && told("notified") })
	case reaches:
		c.wait("ana's next contact is paged", within, func() bool { return got(c.spare, during) == 1 })
		c.wait("the timeline tells", within, func() bool { return told("notify_delayed", "notify_failed") })
	default:
		c.wait("a try has failed", within, func() bool {
			return number(t, c.address, `SELECT count(*) FROM outbox WHERE kind = 'ticket' AND incident = '`+inc+`' AND error <> ''`) == 1
		})
	}
	c.cold(c.p.asked()-asked, time.Since(begun))
	if !harmless {
		c.wait("what came of it is known of the connection", within, func() bool { v := c.connection(); return v.Error != "" && !v.Since.IsZero() })
	}

	c.p.mends(t)
	c.trigger("key-of-faulty", after, after)
	c.wait("the destination recovers", within, func() bool { return c.p.took(after) > 0 })
	c.wait("its connection works", within, func() bool { v := c.connection(); return v.Health == "works" && v.Since.IsZero() && v.Error == "" })
	if slices.Contains(final, c.fault) {
		c.wait("what was refused is told of", within, func() bool { return told("notify_failed") })
	} else {
		c.wait("what was put off arrives", within, func() bool { return c.p.took(during) > 0 && told("notified", "ticket_created") })
	}
	// An answer that was lost may make a page come twice, and a ticket never.
	if most := map[bool]int{true: 100, false: 1}[c.fault == "half an answer" && reaches]; c.p.took(during) > most {
		t.Errorf("it arrived %d times", c.p.took(during))
	}
	if _, err := c.Do(t.Context(), c.org, inc, engine.Command{Do: "resolve", By: tester}); err != nil {
		t.Error(err)
	}
	c.discreet(inc)
}

// connection is what the API tells of the provider's.
func (c *cell) connection() engine.Connection {
	list, err := c.Connections(c.org)
	if err != nil || len(list) != 3 || list[0].Connection != "faulty" {
		c.t.Fatalf("connections: %+v, %v", list, err)
	}
	for _, s := range c.p.secrets {
		if strings.Contains(list[0].Error, s) {
			c.t.Errorf("%q is in what the API tells", s)
		}
	}
	return list[0]
}

// gauge is the value of a metric for the provider's connection.
func (c *cell) gauge(name string) float64 {
	families, err := c.Registry().Gather()
	if err != nil {
		c.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == name && l.GetName() == "connection" && l.GetValue() == "faulty" {
					return m.GetGauge().GetValue()
				}
			}
		}
	}
	return -1
}

// cold: a destination that fails is not asked in a loop. Each of its rows may be
// tried at once, and then no more often than the pace says; a 429 is obeyed.
func (c *cell) cold(asked int, took time.Duration) {
	most := 6 + int(took/(100*time.Millisecond))
	if c.fault == "429 with Retry-After" && c.p.name != "email" { // mail has no way to name a time
		most = 3 + 2*int(took/time.Second)
	}
	if asked > most {
		c.t.Errorf("it was asked %d times in %v, want at most %d", asked, took.Round(time.Millisecond), most)
	}
}

// discreet: no secret is in the timeline, the log or what is kept of a row.
func (c *cell) discreet(inc string) {
	c.t.Helper()
	rows, err := c.store.Outgoing(c.t.Context(), c.org, inc)
	if err != nil {
		c.t.Fatal(err)
	}
	said := c.timeline(inc) + c.log.String()
	for _, o := range rows {
		said += o.Error
	}
	for _, s := range c.p.secrets {
		if strings.Contains(said, s) {
			c.t.Errorf("%q is in the timeline, the log or an error", s)
		}
	}
}

// TestProviders lets everything that Muster sends to fail in every way, with
// real sockets: whoever is to be paged is paged by another way, others are not
// disturbed, the timeline tells, and when the fault ends it works again.
func TestProviders(t *testing.T) {
	t.Parallel()
	rounds := 1
	if os.Getenv("MUSTER_LONG") != "" {
		rounds = 100
	}
	var names []string
	for _, k := range notify.Kinds {
		names = append(names, k.Name)
	}
	for _, k := range ticket.Trackers {
		names = append(names, k.Name)
	}
	for _, name := range names {
		for _, fault := range providerFaults {
			t.Run(name+"/"+fault, func(t *testing.T) {
				t.Parallel()
				c := startCell(t, name, fault, filepath.Join(t.TempDir(), "muster.db"))
				begun := time.Now()
				for n := range rounds {
					c.round(n)
				}
				t.Logf("%d round(s) in %v", rounds, time.Since(begun).Round(time.Millisecond))
			})
		}
	}
}

// TestFullLoad lets hundreds of pages wait for a provider that takes what is
// sent and never answers. Each is passed on to the person's next contact, others
// are paged as if nothing was, and the provider is asked by one row at a time.
// The long form has a thousand, every fault and both databases. Nothing in it
// waits in turn: under the race detector a page costs 27 ms of a processor, and
// leaves at a steady rate. With a fifth of one, half of a thousand would still
// wait after a minute, as CI saw once; hence two hundred in the short form, and
// two seconds more for the others.
func TestFullLoad(t *testing.T) {
	t.Run("sqlite/black hole", func(t *testing.T) { fullLoad(t, filepath.Join(t.TempDir(), "muster.db"), "black hole") })
	if os.Getenv("MUSTER_LONG") == "" {
		return
	}
	for _, fault := range providerFaults {
		if fault == "200 with an error inside" { // a webhook's words mean nothing
			continue
		}
		t.Run("postgres/"+fault, func(t *testing.T) { fullLoad(t, pgtest.DSN(t), fault) })
		if fault != "black hole" {
			t.Run("sqlite/"+fault, func(t *testing.T) { fullLoad(t, filepath.Join(t.TempDir(), "muster.db"), fault) })
		}
	}
}

func fullLoad(t *testing.T, address, fault string) {
	load, healthy := int64(200), 40
	if os.Getenv("MUSTER_LONG") != "" {
		load = 1000
	}
	c := startCell(t, "webhook", fault, address)
	sent := func(destination string) bool {
		time.Sleep(100 * time.Millisecond) // each question is a connection of its own, and takes from what it waits for
		return number(t, address, `SELECT count(*) FROM outbox WHERE state = 'sent' AND kind = '`+incident.Page+`' AND destination LIKE '%/`+destination+`'`) == load
	}
	delays := func(name string, n int) (worst time.Duration) {
		for i := range n {
			title := fmt.Sprintf("%s-%d.", name, i)
			begun := time.Now()
			c.trigger("key-of-other", title, title)
			c.wait("another is paged", 30*time.Second, func() bool { return got(c.other, title) == 1 })
			worst = max(worst, time.Since(begun))
		}
		return worst
	}
	fine := delays("fine", healthy/4)
	c.p.breaks(t, fault)
	from, err := c.SenderByKey("key-of-faulty")
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	var batch []event.Event
	for i := range load {
		title := fmt.Sprintf("load-%d.", i)
		batch = append(batch, event.Event{Action: event.Trigger, Key: title, Title: title, Severity: event.SeverityCritical})
		if len(batch) == 50 {
			if _, err := c.Intake(context.Background(), from, batch, []byte("{}")); err != nil {
				t.Fatal(err)
			}
			batch = nil
		}
	}
	loaded := delays("loaded", healthy)
	t.Logf("others are paged within %v while all is fine, and within %v under full load", fine.Round(time.Millisecond), loaded.Round(time.Millisecond))
	if loaded > fine+time.Second+map[bool]time.Duration{true: 0, false: 2 * time.Second}[os.Getenv("MUSTER_LONG") != ""] {
		t.Errorf("another was paged %v late", loaded-fine)
	}
	c.wait("all are paged by their next contact", 2*time.Minute, func() bool { return sent("spare") })
	t.Logf("all %d were paged by their next contact %v after they were triggered", load, time.Since(begun).Round(time.Millisecond))
	asked := number(t, address, `SELECT sum(attempt) FROM outbox WHERE destination LIKE '%/faulty'`)
	t.Logf("the provider was tried %d times", asked)
	if fault == "black hole" && asked > 100 { // eight at first, then one at a time
		t.Errorf("it was tried %d times", asked)
	}
	if v := c.connection(); v.Health != "failing" || c.gauge("muster_connection_failing") != 1 || c.gauge("muster_connection_failing_since_seconds") != float64(v.Since.Unix()) {
		t.Errorf("its connection is %+v, with metrics %v and %v", v, c.gauge("muster_connection_failing"), c.gauge("muster_connection_failing_since_seconds"))
	}
	c.p.mends(t)
	if fault == "wrong certificate" {
		return // they were refused
	}
	c.wait("what was put off arrives", 2*time.Minute, func() bool { return sent("faulty") })
	if v := c.connection(); v.Health != "works" || c.gauge("muster_connection_failing") != 0 {
		t.Errorf("when all is well its connection is %+v, with metric %v", v, c.gauge("muster_connection_failing"))
	}
}
