package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/oncall"
	"github.com/musterhq/muster/store"
)

// OnDuty is who a schedule has on call.
type OnDuty struct {
	Schedule string    `json:"schedule"`
	User     string    `json:"user"`
	From     time.Time `json:"from"`
	Until    time.Time `json:"until"`
}

// OnCall lists who is on call at an instant, by schedule. A schedule with
// nobody on call is not in the list.
func (e *Engine) OnCall(org string, at time.Time) ([]OnDuty, error) {
	s, err := e.setup(org)
	if err != nil {
		return nil, err
	}
	list := []OnDuty{}
	for _, slug := range slices.Sorted(maps.Keys(s.schedules)) {
		if shift, ok := s.schedules[slug].At(at, s.overrides[slug]); ok {
			list = append(list, OnDuty{slug, shift.User, shift.From, shift.To})
		}
	}
	return list, nil
}

// maxShifts bounds how much of a schedule is shown at a time.
const maxShifts = 400 * 24 * time.Hour

// Shifts returns the final schedule in [from, to).
func (e *Engine) Shifts(org, schedule string, from, to time.Time) ([]oncall.Shift, error) {
	s, err := e.setup(org)
	if err != nil {
		return nil, err
	}
	plan, ok := s.schedules[schedule]
	if !ok {
		return nil, fmt.Errorf("schedule %q: %w", schedule, store.ErrNotFound)
	}
	if !to.After(from) || to.Sub(from) > maxShifts {
		return nil, fmt.Errorf("%w: to: want an instant after from, at most 400 days", ErrInvalid)
	}
	return plan.Shifts(from, to, s.overrides[schedule]), nil
}

// AddOverride puts a user on call for a while, whatever the rotation says.
func (e *Engine) AddOverride(ctx context.Context, org, schedule, user string, from, to time.Time, by incident.Cause) (store.Override, error) {
	s, err := e.setup(org)
	if err != nil {
		return store.Override{}, err
	}
	at := now()
	switch _, known := s.doc.Users[user]; {
	case s.schedules[schedule].Slug == "" && len(s.schedules[schedule].Layers) == 0:
		return store.Override{}, fmt.Errorf("schedule %q: %w", schedule, store.ErrNotFound)
	case !known:
		return store.Override{}, fmt.Errorf("%w: user: there is no user %q", ErrInvalid, user)
	case !to.After(from):
		return store.Override{}, fmt.Errorf("%w: to: want an instant after from", ErrInvalid)
	case !to.After(at):
		return store.Override{}, fmt.Errorf("%w: to: it is over already", ErrInvalid)
	}
	o := store.Override{ID: id.New(at), Org: org, Schedule: schedule, User: user, Actor: string(by.Actor), From: from.UTC(), To: to.UTC(), CreatedAt: at}
	if err := e.Store.Write(ctx, func(t *store.Tx) error { return t.AddOverride(o) }); err != nil {
		return store.Override{}, err
	}
	return o, e.load(ctx)
}

// DropOverride takes an override back.
func (e *Engine) DropOverride(ctx context.Context, org, overrideID string) error {
	if err := e.Store.Write(ctx, func(t *store.Tx) error { return t.DropOverride(org, overrideID) }); err != nil {
		return err
	}
	return e.load(ctx)
}
