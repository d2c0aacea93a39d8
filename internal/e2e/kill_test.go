package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/pgtest"
)

// shop is a configuration with so many services, each with a person and a
// webhook of its own, so that sends go out side by side.
func shop(pager string, services int) string {
	var b strings.Builder
	b.WriteString("organization: shop\ninterrupts: {at_most: unlimited}\nusers:\n")
	for i := range services {
		fmt.Fprintf(&b, "  u%d: {name: User %d, contacts: {hook: {webhook: ~, via: hook%d}}}\n", i, i, i)
	}
	b.WriteString("connections:\n")
	for i := range services {
		fmt.Fprintf(&b, "  hook%d: {webhook: %q, secret: %s, allow: [127.0.0.0/8]}\n", i, fmt.Sprintf("%s/%d", pager, i), webhookSecret)
	}
	b.WriteString("policies:\n")
	for i := range services {
		fmt.Fprintf(&b, "  p%d: {steps: [{notify: [user:u%d], wait: 1h}]}\n", i, i)
	}
	b.WriteString("services:\n")
	for i := range services {
		fmt.Fprintf(&b, "  s%d: {policy: p%d}\n", i, i)
	}
	fmt.Fprintf(&b, "integrations:\n  own: {kind: muster, key: %s, service: s0}\n  prometheus: {kind: alertmanager, key: %s, service: s0}\n", ownKey, prometheusKey)
	return b.String()
}

const (
	ownKey        = "own-key-0123456789"
	prometheusKey = "prometheus-key-0123456789"
)

// databases are those that every promise holds on.
var databases = []struct {
	name string
	make func(t *testing.T) string
}{
	{"sqlite", func(t *testing.T) string { return filepath.Join(t.TempDir(), "muster.db") }},
	{"postgres", func(t *testing.T) string { return pgtest.DSN(t) }},
}

const (
	services = 8 // of shop, where it does not matter how many
	senders  = 4 // of single events; as many send batches
)

// TestKill9 kills a server in the middle of load, at random and at each station
// of an event's way. Nothing that was answered 2xx is lost, every page leaves,
// and none is repeated but for a kill.
func TestKill9(t *testing.T) {
	for _, database := range databases {
		t.Run(database.name, func(t *testing.T) {
			t.Parallel() // most of the time is spent waiting for leases to end
			g := newSiege(t, database.make(t))
			for sender := range senders {
				g.load.Go(func() { g.singles(sender, 10*time.Millisecond) })
				g.load.Go(func() { g.batches(sender, 100*time.Millisecond) })
			}
			g.allowed.Store(1 << 40)
			for _, station := range paging(t) {
				g.mustDieAt(station, 10+g.random.IntN(50))
			}
			for range 2 { // an answer before its commit shows only here
				g.mustDieAt("staged", 1+g.random.IntN(20))
				g.mustDieAt("flushed", 1+g.random.IntN(20))
			}
			for range 3 {
				g.killAfter(time.Duration(300+g.random.IntN(500)) * time.Millisecond)
			}
			s := g.up()
			time.Sleep(300 * time.Millisecond)
			promises := g.stop()
			if len(promises) < 100 || g.refused.Load() == 0 {
				t.Fatalf("%d events accepted, %d refused: that is no load, or no kill fell into it", len(promises), g.refused.Load())
			}
			g.judge(s, promises, 45*time.Second)
		})
	}
}

// paging are the stations that every event passes that pages people; the other
// ones are those of logs and runs.
func paging(t *testing.T) (list []string) {
	for _, station := range stations(t) {
		if !strings.HasPrefix(station, "run-") && station != "counted" && station != "judged" {
			list = append(list, station)
		}
	}
	if len(list) < 12 {
		t.Fatalf("stations %v, want at least twelve", list)
	}
	return list
}

// TestKill9Long is TestKill9 with 200 kills and a million accepted events.
func TestKill9Long(t *testing.T) {
	if os.Getenv("MUSTER_LONG") == "" {
		t.Skip("long: 200 kills and a million events on each database; make test-long runs it")
	}
	const kills, events = 200, 1_000_000
	for _, database := range databases {
		t.Run(database.name, func(t *testing.T) {
			began := time.Now()
			g := newSiege(t, database.make(t))
			for sender := range senders {
				g.load.Go(func() { g.singles(sender, 20*time.Millisecond) })
				g.load.Go(func() { g.batches(sender, 0) })
			}
			stations := paging(t)
			for n := range kills {
				g.allowed.Store(int64(n+1) * events / kills)
				if n%2 == 0 {
					g.dieAt(stations[n/2%len(stations)], 10+g.random.IntN(60), 10*time.Second)
				} else {
					g.killAfter(time.Duration(300+g.random.IntN(1200)) * time.Millisecond)
				}
				if n%20 == 19 {
					t.Logf("%v: %d kills, %d events", time.Since(began).Round(time.Second), n+1, g.accepted.Load())
				}
			}
			s := g.up()
			g.allowed.Store(1 << 40)
			for g.accepted.Load() < events {
				time.Sleep(100 * time.Millisecond)
			}
			promises := g.stop()
			if len(g.died) != len(stations) {
				t.Errorf("it died at %v, want at each of %v", g.died, stations)
			}
			loaded := time.Since(began).Round(time.Second)
			g.judge(s, promises, time.Minute)
			t.Logf("%v, of which %v under load", time.Since(began).Round(time.Second), loaded)
		})
	}
}
