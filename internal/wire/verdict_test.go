package wire_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/wire"
)

func TestVerdictOfStatuses(t *testing.T) {
	tests := []struct {
		status  int
		header  string
		ok      bool
		refused bool
		after   time.Duration
	}{
		{status: 200, ok: true}, {status: 202, ok: true}, {status: 204, ok: true},
		{status: 301, refused: true}, {status: 304, refused: true},
		{status: 400, refused: true}, {status: 401, refused: true}, {status: 403, refused: true}, {status: 404, refused: true},
		{status: 409, refused: true}, {status: 410, refused: true}, {status: 422, refused: true},
		{status: 408}, {status: 425}, {status: 429}, {status: 500}, {status: 502}, {status: 503}, {status: 504},
		{status: 429, header: "7", after: 7 * time.Second},
		{status: 503, header: "120", after: 2 * time.Minute},
		{status: 404, header: "7", refused: true},
		{status: 429, header: "soon"}, {status: 429, header: "-5"}, {status: 429, header: "0"},
		{status: 429, header: "99999999999999999999999", after: 24 * time.Hour},
	}
	for _, tt := range tests {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if tt.header != "" {
				w.Header().Set("Retry-After", tt.header)
			}
			w.WriteHeader(tt.status)
			if tt.status != 204 && tt.status != 304 {
				_, _ = io.WriteString(w, "why: because\r\n\x1b[31m")
			}
		}))
		r, err := client(t, nil).Do(get(t, server.URL+"/path-as-password"))
		server.Close()
		refused, after := wire.Verdict(err)
		if (err == nil) != tt.ok || refused != tt.refused || after != tt.after || r.Status != tt.status {
			t.Errorf("%d %q: status %d, refused %v, after %v, error %v", tt.status, tt.header, r.Status, refused, after, err)
		}
		if err == nil {
			continue
		}
		if tt.after > 0 {
			var later wire.Later
			if !errors.As(err, &later) || later.After != tt.after || strings.Contains(later.Error(), "password") {
				t.Errorf("%d: no Later in %v", tt.status, err)
			}
		}
		if strings.ContainsAny(err.Error(), "\r\n\x1b") || strings.Contains(err.Error(), "password") {
			t.Errorf("%d: error is not clean: %q", tt.status, err)
		}
		if tt.status == 400 && !strings.Contains(err.Error(), "because") {
			t.Errorf("the answer's words are missing: %v", err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 29, 0, 59, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"":                               0,
		" 30 ":                           30 * time.Second,
		"1.5":                            0,
		"Sun, 29 Mar 2026 01:00:30 GMT":  90 * time.Second,
		"Sunday, 29-Mar-26 01:00:30 GMT": 90 * time.Second,
		"Sun Mar 29 01:00:30 2026":       90 * time.Second,
		"Sun, 29 Mar 2026 00:58:00 GMT":  0,
		"Sun, 29 Mar 2099 01:00:30 GMT":  24 * time.Hour,
		"86401":                          24 * time.Hour,
	} {
		if got := wire.RetryAfter(header, now); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}

func TestVerdictOfErrors(t *testing.T) {
	later := wire.Later{After: time.Minute, Err: io.EOF}
	for _, tt := range []struct {
		err     error
		refused bool
		after   time.Duration
	}{
		{nil, false, 0},
		{io.EOF, false, 0},
		{fmt.Errorf("send: %w", wire.ErrRefused), true, 0},
		{fmt.Errorf("send: %w", later), false, time.Minute},
		{wire.Redact(fmt.Errorf("send: %w", later), "EOF"), false, time.Minute},
		{wire.Redact(fmt.Errorf("send: %w", wire.ErrRefused), "x"), true, 0},
	} {
		refused, after := wire.Verdict(tt.err)
		if refused != tt.refused || after != tt.after {
			t.Errorf("%v: refused %v, after %v", tt.err, refused, after)
		}
	}
}

// What a certificate says today it will say tomorrow: the next channel must not
// wait for it.
func TestCertificates(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(server.Certificate())
	byName := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)

	for _, tt := range []struct {
		name, url string
		roots     *x509.CertPool
		refused   bool
		ok        bool
	}{
		{"trusted", server.URL, trusted, false, true},
		{"of nobody we know", server.URL, nil, true, false},
		{"of another name", byName, trusted, true, false},
		{"no TLS at all", strings.Replace(plain.URL, "http:", "https:", 1), trusted, true, false},
		{"nobody listens", "https://127.0.0.1:1", trusted, false, false},
	} {
		_, err := client(t, func(o *wire.Options) { o.Roots = tt.roots }).Do(get(t, tt.url))
		if refused, _ := wire.Verdict(err); refused != tt.refused || (err == nil) != tt.ok {
			t.Errorf("%s: refused %v, %v", tt.name, refused, err)
		}
	}

	c := client(t, nil)
	conn, err := c.Dial(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = wire.Classify(tls.Client(conn, c.TLS("127.0.0.1")).HandshakeContext(t.Context()))
	if !errors.Is(err, wire.ErrRefused) {
		t.Errorf("over Dial: %v", err)
	}
}
