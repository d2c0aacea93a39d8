package chat

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// ErrUnsigned marks a request that is not proved to come from the chat system.
var ErrUnsigned = errors.New("signature does not hold")

// maxSkew is how far a request's timestamp may be off, either way.
const maxSkew = 5 * time.Minute

// Verify checks that a request comes from Slack, and now: the signature v0 over
// timestamp and raw body (docs.slack.dev/authentication/verifying-requests-from-slack).
// The body must be the bytes as they came. Without a secret nothing is believed.
func Verify(secret string, h http.Header, body []byte, now time.Time) error {
	if secret == "" {
		return fmt.Errorf("slack: %w: no signing secret is set", ErrUnsigned)
	}
	stamp, ok := single(h, "X-Slack-Request-Timestamp")
	if !ok {
		return fmt.Errorf("slack: %w: X-Slack-Request-Timestamp: want one", ErrUnsigned)
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return fmt.Errorf("slack: %w: X-Slack-Request-Timestamp: not a number", ErrUnsigned)
	}
	// Compared as seconds: a Duration would overflow for far-off times.
	if off, most := now.Unix()-seconds, int64(maxSkew/time.Second); seconds < 0 || off > most || off < -most {
		return fmt.Errorf("slack: %w: X-Slack-Request-Timestamp: more than %v off", ErrUnsigned, maxSkew)
	}
	given, ok := single(h, "X-Slack-Signature")
	if !ok {
		return fmt.Errorf("slack: %w: X-Slack-Signature: want one", ErrUnsigned)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + stamp + ":"))
	mac.Write(body)
	want := "v0=" + hex.EncodeToString(mac.Sum(nil))
	if !hmac.Equal([]byte(given), []byte(want)) { // in constant time
		return fmt.Errorf("slack: %w", ErrUnsigned)
	}
	return nil
}

// single returns a header that stands there exactly once.
func single(h http.Header, name string) (string, bool) {
	v := h.Values(name)
	if len(v) != 1 || v[0] == "" {
		return "", false
	}
	return v[0], true
}
