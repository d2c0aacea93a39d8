package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/store"
)

// While the database takes nothing, what was sent cannot be written down, and
// what is due cannot be claimed. Then a receipt is kept in memory until it can be
// stored, so that nothing leaves twice; and pages that are due leave without a
// claim, from one process alone.

// A note is what became of a send that is not stored yet.
type note struct {
	row     store.Outgoing
	out     outcome
	claimed bool // or it must be adopted
	missed  int  // how often it could not be adopted
}

// unstored are the notes, and what was sent without a claim.
type unstored struct {
	wake    waker // the database takes nothing
	mu      sync.Mutex
	notes   map[string]note      // by key
	again   map[string]time.Time // by key: a page that failed is not tried before
	tries   map[string]int64     // by key
	places  map[string]int       // pages sent without a claim, by place
	release func()               // of being the only one who does that; nil: we are not
}

func newUnstored() *unstored {
	u := &unstored{wake: newWaker()}
	u.reset()
	return u
}

// reset forgets what matters only while the database takes nothing.
func (u *unstored) reset() {
	if u.notes != nil && len(u.again) == 0 && u.release == nil {
		return
	}
	u.again, u.tries, u.places = map[string]time.Time{}, map[string]int64{}, map[string]int{}
	if u.notes == nil {
		u.notes = map[string]note{}
	}
	if u.release != nil {
		u.release()
		u.release = nil
	}
}

// blindPages is how many pages go to one place at most while the database takes
// nothing: who was interrupted so often knows.
const blindPages = 6

// blindLook is how many due pages are read at once.
const blindLook = 500

// keep notes what became of a send that could not be stored.
func (u *unstored) keep(n note) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.notes[n.row.ID] = n
}

// noted returns what is known of a row that was claimed anew.
func (u *unstored) noted(o store.Outgoing) (outcome, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n, ok := u.notes[o.ID]
	return n.out, ok && n.row.Revision == o.Revision
}

// missed keeps a note that could not be stored, if it is still wanted.
func (u *unstored) missed(n note) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if now, ok := u.notes[n.row.ID]; ok && !now.claimed {
		u.notes[n.row.ID] = n
	}
}

func (u *unstored) drop(key string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.notes, key)
}

func (u *unstored) list() (notes []note) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, n := range u.notes {
		notes = append(notes, n)
	}
	return notes
}

// settle stores what is noted.
func (e *Engine) settle(ctx context.Context) {
	for _, n := range e.unstored.list() {
		if err := e.storeReceipt(context.WithoutCancel(ctx), n); errors.Is(err, store.ErrBusy) {
			return // the next turn of the couriers tries again
		}
	}
	e.unstored.mu.Lock()
	defer e.unstored.mu.Unlock()
	e.unstored.reset()
}

// heldElsewhere is how many turns of the couriers a receipt waits for a row that
// somebody else has claimed: if it was this process, it will find the note.
const heldElsewhere = 60

// storeReceipt stores that a row was sent. It is noted before that, since others
// may claim the row while the receipt waits for its commit.
func (e *Engine) storeReceipt(ctx context.Context, n note) error {
	e.unstored.keep(n)
	held := true
	err := e.Store.Write(ctx, func(t *store.Tx) (err error) {
		if !n.claimed {
			if held, err = t.AdoptSent(n.row, now().Add(lease)); err != nil || !held {
				return err
			}
		}
		return e.sent(t, n.row, n.out)
	})
	switch {
	case errors.Is(err, store.ErrBusy):
		e.Log.Error("store a receipt; it is kept in mind", "key", n.row.ID, "error", err)
	case err != nil: // the lease will expire and it will be sent again, marked as a repeat
		e.unstored.drop(n.row.ID)
		e.Log.Error("store a receipt", "key", n.row.ID, "error", err)
	case !held && n.missed < heldElsewhere:
		n.missed++
		e.unstored.missed(n)
	default:
		e.unstored.drop(n.row.ID)
	}
	return err
}

// blindLoop sends while nothing can be written. It waits for no write: the loop
// of the couriers may stand in one until somebody lets go of the database.
func (e *Engine) blindLoop(ctx, sending context.Context, all *sync.WaitGroup) {
	for {
		select {
		case <-e.unstored.wake.c:
		case <-ctx.Done():
			return
		}
		for e.Store.Health().Blind() {
			guarded(e, "couriers", func() (struct{}, error) { e.sendBlind(ctx, sending, all, now()); return struct{}{}, nil })
			if !sleep(ctx, poll) {
				return
			}
		}
	}
}

// sendBlind sends what is due and cannot be claimed, each in a goroutine.
func (e *Engine) sendBlind(ctx, sending context.Context, all *sync.WaitGroup, at time.Time) {
	due, err := e.blind(ctx, at)
	if err != nil && ctx.Err() == nil {
		e.Log.Error("read what is due", "error", err)
	}
	for _, b := range due {
		before, ended := e.couriers.begin(b.row)
		all.Go(func() {
			defer ended()
			e.deliverBlind(sending, b, before)
		})
	}
}

// A blindPage is a page that is sent without a claim for the n-th time.
type blindPage struct {
	row store.Outgoing // Attempt as it will be adopted
	n   int64
}

// blind returns pages that are due and must leave though nothing can be written.
func (e *Engine) blind(ctx context.Context, at time.Time) ([]blindPage, error) {
	u := e.unstored
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.release == nil {
		alone, release, err := e.Store.Alone(ctx)
		if err != nil || !alone {
			return nil, err
		}
		u.release = release
	}
	rows, err := e.Store.DuePages(ctx, at, blindLook)
	if err != nil {
		return nil, err
	}
	free, busy, _, _ := e.couriers.room(at)
	full := map[string]bool{}
	for _, d := range busy {
		full[d] = true
	}
	var due []blindPage
	for _, o := range rows {
		_, sent := u.notes[o.ID]
		if sent || full[o.Destination] || len(due) >= free || u.places[o.Place] >= blindPages || u.again[o.ID].After(at) {
			continue
		}
		u.places[o.Place]++
		u.tries[o.ID]++
		u.again[o.ID] = at.Add(lease) // it is in flight
		o.Attempt++
		due = append(due, blindPage{o, u.tries[o.ID]})
	}
	return due, nil
}

// deliverBlind sends a page that nobody has claimed, and notes it.
func (e *Engine) deliverBlind(ctx context.Context, b blindPage, before <-chan struct{}) {
	select {
	case <-before:
	case <-ctx.Done():
		return
	}
	sending, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	o := b.row
	o.Attempt += b.n - 1 // as its receiver is told
	out, err := guarded(e, "couriers", func() (outcome, error) { return e.sendOne(sending, o) })
	o = b.row
	if err != nil {
		u := e.unstored
		u.mu.Lock()
		u.places[o.Place]--
		u.again[o.ID] = now().Add(min(time.Minute, time.Second<<min(b.n, 6)))
		u.mu.Unlock()
	}
	if err != nil {
		if !errors.Is(err, errMoot) {
			e.Log.Warn("not sent, and the database takes nothing", "kind", o.Kind, "key", o.ID, "error", err)
		}
		return
	}
	out.data.Text = unclaimedText(out.data)
	e.Log.Warn("sent, though the database takes nothing", "kind", o.Kind, "key", o.ID)
	e.storeReceipt(context.WithoutCancel(ctx), note{row: o, out: out})
}

// unclaimedText is what the timeline says of a page that left so.
func unclaimedText(d incident.Data) string {
	const text = "sent while the database took nothing"
	if d.Text == "" {
		return text
	}
	return fmt.Sprintf("%s; %s", d.Text, text)
}
