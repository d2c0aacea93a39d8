package engine

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/musterhq/muster/collect"
	"github.com/musterhq/muster/store"
)

// history is how old a record may be, in a file that is followed for the first
// time, to be judged still.
const history = 10 * time.Minute

// A tailing is a log file that is followed. What was read of it counts once it
// is committed: after a failed commit it is read again from there.
type tailing struct {
	file TailFile
	org  string        // id; "" until the organization exists
	tail *collect.Tail // nil: to be opened where the last commit left it

	since time.Time // records before it are history: nobody is paged for what was in the file long before
}

// tailState is what is kept of a tailing.
type tailState struct {
	collect.Position
	Since time.Time `json:"since,omitzero"`
}

func (e *Engine) openTails() []*tailing {
	var tails []*tailing
	for _, f := range e.Tails {
		tails = append(tails, &tailing{file: f})
	}
	return tails
}

func (t *tailing) close() {
	if t.tail != nil {
		t.tail.Close()
	}
}

// readTail returns what a file has grown by, or nil.
func (e *Engine) readTail(ctx context.Context, t *tailing) *logBatch {
	if t.org == "" {
		org, err := e.Organization(t.file.Organization)
		if err != nil {
			return nil // not applied yet
		}
		t.org = org
	}
	if t.tail == nil && !e.resume(ctx, t) {
		return nil
	}
	lines, position, err := t.tail.Next(turnBytes)
	if err != nil {
		e.Log.Error("read a log file", "path", t.file.Path, "error", err)
		return nil
	}
	if len(lines) == 0 {
		return nil
	}
	return &logBatch{org: t.org, source: t.file.Source, lines: lines, tail: t, position: position, done: make(chan struct{})}
}

// resume opens the file where the last commit left it.
func (e *Engine) resume(ctx context.Context, t *tailing) bool {
	var state tailState
	body, err := e.Store.Tail(ctx, t.org, t.file.Source, t.file.Path)
	switch {
	case errors.Is(err, store.ErrNotFound):
		t.since = now().Add(-history)
	case err != nil:
		e.Log.Error("where a log file was left", "path", t.file.Path, "error", err)
		return false
	default:
		if err := json.Unmarshal(body, &state); err != nil {
			e.Log.Error("where a log file was left is unreadable; it is read from its beginning", "path", t.file.Path, "error", err)
			state = tailState{Since: now().Add(-history)}
		}
		t.since = state.Since
	}
	t.tail = collect.OpenTail(t.file.Path, state.Position)
	return true
}
