package runbook

import (
	"errors"
	"net/http/httptrace"
	"testing"
)

// TestNeverSent needs evidence: only a way that failed, with no connection at
// all, is certain. One of two addresses that failed is none, nor is silence.
func TestNeverSent(t *testing.T) {
	broken := errors.New("connection refused")
	tests := []struct {
		name string
		way  func(*httptrace.ClientTrace)
		want bool
	}{
		{"nothing is known", func(*httptrace.ClientTrace) {}, false},
		{"no name", func(c *httptrace.ClientTrace) { c.DNSDone(httptrace.DNSDoneInfo{Err: broken}) }, true},
		{"no connection", func(c *httptrace.ClientTrace) { c.ConnectDone("tcp", "[::1]:1", broken) }, true},
		{"the second address", func(c *httptrace.ClientTrace) {
			c.ConnectDone("tcp", "[::1]:1", broken)
			c.ConnectDone("tcp", "127.0.0.1:1", nil)
			c.GotConn(httptrace.GotConnInfo{})
		}, false},
		{"connected", func(c *httptrace.ClientTrace) { c.GotConn(httptrace.GotConnInfo{}) }, false},
	}
	for _, tt := range tests {
		ctx, a := watching(t.Context())
		tt.way(httptrace.ContextClientTrace(ctx))
		if got := a.neverSent(); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
