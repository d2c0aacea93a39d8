package web

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"

	"github.com/musterhq/muster/engine"
)

// A LogAnswer tells a log shipper what became of its lines. It is sent when
// their counts are on disk.
type LogAnswer struct {
	Lines    int64                `json:"lines" doc:"How many lines there were."`
	Unparsed int64                `json:"unparsed" doc:"How many of them could not be parsed, and count nowhere."`
	Errors   []engine.LineProblem `json:"errors" nullable:"false" doc:"The first of those."`
}

// fineSource is how a log source may be called: as a slug.
var fineSource = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

func (s *server) logRoutes() {
	about := []edit{
		tag("intakes"), s.takes("application/x-ndjson", nil), s.takes("text/plain", nil), s.gives(http.StatusAccepted, "application/json", reflect.TypeFor[LogAnswer]()),
		s.problems(http.StatusBadRequest, http.StatusUnauthorized, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusServiceUnavailable),
		param("path", "source", "The log source that rules name."),
		param("header", idempotencyHeader, "The same lines with the same key are counted once, for an hour. Without a key, the same body is counted once if the time before was not answered."),
		describeAs("Lines of NDJSON or of an access log, whole lines only. 202 means that their counts, and all that follows from them, are on disk. At most %d MiB after gzip or deflate.", maxLogs>>20),
	}
	s.plain(integration, http.MethodPost, "/intake/logs/{source}", "intake-logs", "Count log lines", s.logs, about...)
	s.plain(integration, http.MethodPost, "/intake/logs/{source}/{key}", "intake-logs-key", "Count log lines, the key in the path", s.logs,
		append(about, param("path", "key", "The key of the integration."))...)
}

func (s *server) logs(w http.ResponseWriter, r *http.Request) {
	from, err := s.sender(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	key := r.Header.Get(idempotencyHeader)
	if !fineKey(key) {
		s.refuse(w, r, from, nil, badKey())
		return
	}
	source := r.PathValue("source")
	if !fineSource.MatchString(source) {
		detail := "want lower-case letters, digits, - and _, at most 64"
		s.refuse(w, r, from, nil, newProblem(http.StatusBadRequest, "source: %s", detail).at(Fault{Parameter: "source", Detail: detail}))
		return
	}
	free, err := s.logBodies.take(r.Context(), from.Org)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer free()
	body, err := readBody(w, r, maxLogs)
	if err != nil {
		s.refuse(w, r, from, nil, err)
		return
	}
	result, answered, err := s.engine.LogsOnce(r.Context(), from, source, key, body)
	if err != nil {
		answered(false)
		s.fail(w, r, err)
		return
	}
	defer func() { answered(delivered(w, r)) }()
	if result.Repeated {
		w.Header().Set(replayedHeader, "true")
	} else if result.Unparsed > 0 {
		s.complainOfLines(r, from, source, result, body)
	}
	a := LogAnswer{Lines: result.Lines, Unparsed: result.Unparsed, Errors: result.Errors}
	if a.Errors == nil {
		a.Errors = []engine.LineProblem{}
	}
	writeJSON(w, http.StatusAccepted, a)
}

// delivered tells whether an answer that was written has left for its sender, as
// far as can be known here.
func delivered(w http.ResponseWriter, r *http.Request) bool {
	err := http.NewResponseController(w).Flush()
	return (err == nil || errors.Is(err, http.ErrNotSupported)) && r.Context().Err() == nil
}

func (s *server) complainOfLines(r *http.Request, from engine.Sender, source string, result engine.LogResult, body []byte) {
	detail := fmt.Sprintf("log source %s: %d of %d lines could not be parsed", source, result.Unparsed, result.Lines)
	if len(result.Errors) > 0 {
		detail += fmt.Sprintf("; line %d: %s", result.Errors[0].Line, result.Errors[0].Detail)
	}
	s.complain(r.Context(), from.Org, from.Integration, warning, detail, body)
}
