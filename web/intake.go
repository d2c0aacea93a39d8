package web

import (
	"context"
	"fmt"
	"net/http"
	"reflect"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/event"
)

// An IntakeAnswer tells a sender what became of its events. It is sent when
// they are on disk.
type IntakeAnswer struct {
	Events   []engine.Accepted `json:"events" nullable:"false" doc:"One for each event, in their order."`
	Warnings []IntakeWarning   `json:"warnings" nullable:"false" doc:"What was odd about the body and accepted all the same."`
}

// An IntakeWarning is something odd about one event.
type IntakeWarning struct {
	Event   int    `json:"event" doc:"Which of the events, from 0."`
	Pointer string `json:"pointer" doc:"JSON pointer into the body; empty for the whole."`
	Detail  string `json:"detail"`
}

// intakes are the ways in by their last part, and what reads them.
func intakes() []struct{ path, kind, summary string } {
	return []struct{ path, kind, summary string }{
		{"events", event.Muster.Name, "Take in events in Muster's own JSON"},
		{"alertmanager", event.Alertmanager.Name, "Take in a webhook of Prometheus Alertmanager (version 4)"},
	}
}

func (s *server) intakeRoutes() {
	for _, in := range intakes() {
		do := s.intake(in.kind)
		about := []edit{
			tag("intakes"), s.takes("application/json", nil), s.gives(http.StatusAccepted, "application/json", reflect.TypeFor[IntakeAnswer]()),
			s.problems(http.StatusBadRequest, http.StatusUnauthorized, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusServiceUnavailable),
			describeAs("202 means that the events, and all that follows from them, are on disk. At most %d MiB, also after gzip or deflate.", maxEvents>>20),
		}
		s.plain(integration, http.MethodPost, "/intake/"+in.path, "intake-"+in.path, in.summary, do, about...)
		s.plain(integration, http.MethodPost, "/intake/"+in.path+"/{key}", "intake-"+in.path+"-key", in.summary+", the key in the path", do,
			append(about, param("path", "key", "The key of the integration."))...)
	}
}

// intake takes events of one kind in. It is on the hot path: one read of the
// body, one parse, one commit, one write.
func (s *server) intake(kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		from, err := s.sender(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		body, err := readBody(w, r, maxEvents)
		if err != nil {
			s.refuse(w, r, from, nil, err)
			return
		}
		events, err := event.Read(kind, r.Header, body)
		if err != nil {
			s.refuse(w, r, from, body, err)
			return
		}
		s.known(r.Context(), from, kind)
		from.Kind = kind
		answer, err := s.take(r.Context(), from, events, body)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		writeJSON(w, http.StatusAccepted, answer)
	}
}

// take hands events to the engine and makes the answer of what became of them.
func (s *server) take(ctx context.Context, from engine.Sender, events []event.Event, body []byte) (IntakeAnswer, error) {
	a := IntakeAnswer{Events: []engine.Accepted{}, Warnings: []IntakeWarning{}}
	if len(events) == 0 { // nothing to keep; and perhaps not what its sender meant
		s.complain(ctx, from.Org, from.Integration, warning, "a body without any event", body)
		return a, nil
	}
	accepted, err := s.engine.Intake(ctx, from, events, body)
	if err != nil {
		return a, err
	}
	a.Events = accepted
	for i, ev := range events {
		for _, w := range ev.Warnings {
			a.Warnings = append(a.Warnings, IntakeWarning{i, w.Pointer, w.Detail})
		}
	}
	if len(a.Warnings) > 0 {
		first := a.Warnings[0]
		detail := first.Detail
		if first.Pointer != "" {
			detail = first.Pointer + ": " + detail
		}
		if n := len(a.Warnings) - 1; n > 0 {
			detail += fmt.Sprintf(" (and %d more in the same body)", n)
		}
		s.complain(ctx, from.Org, from.Integration, warning, detail, body)
	}
	return a, nil
}

// refuse answers a known sender whose body cannot be taken, and keeps it.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, from engine.Sender, body []byte, err error) {
	p := s.problem(r.Context(), r.Pattern, err)
	s.complain(r.Context(), from.Org, from.Integration, refused, p.Detail, body)
	p.write(w)
}
