package web

import (
	"context"
	"net/http"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/store"
)

type alertsIn struct {
	Status   incident.AlertStatus `query:"status" enum:"firing,resolved,closed" doc:"Only those of this status."`
	Incident string               `query:"incident" doc:"Only those of this incident, by id." maxLength:"64"`
	Page
}

type alertsOut struct {
	Body struct {
		Alerts []incident.Alert `json:"alerts" nullable:"false"`
		Next   string           `json:"next,omitempty" doc:"Cursor of the next page; absent at the end."`
	}
}

type alertOut struct{ Body incident.Alert }

func (s *server) alertRoutes() {
	add(s, viewer, http.MethodGet, "/api/v1/alerts", "list-alerts", "List alerts, newest first", s.alerts, tag("alerts"))
	add(s, viewer, http.MethodGet, "/api/v1/alerts/{id}", "get-alert", "Get an alert", s.alert, tag("alerts"))
}

func (s *server) alerts(ctx context.Context, in *alertsIn) (*alertsOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	return s.alertPage(ctx, org, store.AlertFilter{Status: in.Status, Incident: in.Incident}, in.Page)
}

func (s *server) alertPage(ctx context.Context, org string, f store.AlertFilter, p Page) (*alertsOut, error) {
	var err error
	if f.After, err = p.after("alerts"); err != nil {
		return nil, err
	}
	f.Limit = p.Limit + 1
	list, err := s.engine.Store.Alerts(ctx, org, f)
	if err != nil {
		return nil, err
	}
	var out alertsOut
	out.Body.Alerts, out.Body.Next = cut(list, p.Limit, "alerts", func(a incident.Alert) string { return a.ID })
	return &out, nil
}

func (s *server) alert(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"64"`
}) (*alertOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	a, err := s.engine.Store.AlertByID(ctx, org, in.ID)
	return &alertOut{a}, err
}
