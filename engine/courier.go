package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/store"
)

const (
	lease       = 30 * time.Second // longer than any send may take (sendLimit)
	leaseMargin = 5 * time.Second  // before the end of a lease, when nothing is sent any more
	sendLimit   = 20 * time.Second
	maxInFlight = 1024            // sends at a time, of all destinations
	perDest     = 8               // sends at a time, of one destination: one that hangs costs others nothing
	sendGrace   = 8 * time.Second // what is in flight when the engine stops may take so long still
	failureKept = 5 * time.Second // so long a failure holds its hand until it is stored; then its lease must end
)

// couriers is the state of the loop that empties the outbox.
type couriers struct {
	wake     waker
	detours  waker // of the loop that passes pages on
	mu       sync.Mutex
	inFlight map[string]int // by destination
	sum      int
	last     map[string]chan struct{} // by incident and place: closed when the send begun last has ended
	known    map[string]*health       // by destination
	unsure   unsure                   // of the loop alone
	refused  time.Time                // of the loop alone: since when another replica sends without claims
}

func newCouriers() couriers {
	return couriers{wake: newWaker(), detours: newWaker(), inFlight: map[string]int{}, last: map[string]chan struct{}{}, known: map[string]*health{}}
}

// courierLoop claims what is due and sends it, each row in a goroutine of its
// own, and waits for them before it returns.
func (e *Engine) courierLoop(ctx context.Context) error {
	var sending sync.WaitGroup
	defer sending.Wait()
	sendCtx, cancel := graceful(ctx, sendGrace)
	defer cancel()
	looking, stop := context.WithCancel(ctx)
	defer stop() // also when this loop ends by a fault
	sending.Go(func() { e.blindLoop(looking, sendCtx, &sending) })
	for {
		e.begins("couriers")
		at := now()
		if e.Store.Health().Blind() { // the blind loop sends
			if !e.rest(ctx, e.couriers.wake, at.Add(poll)) {
				return nil
			}
			continue
		}
		e.settle(ctx)
		claimed, next, err := e.claim(ctx, at)
		if err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrDeclaredDead) && !errors.Is(err, store.ErrSole) {
			e.Log.Error("claim the outbox", "error", err)
		}
		for _, o := range claimed {
			before, ended := e.couriers.begin(o)
			sending.Go(func() {
				defer ended()
				guarded(e, "couriers", func() (struct{}, error) {
					e.deliver(sendCtx, o, before, at.Add(lease-leaseMargin))
					return struct{}{}, nil
				}) // if what follows a send panics, the lease ends it
			})
		}
		if err != nil || len(claimed) == 0 && !next.IsZero() && !next.After(at) {
			next = at.Add(poll) // the database has a fault, or another replica was faster
		}
		if !e.rest(ctx, e.couriers.wake, next) {
			return nil
		}
	}
}

// claim leases what is due and has a free hand, and tells when to ask again;
// what waits for a busy destination waits for the end of a send, which wakes us.
func (e *Engine) claim(ctx context.Context, at time.Time) (claimed []store.Outgoing, next time.Time, err error) {
	free, busy, narrow, again := e.couriers.room(at)
	if free, next = e.replica.sendable(free, at); free <= 0 {
		return nil, next, nil
	}
	e.couriers.unsure.free(ctx, e.Store, at)
	next, err = e.Store.NextDue(ctx, busy...)
	if err != nil || next.IsZero() || next.After(at) {
		if !again.IsZero() && (next.IsZero() || again.Before(next)) {
			next = again // a destination that fails is tried again then
		}
		return nil, next, err
	}
	e.At(stationClaim)
	claimed, err = e.Store.Claim(ctx, at, at.Add(lease), free, perDest, busy, narrow...)
	e.couriers.unsure.note(at.Add(lease), err)
	if len(claimed) > 0 {
		e.unstored.claimed()
	}
	e.endSole(ctx, at, errors.Is(err, store.ErrSole))
	return claimed, next, err
}

// soleFor is how long a replica that sent without claims has, once others can
// claim again, to say what it sent.
const soleFor = 5 * time.Second

// endSole takes the right to send without claims from a replica that has kept it
// for too long: it can still not write, or not even be asked.
func (e *Engine) endSole(ctx context.Context, at time.Time, refused bool) {
	since := &e.couriers.refused
	switch {
	case !refused:
		*since = time.Time{}
	case since.IsZero():
		*since = at
	case at.Sub(*since) >= soleFor:
		e.Log.Warn("another replica sent without claims and does not say what; it may be sent again")
		if err := e.Store.Write(ctx, func(t *store.Tx) error { return t.EndSole(at) }); err != nil {
			e.Log.Error("end another replica's right to send without claims", "error", err)
		}
	}
}

// begin counts a send. What it returns first is closed when the send before it
// to the same place of the same incident has ended: two at once would each post
// a message of their own, and only one of them would be edited from then on.
func (c *couriers) begin(o store.Outgoing) (before <-chan struct{}, ended func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inFlight[o.Destination] == 0 {
		c.at(o.Destination).moved = now()
	}
	if c.inFlight[o.Destination]++; c.inFlight[o.Destination] == perDest {
		c.detours.now() // it may stall
	}
	c.sum++
	place := o.Incident + " " + o.Place
	earlier, own := c.last[place], make(chan struct{})
	if earlier == nil {
		earlier = make(chan struct{})
		close(earlier)
	}
	c.last[place] = own
	return earlier, func() {
		close(own)
		c.mu.Lock()
		if c.last[place] == own {
			delete(c.last, place)
		}
		if c.inFlight[o.Destination]--; c.inFlight[o.Destination] == 0 {
			delete(c.inFlight, o.Destination)
		}
		c.sum--
		c.at(o.Destination).moved = now()
		c.mu.Unlock()
		c.wake.now()
	}
}

// errMoot marks a row whose reason is gone: nobody needs it any more.
var errMoot = errors.New("nobody needs it any more")

// deliver sends one claimed row, after the one before it to the same place, and
// stores what became of it; all before the lease ends.
func (e *Engine) deliver(ctx context.Context, o store.Outgoing, before <-chan struct{}, until time.Time) {
	leased, told, cancel := e.replica.leased(ctx, o.Destination, until)
	defer cancel()
	defer e.hurry(context.WithoutCancel(ctx), o)()
	select {
	case <-before:
	case <-leased.Done():
	}
	sendCtx, cancel := context.WithTimeout(leased, e.replica.limit())
	defer cancel()
	ctx = context.WithoutCancel(ctx) // what became of it is stored in any case
	e.At(stationClaimed)
	if out, sent := e.unstored.noted(o); sent { // only its receipt is missing
		e.storeReceipt(ctx, note{row: o, out: out, claimed: true})
		return
	}
	begun := time.Now()
	outcome, err := guarded(e, "couriers", func() (outcome, error) {
		told := o // as its receiver is told
		told.Attempt += e.unstored.tries(o)
		out, err := e.sendOne(sendCtx, told)
		out.data.Attempt = min(out.data.Attempt, int(o.Attempt))
		return out, err
	})
	err = told(err)
	if errors.Is(err, errPanic) { // it would panic again; the person's next contact method need not wait for that
		err = fmt.Errorf("%w: %w", wire.ErrRefused, err)
	}
	e.metrics.sends.WithLabelValues(kindOf(o), verdictName(err)).Observe(time.Since(begun).Seconds())
	if err == nil {
		e.At(stationSent)
		e.storeReceipt(ctx, note{row: o, out: outcome, claimed: true})
		e.At(stationReceipt)
	} else {
		e.failed(ctx, o, err)
	}
	if o.Person != "" {
		e.settling.ended(o.ID)
	}
}

// kindOf is the kind of a row for people and metrics.
func kindOf(o store.Outgoing) string {
	if o.Kind == incident.Page && o.Incident == "" {
		return rowDigest
	}
	return o.Kind
}

func verdictName(err error) string {
	switch {
	case err == nil:
		return "sent"
	case errors.Is(err, errMoot):
		return "moot"
	}
	if refused, _ := wire.Verdict(err); refused {
		return "refused"
	}
	return "failed"
}

// outcome is what a send wants stored with its receipt.
type outcome struct {
	at      time.Time // when it was accepted
	message *store.Message
	record  incident.Kind // "" for none
	data    incident.Data
	store   func(t *store.Tx, s *setup, at time.Time) error // what else, if anything
}

// sent stores the receipt: the row's state, where the message stands, and the
// timeline's entry, in one transaction.
func (e *Engine) sent(t *store.Tx, o store.Outgoing, out outcome) error {
	held, err := t.Sent(o, out.at)
	if err != nil || !held {
		return err
	}
	if out.message != nil {
		if err := t.PutMessage(*out.message); err != nil {
			return err
		}
		inc, err := t.Incident(o.Org, out.message.Incident)
		if err != nil {
			return err
		}
		if inc.Shown > out.message.Shown && out.message.Channel != ticketPlace { // it changed while this was sent
			t.Refresh(inc.ID)
		}
	}
	s, err := e.setup(o.Org)
	if err != nil {
		return err
	}
	if out.store != nil {
		if err := out.store(t, s, out.at); err != nil {
			return err
		}
	}
	if out.record == "" {
		return nil
	}
	return e.record(t, s, o.Incident, incident.Engine, out.record, out.data, out.at)
}

// failed stores that a row was not sent: again later, or never.
func (e *Engine) failed(ctx context.Context, o store.Outgoing, cause error) {
	refused, after := wire.Verdict(cause)
	failing, _ := e.couriers.failing(now(), e.Pace)
	err := e.insist(ctx, now().Add(failureKept), func(t *store.Tx) error {
		at := now()
		switch {
		case errors.Is(cause, errMoot):
			_, err := t.Give(o, "cancelled", cause.Error(), at)
			return err
		case refused || e.Pace.givenUp(o, at):
			held, err := t.Give(o, "failed", cause.Error(), at, failing...)
			if err == nil && held && o.Kind == rowDefect {
				return e.noteRefusal(t, o, cause, at)
			}
			if err != nil || !held || o.Kind == rowUpdate || o.Incident == "" { // of a digest, its pages tell
				return err
			}
			s, err := e.setup(o.Org)
			if err != nil {
				return err
			}
			data := incident.Data{Key: o.ID, Text: cause.Error(), Attempt: int(o.Attempt)}
			var n incident.Notification
			if o.Kind == incident.Page && json.Unmarshal(o.Body, &n) == nil {
				data.User, data.Channel = n.User, n.Channel
			}
			return e.record(t, s, o.Incident, incident.Engine, incident.NotifyFailed, data, at)
		default:
			return e.later(t, o, cause, after, at, failing)
		}
	})
	level := e.Log.Warn
	if errors.Is(cause, errMoot) {
		level = e.Log.Debug
	}
	level("not sent", "kind", o.Kind, "key", o.ID, "attempt", o.Attempt, "refused", refused, "error", cause)
	if err != nil {
		e.Log.Error("store a failed attempt", "key", o.ID, "error", err)
	}
	e.couriers.wake.now()
}

// givenUp tells whether a row was tried for long enough.
func (p Pace) givenUp(o store.Outgoing, at time.Time) bool {
	switch o.Kind {
	case rowUpdate:
		return !o.FirstDue.IsZero() && at.Sub(o.FirstDue) > p.EditFor
	case rowDefect: // there is a ticket of every defect, however long the tracker is away
		return false
	}
	var first struct { // its own due is that of the last attempt
		Page time.Time `json:"not_before"`
		At   time.Time `json:"at"`
	}
	if json.Unmarshal(o.Body, &first) != nil {
		return true
	}
	if first.Page.IsZero() {
		first.Page = first.At
	}
	return at.Sub(first.Page) > p.GiveUp
}

// later puts a row off that was not sent. If that would come too late for a
// page, the person's next contact method is tried now.
func (e *Engine) later(t *store.Tx, o store.Outgoing, cause error, after time.Duration, at time.Time, failing []string) error {
	again := at.Add(e.Pace.retry(o.Tries, after))
	o, atOnce := e.replica.handBack(o, cause)
	if atOnce { // by another replica
		again = at
	}
	held, err := t.Later(o, again, cause.Error())
	if err != nil || !held || o.Kind != incident.Page || o.Passed {
		return err
	}
	if o.Incident == "" {
		if o.Tries+1 >= e.Pace.Tries {
			return t.PassGathered(o, at)
		}
		return nil
	}
	inc, err := t.Incident(o.Org, o.Incident)
	if err != nil {
		return err
	}
	due, calls := deadline(inc, o)
	if calls && (o.Tries+1 >= e.Pace.Tries || again.After(e.Pace.passAt(firstDue(o), due))) {
		return e.passOn(t, o, cause.Error(), at, failing)
	}
	return nil
}

// sendOne does what the row asks for.
func (e *Engine) sendOne(ctx context.Context, o store.Outgoing) (outcome, error) {
	s, err := e.setup(o.Org)
	if err != nil {
		return outcome{}, err
	}
	if kindOf(o) == rowDigest {
		return e.sendDigest(ctx, s, o)
	}
	switch o.Kind { // those of no incident
	case rowDefect:
		return e.keepTicket(ctx, s, o)
	case rowNews:
		return e.sendNews(ctx, s, o)
	}
	inc, err := e.Store.Incident(ctx, o.Org, o.Incident)
	if err != nil {
		return outcome{}, err
	}
	switch o.Kind {
	case incident.Page:
		return e.sendPage(ctx, s, inc, o)
	case rowCard, rowRing, rowUpdate:
		return e.sendMessage(ctx, s, inc, o)
	case rowTicket:
		return e.openTicket(ctx, s, inc)
	case rowTicketEnd:
		return e.endTicket(ctx, s, inc)
	case rowPostmortem:
		return e.writePostmortem(ctx, s, inc)
	}
	return outcome{}, fmt.Errorf("outbox row of kind %q: %w", o.Kind, wire.ErrRefused)
}

// sendPage sends a page, unless nobody need come any more.
func (e *Engine) sendPage(ctx context.Context, s *setup, inc incident.Incident, o store.Outgoing) (outcome, error) {
	var n incident.Notification
	if err := json.Unmarshal(o.Body, &n); err != nil {
		return outcome{}, fmt.Errorf("page: %w: %w", wire.ErrRefused, err)
	}
	if inc.Status != incident.Triggered || n.Climb != inc.Climb {
		return outcome{}, errMoot
	}
	if why := e.noRecipient(o.Org, n); why != "" {
		return outcome{}, fmt.Errorf("page: %w: %s", wire.ErrRefused, why)
	}
	m, err := e.message(ctx, s, inc, notify.Page, o)
	if err != nil {
		return outcome{}, err
	}
	out, err := e.transmit(ctx, s, inc, n.Channel, n.Connection, n.Address, o, m)
	out.record = incident.Notified
	out.data = incident.Data{Key: o.ID, User: n.User, Channel: n.Channel, Attempt: int(o.Attempt), Text: out.data.Text}
	return out, err
}

// sendMessage sends the card of a room, something that must ring there, or the
// present state of a message that stands somewhere.
func (e *Engine) sendMessage(ctx context.Context, s *setup, inc incident.Incident, o store.Outgoing) (outcome, error) {
	var to outward
	if err := json.Unmarshal(o.Body, &to); err != nil {
		return outcome{}, fmt.Errorf("message: %w: %w", wire.ErrRefused, err)
	}
	kind := notify.Page
	if o.Kind == rowRing {
		kind = notify.Approval
	}
	if o.Kind == rowUpdate {
		kind = notify.Update
		stands, err := e.Store.Message(ctx, o.Org, o.Incident, o.Place)
		if errors.Is(err, store.ErrNotFound) {
			return outcome{}, errMoot
		}
		if err != nil {
			return outcome{}, err
		}
		to = outward{Channel: stands.Channel, Connection: stands.Connection, Address: stands.Address}
		if stands.Shown >= inc.Shown || !worthTelling(stands, inc) {
			return outcome{}, errMoot
		}
	}
	m, err := e.message(ctx, s, inc, kind, o)
	if err != nil {
		return outcome{}, err
	}
	if to.Text != "" {
		m.Text = to.Text
	}
	out, err := e.transmit(ctx, s, inc, to.Channel, to.Connection, to.Address, o, m)
	if o.Kind != rowUpdate {
		out.record = incident.Notified
		out.data = incident.Data{Key: o.ID, Channel: to.Channel, Address: to.Address, Attempt: int(o.Attempt)}
	}
	return out, err
}

// transmit hands a message to its channel.
func (e *Engine) transmit(ctx context.Context, s *setup, inc incident.Incident, channel, connection, address string, o store.Outgoing, m notify.Message) (outcome, error) {
	kind, ok := s.channel(channel)
	if !ok {
		return outcome{}, fmt.Errorf("channel %q: %w: there is none", channel, wire.ErrRefused)
	}
	l, err := e.open(s, connection)
	if err != nil {
		return outcome{}, err
	}
	place := incident.Place(connection, address)
	stands, err := e.Store.Message(ctx, inc.Org, inc.ID, place)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return outcome{}, err
	}
	m.Ref = stands.Ref
	m.Now = now()
	e.At(stationSending)
	receipt, err := kind.Send(ctx, l.wire, l.settings, address, m)
	e.heard(inc.Org, connection, err)
	if err != nil {
		return outcome{}, err
	}
	out := outcome{at: now(), data: incident.Data{Text: receipt.Detail}}
	out.message = &store.Message{
		Incident: inc.ID, Destination: place, Org: inc.Org, Channel: channel, Connection: connection, Address: address, Ref: receipt.Ref,
		Shown: inc.Shown, Status: string(inc.Status),
	}
	if m.Kind == notify.Approval && stands.Channel != "" { // a reply in the thread leaves the message as it was
		out.message.Shown, out.message.Status = stands.Shown, stands.Status
	}
	return out, nil
}

// worthTelling tells whether a change must go to where a message stands. What
// is edited in place may follow every change; a mail for each would be noise,
// and a program that gets webhooks wants to know of the status.
func worthTelling(m store.Message, inc incident.Incident) bool {
	switch m.Channel {
	case "email":
		return !inc.Open()
	case "webhook":
		return m.Status != string(inc.Status) && inc.Status != incident.Triggered // a page tells of that
	}
	return true
}

// standStill are the channels on which no change of an incident that has a
// status is worthTelling: a storm changes many incidents with each commit.
func standStill(status incident.Status) []string {
	if status == incident.Triggered {
		return []string{"email", "webhook"}
	}
	return nil
}
