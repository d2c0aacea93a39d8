package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestSoak keeps one server under mixed load for half an hour (MUSTER_SOAK says
// otherwise): alerts that open, repeat and end, pages, log lines, lists. Neither
// its memory nor its goroutines may grow.
func TestSoak(t *testing.T) {
	if os.Getenv("MUSTER_LONG") == "" {
		t.Skip("long: half an hour under load")
	}
	length := 30 * time.Minute
	if text := os.Getenv("MUSTER_SOAK"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		length = d
	}
	dir := t.TempDir()
	pager := newPager(t, 0)
	config := write(t, dir, "shop.yaml", shop(pager.URL, 1)+`
rules:
  r: {service: s0, ratio: {bad: status >= 500}, above: 90%, window: 1m}
`)
	s := serve(t, "muster", filepath.Join(dir, "muster.db"), "--config", config)
	over := make(chan struct{})
	var load sync.WaitGroup
	var requests, refused atomic.Int64
	ask := func(method, path, body string) {
		r, err := http.NewRequest(method, s.base+path, bytes.NewReader([]byte(body)))
		if err != nil {
			t.Error(err)
			return
		}
		r.Header.Set("Authorization", "Bearer "+adminToken)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			refused.Add(1)
			return
		}
		defer answer.Body.Close()
		bufio.NewReader(answer.Body).WriteTo(discard{})
		requests.Add(1)
		if answer.StatusCode >= 300 {
			if refused.Add(1) < 5 {
				t.Errorf("%s %s: %s", method, path, answer.Status)
			}
		}
	}
	every := func(pause time.Duration, do func(n int)) {
		load.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-over:
					return
				case <-time.After(pause):
					do(n)
				}
			}
		})
	}
	const keys = 200
	every(20*time.Millisecond, func(n int) { // each key opens, is repeated, and ends
		action := []string{"trigger", "trigger", "resolve"}[n/keys%3]
		ask("POST", "/intake/events/"+ownKey, fmt.Sprintf(`{"action":%q,"key":"k%d","title":"t%d","severity":"critical"}`, action, n%keys, n%keys))
	})
	every(100*time.Millisecond, func(n int) {
		var lines strings.Builder
		for i := range 200 {
			fmt.Fprintf(&lines, `{"time":%q,"status":%d}`+"\n", time.Now().UTC().Format(time.RFC3339Nano), 200+300*(i%2))
		}
		ask("POST", "/intake/logs/app/"+ownKey, lines.String())
	})
	every(500*time.Millisecond, func(n int) { ask("GET", "/api/v1/incidents?limit=100", "") })
	every(700*time.Millisecond, func(n int) { ask("GET", "/api/v1/alerts?limit=100", "") })

	var memory, goroutines, heap []float64
	for begun := time.Now(); time.Since(begun) < length; time.Sleep(length / 300) {
		m := s.metrics(t)
		memory = append(memory, m["process_resident_memory_bytes"]/(1<<20))
		goroutines = append(goroutines, m["go_goroutines"])
		heap = append(heap, m["go_memstats_heap_inuse_bytes"]/(1<<20))
	}
	close(over)
	load.Wait()
	t.Logf("%d requests in %v, %d refused, %d pages", requests.Load(), length, refused.Load(), len(pager.pages()))
	flat(t, "resident memory in MB", memory, 24)
	flat(t, "heap in use in MB", heap, 16)
	flat(t, "goroutines", goroutines, 10)
	if m := s.metrics(t); m["muster_panics_total"] > 0 {
		t.Error("there were panics")
	}
	s.stop(t)
}

// flat fails the test if samples grow: if the median of the last quarter is more
// than a tenth and some above that of the second one. The first is for caches to
// fill.
func flat(t *testing.T, what string, samples []float64, some float64) {
	t.Helper()
	n := len(samples) / 4
	if n < 5 {
		t.Fatalf("%d samples of %s are too few", len(samples), what)
	}
	early, late := middle(samples[n:2*n]), middle(samples[3*n:])
	t.Logf("%s: %.1f in the second quarter, %.1f in the last; at most %.1f", what, early, late, slices.Max(samples))
	if late > early*1.1+some {
		t.Errorf("%s grew from %.1f to %.1f", what, early, late)
	}
}

func middle(samples []float64) float64 {
	samples = slices.Sorted(slices.Values(samples))
	return samples[len(samples)/2]
}

// metrics are the figures of /metrics, those of several labels added up.
func (s *server) metrics(t *testing.T) map[string]float64 {
	t.Helper()
	answer, err := http.Get(s.base + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	figures := map[string]float64{}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if strings.Contains(name, "{") {
			i := strings.LastIndex(lines.Text(), " ")
			value = lines.Text()[i+1:]
			name, _, _ = strings.Cut(name, "{")
		}
		if f, err := strconv.ParseFloat(value, 64); ok && err == nil && !math.IsNaN(f) {
			figures[name] += f
		}
	}
	return figures
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
