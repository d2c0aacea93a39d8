package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/store"
)

// How often a database that does not answer is asked again, and how long nobody
// is told once more that a server refuses to start: a process manager starts it
// again each second.
const (
	openAgain  = 2 * time.Second
	refusedFor = time.Hour
)

// openStore opens the database. One that does not answer is waited for, with
// clear words in the log; whoever connects is answered 503 meanwhile, and the
// emergency contacts of the last start are told.
func (s *server) openStore(ctx context.Context, o serveOptions, network *wire.Client, serve func(http.Handler)) error {
	opened := func() (err error) {
		if err = store.Reach(ctx, o.Database); err == nil {
			s.store, err = store.Open(ctx, o.Database, o.Log)
		}
		return err
	}
	err := opened()
	if err == nil {
		return nil
	}
	teller := o.emergency(network)
	if errors.Is(err, store.ErrSchema) || errors.Is(err, store.ErrDamaged) {
		o.tellRefusal(ctx, teller, err)
	}
	if !store.WorthWaiting(err) {
		return err
	}
	began := time.Now()
	var health atomic.Pointer[store.Health]
	note := func(err error) {
		health.Store(&store.Health{OK: err == nil, Since: began, Reason: store.Reason(err), Err: err})
	}
	note(err)
	serve(unready(teller))
	telling, stop := context.WithCancel(context.WithoutCancel(ctx))
	var told sync.WaitGroup
	told.Go(func() { teller.Run(telling, func() store.Health { return *health.Load() }) })
	s.afterwards = func() { stop(); told.Wait() } // it tells those who know that it is over, which takes a while
	for tries := 1; err != nil; tries++ {
		o.Log.Error("the database cannot be opened; trying again until it can", "since", began.UTC().Format(time.RFC3339), "tries", tries, "error", err)
		select {
		case <-time.After(openAgain):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		if err = opened(); err != nil && !store.WorthWaiting(err) {
			return err
		}
	}
	health.Store(&store.Health{OK: true, Since: time.Now()})
	o.Log.Info("the database can be opened", "after", time.Since(began).Round(time.Second))
	return nil
}

// emergency is whom to tell while there is no engine.
func (o serveOptions) emergency(network *wire.Client) *engine.Emergency {
	node, _ := os.Hostname()
	list, err := engine.ReadContacts(o.Contacts, o.Key)
	switch {
	case err != nil:
		o.Log.Error("nobody can be told of this emergency", "error", err)
	case len(list) == 0:
		o.Log.Warn("nobody is told of this emergency: no contacts are kept", "file", o.Contacts)
	}
	return &engine.Emergency{
		Wire: network, Channels: notify.Kinds, Resolve: o.Resolve, Log: o.Log, Node: node,
		Contacts: func() []engine.Contact { return list },
	}
}

// tellRefusal tells that this server will not start, unless that was told lately.
func (o serveOptions) tellRefusal(ctx context.Context, teller *engine.Emergency, err error) {
	if o.Contacts == "" {
		return
	}
	mark := o.Contacts + ".told"
	if info, statErr := os.Stat(mark); statErr == nil && time.Since(info.ModTime()) < refusedFor {
		return
	} else if statErr != nil && !errors.Is(statErr, fs.ErrNotExist) {
		return
	}
	if teller.Tell(ctx, "A Muster server does not start", err.Error()+". Servers that run already go on.") > 0 {
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			o.Log.Warn("this will be told again at the next start", "error", err)
		}
	}
}

// unready is what a server answers that waits for its database.
func unready(teller *engine.Emergency) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			fmt.Fprintln(w, "ok")
			return
		}
		if r.Method == http.MethodPost && r.URL.Path != "/readyz" {
			teller.Refused(1)
		}
		w.Header().Set("Retry-After", "5")
		http.Error(w, "starting: the database cannot be opened", http.StatusServiceUnavailable)
	})
}
