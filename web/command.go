package web

import (
	"context"
	"net/http"
	"time"

	"github.com/musterhq/muster/engine"
)

// Commanded is what every command on an incident has besides its body.
type Commanded struct {
	ByIncident
	IfMatch string `header:"If-Match" doc:"The incident's ETag: the command is refused (412) if something happened since."`
}

// A Reason is the body of commands that need none.
type Reason struct {
	Reason string `json:"reason,omitempty" maxLength:"4000" doc:"Why, for the timeline."`
}

type plainCommandIn struct {
	Commanded
	Body *Reason
}

// A Snooze says until when, or for how long.
type Snooze struct {
	Until  time.Time `json:"until,omitzero" doc:"The instant it climbs anew; at most 30 days ahead."`
	For    string    `json:"for,omitempty" example:"45m" doc:"In place of until: a duration such as 45m or 2h30m."`
	Reason string    `json:"reason,omitempty" maxLength:"4000"`
}

type snoozeIn struct {
	Commanded
	Body Snooze
}

// A Reassignment names who is paged now.
type Reassignment struct {
	Targets []string `json:"targets" nullable:"false" minItems:"1" maxItems:"50" doc:"user:ana, team:payments or schedule:primary"`
	Reason  string   `json:"reason,omitempty" maxLength:"4000"`
}

type reassignIn struct {
	Commanded
	Body Reassignment
}

// A Note is something to be remembered.
type Note struct {
	Text string `json:"text" minLength:"1" maxLength:"20000"`
}

type noteIn struct {
	Commanded
	Body Note
}

func (s *server) commandRoutes() {
	const base = "/api/v1/incidents/{id}/"
	about := []edit{tag("incidents"), describeAs("409 says who was first. Send If-Match to act only on what you saw, and Idempotency-Key to be able to ask twice.")}
	for _, c := range []struct{ do, summary string }{
		{"acknowledge", "Acknowledge: somebody is on it, nobody else is paged"},
		{"resolve", "Resolve, even while alerts fire: their next trigger opens another incident"},
		{"escalate", "Page the next step of the policy now"},
	} {
		add(s, responder, http.MethodPost, base+c.do, c.do, c.summary, func(ctx context.Context, in *plainCommandIn) (*incidentOut, error) {
			command := engine.Command{Do: c.do}
			if in.Body != nil {
				command.Text = in.Body.Reason
			}
			return s.command(ctx, in.Commanded, command)
		}, about...)
	}
	add(s, responder, http.MethodPost, base+"snooze", "snooze", "Put aside until an instant", s.snooze, about...)
	add(s, responder, http.MethodPost, base+"reassign", "reassign", "Page others, and then the policy again", s.reassign, about...)
	add(s, responder, http.MethodPost, base+"notes", "note", "Write something down", s.note, about...)
}

// command carries a command out and returns the incident as it is then.
func (s *server) command(ctx context.Context, in Commanded, c engine.Command) (*incidentOut, error) {
	version, err := ifMatch(in.IfMatch)
	if err != nil {
		return nil, err
	}
	inc, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	c.By, c.Version = callerOf(ctx).cause(), version
	inc, err = s.engine.Do(ctx, inc.Org, inc.ID, c)
	if err != nil {
		return nil, err
	}
	return shown(inc), nil
}

func (s *server) snooze(ctx context.Context, in *snoozeIn) (*incidentOut, error) {
	until, err := in.Body.until(ctx, s.now())
	if err != nil {
		return nil, err
	}
	return s.command(ctx, in.Commanded, engine.Command{Do: "snooze", Until: until, Text: in.Body.Reason})
}

func (b Snooze) until(ctx context.Context, now time.Time) (time.Time, error) {
	wrong := func(pointer, detail string) (time.Time, error) {
		return time.Time{}, newProblem(http.StatusUnprocessableEntity, "%s: %s", pointer, detail).at(bodyFault(ctx, pointer, detail))
	}
	switch {
	case b.Until.IsZero() == (b.For == ""):
		return wrong("/until", `want either "until" or "for"`)
	case b.For == "":
		return b.Until.UTC().Truncate(time.Microsecond), nil
	}
	d, err := time.ParseDuration(b.For)
	if err != nil || d <= 0 {
		return wrong("/for", "want a duration such as 45m or 2h30m")
	}
	return now.UTC().Add(d).Truncate(time.Microsecond), nil
}

func (s *server) reassign(ctx context.Context, in *reassignIn) (*incidentOut, error) {
	return s.command(ctx, in.Commanded, engine.Command{Do: "reassign", Targets: in.Body.Targets, Text: in.Body.Reason})
}

func (s *server) note(ctx context.Context, in *noteIn) (*incidentOut, error) {
	return s.command(ctx, in.Commanded, engine.Command{Do: "note", Text: in.Body.Text})
}
