package web

import (
	"context"
	"net/http"

	"github.com/musterhq/muster/engine"
)

type connectionsOut struct {
	Body struct {
		Connections []engine.Connection `json:"connections" nullable:"false" doc:"By name."`
	}
}

func (s *server) connectionRoutes() {
	add(s, viewer, http.MethodGet, "/api/v1/connections", "list-connections", "The ways out, and whether they work", s.connections, tag("process"),
		describeAs("What the process that answers knows of each connection: whether something gets through, since when nothing does, and why."))
}

func (s *server) connections(ctx context.Context, _ *struct{}) (*connectionsOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	var out connectionsOut
	out.Body.Connections, err = s.engine.Connections(org)
	return &out, err
}
