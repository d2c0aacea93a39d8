package wire

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// Dial opens a TCP connection under the guard, for protocols other than HTTP.
// The whole life of the connection is limited by Options.Timeout and by ctx,
// whatever deadlines its user sets, and what it reads by Options.MaxBody: a
// server that sends one byte a second, or no end of them, costs no more.
func (c *Client) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, fmt.Errorf("dial: %w: network %q is not TCP", ErrRefused, network)
	}
	start := c.opt.Now()
	life, cancel := context.WithTimeout(ctx, c.opt.Timeout)
	told := func(bytes int64, err error) {
		if c.opt.Observe != nil {
			call := Call{Host: addr, Method: "TCP", Took: c.opt.Now().Sub(start), Bytes: bytes, Outcome: "ok"}
			if err != nil {
				call.Outcome = outcome(0, err)
			}
			c.opt.Observe(call)
		}
	}
	conn, err := c.dial(gatedBy(life), network, addr)
	if err != nil {
		cancel()
		err = Classify(err)
		told(0, err)
		return nil, err
	}
	b := &bounded{Conn: conn, life: life, cancel: cancel, most: c.opt.MaxBody, told: told}
	b.left.Store(c.opt.MaxBody)
	b.stop = context.AfterFunc(life, func() { conn.Close() })
	return b, nil
}

// bounded is a connection with an end.
type bounded struct {
	net.Conn
	life   context.Context
	cancel context.CancelFunc
	stop   func() bool
	left   atomic.Int64
	most   int64
	once   sync.Once
	told   func(bytes int64, err error) // at the end
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if b.left.Add(-int64(n)) < 0 {
		b.Close()
		return 0, ErrTooLarge
	}
	return n, b.reason(err)
}

func (b *bounded) Write(p []byte) (int, error) {
	n, err := b.Conn.Write(p)
	return n, b.reason(err)
}

// reason tells why the connection was closed under its user.
func (b *bounded) reason(err error) error {
	if err != nil && b.life.Err() != nil {
		return fmt.Errorf("%w: %w", b.life.Err(), err)
	}
	return err
}

func (b *bounded) Close() error {
	b.stop()
	late := b.life.Err() // the time was over, or whoever dialled was
	err := b.Conn.Close()
	b.once.Do(func() { b.told(b.most-max(b.left.Load(), 0), late) })
	b.cancel()
	return err
}
