package web

import (
	"context"
	"net/http"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/runbook"
)

type ByRun struct {
	ID string `path:"id" maxLength:"64"`
}

type runOut struct{ Body runbook.Run }

// An Approval says yes to the plan with this hash, and to no other.
type Approval struct {
	Hash string `json:"hash" minLength:"1" maxLength:"200" doc:"The hash of the run as it was shown."`
}

// A Rejection says no.
type Rejection struct {
	Reason string `json:"reason,omitempty" maxLength:"4000"`
}

func (s *server) runRoutes() {
	const base = "/api/v1/runs/{id}"
	asked := describeAs("Who decides must be a person: the token's name is that of a user, who is among those that the runbook asks. 409 says why it cannot be.")
	add(s, viewer, http.MethodGet, base, "get-run", "Get a run of a runbook", s.run, tag("runs"))
	add(s, responder, http.MethodPost, base+"/approve", "approve-run", "Approve the plan of a run", s.approve, tag("runs"), asked)
	add(s, responder, http.MethodPost, base+"/reject", "reject-run", "Reject the plan of a run", s.reject, tag("runs"), asked)
}

func (s *server) run(ctx context.Context, in *ByRun) (*runOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	r, err := s.engine.RunByID(ctx, org, in.ID)
	return &runOut{r}, err
}

func (s *server) approve(ctx context.Context, in *struct {
	ByRun
	Body Approval
}) (*runOut, error) {
	return s.decide(ctx, in.ID, engine.Decision{Approve: true, Hash: in.Body.Hash})
}

func (s *server) reject(ctx context.Context, in *struct {
	ByRun
	Body *Rejection
}) (*runOut, error) {
	var d engine.Decision
	if in.Body != nil {
		d.Reason = in.Body.Reason
	}
	return s.decide(ctx, in.ID, d)
}

func (s *server) decide(ctx context.Context, id string, d engine.Decision) (*runOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	c := callerOf(ctx)
	d.By, d.User = c.cause(), c.User
	r, err := s.engine.Decide(ctx, org, id, d)
	return &runOut{r}, err
}
