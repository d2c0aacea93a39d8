package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/musterhq/muster/incident"
)

// A story is one incident as the demo tells it. What it knows of Muster, it
// knows from the API.
type story struct {
	narrator
	world *demoWorld
	api   *demoAPI
	fault string
	dir   string
	ask   func(context.Context) bool // waits for a person; nil: nobody is asked

	badRelease time.Time
	incident   incident.Incident
	entries    []incident.Entry
	told       int
	clicked    map[string]bool
}

// errStory says that the story did not end as it should.
var errStory = errors.New("the story did not reach its end")

// play plays the whole story.
func (s *story) play(ctx context.Context) error {
	s.clicked = map[string]bool{}
	s.say("muster", "listens on %s; the shop on %s answers %d requests a second", s.world.muster.URL, s.world.shopURL, perSecond)
	s.say("muster", "rule checkout-5xx: more than 0.5 %% of requests answered 5xx in 10 s (5 min in production), at least 200 requests")
	s.world.releaseGood(time.Now())
	if !pause(ctx, 6*time.Second) { // some good traffic first
		return s.end(ctx.Err())
	}
	s.badRelease = s.world.releaseBad(s.fault)
	s.say("shop", "release v42 goes live: 3 %% of checkouts begin to answer 500")
	for {
		done, err := s.look(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if done || ctx.Err() != nil {
			return s.end(ctx.Err())
		}
		if err := s.act(ctx); err != nil {
			return err
		}
		if !pause(ctx, 200*time.Millisecond) {
			return s.end(ctx.Err())
		}
	}
}

// look reads the incident and its timeline and tells what is new.
func (s *story) look(ctx context.Context) (done bool, err error) {
	if s.incident.ID == "" {
		var list struct{ Incidents []incident.Incident }
		if err := s.api.get(ctx, "/api/v1/incidents", &list); err != nil || len(list.Incidents) == 0 {
			return false, err
		}
		s.incident = list.Incidents[len(list.Incidents)-1]
	}
	if err := s.api.get(ctx, "/api/v1/incidents/"+s.incident.ID, &s.incident); err != nil {
		return false, err
	}
	var timeline struct{ Entries []incident.Entry }
	if err := s.api.get(ctx, "/api/v1/incidents/"+s.incident.ID+"/timeline?limit=1000", &timeline); err != nil {
		return false, err
	}
	s.entries = timeline.Entries
	for _, e := range s.entries[min(s.told, len(s.entries)):] {
		s.tell(e)
	}
	s.told = len(s.entries)
	if verdict, ok := s.find(incident.RunVerdict, nil); ok && verdict.Data.Verdict != "recovered" {
		_, paged := s.secondPage()
		return paged, nil
	}
	if _, rejected := s.find(incident.RunRejected, nil); rejected {
		return true, nil
	}
	_, written := s.find(incident.Postmortem, nil)
	_, commented := s.find(incident.TicketCommented, nil)
	return written && commented, nil
}

// tell prints an entry of the timeline.
func (s *story) tell(e incident.Entry) {
	d := e.Data
	switch e.Kind {
	case incident.Opened:
		s.say("muster", "incident #%d opened: %s", d.Number, d.Title)
	case incident.Escalated:
		s.say("muster", "on call: %s (policy step %d)", strings.Join(d.Users, ", "), d.Step)
	case incident.Notified:
		to := d.User
		if to == "" {
			to = d.Address
		}
		s.say(d.Channel, "reached %s", to)
	case incident.RunPlanned:
		s.say("runbook", "%s proposes:\n%19s%s", d.Runbook, "", strings.ReplaceAll(d.Text, "\n", "\n"+strings.Repeat(" ", 19)))
	case incident.RunStep, incident.RunRejected:
		s.say("runbook", "%s", d.Text)
	case incident.RunVerdict:
		s.say("runbook", "verdict: %s (%s)", d.Verdict, d.Text)
	case incident.Acked, incident.RunApproved:
		s.say(e.Origin, "%s by %s", strings.ReplaceAll(string(e.Kind), "_", " "), strings.TrimPrefix(string(e.Actor), "user:"))
	case incident.ResolvedEntry:
		s.say("muster", "incident resolved by %s: %s", e.Actor, d.Text)
	case incident.Retriggered:
		s.say("muster", "pages again: %s", d.Text)
	case incident.TicketCreated, incident.TicketCommented, incident.Postmortem:
		s.say("muster", "%s %s", strings.ReplaceAll(string(e.Kind), "_", " "), d.URL)
	}
}

// act presses the buttons that a responder would press, in Slack.
func (s *story) act(ctx context.Context) error {
	for _, m := range s.world.slack.Messages() {
		if m.Channel != "C0PAYMENT" || m.Thread != "" {
			continue
		}
		buttons := m.Buttons()
		for _, name := range []string{"acknowledge", "approve"} {
			if buttons[name] == "" || s.clicked[name] {
				continue
			}
			user, err := s.onCall(ctx)
			if err != nil {
				return err
			}
			s.clicked[name] = true
			if s.ask != nil {
				s.say("slack", "#payments shows a button to %s. Press Enter to press it as %s.", name, user)
				if !s.ask(ctx) {
					return nil
				}
			}
			if answer, err := s.world.slack.Click(ctx, m.Channel, m.TS, name, slackIDs[user]); err != nil || answer.Status != http.StatusOK {
				return fmt.Errorf("press %s: %d %w", name, answer.Status, err)
			}
			s.say("slack", "%s presses %q in #payments", user, name)
			return nil // the message changes now
		}
	}
	return nil
}

// onCall asks the API who is on call.
func (s *story) onCall(ctx context.Context) (user string, err error) {
	var duty struct {
		OnCall []struct{ User string } `json:"oncall"`
	}
	if err := s.api.get(ctx, "/api/v1/oncall", &duty); err != nil {
		return "", err
	}
	if len(duty.OnCall) == 0 {
		return "", errors.New("nobody is on call")
	}
	return duty.OnCall[0].User, nil
}

// end tells how it ended and keeps the documents.
func (s *story) end(cause error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if s.incident.ID != "" {
		for path, file := range map[string]string{"/postmortem": "postmortem.md", "/chart.svg": "chart.svg"} {
			body, err := s.api.raw(ctx, "/api/v1/incidents/"+s.incident.ID+path)
			if err == nil {
				err = os.WriteFile(filepath.Join(s.dir, file), body, 0o644)
			}
			if err == nil {
				s.say("muster", "wrote %s", filepath.Join(s.dir, file))
			}
		}
	}
	missing := s.missing()
	switch {
	case len(missing) == 0 && s.verdict() == "recovered":
		s.say("muster", "every station reached; v41 runs again: %s", s.world.shop.Live().Version)
		return nil
	case cause != nil:
		return fmt.Errorf("%w: %w; missing: %s", errStory, cause, strings.Join(missing, ", "))
	}
	return fmt.Errorf("%w: verdict %s; missing: %s", errStory, s.verdict(), strings.Join(missing, ", "))
}

// stations are the instants of the story, in its order.
func (s *story) stations() []station {
	at := func(kind incident.Kind, when func(incident.Entry) bool) time.Time {
		e, _ := s.find(kind, when)
		return e.At
	}
	step := func(prefix string) func(incident.Entry) bool {
		return func(e incident.Entry) bool { return strings.HasPrefix(e.Data.Text, prefix+" gitlab.rollback") }
	}
	return []station{
		{"bad_release", s.badRelease},
		{"rule_fired", at(incident.AlertAdded, nil)},
		{"incident_opened", at(incident.Opened, nil)},
		{"first_page_sent", at(incident.Notified, func(e incident.Entry) bool { return e.Data.User != "" })},
		{"approved", at(incident.RunApproved, nil)},
		{"rollback_started", at(incident.RunStep, step("started"))},
		{"rollback_done", at(incident.RunStep, step("done"))},
		{"verified", at(incident.RunVerdict, nil)},
		{"resolved", at(incident.ResolvedEntry, nil)},
		{"ticket_created", at(incident.TicketCreated, nil)},
		{"postmortem_written", at(incident.Postmortem, nil)},
	}
}

// A station is a point that the story must reach.
type station struct {
	name string
	at   time.Time
}

func (s *story) missing() []string {
	var names []string
	for _, st := range s.stations() {
		if st.at.IsZero() {
			names = append(names, st.name)
		}
	}
	return names
}

func (s *story) verdict() string {
	e, _ := s.find(incident.RunVerdict, nil)
	return e.Data.Verdict
}

// secondPage is the first page to a person after a verdict that is not "recovered".
func (s *story) secondPage() (time.Time, bool) {
	verdict, ok := s.find(incident.RunVerdict, nil)
	if !ok || verdict.Data.Verdict == "recovered" {
		return time.Time{}, false
	}
	e, ok := s.find(incident.Notified, func(e incident.Entry) bool { return e.Data.User != "" && e.Seq > verdict.Seq })
	return e.At, ok
}

func (s *story) find(kind incident.Kind, when func(incident.Entry) bool) (incident.Entry, bool) {
	for _, e := range s.entries {
		if e.Kind == kind && (when == nil || when(e)) {
			return e, true
		}
	}
	return incident.Entry{}, false
}

// result is what --json prints: the instant of each station, null for one that
// was not reached, and the verdict.
func (s *story) result() map[string]any {
	out := map[string]any{"verdict": s.verdict(), "incident": s.incident.ID}
	for _, st := range s.stations() {
		out[st.name] = nil
		if !st.at.IsZero() {
			out[st.name] = st.at.UTC().Format(time.RFC3339Nano)
		}
	}
	if at, ok := s.secondPage(); ok {
		out["second_page"] = at.UTC().Format(time.RFC3339Nano)
	}
	return out
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// demoAPI is the demo's client of Muster's API.
type demoAPI struct {
	base, token string
	client      *http.Client
}

func newDemoAPI(w *demoWorld) *demoAPI {
	return &demoAPI{base: w.muster.URL, token: w.token, client: &http.Client{Timeout: 10 * time.Second}}
}

func (c *demoAPI) get(ctx context.Context, path string, into any) error {
	body, err := c.raw(ctx, path)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

func (c *demoAPI) raw(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, body)
	}
	return body, err
}
