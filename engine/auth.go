package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/store"
)

// Roles of tokens. Each of the first three may what the one before may;
// Integration may only send, and Reporter only report for a gate in CI.
const (
	Viewer      = "viewer"
	Responder   = "responder"
	Admin       = "admin"
	Integration = "integration"
	Reporter    = "reporter"
)

// Roles are all roles.
var Roles = []string{Viewer, Responder, Admin, Integration, Reporter}

// An Identity is who a token belongs to.
type Identity struct {
	Org  string // id; "" is the whole instance
	Name string
	Role string
	User string // slug, where the token's name is that of a user
}

// A Token as it may be shown.
type Token = store.Token

// Authenticate returns whose token it is, or store.ErrNotFound.
func (e *Engine) Authenticate(ctx context.Context, token string) (Identity, error) {
	k, err := e.Store.TokenByHash(ctx, hash(token))
	if err != nil {
		return Identity{}, err
	}
	who := Identity{Org: k.Org, Name: k.Name, Role: k.Role}
	if s := e.setups.Load().byID[k.Org]; s != nil {
		if _, ok := s.doc.Users[k.Name]; ok {
			who.User = k.Name
		}
	}
	return who, nil
}

// SenderByKey returns the integration that a key belongs to, or store.ErrNotFound.
func (e *Engine) SenderByKey(key string) (Sender, error) {
	if key != "" {
		sum := hash(key)
		for _, s := range e.setups.Load().byID {
			if slug, ok := s.keys[sum]; ok {
				return s.sender(slug), nil
			}
		}
	}
	if len(e.setups.Load().left) > 0 { // it may be one of theirs: whoever is told that it is wrong may never come again
		return Sender{}, fmt.Errorf("integration key: %w: the configuration of an organization cannot be read", store.ErrBusy)
	}
	return Sender{}, fmt.Errorf("integration key: %w", store.ErrNotFound)
}

func (s *setup) sender(slug string) Sender {
	i := s.doc.Integrations[slug]
	from := Sender{Org: s.org.ID, Integration: slug, Kind: i.Kind, Service: i.Service, GroupBy: i.GroupBy}
	if len(from.GroupBy) == 0 {
		from.GroupBy = s.doc.Services[i.Service].GroupBy
	}
	return from
}

// Complain keeps what an integration sent and that was refused or odd, so that
// the people who own it can see it. It never fails the request.
func (e *Engine) Complain(ctx context.Context, org, integration, kind, detail string, body []byte) {
	err := e.Store.Write(ctx, func(t *store.Tx) error {
		at := now()
		return t.AddComplaint(store.Complaint{ID: id.New(at), Org: org, Integration: integration, Kind: kind, Detail: detail, At: at, Body: body[:min(len(body), 4096)]})
	})
	if err != nil {
		e.Log.Warn("keep a complaint", "integration", integration, "error", err)
	}
}

// AddToken makes a token. The text of it is returned once and not kept.
func (e *Engine) AddToken(ctx context.Context, org, name, role string) (Token, string, error) {
	if !slices.Contains(Roles, role) {
		return Token{}, "", fmt.Errorf("%w: role: %q is none of %s", ErrInvalid, role, strings.Join(Roles, ", "))
	}
	if name == "" || len(name) > 100 {
		return Token{}, "", fmt.Errorf("%w: name: want 1 to 100 bytes", ErrInvalid)
	}
	plain := "mst_" + id.Secret(24)
	token, err := e.keepToken(ctx, org, name, role, plain)
	return token, plain, err
}

func (e *Engine) keepToken(ctx context.Context, org, name, role, plain string) (Token, error) {
	at := now()
	token := Token{ID: id.New(at), Org: org, Name: name, Role: role, Hash: hash(plain), CreatedAt: at}
	err := e.Store.Write(ctx, func(t *store.Tx) error { return t.AddToken(token) })
	return token, err
}

// Tokens lists the tokens of an organization.
func (e *Engine) Tokens(ctx context.Context, org string) ([]Token, error) {
	return e.Store.Tokens(ctx, org)
}

// RevokeToken ends a token.
func (e *Engine) RevokeToken(ctx context.Context, org, tokenID string) error {
	return e.Store.Write(ctx, func(t *store.Tx) error { return t.RevokeToken(org, tokenID, now()) })
}

// EnsureAdmin makes the token of the whole instance: the one given, or, if
// there is none yet, a new one, which it returns to be shown once.
func (e *Engine) EnsureAdmin(ctx context.Context, given string) (made string, err error) {
	if given != "" {
		_, err := e.keepToken(ctx, "", "admin", Admin, given)
		return "", err
	}
	have, err := e.Store.Tokens(ctx, "")
	if err != nil || len(have) > 0 {
		return "", err
	}
	_, made, err = e.AddToken(ctx, "", "admin", Admin)
	return made, err
}
