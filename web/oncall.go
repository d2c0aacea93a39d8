package web

import (
	"context"
	"net/http"
	"time"

	"github.com/musterhq/muster/engine"
)

type onCallIn struct {
	At time.Time `query:"at" doc:"An instant (RFC 3339); now if absent."`
}

type onCallOut struct {
	Body struct {
		OnCall []engine.OnDuty `json:"oncall" nullable:"false" doc:"By schedule; one with nobody on call is not in the list."`
	}
}

// A Shift is one unbroken stretch of one user being on call.
type Shift struct {
	User     string    `json:"user"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Override string    `json:"override,omitempty" doc:"Id of the override that it comes from."`
}

type shiftsIn struct {
	Schedule string    `path:"slug" maxLength:"255"`
	From     time.Time `query:"from" doc:"Now if absent."`
	To       time.Time `query:"to" doc:"Four weeks after from if absent; at most 400 days."`
}

type shiftsOut struct {
	Body struct {
		Shifts []Shift `json:"shifts" nullable:"false"`
	}
}

const fourWeeks = 28 * 24 * time.Hour

func (s *server) onCallRoutes() {
	add(s, viewer, http.MethodGet, "/api/v1/oncall", "on-call", "Who is on call", s.onCall, tag("on-call"))
	add(s, viewer, http.MethodGet, "/api/v1/schedules/{slug}/shifts", "list-shifts", "The final schedule of a stretch of time", s.shifts, tag("on-call"))
}

func (s *server) onCall(ctx context.Context, in *onCallIn) (*onCallOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	if in.At.IsZero() {
		in.At = s.now()
	}
	var out onCallOut
	out.Body.OnCall, err = s.engine.OnCall(org, in.At)
	return &out, err
}

func (s *server) shifts(ctx context.Context, in *shiftsIn) (*shiftsOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	if in.From.IsZero() {
		in.From = s.now()
	}
	if in.To.IsZero() {
		in.To = in.From.Add(fourWeeks)
	}
	list, err := s.engine.Shifts(org, in.Schedule, in.From, in.To)
	if err != nil {
		return nil, err
	}
	var out shiftsOut
	out.Body.Shifts = make([]Shift, len(list))
	for i, shift := range list {
		out.Body.Shifts[i] = Shift{User: shift.User, From: shift.From, To: shift.To, Override: shift.Override}
	}
	return &out, nil
}
