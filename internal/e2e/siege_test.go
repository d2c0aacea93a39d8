package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A siege is a server under load that is killed again and again. The load goes
// on across the kills, as senders do: it asks whichever server there is, and
// does not care when there is none. What is answered 2xx goes into the ledger.
type siege struct {
	t        *testing.T
	database string
	config   string
	pager    *pager
	path     string // of the ledger
	ledger   *ledger
	random   *rand.Rand

	now      atomic.Pointer[server]
	stopped  chan struct{}
	load     sync.WaitGroup
	accepted atomic.Int64 // events
	refused  atomic.Int64 // requests
	allowed  atomic.Int64 // events; batches wait where there are as many
	kills    []time.Time
	died     map[string]int // by station
}

// climbers are the services whose incidents page two people, one after the
// other; those of the service "storm" page one.
const climbers = 8

// pagesOf is how many different pages an incident of a service is due.
func pagesOf(service string) int {
	if service == "storm" {
		return 1
	}
	return 2
}

// besieged is a configuration for a siege.
func besieged(pager string) string {
	text := shop(pager, climbers)
	for i := range climbers {
		text = strings.Replace(text, fmt.Sprintf("p%d: {steps: [{notify: [user:u%d], wait: 1h}]}", i, i),
			fmt.Sprintf("p%d: {steps: [{notify: [user:u%d], wait: 1s}, {notify: [user:u%d], wait: 1h}]}", i, i, (i+1)%climbers), 1)
	}
	return strings.Replace(text, "\nservices:\n", "\n  storm: {steps: [{notify: [user:u0], wait: 1h}]}\nservices:\n  storm: {policy: storm}\n", 1)
}

func newSiege(t *testing.T, database string) *siege {
	g := &siege{
		t: t, database: database, pager: newPager(t, 2*time.Millisecond), // so that a kill finds some on their way
		random:  rand.New(rand.NewPCG(9, 9)), // when exactly a kill falls is chance all the same
		stopped: make(chan struct{}), died: map[string]int{},
	}
	dir := t.TempDir()
	g.config = write(t, dir, "shop.yaml", besieged(g.pager.URL))
	g.path = filepath.Join(dir, "ledger")
	g.ledger = newLedger(t, g.path)
	return g
}

// singles sends one event a request, each a problem of its own.
func (g *siege) singles(sender int, pause time.Duration) {
	for n := 0; g.pause(pause); n++ {
		s := g.now.Load()
		if s == nil {
			continue
		}
		body := fmt.Appendf(nil, `{"title":"disk %d-%d full","key":"%d-%d","service":"s%d","severity":"critical"}`, sender, n, sender, n, n%climbers)
		got, err := s.send(ownKey, body)
		if err != nil {
			g.refused.Add(1)
			continue
		}
		g.promised(promise{got.Event, got.Alert, got.Incident, got.Key, string(body)})
	}
}

// Of a batch: how many events there are, and how many batches page together.
const (
	batchSize   = 64
	batchesEach = 32
)

// batches sends many events a request: new alerts that join an incident, some
// that fire already, some that end.
func (g *siege) batches(sender int, pause time.Duration) {
	for n := 0; g.pause(pause); n++ {
		s := g.now.Load()
		if s == nil || g.accepted.Load() >= g.allowed.Load() {
			continue
		}
		var b strings.Builder
		for i := range batchSize {
			of, status := n, "firing"
			switch {
			case n == 0:
			case i%8 == 6:
				of = n - 1
			case i%8 == 7:
				of, status = n-1, "resolved"
			}
			fmt.Fprintf(&b, `,{"status":%q,"title":"node %d of rack %d","key":"b%d-%d-%d","group":"rack %d-%d","service":"storm","severity":"error"}`,
				status, i, n, sender, of, i, sender, n/batchesEach)
		}
		got, err := s.sendMany(ownKey, []byte(`{"events":[`+b.String()[1:]+`]}`))
		if err != nil {
			g.refused.Add(1)
			continue
		}
		if len(got) != batchSize {
			g.t.Errorf("202 for %d events, %d were sent", len(got), batchSize)
		}
		for _, a := range got {
			g.promised(promise{a.Event, a.Alert, a.Incident, a.Key, ""})
		}
	}
}

// pause waits and tells whether the load goes on.
func (g *siege) pause(d time.Duration) bool {
	select {
	case <-g.stopped:
		return false
	case <-time.After(d):
		return true
	}
}

func (g *siege) promised(p promise) {
	g.accepted.Add(1)
	if err := g.ledger.add(p); err != nil {
		g.t.Error(err)
	}
}

// up starts a server that lives until it is killed.
func (g *siege) up() *server {
	g.t.Helper()
	s := serve(g.t, "muster", g.database, "--config", g.config)
	g.now.Store(s)
	return s
}

// killAfter kills a server after a while.
func (g *siege) killAfter(d time.Duration) {
	g.t.Helper()
	s := g.up()
	time.Sleep(d)
	g.kills = append(g.kills, time.Now())
	s.kill()
}

// dieAt runs a server until it dies at the n-th passing of a station. It reports
// false where that takes longer than some time; then it is killed.
func (g *siege) dieAt(station string, n int, within time.Duration) bool {
	g.t.Helper()
	s := launchMortal(g.t, station, n, "muster", g.database, "--config", g.config)
	if s.await() == nil {
		g.now.Store(s)
	}
	select {
	case <-s.ended:
	case <-time.After(within):
		g.kills = append(g.kills, time.Now())
		s.kill()
		return false
	}
	g.kills = append(g.kills, time.Now())
	g.died[station]++
	if exit := (*exec.ExitError)(nil); !errors.As(s.err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		g.t.Fatalf("at %s: it ended with %v", station, s.err)
	}
	return true
}

// mustDieAt is dieAt for one that must.
func (g *siege) mustDieAt(station string, n int) {
	g.t.Helper()
	if !g.dieAt(station, n, 30*time.Second) {
		g.t.Fatalf("station %s was not passed %d times in 30 s", station, n)
	}
}

// stop ends the load and returns the ledger, which is durable before anything
// is judged.
func (g *siege) stop() []promise {
	g.t.Helper()
	close(g.stopped)
	g.load.Wait()
	if err := g.ledger.sync(); err != nil {
		g.t.Fatal(err)
	}
	promises, err := readLedger(g.path)
	if err != nil {
		g.t.Fatal(err)
	}
	return promises
}

// judge says whether all that was promised was kept, by the server's own word,
// by the database, and by what the pager got. It waits for pages as long as some
// come: patience is how long none may.
func (g *siege) judge(s *server, promises []promise, patience time.Duration) {
	t := g.t
	t.Helper()
	g.ask(s, promises)

	// Those that were committed and never answered are due their pages as well.
	incidents, err := s.incidents()
	if err != nil {
		t.Fatal(err)
	}
	due, different := map[string]int{}, 0
	for _, i := range incidents {
		due[i.ID] = pagesOf(i.Service)
		different += due[i.ID]
	}
	for _, p := range promises {
		if due[p.Incident] == 0 && p.Incident != "" {
			t.Errorf("incident %s was promised with event %s, and there is none", p.Incident, p.Event)
		}
	}
	for before := -1; before < len(g.pager.pages()) && before < different; {
		before = len(g.pager.pages())
		eventually(patience, func() error {
			if n := len(g.pager.pages()); n < before+100 && n < different {
				return fmt.Errorf("%d pages, %d are due", n, different)
			}
			return nil
		})
	}
	err = eventually(patience, func() error {
		if n := len(g.pager.pages()); n < different { // cheap; the judge is not
			return fmt.Errorf("%d pages, %d are due", n, different)
		}
		if wrong := judgeClimbs(due, g.pager.pages(), g.kills); len(wrong) > 0 {
			time.Sleep(time.Second)
			return fmt.Errorf("of %d incidents: %s", len(due), strings.Join(wrong[:min(5, len(wrong))], "; "))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	time.Sleep(time.Second) // what would come twice comes about now
	pages := g.pager.pages()
	if wrong := judgeClimbs(due, pages, g.kills); len(wrong) > 0 {
		t.Errorf("%d wrong: %s", len(wrong), strings.Join(wrong[:min(20, len(wrong))], "\n"))
	}
	s.stop(t)
	g.read(promises)
	t.Logf("%d kills, %d events answered 202, %d requests refused, %d incidents, %d pages, %d repeats; stations %v",
		len(g.kills), len(promises), g.refused.Load(), len(due), len(pages), len(pages)-different, g.died)
}

// asked is how many events are asked for, one by one.
const asked = 20_000

// ask asks the server for what was promised, or for some of it, evenly.
func (g *siege) ask(s *server, promises []promise) {
	var asking sync.WaitGroup
	every := 1 + len(promises)/asked
	for first := range 4 {
		asking.Go(func() {
			for i := first * every; i < len(promises); i += 4 * every {
				p := promises[i]
				var kept struct {
					ID, Body string
					Event    struct{ Key string }
				}
				if err := s.get("/api/v1/events/"+p.Event, &kept); err != nil {
					g.t.Errorf("event %s was answered 202: %v", p.Event, err)
					return
				}
				if kept.ID != p.Event || kept.Event.Key != p.Key || p.Body != "" && kept.Body != p.Body {
					g.t.Errorf("event %s was sent as %s %s and is kept as %s %s, %s", p.Event, p.Key, p.Body, kept.ID, kept.Event.Key, kept.Body)
					return
				}
			}
		})
	}
	asking.Wait()
}
