package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/detect"
	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/store"
)

// ruleEvent makes an event of a rule's change; it takes the way of any other.
func (e *Engine) ruleEvent(t *store.Tx, s *setup, slug string, c detect.Change, at time.Time) error {
	rule := s.doc.Rules[slug]
	ev := event.Event{
		Action: event.Trigger, Key: cmp.Or(c.Series, "all"), Time: c.At, Severity: event.Severity(rule.Severity),
		Service: rule.Service, Source: "rule " + slug, Labels: c.Labels, Title: ruleTitle(slug, rule, s.rules[slug], c),
	}
	if c.To != detect.Firing {
		ev.Action = event.Resolve
	}
	return e.takeRule(t, s, slug, ev, trigger{Rule: slug, Series: c.Series, FiredAt: c.Episode, Ratio: c.Ratio}, at)
}

func (e *Engine) takeRule(t *store.Tx, s *setup, slug string, ev event.Event, why trigger, at time.Time) error {
	rule := s.doc.Rules[slug]
	body, err := json.Marshal(ev)
	if err != nil {
		return err
	}
	integration := "rule:" + slug
	id := t.Event(s.org.ID, at, store.RawEvent{Integration: integration, Kind: "rule", ReceivedAt: at, Event: body, Body: body})
	_, err = e.take(t, s, origin{
		integration: integration, service: rule.Service, runbook: rule.Runbook, trigger: why,
		cause: incident.Cause{Actor: incident.Actor(integration), Origin: "detect"},
	}, ev, id, at)
	return err
}

func ruleTitle(slug string, rule config.Rule, compiled detect.Rule, c detect.Change) string {
	title := fmt.Sprintf("%s: %.2f %% of %d requests in %s are bad, more than %s",
		cmp.Or(rule.Title, slug), 100*c.Ratio, c.Total, config.FormatDuration(compiled.Window), rule.Above)
	if c.Series != "" {
		title += " (" + c.Series + ")"
	}
	return title
}

// endRules resolves what rules had fired that are gone or ask another question
// now, and forgets what they counted.
func (e *Engine) endRules(ctx context.Context, s *setup, stale map[string]ruleState) error {
	return e.Store.Write(ctx, func(t *store.Tx) error {
		for _, slug := range slices.Sorted(maps.Keys(stale)) {
			state := stale[slug]
			for _, series := range state.Snapshot.Series {
				if series.State != detect.Firing {
					continue
				}
				ev := event.Event{Action: event.Resolve, Key: cmp.Or(series.Series, "all"), Title: "the rule " + slug + " was changed", Severity: event.SeverityInfo}
				if err := e.takeRule(t, s, slug, ev, trigger{}, now()); err != nil {
					return err
				}
			}
			if err := t.DropRule(s.org.ID, slug, state.Snapshot.Watermark.Add(-state.Rule.Window)); err != nil {
				return err
			}
		}
		return nil
	})
}
