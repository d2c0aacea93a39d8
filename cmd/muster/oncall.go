package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"
)

type oncallCmd struct {
	clientFlags
	jsonFlag
	Schedule string `arg:"" optional:"" help:"Show the shifts of this schedule in the coming days."`
	At       string `placeholder:"TIME" help:"At another time than now: ${instant}."`
	Days     int    `default:"14" help:"How many days of shifts. (${default})"`
}

func (oncallCmd) Help() string {
	return `  muster oncall
  muster oncall --at "2026-12-24 18:00"
  muster oncall payments-primary --days 30`
}

func (c oncallCmd) Run(ctx context.Context, a *app) error {
	api, err := c.client(a)
	if err != nil {
		return err
	}
	at := a.now()
	if c.At != "" {
		if at, err = a.instant("--at", c.At); err != nil {
			return err
		}
	}
	if c.Schedule != "" {
		return c.shifts(ctx, a, api, at)
	}
	query := url.Values{"at": {at.UTC().Format(time.RFC3339)}}
	var answer struct{ OnCall []json.RawMessage }
	if err := api.get(ctx, "/api/v1/oncall", query, &answer); err != nil {
		return err
	}
	type duty struct {
		Schedule, User string
		From, Until    time.Time
	}
	duties, err := decoded[duty](answer.OnCall)
	if err != nil {
		return err
	}
	t := &table{head: []string{"SCHEDULE", "ON CALL", "FROM", "UNTIL"}}
	for _, d := range duties {
		user := cell{d.User, bold}
		if d.User == "" {
			user = cell{"nobody", red}
		}
		t.add(d.Schedule, user, a.when(d.From), a.when(d.Until))
	}
	return c.print(a, answer.OnCall, "There are no schedules.", t)
}

func (c oncallCmd) shifts(ctx context.Context, a *app, api *client, from time.Time) error {
	if c.Days < 1 {
		return misused("--days: wants 1 or more")
	}
	query := url.Values{"from": {from.UTC().Format(time.RFC3339)}, "to": {from.AddDate(0, 0, c.Days).UTC().Format(time.RFC3339)}}
	var answer struct{ Shifts []json.RawMessage }
	if err := api.get(ctx, "/api/v1/schedules/"+url.PathEscape(c.Schedule)+"/shifts", query, &answer); err != nil {
		return err
	}
	type shift struct {
		User, Override string
		From, To       time.Time
	}
	shifts, err := decoded[shift](answer.Shifts)
	if err != nil {
		return err
	}
	t := &table{head: []string{"FROM", "TO", "ON CALL", "OVERRIDE"}}
	for _, s := range shifts {
		t.add(a.when(s.From), a.when(s.To), s.User, s.Override)
	}
	return c.print(a, answer.Shifts, fmt.Sprintf("Nobody is on call in %s.", clean(c.Schedule)), t)
}
