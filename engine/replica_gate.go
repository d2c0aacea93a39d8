package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A sendGate is open while this replica may send. It opens for a time and shuts by
// itself; what is in flight then is cut off.
type sendGate struct {
	mu     sync.Mutex
	until  time.Time       // while it is open, with a monotonic reading; zero: for ever
	opened context.Context // ends when it shuts, with the reason
	shut   context.CancelCauseFunc
	timer  *time.Timer
}

var (
	errUnheard = errors.New("this replica has not reached the database for a while, and another may have taken over")
	errStarts  = errors.New("this replica has not reached the database yet")
)

func newSendGate() *sendGate {
	g := &sendGate{}
	g.opened, g.shut = context.WithCancelCause(context.Background())
	g.shut(errStarts)
	return g
}

// before tells whether at is before until by the clock on the wall and by the
// monotonic one: the latter stands still while a machine is suspended, and the
// former can be set.
func before(at, until time.Time) bool {
	return at.Before(until) && at.Round(0).Before(until.Round(0))
}

// open opens the gate until an instant, or leaves it open for longer; the zero
// instant is for ever. It tells whether it was shut. An instant that is over
// changes nothing.
func (g *sendGate) open(until time.Time) (opened bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := time.Now()
	if !until.IsZero() && !before(at, until) {
		return false
	}
	if opened = g.opened.Err() != nil; opened {
		g.opened, g.shut = context.WithCancelCause(context.Background())
	}
	g.until = until
	if g.timer != nil {
		g.timer.Stop()
	}
	if !until.IsZero() {
		g.timer = time.AfterFunc(until.Sub(at), func() { g.check() })
	}
	return opened
}

// close shuts the gate, for a reason.
func (g *sendGate) close(why error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed(why)
}

func (g *sendGate) closed(why error) {
	g.shut(why)
	if g.timer != nil {
		g.timer.Stop()
	}
}

// check returns why nothing may be sent, or nil.
func (g *sendGate) check() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.until.IsZero() && !before(time.Now(), g.until) {
		g.closed(errUnheard)
	}
	return context.Cause(g.opened)
}

// attend returns a context that ends when the gate shuts, with errHandedBack and
// the reason as its cause.
func (g *sendGate) attend(ctx context.Context) (context.Context, context.CancelFunc) {
	g.mu.Lock()
	opened := g.opened
	g.mu.Unlock()
	attended, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(opened, func() { cancel(fmt.Errorf("%w: %w", errHandedBack, context.Cause(opened))) })
	return attended, func() { stop(); cancel(context.Canceled) }
}

// errHandedBack marks a send that was not done, or not to its end, for a reason
// that lies in this replica: another one may do it at once.
var errHandedBack = errors.New("handed back")
