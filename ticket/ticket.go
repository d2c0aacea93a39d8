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
	"fmt"
	"strings"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/wire"
)

// An Issue is what is to be opened.
type Issue struct {
	Key    string // stable marker of what it is about, used to find it again: letters, digits, . _ : / and -
	Title  string // plain text, hostile
	Body   string // plain text of several lines, hostile
	Labels []string
}

// A Ref names an issue that exists.
type Ref struct {
	ID     string // as the tracker's API wants it
	URL    string // for people
	Closed bool   // Create found it, and it is closed
}

// A Tracker is a kind of issue tracker: a value in the list Trackers. Errors
// are for wire.Verdict, and hold no secrets. conn is the connection (url, token),
// set what the service says about its tickets (project); both are resolved.
type Tracker struct {
	config.Kind
	// Create opens the issue, or finds the one that carries its key, be it open
	// or closed, so that a repeat after a crash makes no second one.
	Create func(ctx context.Context, w *wire.Client, conn, set config.Settings, issue Issue) (Ref, error)
	// Comment adds a comment of plain text, once per key.
	Comment func(ctx context.Context, w *wire.Client, conn, set config.Settings, ref Ref, key, text string) error
	// Close closes the issue; it is no error if it is closed.
	Close func(ctx context.Context, w *wire.Client, conn, set config.Settings, ref Ref) error
	// Reopen opens a closed issue again; it is no error if it is open.
	Reopen func(ctx context.Context, w *wire.Client, conn, set config.Settings, ref Ref) error
}

// Trackers are all trackers.
var Trackers = []Tracker{GitLab}

// marker is how Muster knows its own: a comment of HTML, which people do not see.
func marker(key string) string { return "<!-- muster:" + key + " -->" }

// maxKey bounds a key.
const maxKey = 200

// checkKey refuses what would end the comment of HTML too soon, or be more than
// one word to a search.
func checkKey(key string) error {
	fail := func(why string) error { return fmt.Errorf("%w: key %q: %s", wire.ErrRefused, key, why) }
	switch {
	case key == "":
		return fail("it is empty")
	case len(key) > maxKey:
		return fail(fmt.Sprintf("it is longer than %d bytes", maxKey))
	case strings.Contains(key, "--") || strings.HasPrefix(key, "-") || strings.HasSuffix(key, "-"):
		return fail("a - stands alone, between other characters")
	}
	for i, r := range key {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._:/-", r)) {
			return fail(fmt.Sprintf("position %d: %q may not stand in it", i+1, r))
		}
	}
	return nil
}
