package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/musterhq/muster/collect"
	"github.com/musterhq/muster/detect"
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
	heard map[string]*hearing // by organization id, a slash, and rule
	stops map[string]ruleStop // likewise

	bodies *bodies
}

func newRules() rules {
	return rules{
		queue: make(chan *logBatch, 64), over: make(chan struct{}), orgs: map[string]*watch{}, pause: map[string]time.Time{}, heard: map[string]*hearing{},
		stops:  map[string]ruleStop{},
		bodies: newBodies(),
	}
}

func (r *rules) end() { r.ended.Do(func() { close(r.over) }) }

// A logBatch is lines of one source, and how far they reach into a file.
type logBatch struct {
	org, source string
	lines       []byte
	tail        *tailing // nil if they came by HTTP
	position    collect.Position
	stats       collect.Stats
	err         error
	done        chan struct{}

	// Of those whose sender tries again; the rest leaves them empty.
	digest   string    // what tells the body from others
	keyed    bool      // its sender gave it a key
	row      string    // of store.LogBody
	repeated bool      // it was counted before
	same     *logBatch // in the same turn
	gone     bool      // nobody waits for its answer any more; under bodies.mu
}

// LogResult tells what became of lines.
type LogResult struct {
	Lines    int64         `json:"lines"`
	Unparsed int64         `json:"unparsed"`
	Errors   []LineProblem `json:"errors,omitempty"` // the first of them
	Repeated bool          `json:"-"`                // they had been counted before
}

// A LineProblem is a line that could not be parsed.
type LineProblem struct {
	Line   int64  `json:"line"`
	Detail string `json:"detail"`
}

// Logs counts lines of a log source. When it returns without an error, the
// counts and all that follows from them are on disk.
func (e *Engine) Logs(ctx context.Context, org, source string, lines []byte) (LogResult, error) {
	return e.logs(ctx, &logBatch{org: org, source: source, lines: lines, done: make(chan struct{})})
}

func (e *Engine) logs(ctx context.Context, b *logBatch) (LogResult, error) {
	if _, err := e.setup(b.org); err != nil {
		return LogResult{}, err
	}
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
	r := LogResult{Lines: b.stats.Parsed + b.stats.Unparsed, Unparsed: b.stats.Unparsed, Repeated: b.repeated}
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
		e.begins("rules")
		var batches []*logBatch
		select {
		case b := <-e.rules.queue:
			batches = append(batches, b)
		case <-tick.C:
		case <-ctx.Done():
			e.refuseLogs()
			e.forgetTold(context.WithoutCancel(ctx))
			return nil
		}
		batches = append(batches, e.queued()...)
		for _, t := range tails {
			if b := e.readTail(ctx, t); b != nil {
				batches = append(batches, b)
			}
		}
		e.ruleTurn(ctx, batches)
		tick.Reset(e.nextTurn(tails))
	}
}

// nextTurn is when rules are moved on again if no lines come: where nothing is
// watched, that is seldom.
func (e *Engine) nextTurn(tails []*tailing) time.Duration {
	for _, s := range e.setups.Load().byID {
		if len(s.doc.Rules) > 0 {
			return logTurn
		}
	}
	if len(tails) > 0 {
		return logTurn
	}
	return poll
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
		_, err = guarded(e, "rules", func() (struct{}, error) { return struct{}{}, e.watchTurn(ctx, w, batches) })
		if errors.Is(err, errPanic) && w.at != "" {
			err = e.stopRule(s, w.at)
		}
		if err == nil {
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
	org := w.setup.org.ID
	if err := e.recognize(ctx, org, batches); err != nil {
		return err
	}
	for _, b := range batches {
		if !b.repeated {
			e.count(w, b)
		}
	}
	fresh, told := rowsOf(batches), e.rules.bodies.toldOf(org)
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
		w.at = slug
		e.At(ruleStation(slug))
		o := outcome{slug: slug, changes: t.Advance(at)}
		if heard := e.rules.heard[org+"/"+slug]; heard != nil {
			heard.move(t.Watermark(), at)
		}
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
	w.at = ""
	if len(todo) == 0 && len(batches) == 0 && len(told) == 0 {
		return nil
	}
	e.At(stationCounted)
	err := e.Store.Write(ctx, func(t *store.Tx) error {
		if err := t.DropLogBodies(told); err != nil {
			return err
		}
		if err := t.PutLogBodies(fresh, at); err != nil {
			return err
		}
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
	e.At(stationJudged)
	if err == nil {
		e.rules.bodies.forget(told)
		e.counted(batches)
	}
	return err
}

// RuleStatus is what a rule says now.
type RuleStatus struct {
	Rule      string          `json:"rule"`
	Watermark time.Time       `json:"watermark,omitzero"`
	Late      int64           `json:"late"` // records that came too late to be judged
	Series    []detect.Status `json:"series"`
	Stopped   string          `json:"stopped,omitempty"` // why it judges nothing; "" while it does
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
	for slug, why := range w.stopped {
		list = append(list, RuleStatus{Rule: slug, Series: []detect.Status{}, Stopped: why})
	}
	slices.SortFunc(list, func(a, b RuleStatus) int { return strings.Compare(a.Rule, b.Rule) })
	return list, nil
}
