package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hang begins a request to a server and never ends it.
func hang(t *testing.T, s *server) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "POST /intake/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n{", ownKey)
	time.Sleep(200 * time.Millisecond)
}

// TestSignals ends servers while a client hangs: one signal ends them within
// 30 seconds, a second one at once.
func TestSignals(t *testing.T) {
	config := func(t *testing.T) string { return write(t, t.TempDir(), "shop.yaml", shop("http://127.0.0.1:9", 1)) }
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run("one "+signal.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, "muster", filepath.Join(t.TempDir(), "muster.db"), "--config", config(t))
			hang(t, s)
			s.cmd.Process.Signal(signal)
			began := time.Now()
			select {
			case <-s.ended:
				if s.err != nil {
					t.Errorf("it ended with %v", s.err)
				}
				t.Logf("it took %v", time.Since(began).Round(time.Millisecond))
			case <-time.After(30 * time.Second):
				t.Error("it did not end within 30 s")
			}
		})
	}
	t.Run("two", func(t *testing.T) {
		t.Parallel()
		s := serve(t, "muster", filepath.Join(t.TempDir(), "muster.db"), "--config", config(t))
		hang(t, s)
		s.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-s.ended:
			t.Fatal("it ended although a request is in flight")
		case <-time.After(500 * time.Millisecond):
		}
		s.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-s.ended:
			if s.err == nil {
				t.Error("it says that it ended well")
			}
		case <-time.After(2 * time.Second):
			t.Error("a second signal does not end it at once")
		}
	})
}
