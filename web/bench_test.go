package web

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// BenchmarkIntake is the whole way of one event a request, but for the network:
// 16 senders, a new key each time, SQLite on disk with every commit synced.
func BenchmarkIntake(b *testing.B) {
	w := newWorld(b)
	w.server.log = slog.New(slog.DiscardHandler)
	var n atomic.Int64
	b.SetParallelism(8)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			body := fmt.Sprintf(`{"key":"k%d","group":"g%d","title":"Disk full","severity":"critical","labels":{"host":"db1","zone":"eu-1"},"details":{"free":"1 %%"}}`, n.Add(1), n.Load()%100)
			r := httptest.NewRequest(http.MethodPost, "/intake/events/key-of-own-0123456789", strings.NewReader(body))
			rec := httptest.NewRecorder()
			w.server.ServeHTTP(rec, r)
			if rec.Code != http.StatusAccepted {
				b.Errorf("status %d: %s", rec.Code, rec.Body)
			}
		}
	})
}

// BenchmarkRefused is what a request costs that ends before the store: routing,
// headers, the key, the body, the parser, the metrics.
func BenchmarkRefused(b *testing.B) {
	w := newWorld(b)
	w.server.log = slog.New(slog.DiscardHandler)
	const body = `{"key":"k","group":"g","title":"Disk full","severity":"critical","labels":{"host":"db1","zone":"eu-1"},"details":{"free":"1 %%}}`
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/intake/events/key-of-own-0123456789", strings.NewReader(body))
		rec := httptest.NewRecorder()
		w.server.ServeHTTP(rec, r)
		if rec.Code != http.StatusBadRequest {
			b.Errorf("status %d: %s", rec.Code, rec.Body)
		}
	}
}
