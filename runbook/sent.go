package runbook

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"
)

// An attempt watches one request on its way, to tell whether an error came
// before anything was sent. Only then is it certain that nothing was changed.
type attempt struct {
	failed    atomic.Bool // resolving, connecting or TLS failed
	connected atomic.Bool // there was a connection to send on
}

// watching returns a context whose request the attempt watches.
func watching(ctx context.Context) (context.Context, *attempt) {
	a := &attempt{}
	note := func(err error) {
		if err != nil {
			a.failed.Store(true)
		}
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSDone:     func(i httptrace.DNSDoneInfo) { note(i.Err) },
		ConnectDone: func(_, _ string, err error) { note(err) },
		GotConn:     func(httptrace.GotConnInfo) { a.connected.Store(true) },
	}), a
}

// neverSent is true only on evidence: the way there failed, and no connection
// was ever had.
func (a *attempt) neverSent() bool { return a.failed.Load() && !a.connected.Load() }
