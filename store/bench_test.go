package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/store"
)

// BenchmarkIntake is what an intake writes: for each event a new alert of a
// random key that joins one of 100 open incidents, an entry of its timeline, and
// the event with its body of about 400 bytes; by 16 writers, one event a unit or
// 64. "storm" has 200 keys in all: most events are repeats.
func BenchmarkIntake(b *testing.B) {
	for _, kind := range kinds {
		for _, load := range []struct {
			name       string
			each, keys int
		}{{"single", 1, 0}, {"batch", 64, 0}, {"storm", 64, 200}} {
			b.Run(kind.name+"/"+load.name, func(b *testing.B) {
				s := benchStore(b, kind.address(b))
				units := 0
				b.ResetTimer()
				var left atomic.Int64
				left.Store(int64(b.N))
				var wg sync.WaitGroup
				for w := range 16 {
					dice := rand.New(rand.NewPCG(uint64(w), uint64(b.N)))
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							if err := intake(b.Context(), s, dice, load.each, load.keys); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				units += b.N
				b.ReportMetric(float64(units*load.each)/b.Elapsed().Seconds(), "events/s")
				commits, all := s.Stats()
				b.ReportMetric(float64(all)/float64(commits), "units/commit")
			})
		}
	}
}

func benchStore(b *testing.B, address string) *store.Store {
	s, err := store.Open(b.Context(), address, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	run(b, s)
	return s
}

// intake is one request of n events, done as the engine does it.
func intake(ctx context.Context, s *store.Store, dice *rand.Rand, n, keys int) error {
	list, groups := make([]store.AlertKey, n), make([]string, n)
	events := make([]json.RawMessage, n)
	body := []byte{}
	for i := range n {
		key := dice.Int64()
		if keys > 0 {
			key %= int64(keys)
		}
		list[i] = store.AlertKey{Org: "o", Integration: "prometheus", Key: fmt.Sprintf("%016x", key)}
		groups[i] = fmt.Sprint("prometheus/g", key%100)
		events[i] = fmt.Appendf(nil, `{"key":"%s","title":"disk of node-%d is %d %% full","severity":"error","labels":{"alertname":"DiskFull","instance":"10.0.%d.%d:9100","job":"node","device":"/dev/sda%d","team":"storage","region":"eu-%d"},"description":"The filesystem at /var/lib/data has less than ten percent of its space left, and at the rate of the last hour it will be full in %d minutes.","link":"https://prometheus.example/graph?g0.expr=disk"}`,
			list[i].Key, key%1000, 90+key%10, key%250, key%251, key%8, key%3, key%97)
		body = append(body, events[i]...)
	}
	return s.Write(ctx, func(tx *store.Tx) error {
		for i, key := range list {
			raw := store.RawEvent{Integration: key.Integration, Kind: "alertmanager", ReceivedAt: nine, Remote: "192.0.2.1", Event: events[i]}
			if i == 0 {
				raw.Body = body
			}
			eventID := tx.Event("o", nine, raw)
			before, err := tx.Alert(key)
			if err != nil {
				return err
			}
			alert, effect := before.Receive(incident.Signal{
				Event: eventID, Title: "disk is full", Severity: incident.Error, Service: "checkout", Source: "node-7",
				Labels: map[string]string{"alertname": "DiskFull", "job": "node", "team": "storage"}, Sent: nine,
			}, nine)
			if effect == incident.Started {
				alert.ID = id.New(nine)
				if alert.IncidentID, err = joinGroup(tx, groups[i]); err != nil {
					return err
				}
			}
			if err := tx.PutAlert(alert); err != nil {
				return err
			}
		}
		return nil
	}, store.Events(n, list...), store.Joining(groups))
}

func joinGroup(tx *store.Tx, group string) (incidentID string, err error) {
	inc, err := tx.OpenIncident("o", group)
	var c incident.Change
	switch {
	case errors.Is(err, store.ErrNotFound):
		o := opening("o", group)
		if o.Number, err = tx.NextNumber("o", "incident"); err != nil {
			return "", err
		}
		c = incident.Open(o, nine, tester)
		c = c.Then(incident.AddAlert(c.Incident, "disk is full", incident.Error, nine, tester))
		c = c.Then(incident.Advance(c.Incident, nine, everybody))
	case err != nil:
		return "", err
	default:
		c = incident.AddAlert(inc, "disk is full", incident.Error, nine, tester)
	}
	tx.Save(c)
	return c.Incident.ID, nil
}

// BenchmarkClaim takes pages out of an outbox in which so many rows of 20
// destinations are due.
func BenchmarkClaim(b *testing.B) {
	for _, kind := range kinds {
		for _, due := range []int{100, 20_000} {
			b.Run(fmt.Sprintf("%s/%d", kind.name, due), func(b *testing.B) {
				s := benchStore(b, kind.address(b))
				for from := 0; from < due; from += 100 {
					write(b, s, func(tx *store.Tx) error {
						for i := from; i < from+100; i++ {
							tx.Send(store.Outgoing{ID: fmt.Sprint(i), Org: "o", Incident: fmt.Sprint("i", i), Kind: "update", Destination: fmt.Sprint("d", i%20), Due: nine, Body: []byte("{}")})
						}
						return nil
					})
				}
				now := nine
				for b.Loop() {
					now = now.Add(time.Second) // what was claimed is due again
					if got, err := s.Claim(b.Context(), now, now.Add(time.Second), 64, 4, nil); err != nil || len(got) == 0 {
						b.Fatalf("claimed %d, %v", len(got), err)
					}
				}
			})
		}
	}
}
