package chat_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/chat"
)

// The worked example of Slack's documentation.
func TestVerifySample(t *testing.T) {
	const path = "../../shared/samples/signature-vectors/signature-vectors.json"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("samples absent: %v", err)
	}
	var all struct {
		Slack struct {
			Secret    string `json:"signing_secret"`
			Timestamp string
			Body      string
			Signature string
		}
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	v := all.Slack
	seconds, err := strconv.ParseInt(v.Timestamp, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{"X-Slack-Request-Timestamp": {v.Timestamp}, "X-Slack-Signature": {v.Signature}}
	at := time.Unix(seconds, 0)
	if err := chat.Verify(v.Secret, h, []byte(v.Body), at); err != nil {
		t.Errorf("the worked example: %v", err)
	}
	if err := chat.Verify(v.Secret, h, []byte(v.Body+"&"), at); !errors.Is(err, chat.ErrUnsigned) {
		t.Errorf("with one byte more: %v", err)
	}
}

// The signatures below were computed with openssl:
// printf 'v0:1790000000:payload=%%7B%%7D' | openssl dgst -sha256 -hmac sesame
func TestVerify(t *testing.T) {
	const (
		secret    = "sesame"
		body      = "payload=%7B%7D"
		stamp     = "1790000000"
		signature = "v0=0740b1fa5cae84795c5db832f9372a988ff3e6a053463d807e483ca30029301d"
	)
	at := time.Unix(1790000000, 0)
	type change struct {
		name              string
		secret, body      string
		stamps, signature []string
		now               time.Time
		ok                bool
	}
	right := change{secret: secret, body: body, stamps: []string{stamp}, signature: []string{signature}, now: at, ok: true}
	with := func(name string, ok bool, edit func(*change)) change {
		c := right
		c.name, c.ok = name, ok
		edit(&c)
		return c
	}
	tests := []change{
		with("right", true, func(*change) {}),
		with("five minutes old", true, func(c *change) { c.now = at.Add(5 * time.Minute) }),
		with("five minutes early", true, func(c *change) { c.now = at.Add(-5 * time.Minute) }),
		with("older", false, func(c *change) { c.now = at.Add(5*time.Minute + time.Second) }),
		with("earlier", false, func(c *change) { c.now = at.Add(-5*time.Minute - time.Second) }),
		with("no secret", false, func(c *change) { c.secret = "" }),
		with("another secret", false, func(c *change) { c.secret = "Sesame" }),
		with("another body", false, func(c *change) { c.body = "payload=%7b%7d" }),
		with("no body", false, func(c *change) { c.body = "" }),
		with("no timestamp", false, func(c *change) { c.stamps = nil }),
		with("two timestamps", false, func(c *change) { c.stamps = []string{stamp, stamp} }),
		with("another timestamp", false, func(c *change) { c.stamps = []string{"1790000001"} }),
		with("timestamp with a sign", false, func(c *change) { c.stamps = []string{"+1790000000"} }),
		with("timestamp of words", false, func(c *change) { c.stamps = []string{"now"} }),
		with("timestamp that overflows", false, func(c *change) { c.stamps = []string{"9223372036854775807"} }),
		with("negative timestamp", false, func(c *change) { c.stamps = []string{"-9223372036854775808"} }),
		with("no signature", false, func(c *change) { c.signature = nil }),
		with("two signatures", false, func(c *change) { c.signature = []string{"v0=00", signature} }),
		with("empty signature", false, func(c *change) { c.signature = []string{"v0="} }),
		with("another version", false, func(c *change) { c.signature = []string{"v1" + signature[2:]} }),
		with("upper case", false, func(c *change) { c.signature = []string{"v0=" + strings.ToUpper(signature[3:])} }),
	}
	for _, tt := range tests {
		h := http.Header{}
		h["X-Slack-Request-Timestamp"] = tt.stamps
		h["X-Slack-Signature"] = tt.signature
		err := chat.Verify(tt.secret, h, []byte(tt.body), tt.now)
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, chat.ErrUnsigned) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err != nil && tt.secret != "" && (strings.Contains(err.Error(), tt.secret) || strings.Contains(err.Error(), signature[3:])) {
			t.Errorf("%s: the error tells: %v", tt.name, err)
		}
	}
}
