package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/slack-go/slack"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/wire"
)

// Slack keeps one message per incident and destination. The first message is
// posted; an Update edits it in place; a Page, Approval or Note that comes later
// is a reply in its thread (broadcast to the room, but for a Note, so that it
// rings), and the first message stays the one that is edited.
//
// Slack has no idempotency key: what is sent again after a lost answer shows
// twice, and the second time says so. The key goes along as message metadata.
var Slack = Kind{
	Kind: config.Kind{
		Name: "slack",
		Via:  []string{"slack"},
		Fields: []config.Field{
			{Name: "token", Label: "Bot token", Secret: true, Required: true, Help: "xoxb-…, with chat:write (and chat:write.public for rooms that the app has not joined)."},
			{Name: "signing_secret", Label: "Signing secret", Secret: true, Help: "Of the app; without it, no button press is believed."},
		},
		Address: &config.Field{Name: "address", Label: "Room or member", Required: true, Help: "#room, a channel id (C…), or a member id (U…)."},
	},
	URL:   config.Field{Name: "url", Label: "API", Type: "url", Default: slackAPI},
	Send:  sendSlack,
	Check: checkSlack,
}

const slackAPI = "https://slack.com/api/"

var (
	slackID   = regexp.MustCompile(`^[CDGUW][A-Z0-9]{2,20}$`)
	slackRoom = regexp.MustCompile(`^#[\p{Ll}\p{Lo}\p{N}_-]{1,80}$`)
	slackTS   = regexp.MustCompile(`^[0-9]{1,12}\.[0-9]{1,9}$`)
)

func checkSlack(address string) error {
	if slackID.MatchString(address) || slackRoom.MatchString(address) {
		return nil
	}
	return fmt.Errorf("address: %q is neither #room (lower case) nor an id of a channel or a member", cut(address, 40))
}

func sendSlack(ctx context.Context, w *wire.Client, set config.Settings, address string, m Message) (Receipt, error) {
	m = m.spelled()
	refused := func(err error) (Receipt, error) {
		return Receipt{}, fmt.Errorf("slack: %w: %w", wire.ErrRefused, err)
	}
	if err := checkSlack(address); err != nil {
		return refused(err)
	}
	api := strings.TrimSuffix(cmp.Or(set["url"], slackAPI), "/") + "/"
	if err := httpURL(api); err != nil {
		return refused(err)
	}
	if set["token"] == "" {
		return refused(errors.New("token: missing"))
	}
	card, err := slackCard(m)
	if err != nil {
		return refused(err)
	}
	s := slackSender{
		api: slack.New(set["token"],
			slack.OptionAPIURL(api),
			slack.OptionHTTPClient(slackWire{w, hiding(set, "token", "signing_secret")})),
		address: address,
		m:       m,
	}
	receipt, err := s.send(ctx, card)
	if err != nil {
		return Receipt{}, wire.Redact(fmt.Errorf("slack: %w", err), hiding(set, "token", "signing_secret")...)
	}
	return receipt, nil
}

type slackSender struct {
	api     *slack.Client
	address string
	m       Message
}

// send does what the message asks for. If Slack finds fault with the card, it
// sends plain text: an ugly page is better than none.
func (s slackSender) send(ctx context.Context, card []slack.MsgOption) (Receipt, error) {
	receipt, err := s.place(ctx, card)
	if badCard(err) {
		return s.place(ctx, slackPlain(s.m))
	}
	return receipt, err
}

// place posts, edits or replies.
func (s slackSender) place(ctx context.Context, card []slack.MsgOption) (Receipt, error) {
	channel, ts, ok := readSlackRef(s.m.Ref)
	switch {
	case !ok:
		return s.post(ctx, s.address, "", card...)

	case s.m.Kind == Update:
		_, _, _, err := s.api.UpdateMessageContext(ctx, channel, ts, card...)
		if gone(err) { // somebody deleted it: the state must still be seen
			return s.post(ctx, s.address, "", card...)
		}
		if err != nil {
			return Receipt{}, err
		}
		return Receipt{Ref: s.m.Ref, Detail: "edited " + s.m.Ref}, nil

	default:
		card = append(card, slack.MsgOptionTS(ts))
		if s.m.Kind != Note {
			card = append(card, slack.MsgOptionBroadcast())
		}
		return s.post(ctx, channel, s.m.Ref, card...)
	}
}

// post posts and returns the receipt; ref is the message that stays the one to
// be edited, "" for the new one.
func (s slackSender) post(ctx context.Context, channel, ref string, card ...slack.MsgOption) (Receipt, error) {
	card = append(card, slack.MsgOptionMetadata(slack.SlackMetadata{
		EventType:    "muster_notification",
		EventPayload: map[string]any{"key": s.m.Key, "incident": s.m.IncidentID},
	}))
	inChannel, ts, err := s.api.PostMessageContext(ctx, channel, card...)
	if err != nil {
		return Receipt{}, err
	}
	posted := inChannel + ":" + ts
	if _, _, ok := readSlackRef(posted); !ok {
		return Receipt{}, fmt.Errorf("answer without channel or ts: %q", cut(posted, 40))
	}
	return Receipt{Ref: cmp.Or(ref, posted), Detail: "posted " + posted}, nil
}

// readSlackRef reads channel:ts. A Ref that is not one counts as none.
func readSlackRef(ref string) (channel, ts string, ok bool) {
	channel, ts, _ = strings.Cut(ref, ":")
	return channel, ts, slackID.MatchString(channel) && slackTS.MatchString(ts)
}
