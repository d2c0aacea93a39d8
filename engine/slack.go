package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/musterhq/muster/chat"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
)

// ErrSignature marks a callback that is not from where it says.
var ErrSignature = errors.New("the signature does not fit")

// A SlackAnswer is what Slack is answered with; its body may be empty.
type SlackAnswer struct{ Body []byte }

// Slack carries out what somebody pressed in Slack: the same commands as the
// API's, by the user whose contact has the member's id. What cannot be done is
// told to that person alone.
func (e *Engine) Slack(ctx context.Context, org string, h http.Header, body []byte) (SlackAnswer, error) {
	s := e.setups.Load().bySlug[org]
	if s == nil {
		return SlackAnswer{}, ErrSignature // who may not know, learns nothing
	}
	connection, err := e.signedBy(s, h, body)
	if err != nil {
		return SlackAnswer{}, err
	}
	action, err := chat.ReadSlack(body)
	if err != nil {
		return SlackAnswer{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	switch action.Name {
	case chat.SSLCheck:
		return SlackAnswer{}, nil
	case chat.URLVerification:
		return SlackAnswer{Body: []byte(action.Value)}, nil
	}
	if err := e.pressed(ctx, s, action); err != nil {
		e.Log.Info("refused a button", "action", action.Name, "slack_user", action.UserID, "error", err)
		e.tell(ctx, s, connection, action, err)
	}
	return SlackAnswer{}, nil
}

// signedBy returns the Slack connection whose signing secret fits.
func (e *Engine) signedBy(s *setup, h http.Header, body []byte) (connection string, err error) {
	for _, slug := range slices.Sorted(maps.Keys(s.doc.Connections)) {
		c := s.doc.Connections[slug]
		if c.Kind != "slack" {
			continue
		}
		secret, err := e.plain(c.Settings["signing_secret"])
		if err == nil && chat.Verify(secret, h, body, now()) == nil {
			return slug, nil
		}
	}
	return "", ErrSignature
}

// pressed carries out a button.
func (e *Engine) pressed(ctx context.Context, s *setup, a chat.Action) error {
	user, ok := s.userAt("slack", a.UserID)
	if !ok {
		return errors.New("your Slack account belongs to no user of Muster: somebody must add it to your contacts")
	}
	by := incident.Cause{Actor: incident.Actor("user:" + user), Origin: "slack"}
	switch a.Name {
	case "acknowledge", "resolve":
		_, err := e.Do(ctx, s.org.ID, a.Value, Command{Do: a.Name, By: by})
		return err
	case "approve", "reject":
		run, hash, _ := strings.Cut(a.Value, ":")
		_, err := e.Decide(ctx, s.org.ID, run, Decision{Approve: a.Name == "approve", By: by, User: user, Hash: hash})
		return err
	}
	return fmt.Errorf("there is no button %q", a.Name)
}

// userAt finds the user who has an address as a contact of a kind of channel.
func (s *setup) userAt(channel, address string) (user string, ok bool) {
	for _, slug := range slices.Sorted(maps.Keys(s.doc.Users)) {
		for _, c := range s.doc.Users[slug].Reachable() {
			if c.Kind == channel && c.Address == address {
				return slug, true
			}
		}
	}
	return "", false
}

// tell answers the person who pressed, and nobody else.
func (e *Engine) tell(ctx context.Context, s *setup, connection string, a chat.Action, why error) {
	if a.ResponseURL == "" {
		return
	}
	l, err := e.open(s, connection)
	if err != nil {
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.ResponseURL, strings.NewReader(string(chat.RenderEphemeral(short(why)))))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	if _, err := l.wire.Do(req, a.ResponseURL); err != nil {
		e.Log.Warn("answer a button", "error", wire.Redact(err, a.ResponseURL))
	}
}

// short is an error for a person: the reason, without how we got there.
func short(err error) string {
	for _, known := range []error{incident.ErrConflict, incident.ErrInvalid, runbook.ErrMove, store.ErrNotFound} {
		if errors.Is(err, known) {
			_, after, found := strings.Cut(err.Error(), known.Error()+": ")
			if found {
				return after
			}
		}
	}
	return err.Error()
}
