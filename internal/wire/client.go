package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"
)

// Options say what a client may do. Only Now is required.
type Options struct {
	// Allow opens ranges that are forbidden otherwise (loopback, private,
	// link-local, carrier-grade NAT, unique local, multicast, NAT64 …).
	Allow []netip.Prefix
	// Timeout limits a whole exchange: resolving, connecting, TLS, sending and
	// reading the last byte of the answer. 20 seconds if zero.
	Timeout time.Duration
	// MaxBody limits the bytes of an answer, counted after decompression.
	// 1 MiB if zero.
	MaxBody int64
	// Now tells the time; it is needed for Retry-After dates.
	Now func() time.Time
	// Roots are the certificate authorities trusted; the system's if nil.
	Roots *x509.CertPool
	// Resolver resolves names; the system's if nil. It does not matter for
	// safety: the guard looks at the address that is connected to.
	Resolver *net.Resolver
	// Transport replaces the network below HTTP. For tests.
	Transport http.RoundTripper
	// Observe is told of each HTTP exchange, and of each connection of Dial, when
	// it ends. It must not block.
	Observe func(Call)
}

// A Client sends requests. It is safe for concurrent use.
type Client struct {
	opt    Options
	dialer *net.Dialer
	trip   http.RoundTripper
}

// A Response is an answer, read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	// Truncated says that the answer was longer than Options.MaxBody and that
	// Body holds its beginning only.
	Truncated bool
}

// New returns a client. It panics without Options.Now, which is a mistake of
// the program and not of its input.
func New(o Options) *Client {
	if o.Now == nil {
		panic("wire: Options.Now is required")
	}
	if o.Timeout <= 0 {
		o.Timeout = 20 * time.Second
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 1 << 20
	}
	return build(o)
}

func build(o Options) *Client {
	c := &Client{opt: o}
	c.dialer = &net.Dialer{
		Timeout:  o.Timeout,
		Resolver: o.Resolver,
		Control:  guard{open: o.Allow}.control,
	}
	c.trip = o.Transport
	if c.trip == nil {
		c.trip = &http.Transport{
			Proxy:       nil, // a proxy from the environment would connect in our place, unguarded
			DialContext: c.dial,
			// A new connection for each request: it is checked by the guard, it
			// is never one that died unnoticed, and net/http never sends a
			// request again by itself, as it does on connections used before.
			DisableKeepAlives:      true,
			TLSClientConfig:        c.TLS(""),
			TLSHandshakeTimeout:    o.Timeout,
			ResponseHeaderTimeout:  o.Timeout,
			MaxResponseHeaderBytes: 64 << 10,
		}
	}
	return c
}

// Allowing returns the client with more ranges opened: those of one
// connection's settings. It is cheap; the clients share nothing that a request
// could pass through.
func (c *Client) Allowing(p []netip.Prefix) *Client {
	o := c.opt
	o.Allow = slices.Concat(c.opt.Allow, p)
	return build(o)
}

// Observing returns the client with one more who is told of each exchange. It
// is cheap, as Allowing is.
func (c *Client) Observing(also func(Call)) *Client {
	o := c.opt
	if before := o.Observe; before != nil {
		o.Observe = func(call Call) { before(call); also(call) }
	} else {
		o.Observe = also
	}
	return build(o)
}

// TLS returns how to speak TLS to a server of that name, for protocols other
// than HTTP.
func (c *Client) TLS(server string) *tls.Config {
	return &tls.Config{ServerName: server, RootCAs: c.opt.Roots, MinVersion: tls.VersionTLS12}
}

// Do sends the request once and reads the whole answer. Redirects are not
// followed: to follow one would send what was meant for one address to another.
// Any status but 2xx is an error, which Verdict explains; the Response is then
// filled in too.
//
// The secrets, and what the request itself holds of credentials, do not appear
// in the error, which names the host and neither path nor query.
func (c *Client) Do(req *http.Request, secrets ...string) (Response, error) {
	secrets = append(secrets, credentials(req)...)
	ctx, cancel := context.WithTimeout(req.Context(), c.opt.Timeout)
	defer cancel()

	fail := func(r Response, err error) (Response, error) {
		return r, Redact(fmt.Errorf("%s %s: %w", req.Method, origin(req.URL), err), secrets...)
	}
	resp, err := c.roundTrip(req.WithContext(ctx))
	if err != nil {
		return fail(Response{}, err)
	}
	r := Response{Status: resp.StatusCode, Header: resp.Header}
	r.Body, err = io.ReadAll(resp.Body)
	resp.Body.Close()
	if errors.Is(err, ErrTooLarge) {
		r.Truncated, err = true, nil
	}
	if verdict := c.Judge(resp.StatusCode, resp.Header); verdict != nil {
		return fail(r, quoting(verdict, r.Body, secrets))
	}
	if err != nil { // accepted, perhaps: but an answer cut short is not an answer
		return fail(r, fmt.Errorf("%s: reading the answer: %w", resp.Status, err))
	}
	return r, nil
}

// HTTP returns a client for vendors' SDKs under the same guard, caps and
// deadline. It does not judge statuses (see Judge), and net/http puts the URL
// into the errors that it returns, so that an SDK's errors want Redact.
func (c *Client) HTTP(secrets ...string) *http.Client {
	return &http.Client{
		Timeout:       c.opt.Timeout,
		Transport:     redacting{c, secrets},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type redacting struct {
	*Client
	secrets []string
}

func (r redacting) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.roundTrip(req)
	if err != nil {
		return nil, Redact(err, append(credentials(req), r.secrets...)...)
	}
	return resp, nil
}

// roundTrip is the one way out for HTTP. It classifies the errors of the way,
// but not the status, and caps the body.
func (c *Client) roundTrip(req *http.Request) (*http.Response, error) {
	start := c.opt.Now()
	call := Call{Host: req.URL.Host, Method: req.Method}
	done := func(err error) {
		call.Took = c.opt.Now().Sub(start)
		call.Outcome = outcome(call.Status, err)
		if c.opt.Observe != nil {
			c.opt.Observe(call)
		}
	}
	if err := c.checkURL(req.URL); err != nil {
		done(err)
		return nil, err
	}
	resp, err := c.trip.RoundTrip(req.WithContext(gatedBy(req.Context())))
	if err != nil {
		err = Classify(err)
		done(err)
		return nil, err
	}
	call.Status = resp.StatusCode
	resp.Body = &capped{body: resp.Body, left: c.opt.MaxBody, done: func(n int64, err error) {
		call.Bytes = n
		done(err)
	}}
	return resp, nil
}
