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

	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/store"
)

// selfIntegration is where Muster's own events come from. It is no slug: no
// configured integration can send in its name.
const selfIntegration = "muster:self"

const (
	retell    = time.Hour // a cause that lasts is told again after so long, for somebody may have closed its incident
	maxCauses = 100       // told at a time to the operators of one organization
)

// operators is what those who look after Muster were told, and what waits to be.
type operators struct {
	wake    waker
	mu      sync.Mutex
	told    map[cause]telling // what holds, as far as this process knows
	known   map[string]bool   // organizations whose alerts from before the start are in told
	waiting map[cause]event.Event
}

// A cause is why operators are told; each has one alert at most.
type cause struct{ org, key string }

type telling struct {
	at      time.Time
	again   time.Duration
	service string // that was told; "": it was only logged
}

func newOperators() operators {
	return operators{wake: newWaker(), told: map[cause]telling{}, known: map[string]bool{}, waiting: map[cause]event.Event{}}
}

// tellOperators takes an event of Muster's own the usual way: it opens, repeats
// or resolves the one alert of its cause, which is ev.Key, at the operators of an
// organization; "" means that it concerns the whole process, see
// config.Operators. A cause that was told and lasts is not told again for an
// hour, so that what is wrong with telling never feeds on itself. The label kind
// of ev is of a closed set, for the metric. Where no service is named for it, the
// log and the metric alone tell of it, and nobody else's operators.
func (e *Engine) tellOperators(ctx context.Context, org string, ev event.Event) error {
	s := e.operatorsOf(org)
	why := cause{org: org, key: ev.Key}
	service := ""
	if s != nil {
		why.org, service = s.org.ID, s.doc.Operators.Service
	}
	at := now()
	if err := e.recallTold(ctx, why.org); err != nil {
		return err
	}
	again := retell
	if !ev.Until.IsZero() { // it ends by itself, unless it is repeated
		again = min(again, ev.Until.Sub(at)/2)
	}
	if !e.operators.worth(why, ev.Action, service, again, at) {
		return nil
	}
	if ev.Action == event.Trigger {
		e.metrics.operatorAlerts.WithLabelValues(ev.Labels["kind"]).Inc()
		e.Log.Error("operators", "cause", ev.Key, "title", ev.Title, "organization", org, "service", service)
	} else {
		e.Log.Info("operators: the cause is gone", "cause", ev.Key, "organization", org)
	}
	if service == "" {
		return nil
	}
	err := e.takeOwn(ctx, s, ev, at)
	if err != nil {
		e.operators.forget(why) // so that it is told again soon
		return fmt.Errorf("tell the operators of %s: %w", ev.Key, err)
	}
	return nil
}

// takeOwn takes one event of Muster's own.
func (e *Engine) takeOwn(ctx context.Context, s *setup, ev event.Event, at time.Time) error {
	ev.Source, ev.Service = "muster", s.doc.Operators.Service
	ev.Severity = cmp.Or(ev.Severity, event.SeverityError)
	body, err := json.Marshal(ev)
	if err != nil {
		return err
	}
	return e.Store.Write(ctx, func(t *store.Tx) error {
		before, err := t.Alert(store.AlertKey{Org: s.org.ID, Integration: selfIntegration, Key: ev.Key})
		if err != nil {
			return err
		}
		if ev.Action == event.Resolve && before.Status != incident.Firing {
			return nil
		}
		eventID := t.Event(s.org.ID, at, store.RawEvent{Integration: selfIntegration, Kind: "muster", ReceivedAt: at, Event: body, Body: body})
		_, err = e.take(t, s, origin{
			integration: selfIntegration, service: s.doc.Operators.Service,
			cause: incident.Cause{Actor: incident.System, Origin: "muster"},
		}, ev, eventID, at)
		return err
	})
}

// operatorsOf returns the setup of the organization whose operators look after
// what concerns an organization, or nil. What concerns the whole process is for
// the first one, by slug, that names a service.
func (e *Engine) operatorsOf(org string) *setup {
	all := e.setups.Load()
	if org != "" {
		return all.byID[org]
	}
	for _, slug := range slices.Sorted(maps.Keys(all.bySlug)) {
		if s := all.bySlug[slug]; s.doc.Operators.Service != "" {
			return s
		}
	}
	return nil
}

// recallTold reads, once for each organization, which alerts were open when the
// process began: their causes may have gone while it was down.
func (e *Engine) recallTold(ctx context.Context, org string) error {
	e.operators.mu.Lock()
	known := e.operators.known[org]
	e.operators.mu.Unlock()
	if known || org == "" {
		return nil
	}
	alerts, err := e.Store.Alerts(ctx, org, store.AlertFilter{Integration: selfIntegration, Status: incident.Firing, Limit: maxCauses})
	if err != nil {
		return err
	}
	e.operators.mu.Lock()
	defer e.operators.mu.Unlock()
	for _, a := range alerts {
		why := cause{org, a.Key}
		if _, ok := e.operators.told[why]; !ok {
			e.operators.told[why] = telling{} // told long ago
		}
	}
	e.operators.known[org] = true
	return nil
}

// worth tells whether an event says something new, and remembers that it was
// said.
func (o *operators) worth(why cause, action event.Action, service string, again time.Duration, at time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	before, told := o.told[why]
	if action != event.Trigger {
		delete(o.told, why)
		return told
	}
	if told && before.service == service && at.Before(before.at.Add(before.again)) {
		return false
	}
	if !told && o.causes(why.org) >= maxCauses {
		return false // as many are open already: one more would help nobody
	}
	o.told[why] = telling{at: at, again: again, service: service}
	return true
}

func (o *operators) causes(org string) (n int) {
	for why := range o.told {
		if why.org == org {
			n++
		}
	}
	return n
}

func (o *operators) forget(why cause) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.told, why)
	delete(o.known, why.org)
}

// report leaves something for the operators' loop, for those who cannot write
// now: the committer, and whoever has just come out of a panic.
func (e *Engine) report(org string, ev event.Event) {
	o := &e.operators
	o.mu.Lock()
	if len(o.waiting) < maxCauses {
		o.waiting[cause{org, ev.Key}] = ev
	}
	o.mu.Unlock()
	o.wake.now()
}

// operatorLoop tells what was left for it.
func (e *Engine) operatorLoop(ctx context.Context) error {
	for {
		e.begins("operators")
		next, err := e.tellWaiting(ctx)
		if err != nil && ctx.Err() == nil {
			e.Log.Error("operators", "error", err)
		}
		if !e.rest(ctx, e.operators.wake, next) {
			return nil
		}
	}
}

// tellWaiting tells all that waits. What could not be told waits on.
func (e *Engine) tellWaiting(ctx context.Context) (next time.Time, err error) {
	o := &e.operators
	o.mu.Lock()
	waiting := maps.Clone(o.waiting)
	o.mu.Unlock()
	for why, ev := range waiting {
		_, failed := guarded(e, "operators", func() (struct{}, error) { return struct{}{}, e.tellOperators(ctx, why.org, ev) })
		if failed != nil {
			err, next = failed, now().Add(poll)
			if failed != errPanic {
				continue
			}
		}
		o.mu.Lock()
		delete(o.waiting, why)
		o.mu.Unlock()
	}
	return next, err
}
