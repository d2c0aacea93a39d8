package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/store"
	"github.com/musterhq/muster/ticket"
)

// tracker returns what is needed to reach a tracker.
func (e *Engine) tracker(s *setup, t config.Ticket) (ticket.Tracker, link, config.Settings, error) {
	for _, tracker := range e.Trackers {
		if tracker.Name != t.Kind {
			continue
		}
		slug := t.Connection
		if slug == "" {
			slug, _ = s.connectionOf(config.Contact{Kind: t.Kind})
		}
		set, err := e.params(configStep{Kind: t.Kind, Settings: t.Settings, Secrets: t.Secrets})
		if err != nil {
			return tracker, link{}, nil, err
		}
		l, err := e.open(s, slug)
		return tracker, l, set, err
	}
	return ticket.Tracker{}, link{}, nil, fmt.Errorf("tracker %q: %w: there is none", t.Kind, wire.ErrRefused)
}

// ticketPlace is where an incident's ticket is kept among its messages.
const ticketPlace = "ticket"

// openTicket opens the incident's issue, or finds the one that a crash left
// behind, and keeps where it is.
func (e *Engine) openTicket(ctx context.Context, s *setup, inc incident.Incident) (outcome, error) {
	tracker, l, set, err := e.tracker(s, s.doc.Services[inc.Service].Ticket)
	if err != nil {
		return outcome{}, err
	}
	ref, err := tracker.Create(ctx, l.wire, l.settings, set, ticket.Issue{
		Key: inc.ID, Title: fmt.Sprintf("#%d %s", inc.Number, inc.Title), Body: ticketBody(inc, e.URL),
		Labels: []string{"incident", "service::" + inc.Service, strings.ToLower(inc.Severity.SEV())},
	})
	e.heard(inc.Org, l.connection, err)
	if err != nil {
		return outcome{}, err
	}
	kept, err := json.Marshal(ref)
	if err != nil {
		return outcome{}, err
	}
	return outcome{
		at:      now(),
		message: &store.Message{Incident: inc.ID, Destination: ticketPlace, Org: inc.Org, Channel: ticketPlace, Ref: string(kept)},
		record:  incident.TicketCreated, data: incident.Data{URL: ref.URL, Text: tracker.Name + " issue " + ref.ID},
	}, nil
}

// endTicket tells the issue how the incident ended. It waits until the issue exists.
func (e *Engine) endTicket(ctx context.Context, s *setup, inc incident.Incident) (outcome, error) {
	place, err := e.Store.Message(ctx, inc.Org, inc.ID, ticketPlace)
	if errors.Is(err, store.ErrNotFound) {
		return outcome{}, errors.New("the ticket does not exist yet")
	}
	if err != nil {
		return outcome{}, err
	}
	var ref ticket.Ref
	if err := json.Unmarshal([]byte(place.Ref), &ref); err != nil {
		return outcome{}, fmt.Errorf("ticket: %w: %w", wire.ErrRefused, err)
	}
	tracker, l, set, err := e.tracker(s, s.doc.Services[inc.Service].Ticket)
	if err != nil {
		return outcome{}, err
	}
	entries, err := e.Store.Timeline(ctx, inc.Org, inc.ID, 0, timelineMost)
	if err != nil {
		return outcome{}, err
	}
	err = tracker.Comment(ctx, l.wire, l.settings, set, ref, inc.ID+"/resolved", ticketEnd(inc, entries, e.URL))
	e.heard(inc.Org, l.connection, err)
	if err != nil {
		return outcome{}, err
	}
	return outcome{at: now(), record: incident.TicketCommented, data: incident.Data{URL: ref.URL}}, nil
}

func ticketBody(inc incident.Incident, url string) string {
	lines := []string{
		fmt.Sprintf("Incident #%d of service %s, %s (%s).", inc.Number, inc.Service, inc.Severity.SEV(), inc.Severity),
		"", inc.Title, "", "Opened: " + inc.OpenedAt.Format("2006-01-02 15:04:05 UTC"), "Alerts: " + fmt.Sprint(inc.Alerts),
	}
	if url != "" {
		lines = append(lines, "", strings.TrimSuffix(url, "/")+"/incidents/"+inc.ID)
	}
	return strings.Join(lines, "\n")
}

func ticketEnd(inc incident.Incident, entries []incident.Entry, url string) string {
	lines := []string{fmt.Sprintf("Resolved at %s by %s, after %s.",
		inc.ResolvedAt.Format("2006-01-02 15:04:05 UTC"), name(inc.ResolvedBy), inc.ResolvedAt.Sub(inc.OpenedAt).Round(1e9))}
	for _, entry := range entries {
		if entry.Kind == incident.RunVerdict {
			lines = append(lines, fmt.Sprintf("Runbook %s: %s (%s)", entry.Data.Runbook, entry.Data.Verdict, entry.Data.Text))
		}
	}
	if url != "" {
		lines = append(lines, "Postmortem draft: "+strings.TrimSuffix(url, "/")+"/api/v1/incidents/"+inc.ID+"/postmortem")
	}
	return strings.Join(lines, "\n")
}
