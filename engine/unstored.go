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
	wake   waker      // the database takes nothing
	asking sync.Mutex // held while what is due is read without a claim, and before mu

	mu     sync.Mutex
	notes  map[string]note   // by key
	tried  map[string]*tried // by key: pages sent without a claim, but for those in notes
	places map[string]int    // how many of them, by place
	sole   *store.Sole       // the right to send without a claim; nil: we have it not
	stored int               // counts what makes an older reading of what is due untrue
}

// A tried page was or is being sent without a claim.
type tried struct {
	row     store.Outgoing // Attempt as it will be adopted
	n       int64          // how often it may have arrived
	again   time.Time      // when it may be tried again
	flying  bool
	adopted bool // it is ours in the database as well
}

func newUnstored() *unstored {
	return &unstored{wake: newWaker(), notes: map[string]note{}, tried: map[string]*tried{}, places: map[string]int{}}
}

// blindPages is how many pages go to one place at most while the database takes
// nothing: who was interrupted so often knows.
const blindPages = 6

// blindLook is how many due pages are read at once.
const blindLook = 500

// keep notes what became of a send before it is stored, and returns the note.
func (u *unstored) keep(n note) note {
	u.mu.Lock()
	defer u.mu.Unlock()
	if t := u.tried[n.row.ID]; t != nil {
		n.claimed = n.claimed || t.adopted
		delete(u.tried, n.row.ID)
	}
	u.notes[n.row.ID] = n
	return n
}

// claimed hears of a claim: what was read before it is old.
func (u *unstored) claimed() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stored++
}

// tries is how often a row may have arrived that was claimed since.
func (u *unstored) tries(o store.Outgoing) int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	if t := u.tried[o.ID]; t != nil && o.Attempt <= t.row.Attempt {
		return t.n
	}
	return 0
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
	u.stored++
}

func (u *unstored) list() (notes []note) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, n := range u.notes {
		notes = append(notes, n)
	}
	return notes
}

// settle stores what is noted, adopts what is on its way, counts what was tried,
// and then gives the right to send without a claim back.
func (e *Engine) settle(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	for _, n := range e.unstored.list() {
		err := e.storeReceipt(ctx, n)
		if errors.Is(err, store.ErrBusy) {
			return // the next turn of the couriers tries again
		}
		if err == nil && n.row.Person != "" {
			e.settling.ended(n.row.ID)
		}
	}
	u := e.unstored
	u.mu.Lock()
	var pages []tried
	for _, t := range u.tried {
		if !t.adopted {
			pages = append(pages, *t)
		}
	}
	none := len(pages) == 0 && u.sole == nil
	u.mu.Unlock()
	if none {
		return
	}
	held := map[string]bool{}
	err := e.Store.Write(ctx, func(t *store.Tx) (err error) {
		clear(held)
		for _, p := range pages {
			if p.flying {
				held[p.row.ID], err = t.AdoptSent(p.row, now().Add(lease))
			} else if p.n > 0 {
				err = t.Tried(p.row)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		e.Log.Error("store what was sent without a claim", "error", err)
		return
	}
	u.asking.Lock()
	defer u.asking.Unlock()
	u.mu.Lock()
	for _, p := range pages {
		n, noted := u.notes[p.row.ID]
		switch t := u.tried[p.row.ID]; {
		case noted && held[p.row.ID]: // it was sent meanwhile
			n.claimed = true
			u.notes[p.row.ID] = n
		case t == nil:
		case !p.flying && !t.flying && t.n == p.n:
			delete(u.tried, p.row.ID)
		case p.flying && held[p.row.ID]:
			t.adopted = true
		case p.flying: // somebody claimed it, and it is not ours any more
			delete(u.tried, p.row.ID)
		}
	}
	for _, t := range u.tried {
		if !t.adopted { // since
			u.mu.Unlock()
			return
		}
	}
	clear(u.places)
	sole := u.sole
	u.sole = nil
	u.mu.Unlock()
	giveUp(sole)
}

// giveUp gives the right to send without a claim back.
func giveUp(sole *store.Sole) {
	if sole == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), beatLimit)
	defer cancel()
	sole.Release(ctx)
}

// heldElsewhere is how many turns of the couriers a receipt waits for a row that
// somebody else has claimed: if it was this process, it will find the note.
const heldElsewhere = 60

// storeReceipt stores that a row was sent. It is noted before that, since others
// may claim the row while the receipt waits for its commit.
func (e *Engine) storeReceipt(ctx context.Context, n note) error {
	n = e.unstored.keep(n)
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

// blind returns pages that are due and must leave though nothing can be written.
func (e *Engine) blind(ctx context.Context, at time.Time) (due []tried, err error) {
	u := e.unstored
	u.asking.Lock()
	defer u.asking.Unlock()
	ctx, cancel := context.WithTimeout(ctx, beatLimit) // an answer that comes late tells what was due
	defer cancel()
	u.mu.Lock()
	sole, stored := u.sole, u.stored
	u.mu.Unlock()
	if sole == nil {
		if sole, err = e.Store.Alone(ctx, deadAfter); err != nil || sole == nil {
			return nil, err
		}
	}
	rows, err := sole.DuePages(ctx, at, blindLook)
	if err != nil {
		giveUp(sole)
		sole = nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.sole = sole; err != nil {
		return nil, err
	}
	if u.stored != stored || !e.Store.Health().Blind() { // it takes writes again: what was read may be claimed, or sent
		return nil, nil
	}
	free, busy, _, _ := e.couriers.room(at)
	full := map[string]bool{}
	for _, d := range busy {
		full[d] = true
	}
	for _, o := range rows {
		_, sent := u.notes[o.ID]
		t := u.tried[o.ID]
		if sent || full[o.Destination] || len(due) >= free || u.places[o.Place] >= blindPages || t != nil && (t.flying || t.again.After(at)) {
			continue
		}
		if t == nil {
			o.Attempt++
			t = &tried{row: o}
			u.tried[o.ID] = t
		}
		t.flying = true
		t.n++
		u.places[o.Place]++
		due = append(due, *t)
	}
	return due, nil
}

// deliverBlind sends a page that nobody has claimed, and notes it.
func (e *Engine) deliverBlind(ctx context.Context, b tried, before <-chan struct{}) {
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
	if err == nil {
		out.data.Text = unclaimedText(out.data)
		e.Log.Warn("sent, though the database takes nothing", "kind", o.Kind, "key", o.ID)
		e.storeReceipt(context.WithoutCancel(ctx), note{row: b.row, out: out})
		return
	}
	moot := errors.Is(err, errMoot)
	if e.unstored.failed(b.row, moot) {
		e.failed(context.WithoutCancel(ctx), b.row, err)
	} else if !moot {
		e.Log.Warn("not sent, and the database takes nothing", "kind", o.Kind, "key", o.ID, "error", err)
	}
}

// failed notes that a page was not sent, and tells whether it was adopted
// meanwhile: then that is to be stored.
func (u *unstored) failed(row store.Outgoing, moot bool) (adopted bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	t := u.tried[row.ID]
	if t == nil {
		return false
	}
	u.places[row.Place]--
	t.again = now().Add(min(time.Minute, time.Second<<min(t.n, 6)))
	if t.flying = false; moot { // it never left
		t.n--
	}
	if t.adopted {
		delete(u.tried, row.ID)
	}
	return t.adopted
}

// unclaimedText is what the timeline says of a page that left so.
func unclaimedText(d incident.Data) string {
	const text = "sent while the database took nothing"
	if d.Text == "" {
		return text
	}
	return fmt.Sprintf("%s; %s", d.Text, text)
}
