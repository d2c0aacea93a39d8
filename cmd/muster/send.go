package main

import (
	"context"
	"fmt"
	"os"
	"strings"
)

type sendCmd struct {
	clientFlags
	jsonFlag
	Title    string            `short:"t" placeholder:"TEXT" help:"What happened, in one line. Needed for a trigger."`
	Key      string            `short:"k" placeholder:"KEY" help:"Which problem it is: equal keys are one alert. Needed for resolve and acknowledge."`
	Severity string            `short:"s" default:"error" enum:"critical,error,warning,info" help:"critical, error, warning or info. (${default})"`
	Service  string            `placeholder:"SLUG" help:"The service that it is about; else the integration's."`
	Action   string            `default:"trigger" enum:"trigger,acknowledge,resolve,change" help:"trigger, acknowledge, resolve or change. (${default})"`
	Source   string            `placeholder:"NAME" help:"Where it happened; this host if not given."`
	Label    map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"A label. May be repeated."`
}

func (sendCmd) Help() string {
	return `The token is the key of an integration (MUSTER_KEY), or that of an admin (MUSTER_TOKEN).

  muster send --title "backup of db-2 failed" --key backup/db-2 --severity warning
  muster send --key backup/db-2 --action resolve`
}

func (c sendCmd) Run(ctx context.Context, a *app) error {
	api, err := c.clientAs(a, "MUSTER_KEY", "MUSTER_TOKEN")
	if err != nil {
		return err
	}
	switch {
	case c.Title == "" && (c.Action == "trigger" || c.Action == "change"):
		return misused("--title: is needed for a %s", c.Action)
	case c.Key == "" && (c.Action == "resolve" || c.Action == "acknowledge"):
		return misused("--key: is needed for %s", c.Action)
	}
	event := map[string]any{"action": c.Action, "severity": c.Severity}
	if c.Source == "" {
		c.Source, _ = os.Hostname() // only a name
	}
	for name, value := range map[string]string{"title": c.Title, "key": c.Key, "service": c.Service, "source": c.Source} {
		if value != "" {
			event[name] = value
		}
	}
	if len(c.Label) > 0 {
		event["labels"] = c.Label
	}
	var answer struct {
		Events []struct {
			Event    string `json:"event"`
			Key      string `json:"key"`
			Alert    string `json:"alert,omitempty"`
			Incident string `json:"incident,omitempty"`
		} `json:"events"`
		Warnings []struct {
			Event   int    `json:"event"`
			Pointer string `json:"pointer"`
			Detail  string `json:"detail"`
		} `json:"warnings,omitempty"`
	}
	if err := api.post(ctx, "/intake/events", event, &answer); err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(answer)
	}
	for _, w := range answer.Warnings {
		fmt.Fprintf(a.err, "muster send: accepted, but %s\n", clean(strings.TrimSpace(w.Pointer+" "+w.Detail)))
	}
	for _, e := range answer.Events {
		a.facts([][2]string{{"Event", e.Event}, {"Key", e.Key}, {"Alert", e.Alert}, {"Incident", e.Incident}})
	}
	return nil
}
