package chat

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

// maxBody is the most bytes of a callback that are read. Slack sends the whole
// message along, with up to 40,000 characters of text and 50 blocks.
const maxBody = 1 << 20

// slackPayload is what we read of a block_actions payload
// (docs.slack.dev/reference/interaction-payloads/block_actions-payload).
type slackPayload struct {
	Type      string
	Challenge string
	User      struct{ ID, Username, Name string }
	Channel   struct{ ID string }
	Container struct {
		MessageTS string `json:"message_ts"`
		ChannelID string `json:"channel_id"`
	}
	Message     struct{ TS string }
	Actions     []slackAction
	ResponseURL string `json:"response_url"`
	TriggerID   string `json:"trigger_id"`
}

type slackAction struct {
	Type     string
	ActionID string `json:"action_id"`
	Value    string
}

var (
	slackUser    = regexp.MustCompile(`^[UW][A-Z0-9]{2,20}$`)
	slackChannel = regexp.MustCompile(`^[CDG][A-Z0-9]{2,20}$`)
	slackTS      = regexp.MustCompile(`^[0-9]{1,12}\.[0-9]{1,9}$`)
)

// ReadSlack reads the body of a request from Slack, which Verify has seen
// before: a form with the field payload (a button), a form with ssl_check, or
// the JSON of a url_verification. Its errors name the field at fault.
func ReadSlack(body []byte) (Action, error) {
	if len(body) > maxBody {
		return Action{}, fmt.Errorf("slack: body has %d bytes, more than %d", len(body), maxBody)
	}
	if text := bytes.TrimSpace(body); len(text) > 0 && text[0] == '{' {
		return readVerification(text)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return Action{}, fmt.Errorf("slack: form: %w", err)
	}
	if form.Get("ssl_check") == "1" {
		return Action{Name: SSLCheck}, nil
	}
	if n := len(form["payload"]); n != 1 {
		return Action{}, fmt.Errorf("slack: form: payload stands there %d times, not once", n)
	}
	var p slackPayload
	if err := json.Unmarshal([]byte(form.Get("payload")), &p); err != nil {
		return Action{}, fmt.Errorf("slack: payload: %w", err)
	}
	if p.Type != "block_actions" {
		return Action{}, fmt.Errorf("slack: payload.type: %q is not block_actions", short(p.Type))
	}
	return p.action()
}

func readVerification(text []byte) (Action, error) {
	var p slackPayload
	if err := json.Unmarshal(text, &p); err != nil {
		return Action{}, fmt.Errorf("slack: body: %w", err)
	}
	switch {
	case p.Type != URLVerification:
		return Action{}, fmt.Errorf("slack: type: %q is not %s", short(p.Type), URLVerification)
	case p.Challenge == "" || len(p.Challenge) > 1000:
		return Action{}, fmt.Errorf("slack: challenge: has %d bytes, not 1 to 1000", len(p.Challenge))
	}
	return Action{Name: URLVerification, Value: p.Challenge}, nil
}

// action checks the fields and takes them over. Slack sends one action for each
// press of a button.
func (p slackPayload) action() (Action, error) {
	if len(p.Actions) != 1 {
		return Action{}, fmt.Errorf("slack: payload.actions: %d of them, not one", len(p.Actions))
	}
	pressed := p.Actions[0]
	a := Action{
		Name:      pressed.ActionID,
		Value:     pressed.Value,
		UserID:    p.User.ID,
		UserName:  plain(cmp.Or(p.User.Username, p.User.Name)),
		Channel:   cmp.Or(p.Channel.ID, p.Container.ChannelID),
		MessageTS: cmp.Or(p.Container.MessageTS, p.Message.TS),
		TriggerID: p.TriggerID,
	}
	switch {
	case pressed.Type != "button":
		return Action{}, fmt.Errorf("slack: payload.actions[0].type: %q is not button", short(pressed.Type))
	case a.Name == "" || len(a.Name) > 255:
		return Action{}, fmt.Errorf("slack: payload.actions[0].action_id: has %d bytes, not 1 to 255", len(a.Name))
	case a.Name == URLVerification || a.Name == SSLCheck:
		return Action{}, fmt.Errorf("slack: payload.actions[0].action_id: %q is no button of ours", a.Name)
	case len(a.Value) > 2000:
		return Action{}, fmt.Errorf("slack: payload.actions[0].value: has %d bytes, more than 2000", len(a.Value))
	case !slackUser.MatchString(a.UserID):
		return Action{}, fmt.Errorf("slack: payload.user.id: %q is not a member's id", short(a.UserID))
	case !slackChannel.MatchString(a.Channel):
		return Action{}, fmt.Errorf("slack: payload.channel.id: %q is not a channel's id", short(a.Channel))
	case !slackTS.MatchString(a.MessageTS):
		return Action{}, fmt.Errorf("slack: payload.container.message_ts: %q is not a ts", short(a.MessageTS))
	case len(a.TriggerID) > 255:
		return Action{}, fmt.Errorf("slack: payload.trigger_id: has %d bytes, more than 255", len(a.TriggerID))
	}
	if p.ResponseURL != "" {
		u, err := url.Parse(p.ResponseURL)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil {
			return Action{}, errors.New("slack: payload.response_url: not an http address") // it is a secret: not shown
		}
		a.ResponseURL = p.ResponseURL
	}
	return a, nil
}

// RenderEphemeral renders the body of a POST to a response URL: an answer that
// only the one who pressed the button sees, below the message, which stays.
func RenderEphemeral(text string) []byte {
	body, err := json.Marshal(map[string]any{
		"response_type":    "ephemeral",
		"replace_original": false,
		"text":             escape(plain(text)),
	})
	if err != nil {
		panic(err) // a map of two strings and a bool
	}
	return body
}

// escape escapes Slack's control characters, so that no <!channel> comes to life.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// plain drops what hides or reorders text, and control characters but line feeds.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r != '\n' && r != '\u200D' && unicode.In(r, unicode.Cc, unicode.Cf) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if runes := []rune(s); len(runes) > 3000 {
		return string(runes[:2999]) + "…"
	}
	return s
}

// short is the beginning of a text from outside, for an error.
func short(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
