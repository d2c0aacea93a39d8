package wire_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/wire"
)

func TestForbiddenAddresses(t *testing.T) {
	closed := wire.New(wire.Options{Now: time.Now, Timeout: 2 * time.Second})
	for _, addr := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.9.9.9",
		"169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.168.0.1", "198.18.0.1",
		"198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1",
		"100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "4000::1", "fc00::1", "fd12:3456::1", "fe80::1",
		"fe80::1%lo", "fec0::1", "ff02::1",
	} {
		conn, err := closed.Dial(t.Context(), "tcp", net.JoinHostPort(addr, "9"))
		if err == nil {
			conn.Close()
			t.Errorf("%s: connected", addr)
			continue
		}
		if refused, _ := wire.Verdict(err); !refused || !strings.Contains(err.Error(), "forbidden") {
			t.Errorf("%s: %v; want it forbidden", addr, err)
		}
	}
}

// TestOpenAddresses checks that the guard lets through what it should. Nothing
// answers there, so the guard is asked alone, by a context that has ended: the
// dialer then says so, and would name the guard if it had refused.
func TestOpenAddresses(t *testing.T) {
	for _, tt := range []struct{ allow, addr string }{
		{"", "1.1.1.1"}, {"", "100.63.255.255"}, {"", "100.128.0.1"}, {"", "172.15.0.1"}, {"", "172.32.0.1"}, {"", "2606:4700::1"},
		{"10.1.0.0/16", "10.1.2.3"}, {"fd00::/8", "fd12::1"}, {"fe80::/10", "fe80::1%lo"}, {"::ffff:10.1.0.0/112", "10.1.9.9"}, {"10.1.0.0/16", "::ffff:10.1.2.3"},
	} {
		var allow []netip.Prefix
		if tt.allow != "" {
			allow = append(allow, netip.MustParsePrefix(tt.allow))
		}
		if why := wire.Forbids(allow, netip.MustParseAddr(tt.addr)); why != "" {
			t.Errorf("%s with %q open: %s", tt.addr, tt.allow, why)
		}
	}
	if wire.Forbids([]netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, netip.MustParseAddr("10.2.0.1")) == "" {
		t.Error("10.2.0.1 is open, though only 10.1.0.0/16 was opened")
	}
	if wire.Forbids(nil, netip.MustParseAddr("::ffff:1.1.1.1")) == "" {
		t.Error("an IPv4-mapped address is open")
	}
}

// TestRebinding plays the trick that a check before the request cannot see: the
// name resolves to a public address when it is looked at, and to loopback when
// it is connected to.
func TestRebinding(t *testing.T) {
	var hits atomic.Int32
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer inside.Close()
	_, port, _ := net.SplitHostPort(inside.Listener.Addr().String())

	var asked atomic.Int32
	resolver := fakeDNS(t, func() netip.Addr {
		if asked.Add(1) == 1 {
			return netip.MustParseAddr("93.184.215.14")
		}
		return netip.MustParseAddr("127.0.0.1")
	})
	first, err := resolver.LookupHost(t.Context(), "rebind.example.")
	if err != nil || len(first) != 1 || first[0] != "93.184.215.14" {
		t.Fatalf("the look before: %v, %v", first, err)
	}

	c := wire.New(wire.Options{Now: time.Now, Resolver: resolver, Timeout: 5 * time.Second})
	_, err = c.Do(get(t, "http://rebind.example.:"+port+"/"))
	if refused, _ := wire.Verdict(err); !refused || !strings.Contains(err.Error(), "127.0.0.1 is forbidden (loopback)") {
		t.Errorf("error %v, want the loopback address refused", err)
	}
	if hits.Load() != 0 {
		t.Error("the inner server was reached")
	}
	// The same road with loopback open leads there, so that the test would see it.
	if _, err := c.Allowing(loopback).Do(get(t, "http://rebind.example.:"+port+"/")); err != nil || hits.Load() != 1 {
		t.Errorf("with loopback open: %v, %d hits", err, hits.Load())
	}
}

// fakeDNS answers A questions with what the function says, and all others with
// nothing.
func fakeDNS(t *testing.T, answer func() netip.Addr) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { server.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			q := buf[12:n] // after the header: name, type, class
			end := 0
			for end < len(q) && q[end] != 0 {
				end += int(q[end]) + 1
			}
			if end+5 > len(q) {
				continue
			}
			out := append([]byte{buf[0], buf[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, q[:end+5]...)
			if binary.BigEndian.Uint16(q[end+1:]) == 1 { // A
				out[7] = 1
				out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
				out = append(out, answer().AsSlice()...)
			}
			_, _ = server.WriteTo(out, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

func TestBadURLs(t *testing.T) {
	c := client(t, nil)
	for _, address := range []string{"file:///etc/passwd", "gopher://127.0.0.1/", "http://", "http://:80/", "//127.0.0.1/", "ftp://127.0.0.1/x"} {
		_, err := c.Do(get(t, address))
		if refused, _ := wire.Verdict(err); !refused {
			t.Errorf("%s: %v, want it refused", address, err)
		}
	}
	if _, err := c.Dial(t.Context(), "unix", "/run/docker.sock"); !errors.Is(err, wire.ErrRefused) {
		t.Errorf("unix socket: %v", err)
	}
}

// TestAllowingIsApart checks that a connection opened by a client that may is
// not used by one that may not, and that each request has a connection of its own.
func TestAllowingIsApart(t *testing.T) {
	var opened atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	closed := wire.New(wire.Options{Now: time.Now})
	open := closed.Allowing(loopback)
	for range 3 {
		if _, err := open.Do(get(t, server.URL)); err != nil {
			t.Fatal(err)
		}
	}
	if n := opened.Load(); n != 3 {
		t.Errorf("%d connections for 3 requests", n)
	}
	if _, err := closed.Do(get(t, server.URL)); !errors.Is(err, wire.ErrRefused) {
		t.Errorf("the closed client: %v", err)
	}
}

// TestNoProxy checks that no proxy of the environment gets to see a request: it
// would connect in our place, unguarded. net/http reads those variables once in
// the life of a process, so this takes a process of its own.
func TestNoProxy(t *testing.T) {
	const marker = "MUSTER_TEST_PROXY"
	if os.Getenv(marker) != "" {
		c := client(t, func(o *wire.Options) {
			o.Resolver = fakeDNS(t, func() netip.Addr { return netip.MustParseAddr("127.0.0.1") })
		})
		_, err := c.Do(get(t, "http://target.example.:1/"))
		t.Logf("target: %v", err)
		return
	}
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer proxy.Close()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNoProxy$", "-test.v")
	cmd.Env = append(os.Environ(), marker+"=1", "HTTP_PROXY="+proxy.URL, "http_proxy="+proxy.URL, "ALL_PROXY="+proxy.URL)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "connection refused") {
		t.Errorf("%v\n%s", err, out)
	}
	if asked.Load() != 0 {
		t.Error("the proxy was asked")
	}
}
