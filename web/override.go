package web

import (
	"context"
	"net/http"
	"time"

	"github.com/musterhq/muster/store"
)

// An Override replaces who a schedule has on call from an instant to another.
type Override struct {
	ID        string    `json:"id"`
	Schedule  string    `json:"schedule"`
	User      string    `json:"user"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	By        string    `json:"by" doc:"Who made it."`
	CreatedAt time.Time `json:"created_at"`
}

func override(o store.Override) Override {
	return Override{ID: o.ID, Schedule: o.Schedule, User: o.User, From: o.From, To: o.To, By: o.Actor, CreatedAt: o.CreatedAt}
}

type overridesIn struct {
	Schedule string `path:"slug" maxLength:"255"`
}

type overridesOut struct {
	Body struct {
		Overrides []Override `json:"overrides" nullable:"false" doc:"Those that are not over, in the order they were made."`
	}
}

// A NewOverride is an override in the making.
type NewOverride struct {
	User string    `json:"user" minLength:"1" maxLength:"255" doc:"Slug of the user."`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

type addOverrideIn struct {
	Schedule string `path:"slug" maxLength:"255"`
	Body     NewOverride
}

type overrideOut struct{ Body Override }

func (s *server) overrideRoutes() {
	const base = "/api/v1/schedules/{slug}/overrides"
	add(s, viewer, http.MethodGet, base, "list-overrides", "The overrides of a schedule", s.overrides, tag("on-call"))
	add(s, responder, http.MethodPost, base, "add-override", "Put a user on call for a while", s.addOverride, tag("on-call"), status(http.StatusCreated))
	add(s, responder, http.MethodDelete, "/api/v1/overrides/{id}", "drop-override", "Take an override back", s.dropOverride, tag("on-call"))
}

func (s *server) overrides(ctx context.Context, in *overridesIn) (*overridesOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	now := s.now()
	if _, err := s.engine.Shifts(org, in.Schedule, now, now.Add(time.Second)); err != nil { // there is no such schedule
		return nil, err
	}
	all, err := s.engine.Store.Overrides(ctx, org, now)
	if err != nil {
		return nil, err
	}
	var out overridesOut
	out.Body.Overrides = []Override{}
	for _, o := range all {
		if o.Schedule == in.Schedule {
			out.Body.Overrides = append(out.Body.Overrides, override(o))
		}
	}
	return &out, nil
}

func (s *server) addOverride(ctx context.Context, in *addOverrideIn) (*overrideOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	from, to := in.Body.From.Truncate(time.Microsecond), in.Body.To.Truncate(time.Microsecond)
	o, err := s.engine.AddOverride(ctx, org, in.Schedule, in.Body.User, from, to, callerOf(ctx).cause())
	return &overrideOut{override(o)}, err
}

func (s *server) dropOverride(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"64"`
}) (*struct{}, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	return nil, s.engine.DropOverride(ctx, org, in.ID)
}
