package wire_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/wire"
)

// BenchmarkDo is one POST over loopback, on a connection of its own.
func BenchmarkDo(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	c := wire.New(wire.Options{Now: time.Now, Allow: loopback})
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), "POST", server.URL, strings.NewReader(`{"a":1}`))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Do(req, "a-secret"); err != nil {
			b.Fatal(err)
		}
	}
}
