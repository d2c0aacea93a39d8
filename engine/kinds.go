package engine

import (
	"github.com/musterhq/muster/collect"
	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/ticket"
)

// KindsOf tells what a configuration may name, as data for config, which
// cannot import the packages that have it.
func KindsOf(channels []notify.Kind, steps []runbook.Step, trackers []ticket.Tracker) config.Kinds {
	k := config.Kinds{
		Connections:  append([]config.Kind(nil), runbook.Connections...),
		Environments: runbook.Environments,
		Formats:      []string{collect.Auto, collect.Access, collect.NDJSON},
	}
	for _, c := range channels {
		k.Channels = append(k.Channels, c.Kind)
		url := c.URL
		k.Connections = append(k.Connections, config.Kind{Name: c.Name, Fields: c.Fields, Address: &url})
	}
	for _, s := range steps {
		k.Steps = append(k.Steps, s.Kind)
	}
	for _, t := range trackers {
		k.Trackers = append(k.Trackers, t.Kind)
	}
	for _, s := range event.Sources {
		k.Sources = append(k.Sources, config.Kind{Name: s.Name})
	}
	return k
}
