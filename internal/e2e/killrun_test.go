package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
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
		if database.name == "postgres" && os.Getenv("MUSTER_LONG") == "" {
			continue // a run that was claimed by the dead waits a minute for the end of its lease
		}
		for _, station := range stations(t) {
			if strings.HasPrefix(station, "run-") || station == "counted" || station == "judged" {
				t.Run(database.name+" "+station, func(t *testing.T) {
					t.Parallel()
					killedRun(t, database.make(t), station)
				})
			}
		}
	}
}

func killedRun(t *testing.T, database, station string) {
	pager := newPager(t, 0)
	var mended atomic.Int64
	mender := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { mended.Add(1) }))
	t.Cleanup(mender.Close)
	config := write(t, t.TempDir(), "shop.yaml", mending(pager.URL, mender.URL))
	args := []string{"--config", config, "--allow", "127.0.0.0/8"}

	// bad sends a line now and then until the server is gone.
	bad := func(s *server, until <-chan struct{}) {
		for {
			select {
			case <-until:
				return
			case <-time.After(50 * time.Millisecond):
			}
			line := fmt.Appendf(nil, `{"time":%q,"status":503}`+"\n", time.Now().UTC().Format(time.RFC3339Nano))
			api{s.base, ownKey}.post("/intake/logs/web", line, nil)
		}
	}
	s := launchMortal(t, station, 1, "muster", database, args...)
	if err := s.await(); err != nil {
		t.Fatal(err)
	}
	go bad(s, s.ended)
	select {
	case <-s.ended:
	case <-time.After(40 * time.Second):
		t.Fatalf("station %s was not passed in 40 s", station)
	}

	s = serve(t, "muster", database, args...)
	over := make(chan struct{})
	defer close(over)
	go bad(s, over)
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
	outcome := last.Steps[0].Result.Outcome
	switch n := mended.Load(); {
	case n > 1:
		t.Errorf("the request was sent %d times", n)
	case station == "run-begun" && (n != 0 || outcome != "unknown"):
		t.Errorf("it died before the request: it was sent %d times, and the outcome is %q, want 0 and unknown", n, outcome)
	case station == "run-applied" && (n != 1 || outcome != "unknown"):
		t.Errorf("it died when the request was done: it was sent %d times, and the outcome is %q, want 1 and unknown", n, outcome)
	case station != "run-begun" && station != "run-applied" && (n != 1 || outcome != "done" || last.Steps[1].Result.Outcome != "done"):
		t.Errorf("it was sent %d times, and the run is %+v, want 1 and all steps done", n, last)
	}
	if outcome == "unknown" && last.Verdict != "unknown" {
		t.Errorf("the verdict is %q, want unknown: %s", last.Verdict, last.Reason)
	}
	if n := len(pager.pages()); n == 0 {
		t.Error("nobody was paged")
	}
	s.stop(t)
}
