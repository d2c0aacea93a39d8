package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/musterhq/muster/collect"
	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/detect"
	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/store"
)

// rules is the state of the loop that watches logs. One goroutine feeds the
// trackers; others may look at them under mu.
type rules struct {
	queue chan *logBatch
	over  chan struct{} // closed when nobody takes from the queue any more
	ended sync.Once
	mu    sync.Mutex
	orgs  map[string]*watch // by organization id
	pause map[string]time.Time
}

func newRules() rules {
	return rules{queue: make(chan *logBatch, 64), over: make(chan struct{}), orgs: map[string]*watch{}, pause: map[string]time.Time{}}
}

func (r *rules) end() { r.ended.Do(func() { close(r.over) }) }

// watch is what is watched for one organization.
type watch struct {
	setup    *setup
	trackers map[string]*detect.Tracker // by rule
	parsers  map[string]*collect.Parser // by log source; nil until its format is recognized
	lost     bool                       // a commit failed: what the trackers hold is not what is stored
}

// A logBatch is lines of one source, and how far they reach into a file.
type logBatch struct {
	org, source string
	lines       []byte
	tail        *tailing // nil if they came by HTTP
	position    collect.Position
	stats       collect.Stats
	err         error
	done        chan struct{}
}

// LogResult tells what became of lines.
type LogResult struct {
	Lines    int64         `json:"lines"`
	Unparsed int64         `json:"unparsed"`
	Errors   []LineProblem `json:"errors,omitempty"` // the first of them
}

// A LineProblem is a line that could not be parsed.
type LineProblem struct {
	Line   int64  `json:"line"`
	Detail string `json:"detail"`
}

// Logs counts lines of a log source. When it returns without an error, the
// counts and all that follows from them are on disk.
func (e *Engine) Logs(ctx context.Context, org, source string, lines []byte) (LogResult, error) {
	if _, err := e.setup(org); err != nil {
		return LogResult{}, err
	}
	b := &logBatch{org: org, source: source, lines: lines, done: make(chan struct{})}
	select {
	case e.rules.queue <- b:
	case <-e.rules.over:
		return LogResult{}, fmt.Errorf("logs: %w: it is shutting down", store.ErrBusy)
	case <-ctx.Done():
		return LogResult{}, fmt.Errorf("logs: %w: %w", store.ErrBusy, ctx.Err())
	}
	select {
	case <-b.done:
	case <-e.rules.over:
		return LogResult{}, fmt.Errorf("logs: %w: it is shutting down", store.ErrBusy)
	case <-ctx.Done():
		return LogResult{}, fmt.Errorf("logs: %w: %w", store.ErrBusy, ctx.Err())
	}
	if b.err != nil {
		return LogResult{}, fmt.Errorf("logs: %w", b.err)
	}
	r := LogResult{Lines: b.stats.Parsed + b.stats.Unparsed, Unparsed: b.stats.Unparsed}
	for _, u := range b.stats.Samples {
		r.Errors = append(r.Errors, LineProblem{u.Line, u.Reason})
	}
	return r, nil
}

// logTurn is how often tails are read and time moves rules on.
const logTurn = 100 * time.Millisecond

// turnBytes bounds what one turn reads of a file.
const turnBytes = 8 << 20

// ruleLoop takes what was sent and what files have grown by, counts it, judges
// it, and commits counts, positions and events together.
func (e *Engine) ruleLoop(ctx context.Context) error {
	tails := e.openTails()
	defer func() {
		for _, t := range tails {
			t.close()
		}
	}()
	tick := time.NewTicker(logTurn)
	defer tick.Stop()
	for {
		var batches []*logBatch
		select {
		case b := <-e.rules.queue:
			batches = append(batches, b)
		case <-tick.C:
		case <-ctx.Done():
			e.refuseLogs()
			return nil
		}
		batches = append(batches, e.queued()...)
		for _, t := range tails {
			if b := e.readTail(ctx, t); b != nil {
				batches = append(batches, b)
			}
		}
		e.ruleTurn(ctx, batches)
	}
}

// queued takes what else waits, up to a bound.
func (e *Engine) queued() (batches []*logBatch) {
	for len(batches) < cap(e.rules.queue) {
		select {
		case b := <-e.rules.queue:
			batches = append(batches, b)
		default:
			return batches
		}
	}
	return batches
}

func (e *Engine) refuseLogs() {
	for _, b := range e.queued() {
		b.finish(fmt.Errorf("%w: it is shutting down", store.ErrBusy))
	}
}

func (b *logBatch) finish(err error) {
	b.err = err
	if b.tail != nil && err != nil {
		b.tail.close() // read again from where the last commit left it
		b.tail.tail = nil
	}
	close(b.done)
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

// watching returns the watch of a setup. A new one is made when the
// configuration changed, and when a commit failed: what was counted since is
// not on disk and will come again.
func (e *Engine) watching(ctx context.Context, s *setup) (*watch, error) {
	before := e.rules.orgs[s.org.ID]
	if before != nil && before.lost {
		before = nil
	}
	if before != nil && before.setup.revision == s.revision {
		before.setup = s // overrides may differ
		return before, nil
	}
	w, err := e.newWatch(ctx, s, before)
	if err != nil {
		return nil, fmt.Errorf("restore the rules: %w", err)
	}
	e.rules.orgs[s.org.ID] = w
	return w, nil
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
	w := &watch{setup: s, trackers: map[string]*detect.Tracker{}, parsers: map[string]*collect.Parser{}}
	for slug, rule := range s.rules {
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

// ruleTurn counts batches and moves every rule on.
func (e *Engine) ruleTurn(ctx context.Context, batches []*logBatch) {
	e.rules.mu.Lock()
	defer e.rules.mu.Unlock()
	byOrg := map[string][]*logBatch{}
	for _, b := range batches {
		byOrg[b.org] = append(byOrg[b.org], b)
	}
	for org, s := range e.setups.Load().byID {
		_, err := guarded(e, "rules", func() (struct{}, error) { return struct{}{}, e.turnOf(ctx, s, byOrg[org]) })
		for _, b := range byOrg[org] {
			b.finish(err)
		}
		delete(byOrg, org)
	}
	for _, rest := range byOrg {
		for _, b := range rest {
			b.finish(fmt.Errorf("organization: %w", store.ErrNotFound))
		}
	}
}

// turnOf is one turn of one organization. After one that failed it pauses, so
// that a database with a fault is not asked ten times a second.
func (e *Engine) turnOf(ctx context.Context, s *setup, batches []*logBatch) error {
	org, at := s.org.ID, now()
	if at.Before(e.rules.pause[org]) {
		return fmt.Errorf("%w: the turn before failed", store.ErrBusy)
	}
	e.rules.pause[org] = at.Add(poll) // lifted by success alone: a panic must not spin either
	w, err := e.watching(ctx, s)
	if err == nil {
		w.lost = true
		if err = e.watchTurn(ctx, w, batches); err == nil {
			w.lost = false
		}
	}
	if err != nil {
		e.Log.Error("commit the counts of rules", "organization", s.org.Slug, "error", err)
		return err
	}
	delete(e.rules.pause, org)
	return nil
}

// watchTurn is one turn of one organization: count, judge, commit.
func (e *Engine) watchTurn(ctx context.Context, w *watch, batches []*logBatch) error {
	for _, b := range batches {
		e.count(w, b)
	}
	at := now()
	type outcome struct {
		slug    string
		changes []detect.Change
		counts  []store.WindowCount
		state   []byte
	}
	var todo []outcome
	for _, slug := range slices.Sorted(maps.Keys(w.trackers)) {
		t := w.trackers[slug]
		o := outcome{slug: slug, changes: t.Advance(at)}
		for _, d := range t.Dirty() {
			o.counts = append(o.counts, store.WindowCount{Series: d.Series, Second: d.Second, Bad: d.Bad, Total: d.Total})
		}
		if len(o.changes)+len(o.counts) == 0 {
			continue // time alone: a restart finds it out again
		}
		var err error
		if o.state, err = json.Marshal(ruleState{w.setup.doc.Rules[slug], t.Snapshot()}); err != nil {
			return err
		}
		todo = append(todo, o)
	}
	if len(todo) == 0 && len(batches) == 0 {
		return nil
	}
	return e.Store.Write(ctx, func(t *store.Tx) error {
		org := w.setup.org.ID
		for _, b := range batches {
			if b.tail == nil {
				continue
			}
			body, err := json.Marshal(tailState{b.position, b.tail.since})
			if err != nil {
				return err
			}
			if err := t.PutTail(org, b.source, b.tail.file.Path, body); err != nil {
				return err
			}
		}
		for _, o := range todo {
			if err := t.PutWindows(org, o.slug, o.counts); err != nil {
				return err
			}
			if err := t.PutRuleState(org, o.slug, at, o.state); err != nil {
				return err
			}
			for _, c := range o.changes {
				if err := e.ruleEvent(t, w.setup, o.slug, c, now()); err != nil {
					return err
				}
			}
		}
		return nil
	})
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
	b.stats = parser.Each(b.lines, func(rec *detect.Record) {
		if rec.Time.Before(since) {
			return
		}
		for _, t := range watching {
			t.Observe(rec)
		}
	})
	e.metrics.lines.WithLabelValues("yes").Add(float64(b.stats.Parsed))
	e.metrics.lines.WithLabelValues("no").Add(float64(b.stats.Unparsed))
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

// RuleStatus is what a rule says now.
type RuleStatus struct {
	Rule      string          `json:"rule"`
	Watermark time.Time       `json:"watermark,omitzero"`
	Late      int64           `json:"late"` // records that came too late to be judged
	Series    []detect.Status `json:"series"`
}

// Rules tells what the rules of an organization say now, by name.
func (e *Engine) Rules(org string) ([]RuleStatus, error) {
	if _, err := e.setup(org); err != nil {
		return nil, err
	}
	e.rules.mu.Lock()
	defer e.rules.mu.Unlock()
	list := []RuleStatus{}
	w := e.rules.orgs[org]
	if w == nil {
		return list, nil
	}
	for _, slug := range slices.Sorted(maps.Keys(w.trackers)) {
		t := w.trackers[slug]
		list = append(list, RuleStatus{Rule: slug, Watermark: t.Watermark(), Late: t.Late(), Series: append([]detect.Status{}, t.Status()...)})
	}
	return list, nil
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
