package wire_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// client returns a client with loopback open, for the servers of the tests.
func client(t *testing.T, edit func(*wire.Options)) *wire.Client {
	t.Helper()
	o := wire.Options{Allow: loopback, Now: time.Now, Timeout: 5 * time.Second}
	if edit != nil {
		edit(&o)
	}
	return wire.New(o)
}

func get(t *testing.T, address string) *http.Request {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return (&http.Request{Method: "GET", URL: u, Header: http.Header{}, Host: u.Host}).WithContext(t.Context())
}
