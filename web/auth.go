package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/store"
)

// A caller is who makes a request of the API.
type caller struct {
	engine.Identity
	named string // slug of the organization that the request names, "" for none
}

type callerKey struct{}

// callerOf returns who makes the request; Handle has put it there.
func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// organizationHeader names the organization that a token of the whole instance
// means.
const organizationHeader = "X-Muster-Organization"

// unauthorized is the same for every request without good credentials: nothing
// tells a wrong key from a missing one.
func unauthorized() *Problem {
	return newProblem(http.StatusUnauthorized, "no valid credentials").with("WWW-Authenticate", `Bearer realm="muster"`)
}

// admit returns the caller if it may use a route of the role.
func (s *server) admit(r *http.Request, who role) (caller, error) {
	if who == nobody {
		return caller{}, nil
	}
	token, ok := bearer(r.Header)
	if !ok {
		return caller{}, unauthorized()
	}
	id, err := s.engine.Authenticate(r.Context(), token)
	if errors.Is(err, store.ErrNotFound) {
		return caller{}, unauthorized()
	}
	if err != nil {
		return caller{}, err
	}
	if !may(id.Role, who) {
		return caller{}, newProblem(http.StatusForbidden, "this takes the role %s; the token has %s", who, id.Role)
	}
	c := caller{Identity: id, named: r.Header.Get(organizationHeader)}
	if id.Org != "" && c.named != "" {
		if named, err := s.engine.Organization(c.named); err != nil || named != id.Org {
			return caller{}, newProblem(http.StatusForbidden, "the token is not of the organization that %s names", organizationHeader)
		}
	}
	return c, nil
}

// may tells whether a token's role suffices for a route's.
func may(has string, wants role) bool {
	if wants == reporter && has == string(reporter) {
		return true
	}
	if wants == reporter {
		wants = admin
	}
	ladder := []role{viewer, responder, admin}
	i := slices.Index(ladder, wants)
	return i >= 0 && slices.Index(ladder, role(has)) >= i
}

// bearer returns the token of a request.
func bearer(h http.Header) (token string, ok bool) {
	scheme, token, found := strings.Cut(h.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	return token, found && token != "" && strings.EqualFold(scheme, "Bearer")
}

// org returns the id of the organization that the caller acts in.
func (s *server) org(ctx context.Context) (string, error) {
	c := callerOf(ctx)
	if c.Org != "" {
		return c.Org, nil
	}
	return s.organization(c.named)
}

// organization is engine.Organization with the header named in its error.
func (s *server) organization(slug string) (string, error) {
	id, err := s.engine.Organization(slug)
	if errors.Is(err, engine.ErrInvalid) {
		detail := "there is not just one organization: say which by " + organizationHeader
		return "", newProblem(http.StatusBadRequest, "%s", detail).at(Fault{Parameter: organizationHeader, Detail: detail})
	}
	return id, err
}

// slug returns the slug of the organization whose configuration the caller may
// write: that of its own, or the one it names; "" stands for any.
func (s *server) slug(ctx context.Context) (string, error) {
	c := callerOf(ctx)
	if c.Org == "" {
		return c.named, nil
	}
	all, err := s.engine.Store.Organizations(ctx)
	if err != nil {
		return "", err
	}
	for _, o := range all {
		if o.ID == c.Org {
			return o.Slug, nil
		}
	}
	return "", newProblem(http.StatusForbidden, "the token's organization is gone")
}

// cause is what a timeline says about who did it.
func (c caller) cause() incident.Cause {
	actor := "token:" + c.Name
	if c.User != "" {
		actor = "user:" + c.User
	}
	return incident.Cause{Actor: incident.Actor(actor), Origin: "api"}
}
