package event

import (
	"fmt"
	"net/http"
)

// A Source is one kind of sender.
type Source struct {
	Name string // as in /intake/{kind}
	Read func(h http.Header, body []byte) ([]Event, error)
}

// Sources are all kinds of senders.
var Sources = []Source{Muster, Alertmanager, PagerDuty}

// Read turns a body of the given kind into events.
func Read(kind string, h http.Header, body []byte) ([]Event, error) {
	for _, s := range Sources {
		if s.Name == kind {
			return s.Read(h, body)
		}
	}
	return nil, fmt.Errorf("%w: %w", ErrUnknownKind, Errors{{Line: 1, Column: 1, Detail: fmt.Sprintf("unknown kind %.40q", kind)}})
}
