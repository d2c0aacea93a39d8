package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/wire"
)

// Webhook posts JSON to a URL, signed as Standard Webhooks 1.0 asks
// (standardwebhooks.com). The body is described in docs/channels.md.
var Webhook = Kind{
	Kind: config.Kind{
		Name: "webhook",
		Via:  []string{"webhook"},
		Fields: []config.Field{
			{Name: "secret", Label: "Signing secret", Secret: true,
				Help: "whsec_ and base64 of 24 to 64 bytes. Several, separated by spaces, while it is rotated; unsigned if empty."},
		},
	},
	URL:   config.Field{Name: "url", Label: "URL", Type: "url", Required: true, Help: "Receives a POST for each message."},
	Send:  sendWebhook,
	Check: checkWebhook,
}

func checkWebhook(address string) error {
	if address != "" {
		return errors.New("address: a webhook has none: its URL belongs to the connection")
	}
	return nil
}

func sendWebhook(ctx context.Context, w *wire.Client, set config.Settings, address string, m Message) (Receipt, error) {
	if err := checkWebhook(address); err != nil {
		return Receipt{}, fmt.Errorf("webhook: %w: %w", wire.ErrRefused, err)
	}
	secrets := strings.Fields(set["secret"])
	hidden := hiding(set, "secret")
	req, err := renderWebhook(ctx, set["url"], secrets, m)
	if err != nil {
		return Receipt{}, wire.Redact(fmt.Errorf("webhook: %w: %w", wire.ErrRefused, err), hidden...)
	}
	// The path of such a URL is often all the password there is.
	if p := req.URL.EscapedPath(); len(p) > 1 {
		hidden = append(hidden, p, req.URL.Path)
	}
	resp, err := w.Do(req, hidden...)
	if err != nil {
		return Receipt{}, fmt.Errorf("webhook: %w", err)
	}
	return Receipt{Detail: strconv.Itoa(resp.Status)}, nil
}

// webhookBody is the body as documented; fields are only ever added.
type webhookBody struct {
	Type      string           `json:"type"` // incident.page …
	Timestamp string           `json:"timestamp"`
	ID        string           `json:"id"`
	Repeat    int              `json:"repeat"`
	Incident  *webhookIncident `json:"incident,omitempty"`
	Digest    *webhookDigest   `json:"digest,omitempty"`
	Facts     []webhookFact    `json:"facts"`
	Data      json.RawMessage  `json:"data,omitempty"`
}

type webhookIncident struct {
	ID           string `json:"id"`
	Number       string `json:"number"`
	Organization string `json:"organization"`
	Service      string `json:"service"`
	Status       string `json:"status"`
	Severity     string `json:"severity"`
	Title        string `json:"title"`
	Text         string `json:"text"`
	URL          string `json:"url,omitempty"`
}

type webhookFact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func renderWebhook(ctx context.Context, address string, secrets []string, m Message) (*http.Request, error) {
	body := webhookBody{
		Type:      "incident." + m.Kind,
		Timestamp: m.Now.UTC().Format(time.RFC3339Nano),
		ID:        m.Key,
		Repeat:    m.Repeat,
		Incident: &webhookIncident{
			ID:           m.IncidentID,
			Number:       line(m.Number, 20),
			Organization: line(m.Organization, 200),
			Service:      line(m.Service, 200),
			Status:       line(m.Status, 50),
			Severity:     line(m.Severity, 50),
			Title:        line(m.Title, 1000),
			Text:         block(m.Text, 15000),
			URL:          link(m.URL),
		},
		Facts: []webhookFact{},
		Data:  m.Payload,
	}
	if m.Digest != nil {
		body.Type, body.Incident, body.Digest = DigestKind, nil, m.Digest.webhook()
	}
	for _, f := range m.Facts {
		body.Facts = append(body.Facts, webhookFact{line(f.Name, 200), block(f.Value, 2000)})
	}
	text, err := json.Marshal(body) // escapes <, > and & as well
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	if err := httpURL(address); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(text))
	if err != nil {
		return nil, errors.New("url: cannot be requested")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Muster")
	req.Header.Set("Idempotency-Key", m.Key)
	stamp := strconv.FormatInt(m.Now.Unix(), 10)
	req.Header.Set("Webhook-Id", m.Key)
	req.Header.Set("Webhook-Timestamp", stamp)
	if len(secrets) == 0 {
		return req, nil
	}
	var signatures []string
	for i, s := range secrets {
		key, err := webhookKey(s)
		if err != nil {
			return nil, fmt.Errorf("secret %d: %w", i+1, err)
		}
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", m.Key, stamp, text)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	req.Header.Set("Webhook-Signature", strings.Join(signatures, " "))
	return req, nil
}

// webhookKey reads a symmetric secret of Standard Webhooks. Its errors never
// hold a part of it.
func webhookKey(s string) ([]byte, error) {
	enc, ok := strings.CutPrefix(s, "whsec_")
	if !ok {
		return nil, errors.New("does not begin with whsec_")
	}
	key, err := base64.StdEncoding.DecodeString(enc)
	if err != nil {
		key, err = base64.RawStdEncoding.DecodeString(enc)
	}
	switch {
	case err != nil:
		return nil, errors.New("what follows whsec_ is not base64")
	case len(key) < 24 || len(key) > 64:
		return nil, fmt.Errorf("has %d bytes, not 24 to 64", len(key))
	}
	return key, nil
}

// hiding lists the values of the named settings for redaction, whole and by
// word: a field may hold several secrets.
func hiding(set config.Settings, names ...string) []string {
	var out []string
	for _, n := range names {
		if v := set[n]; v != "" {
			out = append(out, v)
			out = append(out, strings.Fields(v)...)
		}
	}
	return out
}
