package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// gauges are what Prometheus scrapes: one value of checkout_errors by instance.
type gauges struct {
	mu     sync.Mutex
	values map[string]int
}

func (g *gauges) set(instance string, value int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.values[instance] = value
}

func (g *gauges) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	fmt.Fprintln(w, "# TYPE checkout_errors gauge")
	for name, value := range g.values {
		fmt.Fprintf(w, "checkout_errors{pod=%q} %d\n", name, value)
	}
}

// TestPrometheus lets a real Prometheus and a real Alertmanager send to the
// server: alerts fire, are grouped, repeat and resolve.
func TestPrometheus(t *testing.T) {
	prometheus, alertmanager := program(t, "prometheus"), program(t, "prometheus-alertmanager", "alertmanager")
	pager := newPager(t, 0)
	dir := t.TempDir()
	s := serve(t, "muster", filepath.Join(dir, "muster.db"), "--config", write(t, dir, "shop.yaml", shop(pager.URL, 2)))

	g := &gauges{values: map[string]int{"a": 0, "b": 0}}
	target := httptest.NewServer(g)
	t.Cleanup(target.Close)
	am, prom := freeAddress(t), freeAddress(t)
	write(t, dir, "rules.yml", `
groups:
  - name: checkout
    rules:
      - alert: CheckoutErrors
        expr: checkout_errors > 0
        labels: {severity: critical, service: s1}
        annotations: {summary: 'checkout fails on {{ $labels.pod }}'}
`)
	start(t, "alertmanager", nil, alertmanager, "--config.file="+write(t, dir, "alertmanager.yml", fmt.Sprintf(`
route: {receiver: muster, group_by: [alertname], group_wait: 1s, group_interval: 1s, repeat_interval: 2s}
receivers:
  - name: muster
    webhook_configs:
      - url: %s/intake/alertmanager
        send_resolved: true
        http_config: {authorization: {credentials: %s}}
`, s.base, prometheusKey)), "--storage.path="+filepath.Join(dir, "am"), "--web.listen-address="+am, "--cluster.listen-address=")
	start(t, "prometheus", nil, prometheus, "--config.file="+write(t, dir, "prometheus.yml", fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%s]
alerting:
  alertmanagers:
    - static_configs: [{targets: [%q]}]
scrape_configs:
  - job_name: shop
    static_configs: [{targets: [%q]}]
`, filepath.Join(dir, "rules.yml"), am, strings.TrimPrefix(target.URL, "http://"))), "--storage.tsdb.path="+filepath.Join(dir, "tsdb"), "--web.listen-address="+prom)

	// Prometheus scrapes, and nothing is wrong yet.
	wait(t, 20*time.Second, func() error {
		var up struct{ Data struct{ Result []any } }
		if err := (api{base: "http://" + prom}).get("/api/v1/query?query=checkout_errors", &up); err != nil {
			return err
		}
		if len(up.Data.Result) != 2 {
			return errors.New("Prometheus has not scraped yet")
		}
		return nil
	})
	if incidents, err := s.incidents(); err != nil || len(incidents) != 0 {
		t.Fatalf("incidents before anything fires: %v, %v", incidents, err)
	}

	// One fires, and pages.
	g.set("a", 7)
	first := waitIncident(t, s, func(i incident) bool { return i.Status == "triggered" && i.Firing == 1 })
	if first.Service != "s1" || first.Title != "checkout fails on a" {
		t.Errorf("the incident is of service %q, title %q", first.Service, first.Title)
	}
	// A second one of the group joins the incident.
	g.set("b", 3)
	waitIncident(t, s, func(i incident) bool { return i.ID == first.ID && i.Firing == 2 && i.Alerts == 2 })
	// Alertmanager repeats; the alerts count it and nothing else changes.
	wait(t, 15*time.Second, func() error {
		alerts, err := s.alerts()
		if err != nil {
			return err
		}
		if len(alerts) != 2 {
			return fmt.Errorf("%d alerts, want 2", len(alerts))
		}
		for _, a := range alerts {
			if a.Status != "firing" || a.Incident != first.ID || a.Severity != "critical" || a.Labels["alertname"] != "CheckoutErrors" {
				return fmt.Errorf("alert %+v", a)
			}
			if a.Count < 3 {
				return fmt.Errorf("alert %s came %d times, want repeats", a.Title, a.Count)
			}
		}
		return nil
	})
	if incidents, err := s.incidents(); err != nil || len(incidents) != 1 {
		t.Errorf("repeats made incidents: %v, %v", incidents, err)
	}

	// One resolves, and the incident stays open; with the other it is over.
	g.set("a", 0)
	waitIncident(t, s, func(i incident) bool { return i.ID == first.ID && i.Firing == 1 && i.Status == "triggered" })
	g.set("b", 0)
	over := waitIncident(t, s, func(i incident) bool { return i.ID == first.ID && i.Status == "resolved" })
	if over.Firing != 0 || over.ResolvedAt.IsZero() {
		t.Errorf("resolved is %+v", over)
	}
	// It comes back: that is another incident.
	g.set("a", 1)
	again := waitIncident(t, s, func(i incident) bool { return i.ID != first.ID && i.Status == "triggered" })
	if again.Number != first.Number+1 {
		t.Errorf("the next incident is #%d, want #%d", again.Number, first.Number+1)
	}

	wait(t, 10*time.Second, func() error {
		if n := len(pager.pages()); n < 2 {
			return fmt.Errorf("%d pages for 2 incidents", n)
		}
		return nil
	})
	if wrong := judge([]string{first.ID, again.ID}, pager.pages(), nil); len(wrong) > 0 {
		t.Errorf("%s", strings.Join(wrong, "\n"))
	}
	var timeline struct {
		Entries []struct{ Kind, Actor string }
	}
	if err := s.get("/api/v1/incidents/"+first.ID+"/timeline", &timeline); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, e := range timeline.Entries {
		if e.Kind != "notified" { // when exactly the page left is chance
			kinds = append(kinds, e.Kind)
		}
	}
	if diff := cmp.Diff([]string{"opened", "alert_added", "escalated", "alert_added", "alert_resolved", "alert_resolved", "resolved"}, kinds); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
	var complaints struct{ Complaints []any }
	if err := s.get("/api/v1/integrations/prometheus/complaints", &complaints); err != nil || len(complaints.Complaints) > 0 {
		t.Errorf("complaints about Alertmanager: %v, %v", complaints.Complaints, err)
	}
}

func wait(t *testing.T, within time.Duration, ask func() error) {
	t.Helper()
	if err := eventually(within, ask); err != nil {
		t.Fatal(err)
	}
}

// waitIncident waits until there is such an incident, and returns it.
func waitIncident(t *testing.T, s *server, like func(incident) bool) (found incident) {
	t.Helper()
	wait(t, 20*time.Second, func() error {
		incidents, err := s.incidents()
		if err != nil {
			return err
		}
		i := slices.IndexFunc(incidents, like)
		if i < 0 {
			return fmt.Errorf("no such incident among %+v", incidents)
		}
		found = incidents[i]
		return nil
	})
	return found
}

// freeAddress returns a loopback address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
