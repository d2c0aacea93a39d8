package main

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// BenchmarkPage measures from the moment at which an event is sent to that at
// which its page has arrived at a webhook's receiver: the commit of the event,
// the claim of the outbox and the request lie between. One op is a page; one is
// on its way at a time.
//
//   - quiet: nothing else goes on
//   - busy1: 5,000 other events a second come in, one a request, each an alert of
//     its own that joins one of 100 open incidents; fewer where that is too many
//   - busy64: the same, 64 a request
func BenchmarkPage(b *testing.B) {
	eachDatabase(b, func(b *testing.B, database string) {
		b.Run("quiet", func(b *testing.B) {
			s := startBench(b, database)
			warm(b, s, 1<<30)
			benchmarkPage(b, s)
		})
		for _, events := range []int{1, 64} {
			b.Run(fmt.Sprintf("busy%d", events), func(b *testing.B) {
				s := startBench(b, database)
				warm(b, s, 1<<30)
				stop := traffic(b, s, 5000, events)
				benchmarkPage(b, s)
				b.ReportMetric(stop(), "other-events/s")
			})
		}
	})
}

func benchmarkPage(b *testing.B, s benchServer) {
	c, err := s.client("lone")
	if err != nil {
		b.Fatal(err)
	}
	defer c.conn.Close()
	var took []time.Duration
	for n := 0; b.Loop(); n++ {
		title := fmt.Sprintf("Disk number %08d is full", n)
		arrived := s.pages.expect(title)
		body := benchEvent(title, n, n)
		begun := time.Now()
		if err := c.post(body); err != nil {
			b.Fatal(err)
		}
		select {
		case at := <-arrived:
			took = append(took, at.Sub(begun))
		case <-time.After(20 * time.Second):
			b.Fatalf("no page of %q within 20 s", title)
		}
		time.Sleep(2 * time.Millisecond) // until the receipt of the page before is stored
	}
	reportLatency(b, took)
	b.ReportMetric(float64(len(took)), "pages")
}

// traffic sends so many events a second, and so many a request, until the
// function that it returns is called, which tells how many a second it really
// were.
func traffic(b *testing.B, s benchServer, perSecond, events int) (stop func() float64) {
	requests := make(chan string, 64)
	var senders sync.WaitGroup
	for range benchConnections {
		c, err := s.client("storm")
		if err != nil {
			b.Fatal(err)
		}
		senders.Go(func() {
			defer c.conn.Close()
			for body := range requests {
				if err := c.post(body); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	var pacer sync.WaitGroup
	begun, n := time.Now(), 0
	pacer.Go(func() {
		defer close(requests)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			for due := int(time.Since(begun).Seconds() * float64(perSecond)); n+events <= due; {
				select {
				case requests <- benchBatch(1000+n, events, 1<<30, 100):
					n += events
				case <-done:
					return
				}
			}
		}
	})
	return func() float64 {
		close(done)
		pacer.Wait()
		unsent := len(requests) * events
		elapsed := time.Since(begun)
		senders.Wait()
		return float64(n-unsent) / elapsed.Seconds()
	}
}
