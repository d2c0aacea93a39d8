package web

import (
	"errors"
	"net/http"
	"reflect"

	"github.com/tidwall/gjson"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/store"
)

// PagerDutyAccepted is the answer of PagerDuty's Events API v2 to an event that
// it took.
//
// https://developer.pagerduty.com/docs/send-alert-event
type PagerDutyAccepted struct {
	Status   string `json:"status" example:"success"`
	Message  string `json:"message" example:"Event processed"`
	DedupKey string `json:"dedup_key,omitempty"`
}

// PagerDutyRefused is its answer to one that it did not take. Problems is ours:
// where it is wrong, in the form of all other errors.
type PagerDutyRefused struct {
	Status   string   `json:"status" example:"invalid event"`
	Message  string   `json:"message" example:"Event object is invalid"`
	Errors   []string `json:"errors" nullable:"false"`
	Problems []Fault  `json:"problems,omitempty" nullable:"false"`
}

func (s *server) pagerDutyRoutes() {
	trigger := func(h http.Header, body []byte) ([]event.Event, error) {
		return event.Read(event.PagerDuty.Name, h, body)
	}
	s.pagerDutyRoute("/v2/enqueue", "pagerduty-enqueue", "Take in an event of PagerDuty's Events API v2", trigger)
	s.pagerDutyRoute("/v2/change/enqueue", "pagerduty-change", "Take in a change event of PagerDuty's Events API v2", event.ReadChange)
}

type reader func(h http.Header, body []byte) ([]event.Event, error)

func (s *server) pagerDutyRoute(path, id, summary string, read reader) {
	s.plain(routingKey, http.MethodPost, path, id, summary, s.pagerDuty(read),
		tag("intakes"), s.takes("application/json", nil), param("header", "X-Routing-Key", "The key of the integration, if routing_key is not in the body."),
		s.gives(http.StatusAccepted, "application/json", reflect.TypeFor[PagerDutyAccepted]()),
		s.gives(http.StatusBadRequest, "application/json", reflect.TypeFor[PagerDutyRefused]()),
		s.gives(http.StatusRequestEntityTooLarge, "application/json", reflect.TypeFor[PagerDutyRefused]()),
		describeAs("As PagerDuty answers: 202 when the event is on disk, 400 when it is invalid or its key is unknown. At most %d KiB.", maxPagerDuty>>10))
}

func (s *server) pagerDuty(read reader) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := readBody(w, r, maxPagerDuty)
		if err != nil {
			s.refusePagerDuty(w, r, nil, err)
			return
		}
		events, err := read(r.Header, body)
		if err != nil {
			s.refusePagerDuty(w, r, body, err)
			return
		}
		key := r.Header.Get("X-Routing-Key")
		if len(events) > 0 && events[0].Routing != "" {
			key = events[0].Routing
		}
		from, err := s.engine.SenderByKey(key)
		if errors.Is(err, store.ErrNotFound) {
			fault := Fault{Pointer: "/routing_key", Detail: "'routing_key' is not that of an integration"}
			writeJSON(w, http.StatusBadRequest, invalidEvent(fault))
			return
		}
		if err != nil {
			s.failPagerDuty(w, r, err)
			return
		}
		from.Remote = remote(r)
		s.known(r.Context(), from, event.PagerDuty.Name)
		from.Kind = event.PagerDuty.Name
		answer, err := s.take(r.Context(), from, events, body)
		if err != nil {
			s.failPagerDuty(w, r, err)
			return
		}
		writeJSON(w, http.StatusAccepted, accepted(answer))
	}
}

func accepted(a IntakeAnswer) PagerDutyAccepted {
	out := PagerDutyAccepted{Status: "success", Message: "Event processed"}
	if len(a.Events) > 0 {
		out.DedupKey = a.Events[0].Key
	}
	return out
}

func invalidEvent(faults ...Fault) PagerDutyRefused {
	out := PagerDutyRefused{Status: "invalid event", Message: "Event object is invalid", Errors: []string{}, Problems: faults}
	for _, f := range faults {
		out.Errors = append(out.Errors, f.Detail)
	}
	return out
}

// refusePagerDuty answers what cannot be read, in PagerDuty's form, and keeps
// it if its key is known.
func (s *server) refusePagerDuty(w http.ResponseWriter, r *http.Request, body []byte, err error) {
	p := s.problem(r.Context(), r.Pattern, err)
	if from, ok := s.routedBy(r.Header, body); ok {
		s.complain(r.Context(), from.Org, from.Integration, refused, p.Detail, body)
	}
	faults := p.Errors
	if len(faults) == 0 {
		faults = []Fault{{Detail: p.Detail}}
	}
	writeJSON(w, p.Status, invalidEvent(faults...))
}

// routedBy finds the sender of a body that could not be read whole.
func (s *server) routedBy(h http.Header, body []byte) (engine.Sender, bool) {
	for _, key := range []string{gjson.GetBytes(body, "routing_key").String(), h.Get("X-Routing-Key")} {
		if from, err := s.engine.SenderByKey(key); err == nil {
			return from, true
		}
	}
	return engine.Sender{}, false
}

// failPagerDuty answers what is our fault: PagerDuty's senders try again after
// a 5xx.
func (s *server) failPagerDuty(w http.ResponseWriter, r *http.Request, err error) {
	p := s.problem(r.Context(), r.Pattern, err)
	if after := p.headers.Get("Retry-After"); after != "" {
		w.Header().Set("Retry-After", after)
	}
	writeJSON(w, p.Status, PagerDutyRefused{Status: "error", Message: p.Title, Errors: []string{p.Detail}})
}
