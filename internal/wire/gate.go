package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
)

// ErrShut wraps what a gate says: nothing more may leave.
var ErrShut = errors.New("not sent: this process may not send now")

type gateKey struct{}

// WithGate has every connection that is opened under the context ask before it
// is opened, and directly before it writes anything, whether that may still leave. A process that was
// suspended goes on where it stood: what it is about to write then must not be
// written, and no timer has told it so yet.
func WithGate(ctx context.Context, may func() error) context.Context {
	return context.WithValue(ctx, gateKey{}, gate{may, ctx, ctx})
}

// gate is what a context carries to the connections that are opened under it.
type gate struct {
	may    func() error
	leased context.Context // the one that was given to WithGate
	call   context.Context // that of the exchange, with its deadline
}

// gatedBy gives the gate of a context, if any, the context itself: net/http opens
// connections under another one, which does not end with the exchange.
func gatedBy(ctx context.Context) context.Context {
	g, ok := ctx.Value(gateKey{}).(gate)
	if !ok {
		return ctx
	}
	g.call = ctx
	return context.WithValue(ctx, gateKey{}, g)
}

// gated is a connection under a gate.
type gated struct {
	net.Conn
	gate
}

func (g gated) Write(p []byte) (int, error) {
	if err := g.may(); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrShut, err)
	}
	return g.Conn.Write(p)
}

// Close drops what the other side has not confirmed, if the exchange was cut off:
// otherwise the kernel goes on sending it for minutes, and a page that somebody
// else has sent meanwhile would arrive when the way is free again.
func (g gated) Close() error {
	if conn, ok := g.Conn.(*net.TCPConn); ok && (g.leased.Err() != nil || errors.Is(g.call.Err(), context.DeadlineExceeded)) {
		conn.SetLinger(0)
	}
	return g.Conn.Close()
}

// dial opens a connection under the guard, and under the context's gate if it
// has one.
func (c *Client) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	g, ok := ctx.Value(gateKey{}).(gate)
	if !ok {
		return c.dialer.DialContext(ctx, network, addr)
	}
	if err := g.may(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrShut, err)
	}
	conn, err := c.dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return gated{conn, g}, nil
}

// Unreached tells whether an error is one of the way, and not the other side's
// answer: no address, no connection, no answer in time, or it broke off.
func Unreached(err error) bool {
	if refused, after := Verdict(err); refused || after > 0 || errors.Is(err, ErrShut) {
		return false
	}
	return unreached(err) || errors.Is(err, errUnreached) // the latter of one that was redacted
}

var errUnreached = errors.New("not reached")

func unreached(err error) bool {
	var way net.Error // of a time-out, too
	return errors.As(err, &way) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
