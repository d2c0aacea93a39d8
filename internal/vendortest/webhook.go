package vendortest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Webhook stands in for a receiver of Standard Webhooks 1.0: it checks the
// signature, the age and the method, and records what came.
type Webhook struct {
	journal
	faults
	secrets []string

	mu       sync.Mutex
	requests []WebhookRequest
	believed map[string]int // requests by id
}

// A WebhookRequest is a request that reached the receiver, good or bad.
type WebhookRequest struct {
	At     time.Time
	Method string
	Path   string
	Header http.Header
	Body   []byte
	ID     string // the header webhook-id
	Err    error  // why it was not believed, or nil
	Before int    // how often the same id came and was believed before
}

// NewWebhook returns a receiver that believes what is signed with one of the
// secrets (whsec_…), or everything if there are none.
func NewWebhook(now func() time.Time, secrets ...string) *Webhook {
	return &Webhook{journal: journal{now: now}, secrets: secrets, believed: map[string]int{}}
}

// Requests returns what came so far, in order.
func (s *Webhook) Requests() []WebhookRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]WebhookRequest(nil), s.requests...)
}

// ServeHTTP answers 204, or 401 to what is not believed.
func (s *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	got := WebhookRequest{
		At: s.now(), Method: r.Method, Path: r.URL.Path, Header: r.Header.Clone(), Body: body,
		ID: r.Header.Get("Webhook-Id"),
	}
	what := r.Method + " " + r.URL.Path
	fault := s.take()
	if fault.Kind != FaultNone && fault.Kind != FaultHalf {
		if fault.Kind == FaultAPI {
			fault.Kind = FaultStatus
		}
		s.write(what, "fault")
		fault.spoil(w, r, nil)
		return
	}

	got.Err = s.verify(r.Header, body, got.At)
	status := http.StatusNoContent
	switch {
	case r.Method != http.MethodPost:
		got.Err, status = errors.New("not a POST"), http.StatusMethodNotAllowed
	case got.Err != nil:
		status = http.StatusUnauthorized
	}
	s.mu.Lock()
	if got.ID != "" {
		got.Before = s.believed[got.ID]
		if got.Err == nil {
			s.believed[got.ID]++
		}
	}
	s.requests = append(s.requests, got)
	s.mu.Unlock()
	s.write(what, strconv.Itoa(status))
	if fault.Kind == FaultHalf {
		fault.spoil(w, r, []byte(`{"received":true}`))
		return
	}
	w.WriteHeader(status)
}

// verify checks as the specification says (github.com/standard-webhooks,
// "Verifying signatures"): the symmetric scheme v1, five minutes of tolerance.
func (s *Webhook) verify(h http.Header, body []byte, now time.Time) error {
	if len(s.secrets) == 0 {
		return nil
	}
	id, stamp := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp")
	if id == "" || stamp == "" {
		return errors.New("no id or no timestamp")
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return fmt.Errorf("timestamp: %w", err)
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > 5*time.Minute || age < -5*time.Minute {
		return fmt.Errorf("timestamp is off by %v", age)
	}
	for _, sig := range strings.Fields(h.Get("Webhook-Signature")) {
		enc, ok := strings.CutPrefix(sig, "v1,")
		if !ok {
			continue
		}
		given, err := base64.StdEncoding.DecodeString(enc)
		if err != nil {
			continue
		}
		for _, secret := range s.secrets {
			key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
			if err != nil {
				continue
			}
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(id + "." + stamp + "."))
			mac.Write(body)
			if hmac.Equal(given, mac.Sum(nil)) {
				return nil
			}
		}
	}
	return errors.New("no signature fits")
}
