package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/store"
)

// dueBatch is how many due incidents one turn of the clock takes, side by side:
// they share a commit.
const dueBatch = 200

// told is how many failures of one turn are logged one by one.
const told = 3

// clockLoop advances incidents that are due and ends alerts that expired.
func (e *Engine) clockLoop(ctx context.Context) error {
	var stuck int // what failed in the turn before, and is still among the first that are due
	for {
		e.begins("clock")
		at := now()
		next, failed, err := e.turn(ctx, at, dueBatch+stuck)
		if err != nil {
			e.Log.Error("clock", "error", err)
		}
		stuck = failed
		again := at.Add(poll)
		switch {
		case err == nil && failed == 0, next.Equal(at): // there is more to do at once
		case next.IsZero(), next.Before(at), again.Before(next): // what failed must neither wait for a wake-up nor spin
			next = again
		}
		if !next.IsZero() && next.Before(at) { // due by its row and not by what it holds: the auditor mends it
			next = again
		}
		if !e.rest(ctx, e.clock, next) {
			return nil
		}
	}
}

// turn does what is due at an instant, at most so much of each kind, and
// returns when the next thing will be and how much failed.
func (e *Engine) turn(ctx context.Context, at time.Time, most int) (next time.Time, failed int, err error) {
	expired, err := e.Store.ExpiredAlerts(ctx, at, most)
	if err != nil {
		return next, failed, err
	}
	failed += sideBySide(e, expired, func(key store.AlertKey) error { return e.expire(ctx, key) }, func(key store.AlertKey, err error) {
		e.Log.Error("expire an alert", "integration", key.Integration, "key", key.Key, "error", err)
	})
	due, next, err := e.Store.Due(ctx, at, most)
	if err != nil {
		return next, failed, err
	}
	e.behind.Store(len(due) == most)
	failed += sideBySide(e, due, func(d store.DueIncident) error { return e.advance(ctx, d) }, func(d store.DueIncident, err error) {
		e.Log.Error("advance", "incident", d.ID, "error", err)
	})
	if failed > told {
		e.Log.Error("more of what is due failed", "failed", failed)
	}
	if len(due) == most && failed < most {
		return at, failed, nil
	}
	expiry, err := e.Store.NextExpiry(ctx)
	if err == nil && !expiry.IsZero() && (next.IsZero() || expiry.Before(next)) {
		next = expiry
	}
	return next, failed, err
}

// sideBySide does something with each of a list at once for the clock and counts
// what failed; the first few of it are told. A panic fails the one thing that it
// happened to.
func sideBySide[T any](e *Engine, list []T, do func(T) error, tell func(T, error)) (failed int) {
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for i, v := range list {
		all.Go(func() {
			_, errs[i] = guarded(e, "clock", func() (struct{}, error) { return struct{}{}, do(v) })
		})
	}
	all.Wait()
	for i, err := range errs {
		if err != nil {
			if failed++; failed <= told {
				tell(list[i], err)
			}
		}
	}
	return failed
}

// advance moves one due incident on. What goes wrong with it delays no other:
// the caller goes on, and it is tried again at the next turn.
func (e *Engine) advance(ctx context.Context, d store.DueIncident) error {
	s, err := e.setup(d.Org)
	if err != nil {
		return err
	}
	e.At(stationDue)
	err = e.Store.Write(ctx, func(t *store.Tx) error {
		inc, err := t.Incident(d.Org, d.ID)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		at := now()
		change := incident.Advance(inc, at, s.roster())
		e.At(stationAdvanced)
		return e.save(t, s, change, at)
	})
	e.At(stationSaved)
	return err
}

// expire resolves an alert that its sender promised to repeat and did not.
func (e *Engine) expire(ctx context.Context, key store.AlertKey) error {
	s, err := e.setup(key.Org)
	if err != nil {
		return err
	}
	return e.Store.Write(ctx, func(t *store.Tx) error {
		at := now()
		a, err := t.Alert(key)
		if err != nil || !a.Expired(at) {
			return err
		}
		ev := event.Event{Action: event.Resolve, Key: key.Key, Title: a.Title}
		_, err = e.take(t, s, origin{integration: key.Integration, cause: incident.Cause{Actor: incident.System, Origin: "expiry"}}, ev, a.LastEvent, at)
		return err
	})
}

// pruneLoop deletes what is older than it is kept.
func (e *Engine) pruneLoop(ctx context.Context) error {
	for {
		e.begins("retention")
		more, err := e.Store.Prune(ctx, now(), e.Keep)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("retention: %w", err)
		}
		pause := time.Minute
		if more {
			pause = time.Second
		}
		if !sleep(ctx, pause) {
			return nil
		}
	}
}
