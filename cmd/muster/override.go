package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"
)

type overrideCmd struct {
	Add  overrideAddCmd  `cmd:"" help:"Put somebody on call for a while, whatever the schedule says."`
	List overrideListCmd `cmd:"" help:"List the overrides of a schedule that are not over."`
	Drop overrideDropCmd `cmd:"" help:"Take an override back."`
}

func (overrideCmd) Help() string {
	return `  muster override add payments-primary bob --from "2026-12-24 18:00" --to "2026-12-26 09:00"
  muster override list payments-primary
  muster override drop 0199…`
}

type override struct {
	ID, Schedule, User string
	From, To           time.Time
}

func overridesPath(schedule string) string {
	return "/api/v1/schedules/" + url.PathEscape(schedule) + "/overrides"
}

type overrideAddCmd struct {
	clientFlags
	Schedule string `arg:"" help:"Slug."`
	User     string `arg:"" help:"Slug of who takes over."`
	From     string `default:"now" placeholder:"TIME" help:"${instant}. (${default})"`
	To       string `required:"" placeholder:"TIME" help:"${instant}."`
}

func (overrideAddCmd) Help() string {
	return `  muster override add payments-primary bob --to +2h`
}

func (c overrideAddCmd) Run(ctx context.Context, a *app) error {
	api, err := c.client(a)
	if err != nil {
		return err
	}
	from, err := a.instant("--from", c.From)
	if err != nil {
		return err
	}
	to, err := a.instant("--to", c.To)
	if err != nil {
		return err
	}
	if !from.Before(to) {
		return misused("--to: %s is not after %s", a.when(to), a.when(from))
	}
	body := map[string]any{"user": c.User, "from": from.UTC().Format(time.RFC3339), "to": to.UTC().Format(time.RFC3339)}
	var made override
	if err := api.post(ctx, overridesPath(c.Schedule), body, &made); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s is on call in %s from %s to %s (override %s)\n", clean(c.User), clean(c.Schedule), a.when(from), a.when(to), clean(made.ID))
	return err
}

type overrideListCmd struct {
	clientFlags
	jsonFlag
	Schedule string `arg:"" help:"Slug."`
}

func (c overrideListCmd) Run(ctx context.Context, a *app) error {
	api, err := c.client(a)
	if err != nil {
		return err
	}
	var answer struct{ Overrides []json.RawMessage }
	if err := api.get(ctx, overridesPath(c.Schedule), nil, &answer); err != nil {
		return err
	}
	overrides, err := decoded[override](answer.Overrides)
	if err != nil {
		return err
	}
	t := &table{head: []string{"ID", "USER", "FROM", "TO"}}
	for _, o := range overrides {
		t.add(o.ID, o.User, a.when(o.From), a.when(o.To))
	}
	return c.print(a, answer.Overrides, "No overrides.", t)
}

type overrideDropCmd struct {
	clientFlags
	Override string `arg:"" help:"Id of the override."`
}

func (c overrideDropCmd) Run(ctx context.Context, a *app) error {
	api, err := c.client(a)
	if err != nil {
		return err
	}
	return api.delete(ctx, "/api/v1/overrides/"+url.PathEscape(c.Override))
}
