package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
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

// tellGathered stores with each page that was gathered into a row what became of that
// row, if it has an end: the timeline of each incident tells that its page went
// with a digest.
func (e *Engine) tellGathered(ctx context.Context, key string) {
	carries, err := e.Store.Carries(ctx, key)
	if err == nil && carries {
		var c store.Carrier
		if c, err = e.Store.Carrier(ctx, key); err == nil {
			err = e.settleAll(ctx, c)
		}
	}
	if err != nil { // the sweep finds it
		e.Log.Error("settle gathered pages", "key", key, "error", err)
		e.unsettled.now()
	}
}

// settleAll settles the pages of a carrier, some with each transaction.
func (e *Engine) settleAll(ctx context.Context, c store.Carrier) error {
	state := map[string]string{"sent": "digested", "failed": "failed", "cancelled": "cancelled", "quarantined": "pending", "": "pending"}[c.State]
	if state == "" {
		return nil // it has no end yet
	}
	s, err := e.setup(c.Org)
	if err != nil {
		return err
	}
	for {
		var settled []store.Outgoing
		err := e.Store.Write(ctx, func(t *store.Tx) (err error) {
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
			return err
		}
		e.metrics.gathered.WithLabelValues(state).Add(float64(len(settled)))
		if len(settled) < settleBatch {
			return nil
		}
	}
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

// digestLoop settles what processes before this one left, and others, and what
// could not be settled when it was sent.
func (e *Engine) digestLoop(ctx context.Context) error {
	for {
		e.begins("digests")
		carriers, err := e.Store.Unsettled(ctx)
		if err != nil && ctx.Err() == nil {
			e.Log.Error("look for gathered pages", "error", err)
		}
		for _, c := range carriers {
			if failed := e.settleAll(ctx, c); failed != nil {
				err = failed
				e.Log.Error("settle gathered pages", "key", c.Key, "error", err)
			}
		}
		pause := time.NewTimer(sweepEvery)
		if err != nil {
			pause.Reset(poll)
		}
		select {
		case <-e.unsettled.c:
		case <-pause.C:
		case <-ctx.Done():
			return nil
		}
	}
}
