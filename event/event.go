// Package event knows what monitoring tools send: it reads their bodies into
// Events, the one form the rest of Muster works with. One file holds one tool.
//
// It knows nothing of who is asked to act on an event, of what is open already,
// of time (the only instants it sees are those that senders wrote), or of
// storage and the network. All of it is a pure function of headers and body.
package event

import (
	"encoding/json"
	"time"
)

// An Action says what an event asks for.
type Action string

// The actions there are.
const (
	Trigger     Action = "trigger"     // there is trouble, or there still is
	Acknowledge Action = "acknowledge" // the sender says that somebody works on it
	Resolve     Action = "resolve"     // the trouble is over
	Change      Action = "change"      // somebody changed something, such as a deployment; nobody is paged
)

// A Severity says how bad the sender thinks it is.
type Severity string

// The severities there are, worst first.
const (
	SeverityCritical Severity = "critical"
	SeverityError    Severity = "error"
	SeverityWarning  Severity = "warning"
	SeverityInfo     Severity = "info"
)

// An Event is one message in. Those that Read returns fulfil its promises:
// valid UTF-8 without control characters (Description keeps line feeds and
// tabs), every size within the limits of this package. An acknowledge or resolve
// that brings no title has Key as its Title, and one that brings no severity is
// SeverityInfo: neither says anything about the alert that is open.
type Event struct {
	ID          string            `json:"id,omitempty"`    // given at acceptance by the engine; never read from a body
	Action      Action            `json:"action"`          // never empty
	Key         string            `json:"key"`             // names the problem within its integration; never empty, at most MaxKey bytes
	Group       string            `json:"group,omitempty"` // the sender's own grouping; "" stands for Key
	Title       string            `json:"title"`           // one line; never empty, at most MaxTitle bytes
	Description string            `json:"description,omitempty"`
	Severity    Severity          `json:"severity"` // never empty
	Source      string            `json:"source,omitempty"`
	Component   string            `json:"component,omitempty"`
	Class       string            `json:"class,omitempty"`
	Service     string            `json:"service,omitempty"`     // what the sender calls the service
	Environment string            `json:"environment,omitempty"` // such as production
	Time        time.Time         `json:"time,omitzero"`         // by the sender's clock; UTC, whole microseconds; zero if unsaid
	Until       time.Time         `json:"until,omitzero"`        // the sender asks for expiry then; UTC, whole microseconds
	Labels      map[string]string `json:"labels,omitempty"`
	Details     json.RawMessage   `json:"details,omitempty"` // any JSON value
	Links       []Link            `json:"links,omitempty"`
	Warnings    []Warning         `json:"warnings,omitempty"` // what was odd about the body, for the integration to show
	Routing     string            `json:"-"`                  // the routing key found in the body; a secret
}

// A Link is an address worth opening; it is always http or https.
type Link struct {
	URL  string `json:"url"`
	Text string `json:"text,omitempty"`
}

// A Warning tells of something odd that did not keep the event from being
// accepted.
type Warning struct {
	Pointer string `json:"pointer,omitempty"` // RFC 6901, into the body as it was sent; "" for the whole of it
	Detail  string `json:"detail"`
}
