package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/musterhq/muster/incident"
)

type alertsCmd struct {
	clientFlags
	jsonFlag
	Status   string `default:"firing" placeholder:"STATUS" help:"firing, resolved, closed, or all. (${default})"`
	Incident string `placeholder:"ID" help:"Only those of an incident, by number or id."`
	Limit    int    `default:"50" help:"Show at most so many; 0 is all. (${default})"`
}

func (alertsCmd) Help() string {
	return `  muster alerts
  muster alerts --status all --json
  muster alerts --incident 42`
}

func (c alertsCmd) Run(ctx context.Context, a *app) error {
	api, err := c.client(a)
	if err != nil {
		return err
	}
	path, query, limit := "/api/v1/alerts", url.Values{}, c.Limit
	if c.Incident != "" { // the alerts of one are listed whole, whatever their status
		path, limit = incidentPath(c.Incident, "/alerts"), 0
	} else if c.Status != "all" {
		query.Set("status", c.Status)
	}
	items, more, err := api.list(ctx, path, "alerts", query, limit)
	if err != nil {
		return err
	}
	alerts, err := decoded[incident.Alert](items)
	if err != nil {
		return err
	}
	if err := c.print(a, items, "No alerts.", alertTable(a, alerts)); err != nil || !more {
		return err
	}
	_, err = fmt.Fprintf(a.err, "There are more; --limit shows them.\n")
	return err
}

func alertTable(a *app, alerts []incident.Alert) *table {
	t := &table{head: []string{"STATUS", "SEV", "SINCE", "COUNT", "SERVICE", "TITLE"}}
	for _, alert := range alerts {
		t.add(status(string(alert.Status)), severity(alert.Severity), a.when(alert.OpenedAt), alert.Count, alert.Service, alert.Title)
	}
	return t
}
