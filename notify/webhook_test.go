package notify_test

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/vendortest"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/notify"
)

const otherSecret = "whsec_Zm9yLXJvdGF0aW9uLXdlLXVzZS10aGlz"

// The signature is checked by a receiver written from the specification, also
// while the secret is being changed.
func TestWebhookSignature(t *testing.T) {
	for _, tt := range []struct {
		name, sender, receiver string
		ok                     bool
	}{
		{"one", hookSecret, hookSecret, true},
		{"new one first", otherSecret + " " + hookSecret, hookSecret, true},
		{"old one first", hookSecret + "\n" + otherSecret, otherSecret, true},
		{"another", otherSecret, hookSecret, false},
		{"none", "", hookSecret, false},
	} {
		s := vendortest.NewWebhook(now, tt.receiver)
		server := httptest.NewServer(s)
		set := config.Settings{"url": server.URL, "secret": tt.sender}
		_, err := notify.Webhook.Send(t.Context(), newWire(t, nil), set, "", page())
		if (err == nil) != tt.ok || !tt.ok && !errors.Is(err, wire.ErrRefused) {
			t.Errorf("%s: %v", tt.name, err)
		}
		server.Close()
	}
}

func TestWebhookRepeat(t *testing.T) {
	r := webhookRig(t)
	s := vendortest.NewWebhook(now, hookSecret)
	server := httptest.NewServer(s)
	defer server.Close()
	set := with(r.set, "url", server.URL)
	m := page()
	for i := range 2 {
		m.Repeat = i
		if _, err := r.kind.Send(t.Context(), newWire(t, nil), set, "", m); err != nil {
			t.Fatal(err)
		}
	}
	got := s.Requests()
	if len(got) != 2 || got[1].Before != 1 || got[1].ID != m.Key || got[1].Header.Get("Idempotency-Key") != m.Key {
		t.Errorf("requests %+v", got)
	}
	var body struct{ Repeat int }
	if err := json.Unmarshal(got[1].Body, &body); err != nil || body.Repeat != 1 {
		t.Errorf("body %s, %v", got[1].Body, err)
	}
}

func TestWebhookBadSettings(t *testing.T) {
	r := webhookRig(t)
	for _, secret := range []string{"plain-secret", "whsec_!!!", "whsec_c2hvcnQ=", hookSecret + " nonsense", "whsec_" + strings.Repeat("QUFB", 30)} {
		_, err := r.kind.Send(t.Context(), newWire(t, nil), with(r.set, "secret", secret), "", page())
		if !errors.Is(err, wire.ErrRefused) || !strings.Contains(err.Error(), "secret ") || r.taken() != 0 {
			t.Errorf("%s: %v", secret, err)
		}
		for _, word := range strings.Fields(secret) {
			if err != nil && strings.Contains(err.Error(), strings.TrimPrefix(word, "whsec_")) {
				t.Errorf("the error tells the secret: %v", err)
			}
		}
	}
	m := page()
	m.Payload = json.RawMessage("{")
	if _, err := r.kind.Send(t.Context(), newWire(t, nil), r.set, "", m); !errors.Is(err, wire.ErrRefused) {
		t.Errorf("payload that is not JSON: %v", err)
	}
}
