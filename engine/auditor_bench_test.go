package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/notify"
)

// BenchmarkAudit is what the auditor costs at 50,000 open incidents with a firing
// alert and a message each, half of them acknowledged, of our process and of
// PostgreSQL's together: cpu-ms/look and cpu-ms/stride, %core of both at the pace
// that the loop keeps, and round-s, how long the walks need for all rows at it.
func BenchmarkAudit(b *testing.B) {
	for name, address := range map[string]func() string{
		"sqlite":   func() string { return filepath.Join(b.TempDir(), "muster.db") },
		"postgres": func() string { return pgtest.DSN(b) },
	} {
		b.Run(name, func(b *testing.B) {
			const rounds = 10
			r := benched(b, address())
			timed := func(do func(context.Context) error) (cpu, wall time.Duration) {
				begun, used := time.Now(), r.cpuTime(b)
				for range rounds {
					if err := do(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
				return (r.cpuTime(b) - used) / rounds, time.Since(begun) / rounds
			}
			timed(r.Look) // what is read first is read from the disk
			found := counter(b, r, "muster_stuck_found_total")
			b.ResetTimer()
			var look, stride, wall, n time.Duration
			for b.Loop() {
				cpu, _ := timed(r.LookOnly)
				look, n = look+cpu, n+1
				cpu, took := timed(r.Stride)
				stride, wall = stride+cpu, wall+took
			}
			look, stride, wall = look/n, stride/n, wall/n
			pause := max(engine.AuditEvery/engine.AuditStrides, wall*engine.AuditShare) // from stride to stride
			b.ReportMetric(float64(look.Microseconds())/1000, "cpu-ms/look")
			b.ReportMetric(float64(stride.Microseconds())/1000, "cpu-ms/stride")
			b.ReportMetric(100*(look.Seconds()/engine.AuditEvery.Seconds()+stride.Seconds()/pause.Seconds()), "%core")
			b.ReportMetric(math.Ceil(float64(benchedIncidents)/engine.AuditPage)*pause.Seconds(), "round-s")
			b.ReportMetric(0, "ns/op")
			if n := counter(b, r, "muster_stuck_found_total") - found; n != 0 {
				b.Errorf("%v findings where nothing is stuck", n)
			}
		})
	}
}

// cpuTime is what this process has used so far, and the processes of PostgreSQL
// that serve it, to the hundredth of a second (proc_pid_stat(5): utime and stime).
func (r *running) cpuTime(b *testing.B) (sum time.Duration) {
	b.Helper()
	pids := []int{os.Getpid()}
	if r.store.Dialect() == "postgres" {
		db := openSQL(b, r.address)
		defer db.Close()
		rows, err := db.Query(`SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		if err != nil {
			b.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var pid int
			if err := rows.Scan(&pid); err != nil {
				b.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			b.Skip("not here: no /proc to read what a process used: ", err)
		}
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		for _, f := range fields[11:13] {
			n, err := strconv.Atoi(f)
			if err != nil {
				b.Fatal(err)
			}
			sum += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return sum
}

const benchedIncidents = 50_000

// benched is an engine with 50,000 open incidents.
func benched(b *testing.B, address string) *running {
	p := &probe{}
	e := start(b, address, options{channels: []notify.Kind{p.kind()}})
	e.apply(strings.Replace(patient, "high: [a, ", "high: [", 1)) // nobody is paged for nine hours
	from, err := e.SenderByKey("the-only-key")
	if err != nil {
		b.Fatal(err)
	}
	const batch = 500
	var senders errgroup.Group
	senders.SetLimit(64)
	for n := 0; n < benchedIncidents; n += batch {
		var events []event.Event
		for i := range batch {
			events = append(events, event.Event{Action: event.Trigger, Key: fmt.Sprint(n + i), Title: fmt.Sprint(n + i), Severity: event.SeverityCritical})
		}
		got, err := e.Intake(b.Context(), from, events, []byte("{}"))
		if err != nil {
			b.Fatal(err)
		}
		for _, a := range got[:batch/2] {
			senders.Go(func() error {
				_, err := e.Do(b.Context(), from.Org, a.Incident, engine.Command{Do: "acknowledge", By: tester})
				return err
			})
		}
	}
	if err := senders.Wait(); err != nil {
		b.Fatal(err)
	}
	sqlOn(b, address, `INSERT INTO messages (incident, destination, org, channel, connection, address, ref, shown, status)
		SELECT id, 'd', org, 'c', 'c', 'a', '', 0, '' FROM incidents`)
	return e
}
