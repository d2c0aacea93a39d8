package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/jsonscan"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
)

// A Problem is the answer to what could not be done, by RFC 9457.
type Problem struct {
	Type   string  `json:"type" example:"about:blank" doc:"Always about:blank: the status says what kind of problem it is."`
	Title  string  `json:"title" example:"Unprocessable Entity" doc:"The status in words."`
	Status int     `json:"status" example:"422" doc:"The HTTP status."`
	Detail string  `json:"detail,omitempty" doc:"What is wrong with this very request."`
	Errors []Fault `json:"errors,omitempty" nullable:"false" doc:"Where it is wrong, one by one."`

	headers http.Header
	cause   error // of a 5xx, for the log
}

// A Fault is one thing that is wrong with a request, and where.
type Fault struct {
	Pointer   string `json:"pointer" doc:"JSON pointer (RFC 6901) into the body, or the path within a configuration; empty for the whole."`
	Line      int    `json:"line,omitempty" doc:"From 1."`
	Column    int    `json:"column,omitempty" doc:"From 1, in characters."`
	File      string `json:"file,omitempty" doc:"Of a configuration: the name of the file."`
	Parameter string `json:"parameter,omitempty" doc:"The parameter of path, query or header that is meant, in place of the body."`
	Detail    string `json:"detail" doc:"What is wrong."`
}

// Error says what is wrong in one line.
func (p *Problem) Error() string { return p.Detail }

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders returns the headers that the answer has besides its body.
func (p *Problem) GetHeaders() http.Header { return p.headers }

// ContentType returns that of problems where JSON was negotiated.
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// newProblem makes a problem of a status and what is wrong in words.
func newProblem(status int, format string, args ...any) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// at adds where it is wrong.
func (p *Problem) at(f ...Fault) *Problem {
	p.Errors = append(p.Errors, f...)
	return p
}

func (p *Problem) with(name, value string) *Problem {
	if p.headers == nil {
		p.headers = http.Header{}
	}
	p.headers.Set(name, value)
	return p
}

// problemOf is the one place where an error becomes a status.
func problemOf(ctx context.Context, err error) *Problem {
	var (
		problem  *Problem
		events   event.Errors
		files    config.Errors
		tooBig   *http.MaxBytesError
		database *store.Unavailable
	)
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &events):
		status := http.StatusBadRequest
		if is(event.ErrTooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		p := newProblem(status, "%s", events[0].Error())
		for _, e := range events {
			p.at(Fault{Pointer: e.Pointer, Line: e.Line, Column: e.Column, Detail: e.Detail})
		}
		return p
	case errors.As(err, &files):
		p := newProblem(http.StatusUnprocessableEntity, "%d mistakes in the configuration; the first: %s", len(files), files[0].Error())
		if len(files) == 1 {
			p.Detail = files[0].Error()
		}
		for _, f := range files {
			p.at(configFault(f))
		}
		return p
	case errors.As(err, &tooBig):
		return newProblem(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", tooBig.Limit)
	case is(engine.ErrSignature):
		return unauthorized()
	case is(store.ErrNotFound):
		return newProblem(http.StatusNotFound, "%s", err)
	case is(incident.ErrConflict), is(runbook.ErrMove), is(store.ErrMoved), is(store.ErrExists):
		return newProblem(http.StatusConflict, "%s", strings.TrimPrefix(err.Error(), incident.ErrConflict.Error()+": "))
	case is(engine.ErrStale):
		return newProblem(http.StatusPreconditionFailed, "%s", err)
	case is(incident.ErrInvalid), is(engine.ErrInvalid):
		return invalid(ctx, err)
	case errors.As(err, &database):
		return unavailable(database, err)
	case is(store.ErrBusy), is(context.DeadlineExceeded), is(context.Canceled):
		p := newProblem(http.StatusServiceUnavailable, "not available now; nothing was done as far as is known, try again").with("Retry-After", "2")
		p.cause = err
		return p
	}
	p := newProblem(http.StatusInternalServerError, "something went wrong here; the log says what")
	p.cause = err
	return p
}

// unavailable is the answer while the database takes nothing: 507 if it has no
// room, else 503. It says why, and never what the database said.
func unavailable(u *store.Unavailable, cause error) *Problem {
	status, detail, again := http.StatusServiceUnavailable, "the database does not answer", "5"
	switch u.Reason {
	case store.Full:
		status, detail, again = http.StatusInsufficientStorage, "the disk of the database is full", "30"
	case store.ReadOnly:
		detail, again = "the database may only be read now", "30"
	case store.Locked:
		detail = "somebody else holds the database"
	case store.Failing:
		detail = "the database has a fault"
	}
	p := newProblem(status, "%s; nothing was done as far as is known, try again", detail).with("Retry-After", again)
	p.cause = cause
	return p
}

// named finds the field that an error of the engine or the heart names:
// "invalid: until: it is in the past".
var named = regexp.MustCompile(`(?s)^invalid: ([a-z_]+): (.*)$`)

func invalid(ctx context.Context, err error) *Problem {
	p := newProblem(http.StatusUnprocessableEntity, "%s", strings.TrimPrefix(err.Error(), "invalid: "))
	if m := named.FindStringSubmatch(err.Error()); m != nil {
		p.at(bodyFault(ctx, "/"+m[1], m[2]))
	}
	return p
}

// configFault is a mistake in a configuration, with its path as a pointer:
// policies.p.steps[0].wait is /policies/p/steps/0/wait.
func configFault(f config.Problem) Fault {
	detail := f.Detail
	if f.Suggestion != "" {
		detail += fmt.Sprintf(" (did you mean %q?)", f.Suggestion)
	}
	return Fault{Pointer: pathPointer(f.Path), Line: f.Line, Column: f.Column, File: f.File, Detail: detail}
}

func pathPointer(path string) string {
	if path == "" {
		return ""
	}
	return "/" + strings.NewReplacer("~", "~0", "/", "~1", ".", "/", "[", "/", "]", "").Replace(path)
}

// bodyFault is a fault of the request's JSON body at a pointer, with the line
// and the column where that stands; of a member that is missing, those of the
// object that should have it.
func bodyFault(ctx context.Context, pointer, detail string) Fault {
	f := Fault{Pointer: pointer, Detail: detail}
	doc, _ := ctx.Value(docKey{}).(*jsonscan.Doc)
	if doc == nil {
		return f
	}
	for at := pointer; ; at = at[:strings.LastIndexByte(at, '/')] {
		if v := doc.Find(at); v.Kind() != jsonscan.None || at == "" {
			f.Line, f.Column = v.Position()
			return f
		}
	}
}

// docKey is that of the scanned body in a request's context.
type docKey struct{}

// missing finds the member that huma misses; it places that at the object.
var missing = regexp.MustCompile(`^expected required property (\S+) to be present$`)

// humaProblem is the problem that huma found with a request before any handler
// of ours saw it.
func humaProblem(ctx context.Context, m *huma.ErrorModel) *Problem {
	p := newProblem(m.Status, "%s", m.Detail)
	for _, e := range m.Errors {
		where, path, _ := strings.Cut(e.Location, ".")
		if where == "body" || strings.HasPrefix(where, "body[") {
			pointer, detail := pathPointer(strings.TrimPrefix(strings.TrimPrefix(e.Location, "body"), ".")), e.Message
			if m := missing.FindStringSubmatch(detail); m != nil {
				pointer, detail = pointer+"/"+m[1], "missing"
			}
			p.at(bodyFault(ctx, pointer, detail))
			continue
		}
		p.at(Fault{Parameter: path, Detail: e.Message})
	}
	if len(p.Errors) > 0 {
		first := p.Errors[0]
		p.Detail = strings.TrimPrefix(fmt.Sprintf("%s: %s", cmp.Or(first.Parameter, first.Pointer), first.Detail), ": ")
	}
	return p
}

// write answers with the problem.
func (p *Problem) write(w http.ResponseWriter) {
	body := p.json()
	h := w.Header()
	for name, values := range p.headers {
		h[name] = values
	}
	h.Set("Content-Type", problemType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	w.Write(body)
}

func (p *Problem) json() []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.Encode(p) // strings and numbers: cannot fail
	return out.Bytes()
}

// fail answers with what err is, and logs what is our own fault.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.problem(r.Context(), r.Pattern, err).write(w)
}

// problem is problemOf that logs what is our own fault.
func (s *server) problem(ctx context.Context, pattern string, err error) *Problem {
	p := problemOf(ctx, err)
	if p.cause != nil && !errors.Is(p.cause, context.Canceled) {
		s.log.Error("request failed", "route", pattern, "status", p.Status, "error", p.cause)
	}
	return p
}
