package web

import (
	"context"
	"fmt"
	"sync"
)

// complaints limits what is kept of what an integration gets wrong: one row of
// a kind for each integration and second. What is left out is counted and told
// with the next row.
type complaints struct {
	mu   sync.Mutex
	last map[complained]*recent
}

type complained struct{ org, integration, kind string }

type recent struct {
	second  int64
	leftOut int
}

func newComplaints() *complaints { return &complaints{last: map[complained]*recent{}} }

// mostComplained bounds the memory: integrations are few, but tokens, which
// stand for one each, come and go.
const mostComplained = 10_000

// allow tells whether a row may be kept at this second, and how many were left
// out before it.
func (c *complaints) allow(who complained, second int64) (leftOut int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.last[who]
	if r == nil {
		if len(c.last) >= mostComplained {
			clear(c.last)
		}
		c.last[who] = &recent{second: second}
		return 0, true
	}
	if r.second == second {
		r.leftOut++
		return 0, false
	}
	leftOut, r.second, r.leftOut = r.leftOut, second, 0
	return leftOut, true
}

// complain keeps what was refused or odd, for the people who own the
// integration.
func (s *server) complain(ctx context.Context, org, integration, kind, detail string, body []byte) {
	leftOut, ok := s.complaints.allow(complained{org, integration, kind}, s.now().Unix())
	if !ok {
		return
	}
	if leftOut > 0 {
		detail += fmt.Sprintf(" (and %d more before it that are not listed)", leftOut)
	}
	// The sender may hang up once it was refused; what it sent is kept all the same.
	s.engine.Complain(context.WithoutCancel(ctx), org, integration, kind, detail, body)
}

// The kinds of complaints.
const (
	refused = "refused"
	warning = "warning"
)
