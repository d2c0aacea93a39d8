package wire

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ErrRefused marks what would be refused again: trying later is of no use. It
// stands for a status 3xx or 4xx (but 408, 425 and 429), a forbidden or
// malformed address, and a certificate that does not hold.
var ErrRefused = errors.New("refused")

// Later is the error of an exchange that the other side asked to put off.
type Later struct {
	After time.Duration // from the time of the answer; more than zero, at most a day
	Err   error
}

func (l Later) Error() string { return fmt.Sprintf("%v (again after %v)", l.Err, l.After) }

func (l Later) Unwrap() error { return l.Err }

// Verdict says what to do about an error of this package: give up, or try
// again, and if the other side named a delay, after it. Every error that was
// not refused is worth another try.
func Verdict(err error) (refused bool, after time.Duration) {
	if errors.Is(err, ErrRefused) {
		return true, 0
	}
	var later Later
	if errors.As(err, &later) {
		return false, later.After
	}
	return false, 0
}

// Judge says what a status means: nil for 2xx, a Later for a retryable status
// whose Retry-After can be read, otherwise an error that Verdict explains.
func (c *Client) Judge(status int, h http.Header) error {
	if status >= 200 && status < 300 {
		return nil
	}
	text := strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
	switch {
	case again(status):
		err := errors.New(text)
		if after := retryAfter(h.Get("Retry-After"), c.opt.Now()); after > 0 {
			return Later{After: after, Err: err}
		}
		return err
	case status >= 300 && status < 400:
		return fmt.Errorf("%w: %s: redirects are not followed", ErrRefused, text)
	default:
		return fmt.Errorf("%w: %s", ErrRefused, text)
	}
}

// again tells the statuses that may be different next time.
func again(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

// maxAfter bounds what a server can ask for: no page waits longer on its word.
const maxAfter = 24 * time.Hour

// retryAfter reads a Retry-After header (RFC 9110 section 10.2.3): seconds or
// an HTTP date. It returns 0 for what it cannot read and for the past.
func retryAfter(s string, now time.Time) time.Duration {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		if err != nil || n > uint64(maxAfter/time.Second) {
			return maxAfter
		}
		return time.Duration(n) * time.Second
	}
	at, err := http.ParseTime(s)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxAfter)
}

// classify marks the errors of the way that will come again.
func classify(err error) error {
	if errors.Is(err, ErrRefused) {
		return err
	}
	var (
		cert   *tls.CertificateVerificationError
		host   x509.HostnameError
		ca     x509.UnknownAuthorityError
		bad    x509.CertificateInvalidError
		record tls.RecordHeaderError // the server does not speak TLS at all
		addr   *net.AddrError
	)
	if errors.As(err, &cert) || errors.As(err, &host) || errors.As(err, &ca) || errors.As(err, &bad) ||
		errors.As(err, &record) || errors.As(err, &addr) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// quoting adds the beginning of an answer to an error, quoted, for it comes
// from outside. Secrets are taken out first: quoting would change their form.
func quoting(err error, body []byte, secrets []string) error {
	const most = 200
	text := bytes.TrimSpace(body)
	if len(text) == 0 {
		return err
	}
	// Cut after redacting: the cut could leave half a secret that no longer matches.
	clean := redactText(string(text[:min(len(text), 16<<10)]), secrets)
	if len(clean) > most {
		clean = strings.ToValidUTF8(clean[:most], "") + "…"
	}
	return noted{err, clean}
}

// noted is an error with the other side's own words. A Later stays a Later.
type noted struct {
	err  error
	text string
}

func (n noted) Error() string { return fmt.Sprintf("%v: %q", n.err, n.text) }

func (n noted) Unwrap() error { return n.err }
