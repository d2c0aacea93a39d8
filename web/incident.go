package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
)

// ByIncident is the input of what is asked of one incident.
type ByIncident struct {
	ID string `path:"id" doc:"The incident's id, or its number." maxLength:"64"`
}

type incidentsIn struct {
	Status  incident.Status `query:"status" enum:"triggered,acknowledged,snoozed,resolved" doc:"Only those of this status."`
	Open    bool            `query:"open" doc:"Only those that are not resolved."`
	Service string          `query:"service" doc:"Only those of this service."`
	Page
}

type incidentsOut struct {
	Body struct {
		Incidents []incident.Incident `json:"incidents" nullable:"false"`
		Next      string              `json:"next,omitempty" doc:"Cursor of the next page; absent at the end."`
	}
}

type incidentOut struct {
	ETag string `header:"ETag"`
	Body incident.Incident
}

func shown(inc incident.Incident) *incidentOut {
	return &incidentOut{ETag: etag(inc.Version), Body: inc}
}

func (s *server) incidentRoutes() {
	const base = "/api/v1/incidents"
	about := tag("incidents")
	add(s, viewer, http.MethodGet, base, "list-incidents", "List incidents, newest first", s.incidents, about)
	add(s, viewer, http.MethodGet, base+"/{id}", "get-incident", "Get an incident", s.incident, about,
		describeAs("The ETag is the incident's version: send it back as If-Match with a command, and the command is done only if nothing happened in between."))
	add(s, viewer, http.MethodGet, base+"/{id}/timeline", "get-timeline", "What happened, oldest first", s.timeline, about)
	add(s, viewer, http.MethodGet, base+"/{id}/alerts", "list-alerts-of-incident", "The alerts of an incident, newest first", s.alertsOf, about)
	add(s, viewer, http.MethodGet, base+"/{id}/runs", "list-runs", "The runs of runbooks for an incident, oldest first", s.runsOf, about)
	add(s, viewer, http.MethodGet, base+"/{id}/notifications", "list-notifications", "What was or will be sent for an incident, oldest first", s.notifications, about)
	add(s, viewer, http.MethodGet, base+"/{id}/postmortem", "get-postmortem", "The draft of the postmortem", s.postmortem, about, answers("200", "text/markdown"))
	add(s, viewer, http.MethodGet, base+"/{id}/chart.svg", "get-chart", "The ratio of the rule that fired, drawn", s.chart, about, answers("200", "image/svg+xml"))
}

func (s *server) incidents(ctx context.Context, in *incidentsIn) (*incidentsOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	after, err := in.after("incidents")
	if err != nil {
		return nil, err
	}
	list, err := s.engine.Store.Incidents(ctx, org, store.IncidentFilter{Status: in.Status, Open: in.Open, Service: in.Service, After: after, Limit: in.Limit + 1})
	if err != nil {
		return nil, err
	}
	var out incidentsOut
	out.Body.Incidents, out.Body.Next = cut(list, in.Limit, "incidents", func(i incident.Incident) string { return i.ID })
	return &out, nil
}

// find returns an incident by its id or its number.
func (s *server) find(ctx context.Context, id string) (incident.Incident, error) {
	org, err := s.org(ctx)
	if err != nil {
		return incident.Incident{}, err
	}
	if number, err := strconv.ParseInt(id, 10, 64); err == nil {
		return s.engine.Store.IncidentByNumber(ctx, org, number)
	}
	return s.engine.Store.Incident(ctx, org, id)
}

func (s *server) incident(ctx context.Context, in *ByIncident) (*incidentOut, error) {
	inc, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return shown(inc), nil
}

type timelineIn struct {
	ByIncident
	After string `query:"after" doc:"The cursor \"next\" of the page before." maxLength:"200"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"500" doc:"How many at most."`
}

type timelineOut struct {
	Body struct {
		Entries []incident.Entry `json:"entries" nullable:"false"`
		Next    string           `json:"next,omitempty" doc:"Cursor of the next page; absent at the end."`
	}
}

func (s *server) timeline(ctx context.Context, in *timelineIn) (*timelineOut, error) {
	inc, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	list := "timeline " + inc.ID
	after, err := Page{After: in.After}.after(list)
	if err != nil {
		return nil, err
	}
	seq, _ := strconv.ParseInt(after, 10, 64) // ours, or it begins at the first entry
	entries, err := s.engine.Store.Timeline(ctx, inc.Org, inc.ID, seq, in.Limit+1)
	if err != nil {
		return nil, err
	}
	var out timelineOut
	out.Body.Entries, out.Body.Next = cut(entries, in.Limit, list, func(e incident.Entry) string { return strconv.FormatInt(e.Seq, 10) })
	return &out, nil
}

type alertsOfIn struct {
	ByIncident
	Page
}

func (s *server) alertsOf(ctx context.Context, in *alertsOfIn) (*alertsOut, error) {
	inc, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return s.alertPage(ctx, inc.Org, store.AlertFilter{Incident: inc.ID}, in.Page)
}

type runsOut struct {
	Body struct {
		Runs []runbook.Run `json:"runs" nullable:"false"`
	}
}

func (s *server) runsOf(ctx context.Context, in *ByIncident) (*runsOut, error) {
	inc, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var out runsOut
	out.Body.Runs, err = s.engine.Runs(ctx, inc.Org, inc.ID)
	return &out, err
}

// A Notification is one thing that was or will be sent for an incident. It does
// not say to which number or address: that belongs to the person.
type Notification struct {
	Key        string    `json:"key" doc:"The same for every attempt."`
	Kind       string    `json:"kind" doc:"page, update, card, ring, ticket, ticket_end or postmortem"`
	State      string    `json:"state" doc:"pending, sent, failed or cancelled"`
	User       string    `json:"user,omitempty" doc:"Who is paged."`
	Contact    string    `json:"contact,omitempty" doc:"By which of the user's contacts."`
	Channel    string    `json:"channel,omitempty"`
	Connection string    `json:"connection,omitempty"`
	Due        time.Time `json:"due"`
	Attempts   int64     `json:"attempts"`
	Error      string    `json:"error,omitempty" doc:"Why the last attempt failed."`
}

type notificationsOut struct {
	Body struct {
		Notifications []Notification `json:"notifications" nullable:"false"`
	}
}

func (s *server) notifications(ctx context.Context, in *ByIncident) (*notificationsOut, error) {
	inc, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	rows, err := s.engine.Store.Outgoing(ctx, inc.Org, inc.ID)
	if err != nil {
		return nil, err
	}
	var out notificationsOut
	out.Body.Notifications = make([]Notification, len(rows))
	for i, o := range rows {
		out.Body.Notifications[i] = notification(o)
	}
	return &out, nil
}

func notification(o store.Outgoing) Notification {
	n := Notification{Key: o.ID, Kind: o.Kind, State: o.State, Due: o.Due, Attempts: o.Attempt, Error: o.Error}
	var body struct{ User, Contact, Channel, Connection string }
	if json.Unmarshal(o.Body, &body) == nil {
		n.User, n.Contact, n.Channel, n.Connection = body.User, body.Contact, body.Channel, body.Connection
	}
	if n.Kind != incident.Page { // its key holds the destination, which may be a secret address
		connection := o.Destination[strings.LastIndexByte(o.Destination, '/')+1:]
		n.Key = strings.Join([]string{o.Incident, o.Kind, connection}, "/")
	}
	return n
}

// textOut is an answer that is no JSON.
type textOut struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (s *server) postmortem(ctx context.Context, in *ByIncident) (*textOut, error) {
	inc, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	text, err := s.engine.Store.Postmortem(ctx, inc.Org, inc.ID)
	return &textOut{ContentType: "text/markdown; charset=utf-8", Body: []byte(text)}, err
}

func (s *server) chart(ctx context.Context, in *ByIncident) (*textOut, error) {
	inc, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	svg, err := s.engine.Chart(ctx, inc.Org, inc.ID)
	return &textOut{ContentType: "image/svg+xml", Body: svg}, err
}
