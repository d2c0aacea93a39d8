package engine_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/store"
)

// accepting is a network whose every host answers 204.
type accepting struct{}

func (accepting) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

// TestWeek runs a simulated week: alerts that open, climb, are acknowledged and
// end, log lines, applies. At its end there are as many goroutines as after the
// second day, and the heap is as large.
func TestWeek(t *testing.T) {
	hours, early := 8, 2
	if os.Getenv("MUSTER_LONG") != "" {
		hours, early = 7*24, 2*24
	}
	synctest.Test(t, func(t *testing.T) {
		st, err := store.Open(t.Context(), ":memory:", nil)
		if err != nil {
			t.Fatal(err)
		}
		e := newTestEngine(t, st, accepting{})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		synctest.Wait()
		apply := func(wait int) string {
			t.Helper()
			applied, err := e.Apply(ctx, "", []config.File{{Name: "week.yaml", Body: fmt.Appendf(nil, `
organization: shop
operators: {service: s}
users: {ana: {contacts: {a: {webhook: "", via: ana}}}}
connections: {ana: {webhook: "https://ana.example"}}
policies: {p: {steps: [{notify: [user:ana], wait: %dm}, {notify: [user:ana], wait: 30m}]}}
services: {s: {policy: p}}
integrations: {i: {kind: muster, key: the-week-key, service: s}}
rules: {r: {service: s, ratio: {bad: status >= 500}, above: 50%%, window: 1m}}
`, wait)}}, incident.Engine)
			if err != nil {
				t.Fatal(err)
			}
			org, err := e.Organization(applied.Organization)
			if err != nil {
				t.Fatal(err)
			}
			return org
		}
		org := apply(5)
		type state struct {
			goroutines int
			heap       uint64
		}
		measure := func() state {
			synctest.Wait()
			var m runtime.MemStats
			for range 3 {
				runtime.GC()
			}
			runtime.ReadMemStats(&m)
			return state{runtime.NumGoroutine(), m.HeapAlloc}
		}
		var before state
		for hour := range hours {
			if hour == early {
				before = measure()
			}
			for i := range 6 { // every ten minutes
				key := fmt.Sprintf("k%d", i)
				ask := func(action event.Action) engine.Accepted {
					t.Helper()
					from, err := e.SenderByKey("the-week-key")
					if err != nil {
						t.Fatal(err)
					}
					got, err := e.Intake(ctx, from, []event.Event{{Action: action, Key: key, Title: key, Severity: event.SeverityCritical}}, []byte("{}"))
					if err != nil {
						t.Fatal(err)
					}
					return got[0]
				}
				inc := ask(event.Trigger).Incident
				time.Sleep(6 * time.Minute)
				if i%2 == 0 {
					if _, err := e.Do(ctx, org, inc, engine.Command{Do: "acknowledge", By: incident.Engine}); err != nil {
						t.Fatal(err)
					}
				}
				line := fmt.Sprintf(`{"time":%q,"status":%d}`+"\n", time.Now().UTC().Format(time.RFC3339), 200+300*(i%2))
				if _, err := e.Logs(ctx, org, fmt.Sprintf("source-%d", i), []byte(strings.Repeat(line, 50))); err != nil {
					t.Fatal(err)
				}
				time.Sleep(4 * time.Minute)
				ask(event.Resolve)
			}
			if hour%6 == 0 {
				apply(5 + hour%7)
			}
		}
		after := measure()
		t.Logf("after %d h: %d goroutines and %d KB; after %d h: %d and %d KB", early, before.goroutines, before.heap/1024, hours, after.goroutines, after.heap/1024)
		if after.goroutines > before.goroutines+2 {
			t.Errorf("%d goroutines have become %d", before.goroutines, after.goroutines)
		}
		if after.heap > before.heap+before.heap/4+1<<20 {
			t.Errorf("a heap of %d KB has become one of %d KB", before.heap/1024, after.heap/1024)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
}
