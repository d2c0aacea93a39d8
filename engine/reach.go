package engine

import (
	"errors"
	"sync"
	"time"

	"github.com/musterhq/muster/internal/wire"
)

const (
	silence    = 4 * time.Second  // without an answer from anywhere, while several are waited for
	failedFor  = 30 * time.Second // how long a destination counts as unreached
	probeEvery = 10 * time.Second // how often a replica that is cut off tries a send
)

// reach is what a replica knows of its way to the outside. One destination that
// cannot be reached has a fault itself; when several cannot, and nothing answers,
// then this replica is cut off. Any answer, be it a refusal, ends that.
type reach struct {
	mu       sync.Mutex
	waiting  map[*time.Time]string // destinations of the sends in flight, by when they began
	failed   map[string]time.Time  // destinations that were not reached since anything answered
	answered time.Time
	offline  bool
	probe    time.Time // when the next send may be tried, while offline
}

func newReach() *reach {
	return &reach{waiting: map[*time.Time]string{}, failed: map[string]time.Time{}}
}

// begin notes a send. What it returns notes how it ended.
func (r *reach) begin(destination string, at time.Time) (ended func(err error, at time.Time)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	since := &at
	r.waiting[since] = destination
	return func(err error, at time.Time) {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.waiting, since)
		switch {
		case errors.Is(err, errHandedBack), errors.Is(err, errMoot), errors.Is(err, wire.ErrShut):
		case wire.Unreached(err):
			r.failed[destination] = at
		default:
			clear(r.failed)
			r.answered, r.offline = at, false
		}
	}
}

// look judges whether this replica is cut off.
func (r *reach) look(at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.offline {
		return true
	}
	lost := map[string]bool{}
	for destination, when := range r.failed {
		if at.Sub(when) < failedFor {
			lost[destination] = true
		}
	}
	if at.Sub(r.answered) >= silence {
		for since, destination := range r.waiting {
			if at.Sub(*since) >= silence {
				lost[destination] = true
			}
		}
	}
	if len(lost) > 1 {
		r.offline, r.probe = true, at.Add(probeEvery)
	}
	return r.offline
}

// cut tells whether this replica is cut off, as far as was judged.
func (r *reach) cut() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.offline
}

// try tells whether a replica that is cut off may try a send now, and if not,
// when.
func (r *reach) try(at time.Time) (may bool, next time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at.Before(r.probe) {
		return false, r.probe
	}
	r.probe = at.Add(probeEvery)
	return true, r.probe
}
