package main

import (
	"github.com/musterhq/muster/collect"
	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/ticket"
)

// kinds are all kinds of things that a configuration may name, as data for
// config, which cannot import the packages that have them.
func kinds() config.Kinds {
	k := config.Kinds{
		Connections: []config.Kind{gitlab},
		Environments: []config.Kind{{Name: "gitlab", Fields: []config.Field{
			{Name: "project", Label: "Project", Required: true, Help: "Its path, group/project, or its number."},
			{Name: "environment", Label: "Environment", Required: true, Help: "As GitLab calls it."},
		}}},
		Formats: []string{collect.Auto, collect.Access, collect.NDJSON},
	}
	for _, c := range notify.Kinds {
		k.Channels = append(k.Channels, c.Kind)
		url := c.URL
		k.Connections = append(k.Connections, config.Kind{Name: c.Name, Fields: c.Fields, Address: &url})
	}
	for _, s := range runbook.Steps {
		k.Steps = append(k.Steps, s.Kind)
	}
	for _, t := range ticket.Trackers {
		k.Trackers = append(k.Trackers, t.Kind)
	}
	for _, s := range event.Sources {
		k.Sources = append(k.Sources, config.Kind{Name: s.Name})
	}
	return k
}

// gitlab is the connection that steps and tickets of GitLab go through.
var gitlab = config.Kind{
	Name:    "gitlab",
	Address: &config.Field{Name: "url", Label: "Address", Type: "url", Required: true, Help: "https://gitlab.example.com"},
	Fields: []config.Field{
		{Name: "token", Label: "Access token", Required: true, Secret: true,
			Help: "With the scope api: of a project, a group or a user."},
	},
}
