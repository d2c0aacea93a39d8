package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/store"
)

// detourBatch is how many pages one commit passes on.
const detourBatch = 100

// detourLoop passes pages on that wait for a destination which fails: for each
// of them the person's next contact method is tried at once.
func (e *Engine) detourLoop(ctx context.Context) error {
	for {
		e.begins("detours")
		at := now()
		failing, again := e.couriers.failing(at, e.Pace)
		e.tellOfConnections()
		for _, destination := range failing {
			next, err := e.detour(ctx, destination, failing)
			if err != nil && ctx.Err() == nil {
				e.Log.Error("pass on what waits for a connection that fails", "destination", destination, "error", err)
				next = at.Add(poll)
			}
			if !next.IsZero() && (again.IsZero() || next.Before(again)) {
				again = next
			}
		}
		if !e.rest(ctx, e.couriers.detours, again) {
			return nil
		}
	}
}

// detour passes on what is stranded at a destination, and returns when there
// will be more (zero: not known).
func (e *Engine) detour(ctx context.Context, destination string, failing []string) (next time.Time, err error) {
	why := e.couriers.reason(destination)
	for ctx.Err() == nil {
		rows, err := e.Store.Stranded(ctx, now(), destination, detourBatch)
		if err != nil {
			return next, err
		}
		if err := e.passAll(ctx, rows, why, failing); err != nil {
			return next, err
		}
		if len(rows) < detourBatch {
			return e.Store.NextStranded(ctx, destination)
		}
	}
	return next, ctx.Err()
}

// passAll passes pages on in one commit, or, if one of them cannot be read, each
// by itself: a bad row holds no other up.
func (e *Engine) passAll(ctx context.Context, rows []store.Outgoing, why string, failing []string) error {
	pass := func(rows ...store.Outgoing) error {
		return e.Store.Write(ctx, func(t *store.Tx) error {
			for _, o := range rows {
				if err := e.passOn(t, o, why, now(), failing); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if len(rows) == 0 || pass(rows...) == nil {
		return nil
	}
	for _, o := range rows {
		err := pass(o)
		if err == nil {
			continue
		}
		e.Log.Error("pass a page on; its timeline does not tell", "key", o.ID, "incident", o.Incident, "error", err)
		if err := e.Store.Write(ctx, func(t *store.Tx) error { _, _, err := t.Pass(o, now(), failing...); return err }); err != nil {
			return err
		}
	}
	return nil
}

func (c *couriers) reason(destination string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at(destination).reason
}

// passOn lets the person's next contact method be tried for a page that does
// not get through, and tells the timeline; once for each page.
func (e *Engine) passOn(t *store.Tx, o store.Outgoing, why string, at time.Time, failing []string) error {
	if o.Incident == "" {
		return t.PassGathered(o, at)
	}
	var n incident.Notification
	if err := json.Unmarshal(o.Body, &n); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	s, err := e.setup(o.Org)
	if err != nil {
		return err
	}
	next, first, err := t.Pass(o, at, failing...)
	if err != nil || !first {
		return err
	}
	text := why + "; it is tried again"
	var other incident.Notification
	if json.Unmarshal(next, &other) == nil && other.Contact != "" {
		text += fmt.Sprintf(", and meanwhile %s by %s (%s)", other.User, other.Contact, other.Channel)
	}
	data := incident.Data{Key: o.ID, User: n.User, Channel: n.Channel, Attempt: int(o.Attempt), Text: text}
	return e.record(t, s, o.Incident, incident.Engine, incident.NotifyDelayed, data, at)
}

// deadline is when the policy goes on, if a page still calls somebody.
func deadline(inc incident.Incident, o store.Outgoing) (at time.Time, calls bool) {
	var n incident.Notification
	if json.Unmarshal(o.Body, &n) != nil {
		return time.Time{}, false
	}
	return inc.Due, inc.Status == incident.Triggered && inc.Climb == n.Climb
}

// firstDue is when a row was due before anything failed.
func firstDue(o store.Outgoing) time.Time {
	if o.FirstDue.IsZero() {
		return o.Due
	}
	return o.FirstDue
}

// hurry watches a page that is being sent: if no answer comes in time, the
// person's next contact method is tried meanwhile. The caller calls ended.
func (e *Engine) hurry(ctx context.Context, o store.Outgoing) (ended func()) {
	if o.Kind != incident.Page || o.Passed {
		return func() {}
	}
	var mu sync.Mutex
	var over, looked bool
	var timer *time.Timer
	look := func() {
		mu.Lock()
		defer mu.Unlock()
		if over {
			return
		}
		_, err := guarded(e, "couriers", func() (struct{}, error) {
			if o.Incident == "" { // a digest has no step that goes on: the policies of its pages do
				return struct{}{}, nil
			}
			inc, err := e.Store.Incident(ctx, o.Org, o.Incident)
			if err != nil {
				return struct{}{}, err
			}
			due, calls := deadline(inc, o)
			if !calls {
				return struct{}{}, nil
			}
			if left := e.Pace.passAt(firstDue(o), due).Sub(now()); left > 0 && !looked {
				looked = true // once: that the policy goes on later does not give it more time
				timer.Reset(left)
				return struct{}{}, nil
			}
			failing, _ := e.couriers.failing(now(), e.Pace)
			return struct{}{}, e.Store.Write(ctx, func(t *store.Tx) error {
				return e.passOn(t, o, "no answer yet", now(), failing)
			})
		})
		if err != nil {
			e.Log.Error("pass a page on", "key", o.ID, "incident", o.Incident, "error", err)
		}
	}
	mu.Lock()
	// Nearly all sends have ended by then, and cost no look at the database.
	timer = time.AfterFunc(e.Pace.Patience/15, look)
	mu.Unlock()
	return func() {
		timer.Stop()
		mu.Lock()
		over = true
		mu.Unlock()
	}
}
