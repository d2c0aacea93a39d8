package wire_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/wire"
)

func TestRedirectIsNotFollowed(t *testing.T) {
	var hits atomic.Int32
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer target.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		from := httptest.NewServer(http.RedirectHandler(target.URL, status))
		c := client(t, nil)
		r, err := c.Do(get(t, from.URL))
		if refused, _ := wire.Verdict(err); !refused || r.Status != status {
			t.Errorf("%d: status %d, %v; want it refused", status, r.Status, err)
		}
		resp, err := c.HTTP().Do(get(t, from.URL))
		if err != nil || resp.StatusCode != status {
			t.Errorf("%d by HTTP: %v", status, err)
		} else {
			resp.Body.Close()
		}
		from.Close()
	}
	if hits.Load() != 0 {
		t.Errorf("%d redirects were followed", hits.Load())
	}
}

// TestSlowLoris checks that the deadline is one of the whole exchange and not
// of each read.
func TestSlowLoris(t *testing.T) {
	drip := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	}
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, handler := range map[string]http.HandlerFunc{"drips": drip, "silent": silent} {
		server := httptest.NewServer(handler)
		c := client(t, func(o *wire.Options) { o.Timeout = 200 * time.Millisecond })
		start := time.Now()
		_, err := c.Do(get(t, server.URL))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want the deadline", name, err)
		}
		if refused, after := wire.Verdict(err); refused || after != 0 {
			t.Errorf("%s: refused %v, after %v; want another try", name, refused, after)
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		server.Close()
	}
}

func TestGzipBombIsCapped(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		zeros := make([]byte, 1<<20)
		for range 256 {
			if _, err := z.Write(zeros); err != nil {
				return
			}
		}
		z.Close()
	}))
	defer server.Close()
	var calls []wire.Call
	c := client(t, func(o *wire.Options) {
		o.MaxBody = 64 << 10
		o.Observe = func(c wire.Call) { calls = append(calls, c) }
	})
	r, err := c.Do(get(t, server.URL))
	if err != nil || !r.Truncated || len(r.Body) != 64<<10 {
		t.Errorf("%d bytes, truncated %v, %v", len(r.Body), r.Truncated, err)
	}
	if len(calls) != 1 || calls[0].Bytes != 64<<10 || calls[0].Outcome != "ok" {
		t.Errorf("calls %+v", calls)
	}
	resp, err := c.HTTP().Do(get(t, server.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); n != 64<<10 || !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("by HTTP: %d bytes, %v", n, err)
	}
}

func TestBodyOfExactlyTheCap(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "12345678") }))
	defer server.Close()
	for most, truncated := range map[int64]bool{7: true, 8: false, 9: false} {
		r, err := client(t, func(o *wire.Options) { o.MaxBody = most }).Do(get(t, server.URL))
		if err != nil || r.Truncated != truncated || len(r.Body) != int(min(most, 8)) {
			t.Errorf("cap %d: %d bytes, truncated %v, %v", most, len(r.Body), r.Truncated, err)
		}
	}
}

func TestHalfAnAnswerIsNone(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	r, err := client(t, nil).Do(get(t, server.URL))
	if refused, _ := wire.Verdict(err); err == nil || refused || r.Status != 200 {
		t.Errorf("status %d, %v; want another try", r.Status, err)
	}
}

func TestObserve(t *testing.T) {
	now := time.Unix(0, 0)
	var calls []wire.Call
	status := 200
	c := wire.New(wire.Options{
		Now:     func() time.Time { now = now.Add(time.Second); return now },
		Observe: func(c wire.Call) { calls = append(calls, c) },
		Transport: trip(func(r *http.Request) (*http.Response, error) {
			if status == 0 {
				return nil, io.ErrUnexpectedEOF
			}
			return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("four"))}, nil
		}),
	})
	for _, status = range []int{200, 404, 429, 503, 500, 0} {
		_, _ = c.Do(get(t, "http://h.example/secret-path"))
	}
	_, _ = c.Do(get(t, "ftp://h.example/"))
	want := []wire.Call{
		{Host: "h.example", Method: "GET", Status: 200, Took: time.Second, Bytes: 4, Outcome: "ok"},
		{Host: "h.example", Method: "GET", Status: 404, Took: time.Second, Bytes: 4, Outcome: "refused"},
		{Host: "h.example", Method: "GET", Status: 429, Took: time.Second, Bytes: 4, Outcome: "later"},
		{Host: "h.example", Method: "GET", Status: 503, Took: time.Second, Bytes: 4, Outcome: "later"},
		{Host: "h.example", Method: "GET", Status: 500, Took: time.Second, Bytes: 4, Outcome: "failed"},
		{Host: "h.example", Method: "GET", Took: time.Second, Outcome: "failed"},
		{Host: "h.example", Method: "GET", Took: time.Second, Outcome: "refused"},
	}
	if d := cmp.Diff(want, calls); d != "" {
		t.Error(d)
	}
}

type trip func(*http.Request) (*http.Response, error)

func (t trip) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// TestFakeTime checks that a client with a replaced network keeps its deadline
// on the fake clock of synctest.
func TestFakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := wire.New(wire.Options{Now: time.Now, Transport: trip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})})
		start := time.Now()
		_, err := c.Do(get(t, "http://h.example/"))
		if took := time.Since(start); took != 20*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// A dialed connection ends with its time, and with what it may read, whatever
// its user does.
func TestDialIsBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	mode := make(chan string, 4)
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			how := <-mode
			wg.Go(func() {
				defer conn.Close()
				if how == "silent" {
					_, _ = io.Copy(io.Discard, conn)
					return
				}
				for {
					if _, err := conn.Write(make([]byte, 4096)); err != nil {
						return
					}
				}
			})
		}
	})
	defer wg.Wait()
	defer l.Close()

	c := client(t, func(o *wire.Options) { o.Timeout = 200 * time.Millisecond; o.MaxBody = 64 << 10 })
	read := func(how string, ctx context.Context, during func()) (int64, error) {
		mode <- how
		conn, err := c.Dial(ctx, "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if during != nil {
			during()
		}
		_ = conn.SetDeadline(time.Now().Add(time.Hour)) // as SMTP clients do with each command
		return io.Copy(io.Discard, conn)
	}
	if n, err := read("endless", t.Context(), nil); !errors.Is(err, wire.ErrTooLarge) || n > 64<<10 {
		t.Errorf("endless: %d bytes, %v", n, err)
	}
	start := time.Now()
	if _, err := read("silent", t.Context(), nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 3*time.Second {
		t.Errorf("silent: %v after %v", err, time.Since(start))
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := read("silent", ctx, cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
