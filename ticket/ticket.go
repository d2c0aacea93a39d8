// Package ticket opens, comments and closes issues in trackers, one file per
// tracker.
//
// It knows how each tracker's API is called, through internal/wire only, how an
// issue of Muster is found again after a crash, and how hostile text is written
// so that a tracker takes none of it for a command. It does not know incidents,
// which ticket belongs to which of them, when to call, or when to try again.
package ticket

import (
	"context"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/wire"
)

// An Issue is what is to be opened.
type Issue struct {
	Key    string // stable marker of the incident, used to find it again: letters, digits, . _ : / -
	Title  string // plain text, hostile
	Body   string // plain text of several lines, hostile
	Labels []string
}

// A Ref names an issue that exists.
type Ref struct {
	ID  string // as the tracker's API wants it
	URL string // for people
}

// A Tracker is a kind of issue tracker: a value in the list Trackers. Errors
// are for wire.Verdict, and hold no secrets.
type Tracker struct {
	config.Kind
	// Create opens the issue, or finds the one that carries its key, be it open
	// or closed, so that a repeat after a crash makes no second one.
	Create func(ctx context.Context, w *wire.Client, conn, set config.Settings, issue Issue) (Ref, error)
	// Comment adds a comment, once per key.
	Comment func(ctx context.Context, w *wire.Client, conn, set config.Settings, ref Ref, key, text string) error
	// Close closes the issue; it is no error if it is closed.
	Close func(ctx context.Context, w *wire.Client, conn, set config.Settings, ref Ref) error
}

// Trackers are all trackers.
var Trackers = []Tracker{GitLab}
