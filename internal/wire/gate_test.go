package wire_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/wire"
)

// TestGate: nothing is written once the gate is shut, be it before the connection
// is opened or between two writes, over HTTP and over Dial.
func TestGate(t *testing.T) {
	var got atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Add(1) }))
	defer server.Close()
	c := wire.New(wire.Options{Now: time.Now, Allow: loopback})
	shut := errors.New("declared dead")

	for _, passes := range []int64{0, 1, 2} { // how often the gate lets something through
		var asked atomic.Int64
		ctx := wire.WithGate(t.Context(), func() error {
			if asked.Add(1) > passes {
				return shut
			}
			return nil
		})
		before := got.Load()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Do(req)
		if passes < 2 && (!errors.Is(err, shut) || !errors.Is(err, wire.ErrShut) || wire.Unreached(err) || got.Load() != before) {
			t.Errorf("%d passed: %v; the server got %d requests", passes, err, got.Load()-before)
		}
		if passes == 2 && (err != nil || got.Load() != before+1) { // one for the connection, one for the request
			t.Errorf("open: %v; the server got %d requests", err, got.Load()-before)
		}
	}

	open := true
	ctx := wire.WithGate(t.Context(), func() error {
		if !open {
			return shut
		}
		return nil
	})
	conn, err := c.Dial(ctx, "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	open = false
	if n, err := io.WriteString(conn, "Host: x\r\n\r\n"); n != 0 || !errors.Is(err, shut) {
		t.Errorf("a shut gate let %d bytes through: %v", n, err)
	}
}

// TestCutOffIsDropped: what was written to a connection and not yet taken by the
// other side does not arrive after the exchange was cut off.
func TestCutOffIsDropped(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	gated := wire.WithGate(ctx, func() error { return nil })
	c := wire.New(wire.Options{Now: time.Now, Allow: loopback})
	done := make(chan error, 1)
	go func() {
		req, _ := http.NewRequestWithContext(gated, http.MethodPost, "http://"+l.Addr().String(), strings.NewReader("a page"))
		_, err := c.Do(req)
		done <- err
	}()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	time.Sleep(200 * time.Millisecond) // it is written, and waits in the kernel
	cancel()
	if err := <-done; err == nil {
		t.Error("an exchange that was cut off succeeded")
	}
	time.Sleep(100 * time.Millisecond)
	if read, err := io.ReadAll(conn); err == nil {
		t.Errorf("after the end %q arrived", read)
	}
}

func TestUnreached(t *testing.T) {
	c := wire.New(wire.Options{Now: time.Now, Allow: loopback, Timeout: 200 * time.Millisecond})
	handler := func(h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	release := make(chan struct{})
	defer close(release)
	for _, tt := range []struct {
		name, url string
		unreached bool
	}{
		{"accepted", handler(func(http.ResponseWriter, *http.Request) {}), false},
		{"500", handler(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }), false},
		{"429", handler(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "3"); w.WriteHeader(429) }), false},
		{"404", handler(http.NotFound), false},
		{"refused", gone.URL, true},
		{"broken off", handler(func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }), true},
		{"silent", handler(func(http.ResponseWriter, *http.Request) { <-release }), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, tt.url, nil)
			if _, err := c.Do(req); wire.Unreached(err) != tt.unreached {
				t.Errorf("Unreached(%v) is %v", err, !tt.unreached)
			}
		})
	}
}
