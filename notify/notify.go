// Package notify sends notifications: one file per channel (webhook, e-mail,
// Slack), and the plain list of them, Kinds.
//
// It knows how each channel's messages look, what the channel's answers mean,
// and how to make hostile text harmless in it. It does not know who is to be
// notified or when, whether to try again, or what an incident is: the engine
// hands it one finished Message, and keeps the Receipt.
package notify

import (
	"context"
	"encoding/json"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/wire"
)

// A Message is one notification to one destination. All its texts but Key,
// Kind, IncidentID and the actions' names and values are hostile: they may come
// from whoever can make a machine log a line.
type Message struct {
	Key        string // idempotency key, fixed before the first sending and kept by every repeat
	Kind       string // Page, Update, Approval, Note or DigestKind
	IncidentID string // "" for a digest
	Number     string // as people say it: 42
	// Organization and Service are names for people.
	Organization, Service string
	Status                string // triggered, acknowledged, snoozed, resolved
	Severity              string
	Title, Text           string
	Facts                 []Fact
	Actions               []Action
	URL                   string // link to the incident, http or https; may be ""
	// Ref is the Receipt.Ref of the message of this incident that already
	// stands at this destination; "" the first time.
	Ref     string
	Repeat  int             // more than 0: the same key was perhaps sent before
	Payload json.RawMessage // what a webhook sends as "data"; may be nil
	Now     time.Time       // the instant of sending
	Digest  *Digest         // what a digest tells of, instead of Title and Text; else nil
}

// The kinds of messages.
const (
	Page     = "page"     // must ring
	Update   = "update"   // edits what was sent
	Approval = "approval" // asks for a decision
	Note     = "note"     // for information
)

// A Fact is a line of a message: Service: checkout.
type Fact struct{ Name, Value string }

// An Action is a button, where the channel has buttons.
type Action struct {
	Name  string // acknowledge, resolve, approve, reject
	Label string
	Value string // an opaque id that comes back when it is pressed; at most 2000 bytes
	Style string // "", "primary" or "danger"
}

// A Receipt is what the channel says of a message that it took. That it was
// taken does not mean that anybody saw it.
type Receipt struct {
	// Ref finds the message again, to edit it or to answer in its thread. It
	// goes into Message.Ref of the incident's next message to this destination.
	Ref    string
	Detail string // the channel's own words, for the timeline
}

// A Kind is a kind of channel.
type Kind struct {
	config.Kind // Fields are those of its connection

	// URL is the connection's own address, which arrives as Settings["url"].
	URL config.Field

	// Send sends the message once. Its error holds no secret of the settings,
	// and wire.Verdict tells whether to try again, and when.
	Send func(ctx context.Context, w *wire.Client, set config.Settings, address string, m Message) (Receipt, error)

	// Check returns an error if the address cannot be one of this channel.
	Check func(address string) error
}

// Kinds are all channels, in the order in which people see them.
var Kinds = []Kind{Webhook, Email, Slack}
