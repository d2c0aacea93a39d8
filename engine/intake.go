package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/store"
)

// A Sender is where events come from: an integration of an organization, as
// its key told.
type Sender struct {
	Org         string // id
	Integration string // slug
	Kind        string // of the source that read the body
	Service     string // the integration's default service
	GroupBy     []string
	Remote      string // network address
}

// Accepted tells what became of one event.
type Accepted struct {
	Event    string `json:"event"` // its id
	Key      string `json:"key"`
	Alert    string `json:"alert,omitempty"`    // id of the alert it belongs to
	Incident string `json:"incident,omitempty"` // id of the incident that the alert belongs to
}

// Intake takes events in. When it returns without an error, they and all that
// follows from them are on disk: alerts, incidents, timeline and the first
// pages, in one commit. The body is kept as it came.
func (e *Engine) Intake(ctx context.Context, from Sender, events []event.Event, body []byte) ([]Accepted, error) {
	s, err := e.setup(from.Org)
	if err != nil {
		return nil, err
	}
	keys := make([]store.AlertKey, 0, len(events))
	groups := make([]string, len(events))
	raw := make([]json.RawMessage, len(events))
	source := origin{
		integration: from.Integration, service: from.Service, groupBy: from.GroupBy,
		cause: incident.Cause{Actor: incident.Actor("integration:" + from.Integration), Origin: from.Kind},
	}
	for i, ev := range events {
		keys = append(keys, store.AlertKey{Org: from.Org, Integration: from.Integration, Key: ev.Key})
		raw[i] = ev.AppendJSON(nil)
		if ev.Action == event.Trigger {
			groups[i] = groupKey(source, ev, s.service(ev.Service, from.Service))
		}
	}
	e.At(stationAccepted)
	var accepted []Accepted
	err = e.Store.Write(ctx, func(t *store.Tx) error {
		at := now()
		accepted = make([]Accepted, 0, len(events)) // the unit may run again
		for i, ev := range events {
			kept := store.RawEvent{Integration: from.Integration, Kind: from.Kind, ReceivedAt: at, Remote: from.Remote, Event: raw[i]}
			if i == 0 {
				kept.Body = body
			}
			eventID := t.Event(from.Org, at, kept)
			got, err := e.take(t, s, source, ev, eventID, at)
			if err != nil {
				return err
			}
			accepted = append(accepted, got)
		}
		return nil
	}, store.Events(len(events), keys...), store.Joining(groups))
	if err != nil {
		if errors.Is(err, store.ErrBusy) {
			e.refused(events)
		}
		return nil, fmt.Errorf("intake: %w", err)
	}
	e.At(stationAnswered)
	e.metrics.events.WithLabelValues(from.Kind).Add(float64(len(events)))
	return accepted, nil
}

// origin is where an event comes from, for take.
type origin struct {
	integration string // names the space of dedup keys
	service     string // the default
	groupBy     []string
	runbook     string // to be proposed when the event opens or joins an incident
	trigger     trigger
	title       string           // of an incident, if not the event's
	urgency     incident.Urgency // of an incident, if not the service's
	cause       incident.Cause
}

// trigger is why a runbook is proposed.
type trigger struct {
	Rule, Series string
	FiredAt      time.Time
	Ratio        float64
}

// take folds one event into its alert and incident, in the transaction that
// keeps the event.
func (e *Engine) take(t *store.Tx, s *setup, from origin, ev event.Event, eventID string, at time.Time) (Accepted, error) {
	got := Accepted{Event: eventID, Key: ev.Key}
	if ev.Action == event.Change {
		return got, nil // kept; it pages nobody
	}
	key := store.AlertKey{Org: s.org.ID, Integration: from.integration, Key: ev.Key}
	before, err := t.Alert(key)
	if err != nil {
		return got, err
	}
	if ev.Action == event.Acknowledge {
		got.Alert, got.Incident = before.ID, before.IncidentID
		return got, e.senderAck(t, s, before, from.cause, at)
	}

	service := s.service(ev.Service, from.service)
	ev.Labels = withLabels(ev.Labels, s.doc.Services[service].Labels)
	alert, effect := before.Receive(incident.Signal{
		Resolve: ev.Action == event.Resolve, Event: eventID, Title: ev.Title, Severity: incident.Severity(ev.Severity),
		Source: ev.Source, Service: service, Labels: ev.Labels, Sent: ev.Time, Until: ev.Until,
	}, at)
	switch effect {
	case incident.Started:
		alert.ID = id.New(at)
		if err := e.join(t, s, from, ev, &alert, at); err != nil {
			return got, err
		}
	case incident.Ended:
		if err := e.leave(t, s, alert, from.cause, at); err != nil {
			return got, err
		}
	case incident.Nothing:
		if alert.Status == incident.NoAlert {
			return got, nil
		}
		if alert.ID == "" { // a tombstone
			alert.ID = id.New(at)
		}
	case incident.Repeated:
		if err := e.worsen(t, s, before, alert, from.cause, at); err != nil {
			return got, err
		}
	}
	if err := t.PutAlert(alert); err != nil {
		return got, err
	}
	got.Alert, got.Incident = alert.ID, alert.IncidentID
	return got, nil
}

// withLabels gives an event the labels of its service that it lacks.
func withLabels(own, service map[string]string) map[string]string {
	if len(service) == 0 {
		return own
	}
	all := maps.Clone(service)
	maps.Copy(all, own)
	return all
}

// join makes a new alert part of the open incident of its group, or opens one.
func (e *Engine) join(t *store.Tx, s *setup, from origin, ev event.Event, alert *incident.Alert, at time.Time) error {
	group := groupKey(from, ev, alert.Service)
	inc, err := t.OpenIncident(s.org.ID, group)
	var change incident.Change
	switch {
	case errors.Is(err, store.ErrNotFound):
		number, err := t.NextNumber(s.org.ID, "incident")
		if err != nil {
			return err
		}
		service := s.doc.Services[alert.Service]
		change = incident.Open(incident.Opening{
			ID: id.New(at), Org: s.org.ID, GroupKey: group, Number: number, Title: cmp.Or(from.title, ev.Title),
			Service: alert.Service, Team: service.Team, Severity: alert.Severity, Urgency: cmp.Or(from.urgency, incident.Urgency(service.Urgency)),
			Policy: s.policy(service.Policy), Revision: s.revision,
		}, at, from.cause)
		change = change.Then(incident.AddAlert(change.Incident, alert.Title, alert.Severity, at, from.cause))
		change = change.Then(incident.Advance(change.Incident, at, s.roster())) // the first page leaves with this commit
	case err != nil:
		return err
	default:
		change = incident.AddAlert(inc, alert.Title, alert.Severity, at, from.cause)
	}
	alert.IncidentID = change.Incident.ID
	if err := e.save(t, s, change, at); err != nil {
		return err
	}
	if from.runbook != "" {
		return e.propose(t, s, change.Incident, from.runbook, from.trigger, at)
	}
	return nil
}

// leave tells an alert's incident that the alert ended.
func (e *Engine) leave(t *store.Tx, s *setup, alert incident.Alert, by incident.Cause, at time.Time) error {
	if alert.IncidentID == "" {
		return nil
	}
	inc, err := t.Incident(s.org.ID, alert.IncidentID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if !inc.Open() {
		return nil
	}
	if err := e.save(t, s, incident.ResolveAlert(inc, alert.Title, at, by), at); err != nil {
		return err
	}
	if inc.Hold != "" { // its verdict may be due now
		return t.HurryRuns(inc.ID, at)
	}
	return nil
}

// worsen raises the severity of the incident of a repeated alert that got worse.
func (e *Engine) worsen(t *store.Tx, s *setup, before, alert incident.Alert, by incident.Cause, at time.Time) error {
	if alert.Severity.Rank() >= before.Severity.Rank() || alert.IncidentID == "" {
		return nil
	}
	inc, err := t.Incident(s.org.ID, alert.IncidentID)
	if err != nil || !inc.Open() {
		return err
	}
	return e.save(t, s, incident.Worsen(inc, alert.Severity, at, by), at)
}

// senderAck acknowledges the incident of an alert on behalf of its sender. An
// acknowledgement of what is not open, or is acknowledged, is dropped.
func (e *Engine) senderAck(t *store.Tx, s *setup, alert incident.Alert, by incident.Cause, at time.Time) error {
	if alert.Status != incident.Firing || alert.IncidentID == "" {
		return nil
	}
	inc, err := t.Incident(s.org.ID, alert.IncidentID)
	if err != nil {
		return err
	}
	change, err := incident.Acknowledge(inc, at, by)
	if errors.Is(err, incident.ErrConflict) {
		return nil
	}
	if err != nil {
		return err
	}
	return e.save(t, s, change, at)
}

// groupKey says which alerts belong to one incident: those of one service with
// equal values of the labels that the integration groups by; else those that
// their sender groups; else each alert alone.
func groupKey(from origin, ev event.Event, service string) string {
	if len(from.groupBy) == 0 {
		return from.integration + "/" + cmp.Or(ev.Group, ev.Key)
	}
	parts := []string{"by", from.integration, service}
	for _, label := range slices.Sorted(slices.Values(from.groupBy)) {
		parts = append(parts, label+"="+ev.Labels[label])
	}
	return strings.Join(parts, "/")
}
