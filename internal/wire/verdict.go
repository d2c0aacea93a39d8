package wire

import (
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

// Classify marks an error of the way as refused if it will come again: a
// certificate that does not hold, a server that does not speak TLS at all, an
// address that is none. It is for protocols spoken over Dial; what the other
// methods return was classified already.
func Classify(err error) error {
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
// from outside.
func quoting(err error, body []byte, secrets []string) error {
	text := Excerpt(string(body), 200, secrets...)
	if text == "" {
		return err
	}
	return noted{err, text}
}

// Excerpt returns the first bytes of a text from outside without the secrets,
// to be quoted in an error. To cut first and to redact then would be wrong: the
// cut can leave half a secret, which is no longer recognized.
func Excerpt(text string, most int, secrets ...string) string {
	const enough = 16 << 10
	text = redactText(strings.TrimSpace(text[:min(len(text), enough)]), secrets)
	if len(text) > most {
		text = text[:most] + "…"
	}
	return strings.ToValidUTF8(text, "")
}

// noted is an error with the other side's own words. A Later stays a Later.
type noted struct {
	err  error
	text string
}

func (n noted) Error() string { return fmt.Sprintf("%v: %q", n.err, n.text) }

func (n noted) Unwrap() error { return n.err }
