package event

import (
	"errors"
	"fmt"
	"net/http"
)

// A Source is one kind of sender.
type Source struct {
	Name string // as in /intake/{kind}; the file that holds it is called so, too
	// Read makes events of a body; the header may be nil. Its error is, or
	// wraps, Errors. It does not keep the body.
	Read func(h http.Header, body []byte) ([]Event, error)
}

// Sources are all kinds of senders.
var Sources = []Source{Muster, Alertmanager, PagerDuty}

// Read makes events of a body of the given kind, which is the name of one of
// Sources, or "events", the last part of /intake/events, for Muster's own. The
// header may be nil. A body may hold no events at all, and that is no error.
//
// What cannot be decoded is an error that is or wraps Errors, and no event is
// returned; it wraps ErrTooLarge where a limit on the whole body is passed, and
// ErrUnknownKind where there is no such source. What is only odd is mapped as
// well as can be and told in Event.Warnings.
func Read(kind string, h http.Header, body []byte) ([]Event, error) {
	if kind == "events" {
		kind = Muster.Name
	}
	for _, s := range Sources {
		if s.Name == kind {
			return settled(s.Read(h, body))
		}
	}
	return nil, fmt.Errorf("%w: %w", ErrUnknownKind, Errors{{Line: 1, Column: 1, Detail: "no source of the kind " + quote(kind)}})
}

// settled checks, once and for every source, what all events must fulfil.
func settled(events []Event, err error) ([]Event, error) {
	var list Errors
	if err != nil {
		if errors.As(err, &list) {
			return nil, err
		}
		return nil, Errors{{Line: 1, Column: 1, Detail: err.Error()}}
	}
	if len(events) > MaxEvents {
		return nil, tooLarge(Error{Line: 1, Column: 1, Detail: fmt.Sprintf("%d events in one body, more than the %d allowed", len(events), MaxEvents)})
	}
	for i := range events {
		if wrong := events[i].settle(); wrong != "" {
			return nil, Errors{{Line: 1, Column: 1, Detail: fmt.Sprintf("event %d %s", i, wrong)}}
		}
	}
	return events, nil
}
