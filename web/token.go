package web

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/musterhq/muster/store"
)

// A Token lets a program or a person in. What it says is shown once, when it is
// made.
type Token struct {
	ID        string    `json:"id"`
	Name      string    `json:"name" doc:"That of a user lets the token act for the person."`
	Role      string    `json:"role" enum:"viewer,responder,admin,integration,reporter"`
	CreatedAt time.Time `json:"created_at"`
	Token     string    `json:"token,omitempty" doc:"The token itself, in the answer that made it and never again."`
}

func token(t store.Token) Token {
	return Token{ID: t.ID, Name: t.Name, Role: t.Role, CreatedAt: t.CreatedAt}
}

// A NewToken is a token in the making.
type NewToken struct {
	Name string `json:"name" minLength:"1" maxLength:"100"`
	Role string `json:"role" enum:"viewer,responder,admin,integration,reporter"`
}

type tokensOut struct {
	Body struct {
		Tokens []Token `json:"tokens" nullable:"false"`
	}
}

type tokenOut struct{ Body Token }

func (s *server) tokenRoutes() {
	const base = "/api/v1/tokens"
	add(s, admin, http.MethodGet, base, "list-tokens", "The tokens of the organization", s.tokens, tag("tokens"))
	add(s, admin, http.MethodPost, base, "add-token", "Make a token", s.addToken, tag("tokens"), status(http.StatusCreated), func(op *huma.Operation) {
		op.Metadata[keepKey] = withoutToken
	}, describeAs("The answer holds the token, once: the same Idempotency-Key brings the answer again without it."))
	add(s, admin, http.MethodDelete, base+"/{id}", "revoke-token", "Revoke a token", s.revokeToken, tag("tokens"))
}

// withoutToken takes the token out of an answer that will be kept.
func withoutToken(answer []byte) []byte {
	var t Token
	if err := json.Unmarshal(answer, &t); err != nil {
		return nil
	}
	t.Token = ""
	text, err := json.Marshal(t)
	if err != nil {
		return nil
	}
	return text
}

func (s *server) tokens(ctx context.Context, _ *struct{}) (*tokensOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	list, err := s.engine.Tokens(ctx, org)
	if err != nil {
		return nil, err
	}
	var out tokensOut
	out.Body.Tokens = make([]Token, len(list))
	for i, t := range list {
		out.Body.Tokens[i] = token(t)
	}
	return &out, nil
}

func (s *server) addToken(ctx context.Context, in *struct{ Body NewToken }) (*tokenOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	made, plain, err := s.engine.AddToken(ctx, org, in.Body.Name, in.Body.Role)
	if err != nil {
		return nil, err
	}
	out := tokenOut{token(made)}
	out.Body.Token = plain
	return &out, nil
}

func (s *server) revokeToken(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"64"`
}) (*struct{}, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	return nil, s.engine.RevokeToken(ctx, org, in.ID)
}
