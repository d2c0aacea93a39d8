package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// mending makes of a shop one that watches its log and sends a request that
// may not be repeated, once, when the log goes bad.
func mending(pager, mender string) string {
	return shop(pager, 1) + fmt.Sprintf(`
logs:
  web: {format: ndjson}
rules:
  errors: {service: s0, source: logs:web, ratio: {bad: status >= 500}, above: 5%%, window: 5s, severity: critical, runbook: mend}
runbooks:
  mend: {steps: [{http: {url: %q}}, {wait: {duration: 1s}}]}
`, mender+"/mend")
}

// TestKillRun kills a server at each station between a log line and the end of
// the run that the rule begins. There is one incident and one run, its request
// is never sent twice, and a run that cannot tell what became of it says so.
func TestKillRun(t *testing.T) {
	for _, database := range databases {
		for _, station := range stations(t) {
			if inFlight := station == "run-begun" || station == "run-applied"; inFlight && database.name == "postgres" && os.Getenv("MUSTER_LONG") == "" {
				continue // nobody takes over what may be in flight: it waits a minute for the end of its lease
			}
			if strings.HasPrefix(station, "run-") || station == "counted" || station == "judged" {
				t.Run(database.name+" "+station, func(t *testing.T) {
					t.Parallel()
					killedRun(t, database.make(t), station)
				})
			}
		}
	}
}

// total is how many lines a rule counted, by the server's own word.
func total(t *testing.T, s *server, rule string) (sum int64) {
	t.Helper()
	query := url.Values{"from": {time.Now().Add(-30 * time.Minute).UTC().Format(time.RFC3339)}, "to": {time.Now().Add(20 * time.Minute).UTC().Format(time.RFC3339)}}
	var answer struct{ Windows []struct{ Total int64 } }
	if err := s.get("/api/v1/rules/"+rule+"/windows?"+query.Encode(), &answer); err != nil {
		t.Fatal(err)
	}
	for _, w := range answer.Windows {
		sum += w.Total
	}
	return sum
}

func killedRun(t *testing.T, database, station string) {
	pager := newPager(t, 0)
	var mended atomic.Int64
	mender := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { mended.Add(1) }))
	t.Cleanup(mender.Close)
	config := write(t, t.TempDir(), "shop.yaml", mending(pager.URL, mender.URL))
	args := []string{"--config", config, "--allow", "127.0.0.0/8"}

	// A shipper sends a line now and then, and what was not answered again.
	var now atomic.Pointer[server]
	var lines atomic.Int64
	over := make(chan struct{})
	var shipper sync.WaitGroup
	shipper.Go(func() {
		var line []byte
		for tries := 0; ; {
			select {
			case <-over:
				if tries++; line == nil || tries > 100 {
					return
				}
				time.Sleep(50 * time.Millisecond)
			case <-time.After(50 * time.Millisecond):
			}
			if line == nil {
				line = fmt.Appendf(nil, `{"time":%q,"status":503}`+"\n", time.Now().UTC().Format(time.RFC3339Nano))
			}
			if s := now.Load(); s != nil && (api{s.base, ownKey}).post("/intake/logs/web", line, nil) == nil {
				lines.Add(1)
				line = nil
			}
		}
	})
	finish := sync.OnceFunc(func() { close(over); shipper.Wait() })
	defer finish()
	s := launchMortal(t, station, 1, "muster", database, args...)
	if err := s.await(); err != nil {
		t.Fatal(err)
	}
	now.Store(s)
	select {
	case <-s.ended:
	case <-time.After(40 * time.Second):
		t.Fatalf("station %s was not passed in 40 s", station)
	}

	s = serve(t, "muster", database, args...)
	now.Store(s)
	type run struct {
		State, Verdict, Reason string
		Steps                  []struct{ Result struct{ Outcome string } }
	}
	var last run
	err := eventually(100*time.Second, func() error {
		incidents, err := s.incidents()
		if err != nil || len(incidents) != 1 {
			return fmt.Errorf("%d incidents, want 1: %v", len(incidents), err)
		}
		var answer struct{ Runs []run }
		if err := s.get("/api/v1/incidents/"+incidents[0].ID+"/runs", &answer); err != nil || len(answer.Runs) != 1 {
			return fmt.Errorf("runs %+v, want 1: %v", answer.Runs, err)
		}
		if last = answer.Runs[0]; last.State != "ended" {
			return fmt.Errorf("the run is %+v", last)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// Nobody can tell what became of the request if it died between its beginning
	// and its end. That is so at two stations, and may be so at run-moved: when the
	// plan is stored, others go on for a moment and may begin it. A wait changes
	// nothing outside and is always done in the end.
	n, outcome := mended.Load(), last.Steps[0].Result.Outcome
	switch station {
	case "run-begun":
		if n != 0 || outcome != "unknown" {
			t.Errorf("it died before the request: it was sent %d times, and the outcome is %q, want 0 and unknown", n, outcome)
		}
	case "run-applied":
		if n != 1 || outcome != "unknown" {
			t.Errorf("it died when the request was done: it was sent %d times, and the outcome is %q, want 1 and unknown", n, outcome)
		}
	default:
		lost := station == "run-moved" && outcome == "unknown" && n <= 1
		if done := outcome == "done" && last.Steps[1].Result.Outcome == "done" && strings.Contains(last.Reason, "every step is done"); !lost && (n != 1 || !done) {
			t.Errorf("it was sent %d times, and the run is %+v, want 1 and all steps done", n, last)
		}
	}
	if last.Verdict != "unknown" { // nothing is verified
		t.Errorf("the verdict is %q, want unknown: %s", last.Verdict, last.Reason)
	}
	if n := len(pager.pages()); n == 0 {
		t.Error("nobody was paged")
	}
	finish()
	if n := total(t, s, "errors"); n != lines.Load() {
		t.Errorf("%d lines were answered 202, and %d are counted", lines.Load(), n)
	}
	s.stop(t)
}
