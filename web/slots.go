package web

import (
	"context"
	"sync"
)

// slots bounds how many large bodies of one organization are in memory at a
// time: a few bombs, or a few slow senders, hold up nobody else.
type slots struct {
	mu  sync.Mutex
	org map[string]chan struct{}
}

func newSlots() *slots { return &slots{org: map[string]chan struct{}{}} }

// take waits for a slot; free gives it back.
func (s *slots) take(ctx context.Context, org string) (free func(), err error) {
	s.mu.Lock()
	c := s.org[org]
	if c == nil {
		c = make(chan struct{}, maxLogBodies)
		s.org[org] = c
	}
	s.mu.Unlock()
	select {
	case c <- struct{}{}:
		return func() { <-c }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
