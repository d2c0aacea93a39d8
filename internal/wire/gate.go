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
	return context.WithValue(ctx, gateKey{}, may)
}

// gated is a connection under a gate.
type gated struct {
	net.Conn
	may func() error
}

func (g gated) Write(p []byte) (int, error) {
	if err := g.may(); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrShut, err)
	}
	return g.Conn.Write(p)
}

// dial opens a connection under the guard, and under the context's gate if it
// has one.
func (c *Client) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	may, ok := ctx.Value(gateKey{}).(func() error)
	if !ok {
		return c.dialer.DialContext(ctx, network, addr)
	}
	if err := may(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrShut, err)
	}
	conn, err := c.dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return gated{conn, may}, nil
}

// Unreached tells whether an error is one of the way, and not the other side's
// answer: no address, no connection, no answer in time, or it broke off.
func Unreached(err error) bool {
	if refused, after := Verdict(err); refused || after > 0 || errors.Is(err, ErrShut) {
		return false
	}
	var way net.Error // of a time-out, too
	return errors.As(err, &way) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
