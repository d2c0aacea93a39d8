package engine_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/notify"
)

// BenchmarkLook is a look of the auditor at 50,000 open incidents with a firing
// alert each, half of them acknowledged. At a look every 15 s, %core is what it
// takes of one.
func BenchmarkLook(b *testing.B) {
	for name, address := range map[string]func() string{
		"sqlite":   func() string { return filepath.Join(b.TempDir(), "muster.db") },
		"postgres": func() string { return pgtest.DSN(b) },
	} {
		b.Run(name, func(b *testing.B) {
			r := benched(b, address())
			b.ResetTimer()
			for b.Loop() {
				if err := r.Look(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(100*b.Elapsed().Seconds()/float64(b.N)/15, "%core")
		})
	}
}

// benched is an engine with 50,000 open incidents.
func benched(b *testing.B, address string) *running {
	p := &probe{}
	e := start(b, address, options{channels: []notify.Kind{p.kind()}})
	e.apply(patient)
	from, err := e.SenderByKey("the-only-key")
	if err != nil {
		b.Fatal(err)
	}
	const batch = 250
	for n := 0; n < 50_000; n += batch {
		var events []event.Event
		for i := range batch {
			events = append(events, event.Event{Action: event.Trigger, Key: fmt.Sprint(n + i), Title: fmt.Sprint(n + i), Severity: event.SeverityCritical})
		}
		got, err := e.Intake(b.Context(), from, events, []byte("{}"))
		if err != nil {
			b.Fatal(err)
		}
		if n%(2*batch) == 0 {
			for _, a := range got {
				if _, err := e.Do(b.Context(), from.Org, a.Incident, engine.Command{Do: "acknowledge", By: tester}); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) { // the pages leave
		due, err := e.store.NextDue(b.Context())
		if err == nil && due.After(time.Now()) || time.Now().After(deadline) {
			break
		}
	}
	return e
}
