package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/pgtest"
)

// TestReplicas sends 200 events to two servers on one PostgreSQL: each incident
// is paged exactly once, and whatever one server accepted the other one knows.
func TestReplicas(t *testing.T) {
	pager := newPager(t, 2*time.Millisecond)
	database := pgtest.DSN(t)
	config := write(t, t.TempDir(), "shop.yaml", shop(pager.URL, services))

	// Both start at once: they migrate and apply one after the other.
	replicas := []*server{launch(t, "replica 0", database, "--config", config), launch(t, "replica 1", database, "--config", config)}
	for _, s := range replicas {
		if err := s.await(); err != nil {
			t.Fatal(err)
		}
	}

	const events = 200
	var mu sync.Mutex
	var got []accepted
	var sending sync.WaitGroup
	for sender := range 8 {
		sending.Go(func() {
			for n := sender; n < events; n += 8 {
				body := fmt.Appendf(nil, `{"title":"disk %d full","key":"disk-%d","service":"s%d","severity":"critical"}`, n, n, n%services)
				a, err := replicas[n%2].send(ownKey, body)
				if err != nil {
					t.Errorf("event %d: %v", n, err)
					continue
				}
				mu.Lock()
				got = append(got, a)
				mu.Unlock()
			}
		})
	}
	sending.Wait()

	var due []string
	for i, a := range got {
		due = append(due, a.Incident)
		other := replicas[i%2]
		var kept struct{ ID string }
		if err := other.get("/api/v1/events/"+a.Event, &kept); err != nil || kept.ID != a.Event {
			t.Errorf("event %s is not known to %s: %q, %v", a.Event, other.name, kept.ID, err)
		}
	}
	err := eventually(20*time.Second, func() error {
		if wrong := judge(due, pager.pages(), nil); len(wrong) > 0 {
			return fmt.Errorf("%d: %s", len(wrong), strings.Join(wrong[:min(5, len(wrong))], "; "))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	time.Sleep(2 * time.Second) // a second copy would come about now
	pages := pager.pages()
	if wrong := judge(due, pages, nil); len(wrong) > 0 {
		t.Errorf("%s", strings.Join(wrong[:min(20, len(wrong))], "\n"))
	}
	if len(pages) != events {
		t.Errorf("%d pages for %d events", len(pages), events)
	}
	for _, s := range replicas {
		incidents, err := s.incidents()
		if err != nil || len(incidents) != events {
			t.Errorf("%s has %d incidents, want %d (%v)", s.name, len(incidents), events, err)
		}
		numbers := map[int64]bool{}
		for _, i := range incidents {
			numbers[i.Number] = true
		}
		if len(numbers) != len(incidents) {
			t.Errorf("%s: %d incidents share %d numbers", s.name, len(incidents), len(numbers))
		}
	}
	for _, s := range replicas {
		s.stop(t)
	}
}

// TestEqualKeysOnReplicas sends the same problem to two servers at once: it is
// one alert, one incident and one page.
func TestEqualKeysOnReplicas(t *testing.T) {
	pager := newPager(t, 0)
	database := pgtest.DSN(t)
	config := write(t, t.TempDir(), "shop.yaml", shop(pager.URL, 1))
	replicas := []*server{serve(t, "replica 0", database, "--config", config), serve(t, "replica 1", database)}

	const problems, repeats = 20, 10
	var sending sync.WaitGroup
	for n := range problems {
		for r := range repeats {
			sending.Go(func() {
				body := fmt.Appendf(nil, `{"title":"disk %d full","key":"disk-%d","service":"s0","severity":"critical"}`, n, n)
				if _, err := replicas[r%2].send(ownKey, body); err != nil {
					t.Errorf("event %d: %v", n, err)
				}
			})
		}
	}
	sending.Wait()
	alerts, err := replicas[0].alerts()
	if err != nil {
		t.Fatal(err)
	}
	incidents, err := replicas[1].incidents()
	if err != nil {
		t.Fatal(err)
	}
	if len(alerts) != problems || len(incidents) != problems {
		t.Errorf("%d alerts and %d incidents for %d problems", len(alerts), len(incidents), problems)
	}
	for _, a := range alerts {
		if a.Count != repeats {
			t.Errorf("alert %s counts %d triggers, want %d", a.Key, a.Count, repeats)
		}
	}
	err = eventually(20*time.Second, func() error {
		if n := len(pager.pages()); n < problems {
			return fmt.Errorf("%d pages for %d problems", n, problems)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	time.Sleep(time.Second)
	if n := len(pager.pages()); n != problems {
		t.Errorf("%d pages for %d problems", n, problems)
	}
}
