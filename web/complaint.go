package web

import (
	"context"
	"net/http"
	"time"
)

// A Complaint is something that an integration sent and that was refused, or
// odd.
type Complaint struct {
	ID     string    `json:"id"`
	Kind   string    `json:"kind" enum:"refused,warning"`
	At     time.Time `json:"at"`
	Detail string    `json:"detail"`
	Content
}

type complaintsIn struct {
	Integration string `path:"slug" maxLength:"255"`
	Limit       int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many at most."`
}

type complaintsOut struct {
	Body struct {
		Complaints []Complaint `json:"complaints" nullable:"false" doc:"Newest first. Of each body, the beginning is kept."`
	}
}

func (s *server) complaintRoutes() {
	add(s, viewer, http.MethodGet, "/api/v1/integrations/{slug}/complaints", "list-complaints", "What an integration sent that was refused or odd", s.complaintsOf, tag("intakes"))
}

func (s *server) complaintsOf(ctx context.Context, in *complaintsIn) (*complaintsOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	list, err := s.engine.Store.Complaints(ctx, org, in.Integration, in.Limit)
	if err != nil {
		return nil, err
	}
	var out complaintsOut
	out.Body.Complaints = make([]Complaint, len(list))
	for i, c := range list {
		out.Body.Complaints[i] = Complaint{ID: c.ID, Kind: c.Kind, At: c.At, Detail: c.Detail, Content: content(callerOf(ctx), c.Body)}
	}
	return &out, nil
}
