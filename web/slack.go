package web

import (
	"errors"
	"net/http"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/store"
)

func (s *server) slackRoutes() {
	s.plain(signature, http.MethodPost, "/chat/slack/{organization}", "slack", "Take what somebody pressed in Slack", s.slack,
		tag("chat"), s.takes("application/x-www-form-urlencoded", nil), param("path", "organization", "The slug of the organization."),
		s.gives(http.StatusOK, "application/json", nil), s.problems(http.StatusBadRequest, http.StatusUnauthorized, http.StatusRequestEntityTooLarge),
		describeAs("Signed by Slack with the signing secret of a connection of the organization."))
}

// slack answers Slack, which waits three seconds: what cannot be done is told
// to the person who pressed, by the engine.
func (s *server) slack(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(w, r, maxOther)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer, err := s.engine.Slack(r.Context(), r.PathValue("organization"), r.Header, body)
	switch {
	case err == nil:
		media := "application/json"
		if len(answer.Body) > 0 && answer.Body[0] != '{' { // the challenge of a new URL
			media = "text/plain; charset=utf-8"
		}
		writeBody(w, http.StatusOK, media, answer.Body)
	case errors.Is(err, engine.ErrSignature), errors.Is(err, store.ErrBusy):
		s.fail(w, r, err)
	default:
		s.fail(w, r, newProblem(http.StatusBadRequest, "%s", err))
	}
}
