package web

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/store"
)

// sender returns whose key an intake was called with: in the path, as a Bearer
// token, as the password of Basic authentication, or in X-Muster-Key. A token
// of an admin, or one that may only send, stands for an integration of its own.
func (s *server) sender(r *http.Request) (engine.Sender, error) {
	key := r.PathValue("key")
	if key == "" {
		key = headerKey(r.Header)
	}
	from, err := s.senderOf(r, key)
	if errors.Is(err, store.ErrNotFound) {
		return from, unauthorized()
	}
	from.Remote = remote(r)
	return from, err
}

func (s *server) senderOf(r *http.Request, key string) (engine.Sender, error) {
	from, err := s.engine.SenderByKey(key)
	if err == nil || !errors.Is(err, store.ErrNotFound) || key == "" {
		return from, err
	}
	id, err := s.engine.Authenticate(r.Context(), key)
	if err != nil {
		return from, err
	}
	if id.Role != engine.Admin && id.Role != engine.Integration {
		return from, newProblem(http.StatusForbidden, "an intake takes the key of an integration, or a token of the role admin or integration")
	}
	org := id.Org
	if org == "" {
		if org, err = s.organization(r.Header.Get(organizationHeader)); err != nil {
			return from, err
		}
	}
	return engine.Sender{Org: org, Integration: "token:" + id.Name}, nil
}

// headerKey returns the key that stands in a header.
func headerKey(h http.Header) string {
	if key := h.Get("X-Muster-Key"); key != "" {
		return key
	}
	scheme, rest, _ := strings.Cut(h.Get("Authorization"), " ")
	rest = strings.TrimSpace(rest)
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return rest
	case strings.EqualFold(scheme, "Basic"):
		plain, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			return ""
		}
		_, password, _ := strings.Cut(string(plain), ":")
		return password
	}
	return ""
}

// remote is the address that the connection comes from. Headers of proxies are
// not believed: anybody can write them.
func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// known tells an integration that is configured for one kind of sender and is
// used by another, which is odd and no reason to lose what it says.
func (s *server) known(ctx context.Context, from engine.Sender, kind string) {
	if from.Kind != "" && from.Kind != kind {
		s.complain(ctx, from.Org, from.Integration, warning, "the integration is of the kind "+from.Kind+", but is sent to as "+kind, nil)
	}
}
