package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"
)

type tokenCmd struct {
	Add    tokenAddCmd    `cmd:"" help:"Make a token; it is shown once."`
	List   tokenListCmd   `cmd:"" help:"List tokens, without what they are."`
	Revoke tokenRevokeCmd `cmd:"" help:"Make a token worthless, at once."`
}

func (tokenCmd) Help() string {
	return `  muster token add ana --role responder
  muster token list
  muster token revoke 0199…`
}

type token struct {
	ID, Name, Role, Token string
	CreatedAt             time.Time `json:"created_at"`
	UsedAt                time.Time `json:"used_at"`
}

type tokenAddCmd struct {
	clientFlags
	Name string `arg:"" help:"What it is called; the slug of a user makes it that person's."`
	Role string `required:"" enum:"viewer,responder,admin,integration,reporter" placeholder:"ROLE" help:"viewer, responder, admin; integration, which may send events and no more; reporter, which may report what a gate found and no more."`
}

func (tokenAddCmd) Help() string {
	return `  MUSTER_TOKEN=$(muster token add ana --role responder)`
}

func (c tokenAddCmd) Run(ctx context.Context, a *app) error {
	api, err := c.client(a)
	if err != nil {
		return err
	}
	var made token
	if err := api.post(ctx, "/api/v1/tokens", map[string]any{"name": c.Name, "role": c.Role}, &made); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "Token %s of %s (%s), shown this once:\n", clean(made.ID), clean(c.Name), c.Role)
	_, err = fmt.Fprintln(a.out, clean(made.Token))
	return err
}

type tokenListCmd struct {
	clientFlags
	jsonFlag
}

func (c tokenListCmd) Run(ctx context.Context, a *app) error {
	api, err := c.client(a)
	if err != nil {
		return err
	}
	var answer struct{ Tokens []json.RawMessage }
	if err := api.get(ctx, "/api/v1/tokens", nil, &answer); err != nil {
		return err
	}
	tokens, err := decoded[token](answer.Tokens)
	if err != nil {
		return err
	}
	t := &table{head: []string{"ID", "NAME", "ROLE", "MADE"}}
	for _, k := range tokens {
		t.add(k.ID, k.Name, k.Role, a.when(k.CreatedAt))
	}
	return c.print(a, answer.Tokens, "No tokens.", t)
}

type tokenRevokeCmd struct {
	clientFlags
	Token string `arg:"" help:"Id of the token, as muster token list shows it."`
}

func (c tokenRevokeCmd) Run(ctx context.Context, a *app) error {
	api, err := c.client(a)
	if err != nil {
		return err
	}
	return api.delete(ctx, "/api/v1/tokens/"+url.PathEscape(c.Token))
}
