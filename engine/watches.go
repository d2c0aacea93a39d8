package engine

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/musterhq/muster/collect"
	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/detect"
)

// watch is what is watched for one organization.
type watch struct {
	setup    *setup
	trackers map[string]*detect.Tracker // by rule
	parsers  map[string]*collect.Parser // by log source; nil until its format is recognized
	stopped  map[string]string          // why a defect stopped a rule, by rule
	at       string                     // the rule in hand; "" for none
	lost     bool                       // a commit failed: what the trackers hold is not what is stored
}

// restoreRules makes the trackers from what was stored.
func (e *Engine) restoreRules(ctx context.Context) error {
	e.rules.mu.Lock()
	defer e.rules.mu.Unlock()
	for _, s := range e.setups.Load().byID {
		if _, err := e.watching(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// newWatch makes the trackers of a setup: those of unchanged rules are taken
// over or restored from the store. What speaks of rules that are gone, or ask
// another question now, is ended first, be it from before a restart.
func (e *Engine) newWatch(ctx context.Context, s *setup, before *watch) (*watch, error) {
	bodies, err := e.Store.RuleStates(ctx, s.org.ID)
	if err != nil {
		return nil, err
	}
	kept, stale := map[string]ruleState{}, map[string]ruleState{}
	for slug, body := range bodies {
		var state ruleState
		err := json.Unmarshal(body, &state)
		if rule, ok := s.doc.Rules[slug]; ok && err == nil && sameQuestion(state.Rule, rule) {
			kept[slug] = state
			continue
		}
		stale[slug] = state
	}
	if len(stale) > 0 {
		if err := e.endRules(ctx, s, stale); err != nil {
			return nil, err
		}
	}
	w := &watch{setup: s, trackers: map[string]*detect.Tracker{}, parsers: map[string]*collect.Parser{}, stopped: map[string]string{}}
	for slug, rule := range s.rules {
		if why := e.rules.stopped(s, slug); why != "" {
			w.stopped[slug] = why
			continue
		}
		state, stored := kept[slug]
		switch {
		case before != nil && before.trackers[slug] != nil && sameQuestion(before.setup.doc.Rules[slug], s.doc.Rules[slug]):
			w.trackers[slug] = before.trackers[slug]
		case stored:
			if w.trackers[slug], err = e.restoreTracker(ctx, s, slug, rule, state.Snapshot); err != nil {
				return nil, err
			}
		default:
			w.trackers[slug] = detect.NewTracker(rule)
		}
	}
	return w, nil
}

// sameQuestion tells whether what was counted for one rule answers another:
// how the alert is called, and what follows from it, makes no difference.
func sameQuestion(a, b config.Rule) bool {
	a.Title, a.Severity, a.Runbook = b.Title, b.Severity, b.Runbook
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

// ruleState is what is kept of a rule between restarts.
type ruleState struct {
	Rule     config.Rule     `json:"rule"`
	Snapshot detect.Snapshot `json:"snapshot"`
}

func (e *Engine) restoreTracker(ctx context.Context, s *setup, slug string, rule detect.Rule, snapshot detect.Snapshot) (*detect.Tracker, error) {
	from := snapshot.Watermark.Add(-rule.Window)
	counts, err := e.Store.Windows(ctx, s.org.ID, slug, "", true, from, now().Add(2*time.Hour))
	if err != nil {
		return nil, err
	}
	buckets := make([]detect.Bucket, len(counts))
	for i, c := range counts {
		buckets[i] = detect.Bucket{Series: c.Series, Second: c.Second, Bad: c.Bad, Total: c.Total}
	}
	return detect.Restore(rule, snapshot, buckets), nil
}

// count parses a batch and shows its records to the rules of its source.
func (e *Engine) count(w *watch, b *logBatch) {
	if len(b.lines) == 0 {
		return
	}
	parser, watching, err := w.parser(b.source, b.lines)
	if err != nil {
		b.stats.Unparsed = 1
		b.stats.Samples = []collect.Unparsed{{Line: 1, Reason: err.Error()}}
		return
	}
	var since time.Time
	if b.tail != nil {
		since = b.tail.since
	}
	names := w.names(watching)
	b.stats = parser.Each(b.lines, func(rec *detect.Record) {
		if rec.Time.Before(since) {
			return
		}
		for i, t := range watching {
			w.at = names[i]
			t.Observe(rec)
		}
	})
	w.at = ""
	e.hear(w, watching, b.stats.Parsed)
	e.metrics.lines.WithLabelValues("yes").Add(float64(b.stats.Parsed))
	e.metrics.lines.WithLabelValues("no").Add(float64(b.stats.Unparsed))
}

// hear notes for the auditor that rules heard lines of their source.
func (e *Engine) hear(w *watch, watching []*detect.Tracker, lines int64) {
	if lines == 0 {
		return
	}
	for slug, t := range w.trackers {
		if !slices.Contains(watching, t) {
			continue
		}
		key := w.setup.org.ID + "/" + slug
		heard := e.rules.heard[key]
		if heard == nil {
			heard = &hearing{}
			e.rules.heard[key] = heard
		}
		heard.cadence.Hear(now())
	}
}

// maxSources bounds how many parsers are kept.
const maxSources = 1000

// parser returns the parser of a log source and the trackers that watch it.
func (w *watch) parser(source string, first []byte) (*collect.Parser, []*detect.Tracker, error) {
	log := w.setup.doc.Logs[source]
	var fields []string
	var watching []*detect.Tracker
	for _, slug := range slices.Sorted(maps.Keys(w.trackers)) {
		rule := w.setup.doc.Rules[slug]
		if rule.Source != "logs" && rule.Source != "logs:"+source {
			continue
		}
		if log.Service != "" && rule.Service != "" && log.Service != rule.Service {
			continue
		}
		compiled := w.setup.rules[slug]
		fields = append(fields, compiled.Bad.Fields()...)
		fields = append(fields, compiled.Where.Fields()...)
		fields = append(fields, compiled.By...)
		watching = append(watching, w.trackers[slug])
	}
	if p := w.parsers[source]; p != nil {
		return p, watching, nil
	}
	format := collect.Format{Kind: log.Format, Fields: log.Fields, Defaults: maps.Clone(log.Defaults)}
	if format.Defaults == nil {
		format.Defaults = map[string]string{}
	}
	if _, ok := format.Defaults["service"]; !ok {
		format.Defaults["service"] = log.Service
	}
	if format.Kind == "" || format.Kind == collect.Auto {
		recognized, err := collect.Recognize(format, first)
		if err != nil {
			return nil, nil, err
		}
		format = recognized
	}
	p, err := collect.NewParser(format, fields)
	if err != nil {
		return nil, nil, err
	}
	if len(w.parsers) >= maxSources { // names come from senders
		clear(w.parsers)
	}
	w.parsers[source] = p
	return p, watching, nil
}

// watermark tells up to where the data of a rule are complete, and what it
// judges by.
func (e *Engine) watermark(org, rule string) (at time.Time, ok bool) {
	e.rules.mu.Lock()
	defer e.rules.mu.Unlock()
	w := e.rules.orgs[org]
	if w == nil || w.trackers[rule] == nil {
		return time.Time{}, false
	}
	return w.trackers[rule].Watermark(), true
}
