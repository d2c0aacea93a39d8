// Package vendortest holds stand-ins for the services that Muster talks to: a
// Slack, an SMTP server, a receiver of webhooks, a GitLab. Tests and the demo
// start them on loopback.
//
// They are honest: they keep to the documented contract, its statuses, limits
// and failures included, and refuse what the real service refuses. They share
// no code with the packages that they test. What they do not know they answer
// as the service answers an unknown method; they do not draw anything, and they
// keep everything in memory.
package vendortest

import (
	"sync"
	"time"
)

// An Entry is one line of a stand-in's log.
type Entry struct {
	At   time.Time // by the stand-in's clock
	What string    // chat.postMessage, DATA, POST /hook
	Note string    // what came of it: ok, or the error's code
}

// A journal is a stand-in's log.
type journal struct {
	now func() time.Time

	mu      sync.Mutex
	entries []Entry
}

func (j *journal) write(what, note string) {
	at := j.now()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, Entry{At: at, What: what, Note: note})
}

// Log returns what happened so far, in order.
func (j *journal) Log() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Entry(nil), j.entries...)
}
