package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/seal"
)

const testAdmin = "mst_test-admin-0123456789"

func testServer(t *testing.T, edit func(*serveOptions)) *server {
	t.Helper()
	key, err := seal.ParseKey(newKey())
	if err != nil {
		t.Fatal(err)
	}
	o := serveOptions{
		Database: filepath.Join(t.TempDir(), "muster.db"), Key: key, AdminToken: testAdmin,
		Config: []config.File{{Name: "shop.yaml", Body: []byte("organization: shop\nintegrations:\n  own: {kind: muster, key: own-key-0123456789}\n")}},
	}
	if edit != nil {
		edit(&o)
	}
	s, err := startServer(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A server that stops says so to load balancers first, lets a request that has
// begun come to its end, and takes no other.
func TestStopDrains(t *testing.T) {
	s := testServer(t, func(o *serveOptions) { o.Drain = 300 * time.Millisecond })
	const event = `{"title":"slow sender","key":"slow"}`
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /intake/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer own-key-0123456789\r\nContent-Length: %d\r\n\r\n%s", len(event), event[:10])
	if resp, err := http.Get(s.URL + "/readyz"); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("ready before: %v, %v", resp, err)
	}

	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(context.Background()) }()
	time.Sleep(100 * time.Millisecond)
	resp, err := http.Get(s.URL + "/readyz")
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("ready while it drains: %v, %v", resp, err)
	}
	time.Sleep(400 * time.Millisecond)
	if _, err := net.Dial("tcp", s.Addr); err == nil {
		t.Error("a connection is accepted after the draining time")
	}
	select {
	case err := <-stopped:
		t.Fatalf("stopped with a request in flight: %v", err)
	default:
	}
	if _, err := conn.Write([]byte(event[10:])); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || answer.StatusCode != http.StatusAccepted {
		t.Errorf("the request in flight was answered %v, %v; want 202", answer, err)
	}
	select {
	case err := <-stopped:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it does not stop")
	}
}

// What cannot start says why and leaves nothing running: the port is free
// afterwards.
func TestStartFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		edit func(*serveOptions)
		want string
	}{
		{"port", func(o *serveOptions) { o.Listen = taken.Addr().String() }, "address already in use"},
		{"database", func(o *serveOptions) { o.Database = filepath.Join(t.TempDir(), "no", "such", "muster.db") }, "open database"},
		{"scheme", func(o *serveOptions) { o.Database = "mysql://u:geheim@h/d" }, "mysql://…"},
		{"configuration", func(o *serveOptions) { o.Config = []config.File{{Name: "x.yaml", Body: []byte("organisation: x\n")}} }, "x.yaml:1:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key, err := seal.ParseKey(newKey())
			if err != nil {
				t.Fatal(err)
			}
			o := serveOptions{Database: filepath.Join(t.TempDir(), "muster.db"), Listen: address, Key: key, AdminToken: testAdmin}
			tt.edit(&o)
			s, err := startServer(t.Context(), o)
			if err == nil {
				s.Stop(context.Background())
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "geheim") {
				t.Errorf("error %q, want %q in it", err, tt.want)
			}
			l, err := net.Listen("tcp", address)
			if err != nil {
				t.Fatalf("the port is not free: %v", err)
			}
			l.Close()
		})
	}
}
