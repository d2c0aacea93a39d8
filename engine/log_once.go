package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"

	"github.com/musterhq/muster/collect"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/store"
)

// bodies are those of log lines that were counted and whose rows are there
// still. A row that is in neither set is of a sender that may not know, from
// before a crash or a cut: what it sends again is not counted again.
type bodies struct {
	mu      sync.Mutex
	pending map[string]bool   // ids of those that are about to be answered
	told    map[string]string // organizations, by ids of those that were: the rows are to go
}

func newBodies() *bodies { return &bodies{pending: map[string]bool{}, told: map[string]string{}} }

// LogsOnce is Logs for a sender that tries again when it gets no answer. What
// it sends again with the same key, within an hour, is counted once. Without a
// key it is told by the whole body, and counted once if the time before was
// not answered: equal bodies may mean equal things that happened twice. The
// caller says with answered whether the answer was written.
func (e *Engine) LogsOnce(ctx context.Context, from Sender, source, key string, lines []byte) (r LogResult, answered func(delivered bool), err error) {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q ", from.Integration, source, key)
	h.Write(lines)
	b := &logBatch{org: from.Org, source: source, lines: lines, done: make(chan struct{}), digest: hex.EncodeToString(h.Sum(nil)), keyed: key != ""}
	r, err = e.logs(ctx, b)
	return r, func(delivered bool) { e.rules.bodies.answered(b, delivered && err == nil) }, err
}

// answered notes that the sender of a body has its answer, or will never have it.
func (o *bodies) answered(b *logBatch, delivered bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b.gone = true
	delete(o.pending, b.row)
	if delivered && !b.keyed {
		o.told[b.row] = b.org
	}
}

// await notes that the sender of a counted body is about to have its answer.
func (o *bodies) await(b *logBatch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !b.gone {
		o.pending[b.row] = true
	}
}

// toldOf are the rows of an organization that are to go.
func (o *bodies) toldOf(org string) (ids []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for row, of := range o.told {
		if of == org {
			ids = append(ids, row)
		}
	}
	return ids
}

func (o *bodies) forget(ids []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, row := range ids {
		delete(o.told, row)
	}
}

// forgetTold drops, at the end, the rows of those who have their answer.
func (e *Engine) forgetTold(ctx context.Context) {
	for org, s := range e.setups.Load().byID {
		told := e.rules.bodies.toldOf(org)
		if len(told) == 0 {
			continue
		}
		if err := e.Store.Write(ctx, func(t *store.Tx) error { return t.DropLogBodies(told) }); err != nil {
			e.Log.Warn("forget answered bodies of log lines", "organization", s.org.Slug, "error", err)
		}
	}
}

// known tells whether the sender of a row has its answer, or is about to.
func (o *bodies) known(row string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, told := o.told[row]
	return told || o.pending[row]
}

// recognize finds the batches that were counted before.
func (e *Engine) recognize(ctx context.Context, org string, batches []*logBatch) error {
	var digests []string
	keyed := map[string]bool{} // digests that hold a key
	for _, b := range batches {
		if b.digest != "" {
			digests = append(digests, b.digest)
			keyed[b.digest] = b.keyed
		}
	}
	if len(digests) == 0 {
		return nil
	}
	rows, err := e.Store.LogBodies(ctx, org, digests, now())
	if err != nil {
		return err
	}
	before := map[string][]store.LogBody{}
	for _, row := range rows {
		if keyed[row.Digest] || !e.rules.bodies.known(row.ID) {
			before[row.Digest] = append(before[row.Digest], row)
		}
	}
	first := map[string]*logBatch{} // of a key, in this turn
	for _, b := range batches {
		switch found := before[b.digest]; {
		case b.digest == "":
		case len(found) > 0:
			b.repeated, b.row = true, found[0].ID
			b.stats = collect.Stats{Parsed: found[0].Lines - found[0].Unparsed, Unparsed: found[0].Unparsed}
			if !b.keyed {
				before[b.digest] = found[1:]
			}
		case b.keyed && first[b.digest] != nil:
			b.repeated, b.same = true, first[b.digest]
		default:
			b.row = id.New(now())
			first[b.digest] = b
		}
	}
	return nil
}

// rowsOf are the rows of the bodies that are counted for the first time.
func rowsOf(batches []*logBatch) (list []store.LogBody) {
	for _, b := range batches {
		if b.digest != "" && !b.repeated {
			list = append(list, store.LogBody{ID: b.row, Org: b.org, Digest: b.digest, Lines: b.stats.Parsed + b.stats.Unparsed, Unparsed: b.stats.Unparsed})
		}
	}
	return list
}

// counted notes that what was counted is on disk.
func (e *Engine) counted(batches []*logBatch) {
	for _, b := range batches {
		switch {
		case b.same != nil:
			b.row, b.stats = b.same.row, b.same.stats
		case b.digest != "":
			e.rules.bodies.await(b)
		}
	}
}
