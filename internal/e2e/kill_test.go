package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/pgtest"
)

// shop is a configuration with so many services, each with a person and a
// webhook of its own, so that sends go out side by side.
func shop(pager string, services int) string {
	var b strings.Builder
	b.WriteString("organization: shop\nusers:\n")
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

// TestKill9 kills a server ten times in the middle of load. Nothing that was
// answered 2xx is lost, every page leaves, and none is repeated but for a kill.
func TestKill9(t *testing.T) {
	for _, database := range []struct {
		name string
		make func(t *testing.T) string
	}{
		{"sqlite", func(t *testing.T) string { return filepath.Join(t.TempDir(), "muster.db") }},
		{"postgres", func(t *testing.T) string { return pgtest.DSN(t) }},
	} {
		t.Run(database.name, func(t *testing.T) {
			t.Parallel() // most of the time is spent waiting for leases to end
			killed(t, database.make(t))
		})
	}
}

const (
	kills    = 10
	services = 8
	senders  = 4
)

func killed(t *testing.T, database string) {
	began := time.Now()
	pager := newPager(t, 2*time.Millisecond) // so that a kill finds some on their way
	dir := t.TempDir()
	config := write(t, dir, "shop.yaml", shop(pager.URL, services))
	path := filepath.Join(dir, "ledger")
	ledger := newLedger(t, path)

	// The load goes on across the kills, as senders do: it asks whichever server
	// there is, and does not care when there is none.
	var now atomic.Pointer[server]
	stop := make(chan struct{})
	var load sync.WaitGroup
	var refused atomic.Int64
	for sender := range senders {
		load.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				s := now.Load()
				if s == nil {
					continue
				}
				body := fmt.Appendf(nil, `{"title":"disk %d-%d full","key":"%d-%d","service":"s%d","severity":"critical"}`, sender, n, sender, n, n%services)
				got, err := s.send(ownKey, body)
				if err != nil {
					refused.Add(1)
					continue
				}
				if err := ledger.add(promise{got.Event, got.Incident, string(body)}); err != nil {
					t.Error(err)
				}
			}
		})
	}

	// The seed is fixed; when exactly a kill falls is chance all the same.
	random := rand.New(rand.NewPCG(9, 9))
	var instants []time.Time
	var s *server
	for range kills {
		s = serve(t, "muster", database, "--config", config)
		now.Store(s)
		time.Sleep(time.Duration(300+random.IntN(700)) * time.Millisecond)
		instants = append(instants, time.Now())
		s.kill()
	}
	s = serve(t, "muster", database, "--config", config)
	now.Store(s)
	time.Sleep(300 * time.Millisecond)
	close(stop)
	load.Wait()
	if err := ledger.sync(); err != nil {
		t.Fatal(err)
	}

	promises, err := readLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(promises) < 100 || refused.Load() == 0 {
		t.Fatalf("%d events accepted, %d refused: that is no load, or no kill fell into it", len(promises), refused.Load())
	}
	for _, p := range promises {
		var kept struct {
			ID, Body string
			Event    json.RawMessage
		}
		if err := s.get("/api/v1/events/"+p.Event, &kept); err != nil {
			t.Fatalf("event %s was answered 202: %v", p.Event, err)
		}
		if kept.ID != p.Event || kept.Body != p.Body {
			t.Fatalf("event %s was sent as %s and is kept as %s, %s", p.Event, p.Body, kept.ID, kept.Body)
		}
	}

	// Those that were committed and never answered are due a page as well.
	incidents, err := s.incidents()
	if err != nil {
		t.Fatal(err)
	}
	var due []string
	known := map[string]bool{}
	for _, i := range incidents {
		due = append(due, i.ID)
		known[i.ID] = true
	}
	for _, p := range promises {
		if !known[p.Incident] {
			t.Errorf("incident %s was promised with event %s, and there is none", p.Incident, p.Event)
		}
	}
	err = eventually(45*time.Second, func() error {
		if wrong := judge(due, pager.pages(), instants); len(wrong) > 0 {
			return fmt.Errorf("%d of %d incidents: %s", len(wrong), len(due), strings.Join(wrong[:min(5, len(wrong))], "; "))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	time.Sleep(time.Second) // what would come twice comes about now
	pages := pager.pages()
	if wrong := judge(due, pages, instants); len(wrong) > 0 {
		t.Errorf("%s", strings.Join(wrong[:min(20, len(wrong))], "\n"))
	}
	s.stop(t)
	repeats := len(pages) - len(due)
	t.Logf("%d kills, %d events answered 202, %d refused, %d incidents, %d pages, %d repeats, %v",
		kills, len(promises), refused.Load(), len(due), len(pages), repeats, time.Since(began).Round(100*time.Millisecond))
}
