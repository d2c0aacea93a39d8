package vendortest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// A SlackMessage is a message as it stands now.
type SlackMessage struct {
	Channel, TS string
	Thread      string // ts of the message whose reply it is, or ""
	Broadcast   bool   // a reply that is shown in the channel too
	Ephemeral   string // the only user who sees it, or "" for all
	User        string // who wrote it
	Text        string // as sent, with its escapes
	Attachments json.RawMessage
	Blocks      json.RawMessage
	Metadata    json.RawMessage
	Edits       int
	Lively      bool // parse=full or link_names: bare @names and links work, too
	At          time.Time
}

// Messages returns all messages, in the order in which they were posted.
func (s *Slack) Messages() []SlackMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]SlackMessage, len(s.messages))
	for i, m := range s.messages {
		out[i] = *m
	}
	return out
}

// Say posts a message as a member, and returns its ts.
func (s *Slack) Say(channel, user, text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.add(&SlackMessage{Channel: channel, User: user, Text: text}).TS
}

// Delete removes a message, as a member can.
func (s *Slack) Delete(channel, ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, m := range s.messages {
		if m.Channel == channel && m.TS == ts {
			s.messages = append(s.messages[:i:i], s.messages[i+1:]...)
			return
		}
	}
}

func (s *Slack) add(m *SlackMessage) *SlackMessage {
	s.seq++
	m.At = s.now()
	m.TS = fmt.Sprintf("%d.%06d", m.At.Unix(), s.seq)
	s.messages = append(s.messages, m)
	return m
}

func (s *Slack) find(channel, ts string) *SlackMessage {
	for _, m := range s.messages {
		if m.Channel == channel && m.TS == ts {
			return m
		}
	}
	return nil
}

// place resolves the channel argument: an id, a name with or without #, or a
// member, who gets a direct message.
func (s *Slack) place(arg string, byName bool) (id string, archived, ok bool) {
	for _, c := range s.opt.Channels {
		if arg == c.ID || byName && strings.TrimPrefix(arg, "#") == c.Name {
			return c.ID, c.Archived, true
		}
	}
	for _, u := range s.opt.Users {
		direct := "D" + u.ID[1:]
		if arg == direct || byName && arg == u.ID {
			return direct, false, true
		}
	}
	return "", false, false
}

func (s *Slack) postMessage(in arguments) (answer, time.Duration) {
	channel, archived, ok := s.place(in.values["channel"], true)
	switch {
	case !ok:
		return failed("channel_not_found"), 0
	case archived:
		return failed("is_archived"), 0
	}
	m := &SlackMessage{
		Channel: channel, User: slackBot,
		Text:     in.values["text"],
		Metadata: in.raw("metadata"),
		Lively:   in.values["parse"] == "full" || in.flag("link_names"),
	}
	if a := m.fill(in, 40_000); a != nil {
		return a, 0
	}
	if m.Text == "" && m.Blocks == nil && m.Attachments == nil {
		return failed("no_text"), 0
	}
	if left := s.limit(channel); left > 0 {
		return failed("ratelimited"), left
	}
	if parent := s.find(channel, in.values["thread_ts"]); parent != nil { // otherwise it stands alone, as with Slack
		m.Thread = parent.TS
		if parent.Thread != "" {
			m.Thread = parent.Thread
		}
		m.Broadcast = in.flag("reply_broadcast")
	}
	s.add(m)
	return answer{"ok": true, "channel": channel, "ts": m.TS, "message": m.object()}, 0
}

// limit says how long to wait before the next message in a channel.
func (s *Slack) limit(channel string) time.Duration {
	now := s.now()
	if last, posted := s.last[channel]; posted && now.Sub(last) < s.opt.PerChannel {
		return s.opt.PerChannel - now.Sub(last)
	}
	s.last[channel] = now
	return 0
}

func (s *Slack) update(in arguments) (answer, time.Duration) {
	channel, archived, ok := s.place(in.values["channel"], false)
	switch {
	case !ok:
		return failed("channel_not_found"), 0
	case archived:
		return failed("is_archived"), 0
	}
	m := s.find(channel, in.values["ts"])
	switch {
	case m == nil || m.Ephemeral != "":
		return failed("message_not_found"), 0
	case m.User != slackBot:
		return failed("cant_update_message"), 0
	}
	edited := *m
	if text, sent := in.values["text"]; sent {
		edited.Text = text
	}
	edited.Lively = in.values["parse"] == "full" || in.flag("link_names")
	if a := edited.fill(in, 4_000); a != nil {
		return a, 0
	}
	if edited.Text == "" && edited.Blocks == nil && edited.Attachments == nil {
		return failed("no_text"), 0
	}
	edited.Edits++
	*m = edited
	return answer{"ok": true, "channel": channel, "ts": m.TS, "text": m.Text, "message": m.object()}, 0
}

func (s *Slack) postEphemeral(in arguments) (answer, time.Duration) {
	channel, archived, ok := s.place(in.values["channel"], true)
	switch {
	case !ok:
		return failed("channel_not_found"), 0
	case archived:
		return failed("is_archived"), 0
	}
	if _, ok := s.user(in.values["user"]); !ok {
		return failed("user_not_in_channel"), 0
	}
	m := &SlackMessage{Channel: channel, User: slackBot, Ephemeral: in.values["user"], Text: in.values["text"]}
	if a := m.fill(in, 40_000); a != nil {
		return a, 0
	}
	if m.Text == "" && m.Blocks == nil && m.Attachments == nil {
		return failed("no_text"), 0
	}
	s.add(m)
	return answer{"ok": true, "message_ts": m.TS}, 0
}

// fill checks text, blocks and attachments against Slack's limits and takes
// them over. What was not sent stays.
func (m *SlackMessage) fill(in arguments, mostText int) answer {
	if utf8.RuneCountInString(m.Text) > mostText {
		return failed("msg_too_long")
	}
	if raw := in.raw("blocks"); raw != nil {
		blocks, problem := readBlocks(raw, "/blocks")
		if problem != "" {
			return failed("invalid_blocks", "[ERROR] "+problem)
		}
		m.Blocks = blocks
	}
	if raw := in.raw("attachments"); raw != nil {
		attachments, problem, code := readAttachments(raw)
		if code != "" {
			return failed(code, "[ERROR] "+problem)
		}
		m.Attachments = attachments
	}
	return nil
}

// object is the message as Slack returns it.
func (m *SlackMessage) object() answer {
	a := answer{"type": "message", "user": m.User, "bot_id": "B0MUSTER1", "app_id": slackApp, "team": slackTeam, "ts": m.TS, "text": m.Text}
	if m.Thread != "" {
		a["thread_ts"] = m.Thread
	}
	if m.Blocks != nil {
		a["blocks"] = m.Blocks
	}
	if m.Attachments != nil {
		a["attachments"] = m.Attachments
	}
	if m.Edits > 0 {
		a["edited"] = answer{"user": m.User, "ts": m.TS}
	}
	return a
}

// parseForm reads a form from a body that was read already.
func parseForm(r *http.Request, body []byte) (url.Values, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, fmt.Errorf("form: %w", err)
	}
	for k, v := range r.URL.Query() {
		if _, sent := form[k]; !sent {
			form[k] = v
		}
	}
	return form, nil
}
