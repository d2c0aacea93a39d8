package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"testing"
	"time"
)

// TestSlackSignature asks with and without a good signature; what buttons do is
// the engine's to test.
func TestSlackSignature(t *testing.T) {
	w := newWorld(t)
	const challenge = `{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}`
	sign := func(secret, body string, at time.Time) []string {
		stamp := strconv.FormatInt(at.Unix(), 10)
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte("v0:" + stamp + ":" + body))
		return []string{"X-Slack-Request-Timestamp", stamp, "X-Slack-Signature", "v0=" + hex.EncodeToString(mac.Sum(nil))}
	}
	good := sign("shop-signing-secret", challenge, time.Now())
	r := w.ask(200, nil, "", "POST", "/chat/slack/shop", challenge, good...)
	if string(r.body) != "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P" {
		t.Errorf("challenge: %q", r.body)
	}
	for name, c := range map[string]struct {
		path, body string
		headers    []string
	}{
		"no signature":               {"/chat/slack/shop", challenge, nil},
		"another secret":             {"/chat/slack/shop", challenge, sign("other", challenge, time.Now())},
		"another body":               {"/chat/slack/shop", challenge + " ", good},
		"an old one":                 {"/chat/slack/shop", challenge, sign("shop-signing-secret", challenge, time.Now().Add(-6*time.Minute))},
		"of another organization":    {"/chat/slack/bank", challenge, good},
		"an unknown organization":    {"/chat/slack/none", challenge, good},
		"an empty secret's":          {"/chat/slack/bank", challenge, sign("", challenge, time.Now())},
		"a role, and no signature":   {"/chat/slack/shop", challenge, []string{"Authorization", "Bearer " + w.tokens["admin"]}},
		"a signature without a time": {"/chat/slack/shop", challenge, good[2:]},
	} {
		if r := w.do("", "POST", c.path, c.body, c.headers...); r.status != 401 {
			t.Errorf("%s: status %d: %s", name, r.status, r.body)
		}
	}
	const bad = `payload=%7Bnot json`
	w.ask(400, nil, "", "POST", "/chat/slack/shop", bad, sign("shop-signing-secret", bad, time.Now())...).problem(t)
}
