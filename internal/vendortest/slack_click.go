package vendortest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A ClickAnswer is how the app answered a click.
type ClickAnswer struct {
	Status int
	Body   []byte
}

// A responseURL can be used five times within half an hour.
type responseURL struct {
	channel, ts, user string
	until             time.Time
	left              int
}

// Click presses a button as a member: it finds the button in the message as it
// stands now, and posts a block_actions payload, signed (v0), to the app. It
// returns an error if there is no such button, or if the app does not answer in
// time, when Slack shows the member a warning.
func (s *Slack) Click(ctx context.Context, channel, ts, actionID, userID string) (ClickAnswer, error) {
	s.mu.Lock()
	m := s.find(channel, ts)
	user, known := s.user(userID)
	if m == nil || !known || m.Ephemeral != "" && m.Ephemeral != userID {
		s.mu.Unlock()
		return ClickAnswer{}, fmt.Errorf("click: no message %s in %s for %q", ts, channel, userID)
	}
	var button *placedButton
	for _, b := range m.buttons() {
		if b.ActionID == actionID {
			button = &b
			break
		}
	}
	if button == nil {
		s.mu.Unlock()
		return ClickAnswer{}, fmt.Errorf("click: message %s has no button %q", ts, actionID)
	}
	now := s.now()
	s.seq++
	id := fmt.Sprintf("%s/%d/%x", slackTeam, s.seq, sha256.Sum256([]byte(s.opt.SigningSecret+strconv.Itoa(s.seq))))[:50]
	s.answers[id] = &responseURL{channel: channel, ts: ts, user: userID, until: now.Add(30 * time.Minute), left: 5}
	name := channel
	for _, c := range s.opt.Channels {
		if c.ID == channel {
			name = c.Name
		}
	}
	if strings.HasPrefix(channel, "D") {
		name = "directmessage"
	}
	payload := answer{
		"type":         "block_actions",
		"team":         answer{"id": slackTeam, "domain": "muster"},
		"user":         answer{"id": user.ID, "username": user.Name, "name": user.Name, "team_id": slackTeam},
		"api_app_id":   slackApp,
		"token":        "deprecated",
		"container":    answer{"type": "message", "message_ts": ts, "channel_id": channel, "is_ephemeral": m.Ephemeral != ""},
		"trigger_id":   fmt.Sprintf("%d.%d.%x", now.Unix(), s.seq, s.seq*7919),
		"channel":      answer{"id": channel, "name": name},
		"message":      m.object(),
		"response_url": "http://" + s.host + "/actions/" + id,
		"actions": []answer{{
			"type": "button", "action_id": button.ActionID, "block_id": button.blockID, "value": button.Value,
			"text": button.Text, "action_ts": fmt.Sprintf("%d.%06d", now.Unix(), s.seq),
		}},
	}
	app := s.opt.AppURL
	s.mu.Unlock()

	text, err := json.Marshal(payload)
	if err != nil {
		return ClickAnswer{}, fmt.Errorf("click: %w", err)
	}
	got, err := s.callApp(ctx, app, []byte(url.Values{"payload": {string(text)}}.Encode()), now)
	if err != nil {
		s.write("click "+actionID, "operation_timeout")
		return ClickAnswer{}, err
	}
	s.write("click "+actionID, strconv.Itoa(got.Status))
	return got, nil
}

// callApp posts a signed request to the app.
func (s *Slack) callApp(ctx context.Context, app string, body []byte, now time.Time) (ClickAnswer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, app, bytes.NewReader(body))
	if err != nil {
		return ClickAnswer{}, fmt.Errorf("click: %w", err)
	}
	stamp := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(s.opt.SigningSecret))
	mac.Write([]byte("v0:" + stamp + ":"))
	mac.Write(body)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	req.Header.Set("X-Slack-Request-Timestamp", stamp)
	req.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := s.opt.Client.Do(req)
	if err != nil {
		return ClickAnswer{}, fmt.Errorf("click: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return ClickAnswer{}, fmt.Errorf("click: %w", err)
	}
	return ClickAnswer{Status: resp.StatusCode, Body: text}, nil
}

// serveResponse takes what the app sends to a response URL.
func (s *Slack) serveResponse(w http.ResponseWriter, r *http.Request, id string, body []byte) {
	out := s.respond(id, body)
	note := "ok"
	status := http.StatusOK
	if code, bad := out["error"].(string); bad {
		note, status = code, http.StatusNotFound
		if code == "invalid_payload" || code == "no_text" {
			status = http.StatusBadRequest
		}
	}
	s.write("response_url", note)
	reply(w, status, out)
}

func (s *Slack) respond(id string, body []byte) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.answers[id]
	switch {
	case u == nil:
		return failed("no_such_url")
	case s.now().After(u.until):
		return failed("expired_url")
	case u.left == 0:
		return failed("used_url")
	}
	var in struct {
		Text            string          `json:"text"`
		ResponseType    string          `json:"response_type"`
		ReplaceOriginal bool            `json:"replace_original"`
		DeleteOriginal  bool            `json:"delete_original"`
		Blocks          json.RawMessage `json:"blocks"`
		Attachments     json.RawMessage `json:"attachments"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return failed("invalid_payload")
	}
	if in.Text == "" && in.Blocks == nil && in.Attachments == nil && !in.DeleteOriginal {
		return failed("no_text")
	}
	u.left--
	original := s.find(u.channel, u.ts)
	args := arguments{values: map[string]string{}}
	if in.Blocks != nil {
		args.values["blocks"] = string(in.Blocks)
	}
	if in.Attachments != nil {
		args.values["attachments"] = string(in.Attachments)
	}
	switch {
	case in.DeleteOriginal && original != nil:
		for i, m := range s.messages {
			if m == original {
				s.messages = append(s.messages[:i:i], s.messages[i+1:]...)
				break
			}
		}
	case in.ReplaceOriginal && original != nil:
		edited := *original
		edited.Text = in.Text
		if a := edited.fill(args, 40_000); a != nil {
			return a
		}
		edited.Edits++
		*original = edited
	default:
		m := &SlackMessage{Channel: u.channel, User: slackBot, Text: in.Text}
		if in.ResponseType != "in_channel" {
			m.Ephemeral = u.user
		}
		if a := m.fill(args, 40_000); a != nil {
			return a
		}
		s.add(m)
	}
	return answer{"ok": true}
}
