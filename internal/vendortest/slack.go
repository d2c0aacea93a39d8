package vendortest

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Slack stands in for Slack's Web API (docs.slack.dev/reference/methods):
// chat.postMessage, chat.update, chat.postEphemeral, auth.test, users.info, and
// the response URLs of interactions. It is an http.Handler for /api/… and
// /actions/….
type Slack struct {
	journal
	faults
	opt SlackOptions

	mu       sync.Mutex
	host     string // as the last request called us
	seq      int
	messages []*SlackMessage
	last     map[string]time.Time // of the last message in a channel
	answers  map[string]*responseURL
}

// SlackOptions describe a workspace with one app in it.
type SlackOptions struct {
	Token         string // of the bot
	SigningSecret string
	AppURL        string // the app's interactivity request URL; SetAppURL sets it later
	Channels      []SlackChannel
	Users         []SlackUser
	// PerChannel is the least time between two messages in a channel; Slack
	// says about a second. No limit if zero.
	PerChannel time.Duration
	Client     *http.Client // for the clicks; one with Slack's three seconds if nil
}

// A SlackChannel is a room.
type SlackChannel struct {
	ID, Name string // C024BE91L, ops
	Archived bool
}

// A SlackUser is a member.
type SlackUser struct{ ID, Name, RealName, Email string }

const (
	slackTeam   = "T0MUSTER1"
	slackApp    = "A0MUSTER1"
	slackBot    = "U0MUSTER1"
	slackMostIn = 1 << 20 // bytes of a request
)

// NewSlack returns a workspace whose clock is now.
func NewSlack(now func() time.Time, o SlackOptions) *Slack {
	if o.Client == nil {
		o.Client = &http.Client{Timeout: 3 * time.Second}
	}
	return &Slack{
		journal: journal{now: now},
		opt:     o,
		last:    map[string]time.Time{},
		answers: map[string]*responseURL{},
	}
}

// SetAppURL sets where clicks are sent.
func (s *Slack) SetAppURL(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opt.AppURL = url
}

// Archive archives or revives a channel.
func (s *Slack) Archive(id string, archived bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.opt.Channels {
		if s.opt.Channels[i].ID == id {
			s.opt.Channels[i].Archived = archived
		}
	}
}

// An answer is what a method says, before "ok" is added.
type answer map[string]any

func failed(code string, messages ...string) answer {
	a := answer{"ok": false, "error": code}
	if len(messages) > 0 {
		a["response_metadata"] = answer{"messages": messages}
	}
	return a
}

// ServeHTTP answers as Slack does.
func (s *Slack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, slackMostIn+1))
	if err != nil {
		return // the caller is gone
	}
	s.mu.Lock()
	s.host = r.Host
	s.mu.Unlock()

	if id, ok := strings.CutPrefix(r.URL.Path, "/actions/"); ok {
		s.serveResponse(w, r, id, body)
		return
	}
	method, ok := strings.CutPrefix(r.URL.Path, "/api/")
	if !ok {
		http.NotFound(w, r)
		return
	}
	if len(body) > slackMostIn {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	fault := s.take()
	switch fault.Kind {
	case FaultNone, FaultHalf:
	case FaultAPI:
		s.write(method, fault.Code)
		if fault.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(fault.RetryAfter/time.Second)))
		}
		reply(w, http.StatusOK, failed(fault.Code))
		return
	default:
		s.write(method, "fault")
		fault.spoil(w, r, nil)
		return
	}

	out, after := s.call(method, r, body)
	note := "ok"
	if code, bad := out["error"].(string); bad {
		note = code
	}
	s.write(method, note)
	if fault.Kind == FaultHalf {
		whole, _ := json.Marshal(out)
		fault.spoil(w, r, whole)
		return
	}
	status := http.StatusOK
	if after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((after+time.Second-1)/time.Second)))
		status = http.StatusTooManyRequests
	}
	reply(w, status, out)
}

func reply(w http.ResponseWriter, status int, a answer) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(a)
}

// call runs a method; after is more than zero if the caller was too fast.
func (s *Slack) call(method string, r *http.Request, body []byte) (out answer, after time.Duration) {
	in, err := readArguments(r, body)
	if err != nil {
		return failed("invalid_arguments", err.Error()), 0
	}
	methods := map[string]func(arguments) (answer, time.Duration){
		"chat.postMessage":   s.postMessage,
		"chat.update":        s.update,
		"chat.postEphemeral": s.postEphemeral,
		"auth.test":          s.authTest,
		"users.info":         s.usersInfo,
	}
	run := methods[method]
	switch {
	case run == nil:
		a := failed("unknown_method")
		a["req_method"] = method
		return a, 0
	case in.token == "":
		return failed("not_authed"), 0
	case in.token != s.opt.Token:
		return failed("invalid_auth"), 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return run(in)
}

// arguments are those of a call. Slack takes forms and JSON; the token of a
// JSON call must be in the header.
type arguments struct {
	token  string
	values map[string]string // JSON values as text
}

func (a arguments) flag(name string) bool {
	v := a.values[name]
	return v == "true" || v == "1"
}

// raw returns an argument that is itself JSON, or nil if it was not sent.
func (a arguments) raw(name string) json.RawMessage {
	v, sent := a.values[name]
	if !sent || v == "" {
		return nil
	}
	return json.RawMessage(v)
}

func readArguments(r *http.Request, body []byte) (arguments, error) {
	in := arguments{values: map[string]string{}}
	if t, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		in.token = t
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "application/json" {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(body, &fields); err != nil {
			return in, fmt.Errorf("body: %w", err)
		}
		for k, v := range fields {
			var text string
			if json.Unmarshal(v, &text) == nil {
				in.values[k] = text
			} else {
				in.values[k] = string(v)
			}
		}
		return in, nil
	}
	form, err := parseForm(r, body)
	if err != nil {
		return in, err
	}
	for k := range form {
		in.values[k] = form.Get(k)
	}
	if t := form.Get("token"); t != "" {
		in.token = t
	}
	return in, nil
}

func (s *Slack) authTest(arguments) (answer, time.Duration) {
	return answer{
		"ok": true, "url": "https://muster.example.slack.com/", "team": "Muster", "user": "muster",
		"team_id": slackTeam, "user_id": slackBot, "bot_id": "B0MUSTER1", "is_enterprise_install": false,
	}, 0
}

func (s *Slack) usersInfo(in arguments) (answer, time.Duration) {
	u, ok := s.user(in.values["user"])
	if !ok {
		return failed("user_not_found"), 0
	}
	return answer{"ok": true, "user": answer{
		"id": u.ID, "team_id": slackTeam, "name": u.Name, "real_name": u.RealName, "deleted": false, "is_bot": false,
		"profile": answer{"real_name": u.RealName, "display_name": u.Name, "email": u.Email},
	}}, 0
}

func (s *Slack) user(id string) (SlackUser, bool) {
	for _, u := range s.opt.Users {
		if u.ID == id {
			return u, true
		}
	}
	return SlackUser{}, false
}
