package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/store"
)

// tripAfter is after how many failures in a row a destination counts as failing.
const tripAfter = 3

// health is what the couriers of this replica know of a destination. A
// destination fails if nothing gets through: then one row at a time is sent
// there, to learn when it is back, and pages that wait for it take another way
// (detour.go).
type health struct {
	failures int       // in a row that are worth another try
	refusals int       // in a row that are not
	stalled  bool      // all hands are busy, and none came back for a while
	since    time.Time // of the first of them; zero: the last one got through
	reason   string    // of the last one, without secrets
	probe    time.Time // while it fails: not before this is it tried again
	probes   int       // tries since it fails
	sent     time.Time // when something got through last; zero: not since the start
	moved    time.Time // when a send began or ended last
	told     bool      // it is known that this is red
}

func (h *health) fails() bool { return h.failures >= tripAfter || h.stalled }

// red tells whether people should look after the connection. To be refused
// again and again holds nobody up, but reaches nobody either.
func (h *health) red() bool { return h.fails() || h.refusals >= tripAfter }

// at returns the health of a destination. The caller holds the lock.
func (c *couriers) at(destination string) *health {
	h := c.known[destination]
	if h == nil {
		h = &health{}
		c.known[destination] = h
	}
	return h
}

// room tells how many rows may be claimed, which destinations give none at the
// moment and which just one, and when that changes by itself (zero: not so).
func (c *couriers) room(at time.Time) (free int, busy, narrow []string, again time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for destination, n := range c.inFlight {
		if n >= perDest {
			busy = append(busy, destination)
		}
	}
	for destination, h := range c.known {
		switch n := c.inFlight[destination]; {
		case !h.fails():
		case n >= perDest: // in the list
		case n > 0:
			busy = append(busy, destination)
		case at.Before(h.probe):
			busy = append(busy, destination)
			if again.IsZero() || h.probe.Before(again) {
				again = h.probe
			}
		default:
			narrow = append(narrow, destination)
		}
	}
	return maxInFlight - c.sum, busy, narrow, again
}

// heard keeps what came of an exchange with a connection.
func (e *Engine) heard(org, connection string, err error) {
	if errors.Is(err, context.Canceled) || err != nil && e.replica.gate.check() != nil { // we ended it
		return
	}
	e.couriers.heard(store.Destination(org, connection), err, now(), e.Pace)
	e.tellOfConnections()
}

func (c *couriers) heard(destination string, err error, at time.Time, pace Pace) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.at(destination)
	if err == nil {
		*h = health{sent: at, moved: at, told: h.told}
		return
	}
	if h.since.IsZero() {
		h.since = at
	}
	h.reason = err.Error()
	refused, later := wire.Verdict(err)
	if refused { // an answer, in time: whoever gives it is there
		h.refusals++
		h.failures, h.stalled, h.probes = 0, false, 0
		return
	}
	h.failures++
	if h.fails() && !at.Before(h.probe) { // what was in flight together counts once
		h.probe = at.Add(pace.probe(h.probes, later))
		h.probes++
	}
}

// news lists the destinations that began to fail or work since it was asked last.
func (c *couriers) news() map[string]health {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list map[string]health
	for destination, h := range c.known {
		if h.red() != h.told {
			h.told = h.red()
			if list == nil {
				list = map[string]health{}
			}
			list[destination] = *h
		}
	}
	return list
}

// failing lists the destinations that fail, having looked for those that stall,
// and tells when to look again (zero: when woken).
func (c *couriers) failing(at time.Time, pace Pace) (list []string, again time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for destination, n := range c.inFlight {
		if n < perDest {
			continue
		}
		h := c.at(destination)
		stall := h.moved.Add(pace.Stall)
		if !h.stalled && !at.Before(stall) {
			h.stalled = true
			h.reason = "it takes what is sent and does not answer"
			if h.since.IsZero() {
				h.since = h.moved
			}
		}
		if !h.stalled && (again.IsZero() || stall.Before(again)) {
			again = stall
		}
	}
	for _, destination := range slices.Sorted(maps.Keys(c.known)) {
		if c.known[destination].fails() {
			list = append(list, destination)
		}
	}
	return list, again
}
