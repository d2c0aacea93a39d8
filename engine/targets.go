package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
)

type configStep = config.Step

// target is what a runbook acts on: the service's environment that its steps
// name, with the settings that the environment has for their tool.
func (s *setup) target(service string, steps []configStep) runbook.Target {
	t := runbook.Target{Organization: s.org.ID, Service: service}
	for _, step := range steps {
		environment := step.Settings["environment"]
		if environment == "" {
			continue
		}
		t.Environment = environment
		tool, _, _ := strings.Cut(step.Kind, ".")
		if _, settings, ok := s.doc.Environment(service, environment, []string{tool}); ok {
			t.Settings = maps.Clone(settings)
		}
		break
	}
	return t
}

// params are a step's own settings with secrets resolved.
func (e *Engine) params(step configStep) (config.Settings, error) {
	set := maps.Clone(step.Settings)
	if set == nil {
		set = config.Settings{}
	}
	for _, name := range step.Secrets {
		value, err := e.plain(set[name])
		if err != nil {
			return nil, fmt.Errorf("step %s: %s: %w", step.Kind, name, err)
		}
		set[name] = value
	}
	return set, nil
}

// ring tells the team's room something about a run that must be noticed.
func (s *setup) ring(t *store.Tx, inc incident.Incident, run runbook.Run, name, text string, at time.Time) {
	o, ok := s.room(inc.Team)
	if !ok {
		return
	}
	o.Run, o.Name, o.Text = run.ID, name, text
	s.send(t, inc, rowRing, o.place(), o, at)
}

// intent puts what a notify step wants said into the outbox: to rooms of
// teams, and to people by their own rules.
func (s *setup) intent(t *store.Tx, run runbook.Run, i int, at time.Time) error {
	var want runbook.Intent
	step := run.Steps[i]
	if step.Plan.Step != runbook.Notify.Name || step.Result.Outcome != runbook.OutcomeDone || json.Unmarshal(step.Result.Data, &want) != nil {
		return nil
	}
	inc, err := t.Incident(s.org.ID, run.IncidentID)
	if err != nil {
		return err
	}
	for _, target := range want.Targets {
		name := fmt.Sprintf("step%d", i)
		if team, ok := strings.CutPrefix(target, "team:"); ok {
			if o, ok := s.room(team); ok {
				o.Run, o.Name, o.Text = run.ID, name, want.Text
				s.send(t, inc, rowRing, o.place(), o, at)
				continue
			}
		}
		for _, user := range s.who(target, at) {
			for _, r := range s.reach(user, inc.Urgency) {
				o := outward{Channel: r.Channel, Connection: r.Connection, Address: r.Address, Text: want.Text, Run: run.ID, Name: name}
				s.send(t, inc, rowRing, o.place(), o, at.Add(r.Wait))
			}
		}
	}
	return nil
}
