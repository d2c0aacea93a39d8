package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/store"
)

const (
	gather      = 10 * time.Second // so long a digest waits for what comes at the same time
	gatherMost  = 20 * time.Second // while the clock catches up, so that one digest tells of all
	digestLines = 50               // incidents that a digest names
	settleBatch = 200              // gathered pages of one transaction, so that it never holds the committer for long
	sweepEvery  = time.Minute
)

// rowDigest is how metrics call a page that has no incident of its own.
const rowDigest = "digest"

// interrupts is how often a person of an organization may be interrupted.
func (e *Engine) interrupts(org string) (b incident.Budget, limited bool) {
	s, err := e.setup(org)
	if err != nil {
		return b, false
	}
	b.AtMost, b.Per, limited = s.doc.Interrupts.Limit()
	b.Gather = min(gather, b.Per)
	if e.behind.Load() {
		b.Gather = min(gatherMost, b.Per)
	}
	return b, limited
}

// sendDigest tells a person of all that was gathered for them and nobody has
// taken meanwhile. If that is one incident, it is an ordinary page, with its
// buttons.
func (e *Engine) sendDigest(ctx context.Context, s *setup, o store.Outgoing) (outcome, error) {
	var n incident.Notification
	if err := json.Unmarshal(o.Body, &n); err != nil {
		return outcome{}, fmt.Errorf("digest: %w: %w", wire.ErrRefused, err)
	}
	d, err := e.Store.Digest(ctx, o.Org, o.ID, digestLines)
	if err != nil {
		return outcome{}, err
	}
	switch len(d.First) {
	case 0:
		return outcome{}, errMoot
	case 1:
		inc := d.First[0]
		m, err := e.message(ctx, s, inc, notify.Page, o)
		if err != nil {
			return outcome{}, err
		}
		out, err := e.transmit(ctx, s, inc, n.Channel, n.Connection, n.Address, o, m)
		out.data = incident.Data{}
		return out, err
	}
	kind, ok := s.channel(n.Channel)
	if !ok {
		return outcome{}, fmt.Errorf("channel %q: %w: there is none", n.Channel, wire.ErrRefused)
	}
	l, err := e.open(s, n.Connection)
	if err != nil {
		return outcome{}, err
	}
	e.At(stationSending)
	if _, err := kind.Send(ctx, l.wire, l.settings, n.Address, e.digestMessage(s, o, d)); err != nil {
		return outcome{}, err
	}
	return outcome{at: now()}, nil
}

// digestMessage renders what was gathered.
func (e *Engine) digestMessage(s *setup, o store.Outgoing, d store.Digest) notify.Message {
	base := strings.TrimSuffix(e.URL, "/")
	link := func(path string) string {
		if base == "" {
			return ""
		}
		return base + path
	}
	m := notify.Message{
		Key: o.ID, Kind: notify.DigestKind, Organization: s.org.Slug, Status: string(incident.Triggered), Severity: string(d.First[0].Severity),
		URL: link("/incidents"), Repeat: int(o.Attempt) - 1, Now: now(),
		Digest: &notify.Digest{Incidents: d.Incidents, Critical: d.Critical, Since: d.Since},
	}
	for _, inc := range d.First {
		m.Digest.First = append(m.Digest.First, notify.DigestLine{
			ID: inc.ID, Number: fmt.Sprint(inc.Number), Severity: string(inc.Severity), Service: inc.Service, Title: inc.Title,
			URL: link("/incidents/" + inc.ID), Since: inc.OpenedAt,
		})
	}
	return m
}

// settling is what the loop of the digests has to do: the keys of rows into which
// pages may have been gathered, and which may have an end.
type settling struct {
	wake waker
	mu   sync.Mutex
	keys []string
}

// ended says that a send has ended. The hand that sent does not settle: its
// destination would seem to be slow.
func (w *settling) ended(key string) {
	w.mu.Lock()
	w.keys = append(w.keys, key)
	w.mu.Unlock()
	w.wake.now()
}

func (w *settling) take() (keys []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	keys, w.keys = w.keys, nil
	return keys
}

// settleSome settles some pages of a carrier, so that the timeline of each
// incident tells that its page went with a digest, and tells whether there may be
// more.
func (e *Engine) settleSome(ctx context.Context, c store.Carrier) (more bool, err error) {
	state := map[string]string{"sent": "digested", "failed": "failed", "cancelled": "cancelled", "quarantined": "pending", "": "pending"}[c.State]
	if state == "" {
		return false, nil // it has no end yet
	}
	s, err := e.setup(c.Org)
	if err != nil {
		return false, err
	}
	var settled []store.Outgoing
	err = e.Store.Write(ctx, func(t *store.Tx) (err error) {
		at := now()
		if settled, err = t.Settle(c.Key, state, at, settleBatch); err != nil {
			return err
		}
		for _, o := range settled {
			if err := e.recordSettled(t, s, c, o, state, at); err != nil { // an incident that cannot be read; a fault of the database fails the unit
				e.Log.Error("tell of a gathered page", "key", o.ID, "error", err)
			}
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	e.metrics.gathered.WithLabelValues(state).Add(float64(len(settled)))
	return len(settled) == settleBatch, nil
}

// recordSettled tells an incident's timeline what became of a gathered page.
func (e *Engine) recordSettled(t *store.Tx, s *setup, c store.Carrier, o store.Outgoing, state string, at time.Time) error {
	kind, text := incident.Notified, "within "+c.Key
	switch state {
	case "digested":
	case "failed":
		kind, text = incident.NotifyFailed, cmp.Or(c.Error, text)
	default:
		return nil
	}
	var n incident.Notification
	_ = json.Unmarshal(o.Body, &n) // what cannot be read has no user to name
	return e.record(t, s, o.Incident, incident.Engine, kind, incident.Data{Key: o.ID, User: n.User, Channel: n.Channel, Text: text}, at)
}

// digestLoop settles what was gathered into the rows that this process sends, and
// now and then what others left. It is the only one that does, some pages of each
// carrier in turn, so that no commit is long.
func (e *Engine) digestLoop(ctx context.Context) error {
	var carriers []store.Carrier
	var sweep time.Time
	for {
		e.begins("digests")
		ended, err := e.Store.Ended(ctx, e.settling.take())
		if at := now(); !at.Before(sweep) {
			sweep = at.Add(sweepEvery)
			left, fault := e.Store.Unsettled(ctx)
			ended, err = append(ended, left...), cmp.Or(err, fault)
		}
		if err != nil { // the next sweep finds them
			sweep = now().Add(poll)
			if ctx.Err() == nil {
				e.Log.Error("look for gathered pages", "error", err)
			}
		}
		for _, c := range ended {
			if !slices.Contains(carriers, c) {
				carriers = append(carriers, c)
			}
		}
		open := carriers[:0]
		for _, c := range carriers {
			if ctx.Err() != nil { // the next process goes on
				return nil
			}
			more, err := e.settleSome(ctx, c)
			if err != nil {
				sweep = now().Add(poll)
				e.Log.Error("settle gathered pages", "key", c.Key, "error", err)
			}
			if more {
				open = append(open, c)
			}
		}
		if carriers = open; len(carriers) == 0 && !e.rest(ctx, e.settling.wake, sweep) {
			return nil
		}
	}
}
