package main

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// benchConnections is how many senders there are at a time.
const benchConnections = 16

// BenchmarkIntake measures durable intake: 202 means that the events, what
// follows from them and the raw body are on disk. One op is a request.
//
//   - single: one event a request, each with a key of its own: an alert each,
//     in 100 incidents
//   - batch64: the same, 64 events a request
//   - storm64: 64 events a request, that repeat 200 keys
func BenchmarkIntake(b *testing.B) {
	eachDatabase(b, func(b *testing.B, database string) {
		const endless = 1 << 30
		for _, bm := range []struct {
			name   string
			events int // in a request
			keys   int
		}{{"single", 1, endless}, {"batch64", 64, endless}, {"storm64", 64, 200}} {
			b.Run(bm.name, func(b *testing.B) {
				s := startBench(b, database)
				warm(b, s, bm.keys)
				benchmarkIntake(b, s, bm.events, func(request int) string {
					return benchBatch(1000+request*bm.events, bm.events, bm.keys, 100)
				})
			})
		}
	})
}

// warm opens the 100 incidents, and waits until their pages are out.
func warm(b *testing.B, s benchServer, keys int) {
	c, err := s.client("storm")
	if err != nil {
		b.Fatal(err)
	}
	defer c.conn.Close()
	for first := 0; first < 1000; first += 100 {
		if err := c.post(benchBatch(first, 100, keys, 100)); err != nil {
			b.Fatal(err)
		}
	}
	for {
		due, err := s.store.NextDue(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if due.IsZero() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// benchmarkIntake sends requests over all connections and reports what came of
// it.
func benchmarkIntake(b *testing.B, s benchServer, events int, body func(request int) string) {
	commits, units := s.store.Stats()
	cpu := cpuTime(b, s.database)
	sum := load(b, s.target("storm"), events, body)
	b.ReportMetric(float64((cpuTime(b, s.database)-cpu).Microseconds())/sum, "cpu-µs/event")
	c, u := s.store.Stats()
	b.ReportMetric(float64((u-units)*int64(events))/float64(c-commits), "events/commit")
}

// load sends requests over all connections, reports how fast they were accepted
// and returns how many events that were.
func load(b *testing.B, to target, events int, body func(request int) string) float64 {
	requests := make(chan string)
	took := make([][]time.Duration, benchConnections)
	failed := make(chan error, benchConnections)
	var senders sync.WaitGroup
	for i := range benchConnections {
		c, err := to.client()
		if err != nil {
			b.Fatal(err)
		}
		defer c.conn.Close()
		senders.Go(func() {
			for body := range requests {
				begun := time.Now()
				if err := c.post(body); err != nil {
					failed <- err
					return
				}
				took[i] = append(took[i], time.Since(begun))
			}
		})
	}
	begun := time.Now()
	n := 0
	for b.Loop() {
		select {
		case requests <- body(n):
			n++
		case err := <-failed:
			b.Fatal(err)
		}
	}
	close(requests)
	senders.Wait()
	elapsed := time.Since(begun)
	select {
	case err := <-failed:
		b.Fatal(err)
	default:
	}
	all := slices.Concat(took...)
	sum := float64(len(all) * events)
	b.ReportMetric(sum/elapsed.Seconds(), "events/s")
	reportLatency(b, all)
	return sum
}

// reportLatency reports the 50th and the 99th percentile in milliseconds.
func reportLatency(b *testing.B, all []time.Duration) {
	slices.Sort(all)
	for _, p := range []struct {
		name  string
		share float64
	}{{"p50-ms", 0.50}, {"p99-ms", 0.99}} {
		at := all[min(len(all)-1, int(p.share*float64(len(all))))]
		b.ReportMetric(float64(at.Microseconds())/1000, p.name)
	}
	b.ReportMetric(0, "ns/op")
}
