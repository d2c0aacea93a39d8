package web

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"time"
	"unicode/utf8"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/internal/jsonscan"
)

// A RawEvent is what was received, as it came.
type RawEvent struct {
	ID          string          `json:"id"`
	Integration string          `json:"integration"`
	Kind        string          `json:"kind" doc:"Of the source that read the body: muster, alertmanager, pagerduty, rule …"`
	ReceivedAt  time.Time       `json:"received_at"`
	Remote      string          `json:"remote,omitempty" doc:"The sender's address."`
	Event       json.RawMessage `json:"event" doc:"What was read from the body."`
	Content
}

// A Content is a body that may be anything. Without the role admin, the routing
// keys in it are masked.
type Content struct {
	Body       string `json:"body,omitempty" doc:"The body, decompressed, if it is UTF-8."`
	BodyBase64 []byte `json:"body_base64,omitempty" doc:"Otherwise, in base64."`
}

func content(c caller, body []byte) Content {
	if c.Role != engine.Admin {
		body = masked(body)
	}
	if utf8.Valid(body) {
		return Content{Body: string(body)}
	}
	return Content{BodyBase64: body}
}

// routingKeys finds the keys that PagerDuty's senders put into the body, which
// are secrets, also where the body is no whole JSON.
var routingKeys = regexp.MustCompile(`("(?:routing_key|service_key)"\s*:\s*")(?:[^"\\]|\\.)*("?)`)

// masked takes routing keys out of a body. The name of the member may be
// written with escapes, so that a scan finds what the pattern does not.
func masked(body []byte) []byte {
	if doc, err := jsonscan.Scan(body, jsonscan.Limits{Depth: 64, Values: 500_000}); err == nil {
		for name, v := range doc.Root().Members() {
			if n := string(name); (n == "routing_key" || n == "service_key") && v.Kind() == jsonscan.String {
				body = bytes.ReplaceAll(body, v.Raw(), []byte(`"********"`))
			}
		}
	}
	return routingKeys.ReplaceAll(body, []byte(`${1}********${2}`))
}

func (s *server) eventRoutes() {
	add(s, viewer, http.MethodGet, "/api/v1/events/{id}", "get-event", "Get an event as it was received", s.event, tag("events"))
}

func (s *server) event(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"64"`
}) (*struct{ Body RawEvent }, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	e, err := s.engine.Store.RawEvent(ctx, org, in.ID)
	if err != nil {
		return nil, err
	}
	return &struct{ Body RawEvent }{RawEvent{
		ID: e.ID, Integration: e.Integration, Kind: e.Kind, ReceivedAt: e.ReceivedAt, Remote: e.Remote, Event: e.Event,
		Content: content(callerOf(ctx), e.Body),
	}}, nil
}
