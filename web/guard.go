package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// ServeHTTP serves a request; a handler that panics becomes a 500. What it
// logs names the pattern of the route and never the path, which may hold a key.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := s.now()
	seen := &seen{ResponseWriter: w, request: r}
	secure(w.Header())
	defer func() {
		panicked := recover()
		if panicked != nil {
			s.panicked(seen, r, panicked)
		}
		s.served(r, seen, s.now().Sub(begun))
		if panicked != nil && seen.late {
			panic(http.ErrAbortHandler) // the client must see that the answer is not whole
		}
	}()
	s.mux.ServeHTTP(seen, r)
}

func (s *server) panicked(w *seen, r *http.Request, what any) {
	if err, ok := what.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
		s.log.Error("handler panicked", "route", routeName(r)) // not what it said, which may hold a secret
		s.engine.Defect("web", what)
	}
	if w.status != 0 {
		w.late = true
		return
	}
	newProblem(http.StatusInternalServerError, "something went wrong here; the log says what").write(w)
}

func (s *server) served(r *http.Request, w *seen, took time.Duration) {
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	s.metrics.request(routeName(r), status, took)
	if s.log.Enabled(r.Context(), slog.LevelDebug) {
		s.log.LogAttrs(context.WithoutCancel(r.Context()), slog.LevelDebug, "request",
			slog.String("route", routeName(r)), slog.Int("status", status), slog.Duration("took", took),
			slog.String("remote", r.RemoteAddr), slog.Int64("length", r.ContentLength), slog.Int64("sent", w.sent))
	}
}

// routeName is the pattern of a route: a closed set, whatever is asked for.
func routeName(r *http.Request) string {
	if r.Pattern == "" {
		return "unmatched"
	}
	return r.Pattern
}

// secure sets the headers of every answer: it is data, to be neither guessed
// at, framed, run nor kept by anything on the way.
func secure(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// seen remembers what was answered, and turns the mux's own plain answers to
// what matches no route into problems.
type seen struct {
	http.ResponseWriter
	request *http.Request
	status  int
	sent    int64
	drop    bool // what the mux writes after the problem that stands in its place
	late    bool // a handler panicked after it began to answer
}

// Unwrap lets http.ResponseController through.
func (w *seen) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader is part of http.ResponseWriter.
func (w *seen) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	if w.request.Pattern == "" && !w.drop {
		var p *Problem
		switch status {
		case http.StatusNotFound:
			p = newProblem(status, "there is no such path; /api/v1/openapi.json lists those there are")
		case http.StatusMethodNotAllowed:
			p = newProblem(status, "this path takes %s", strings.ReplaceAll(w.Header().Get("Allow"), ", HEAD", ""))
		}
		if p != nil {
			p.write(&problemWriter{w})
			w.drop = true
			return
		}
	}
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Write is part of http.ResponseWriter.
func (w *seen) Write(b []byte) (int, error) {
	if w.drop {
		return len(b), nil
	}
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.sent += int64(n)
	return n, err
}

// problemWriter writes what stands in the place of the mux's own answer.
type problemWriter struct{ *seen }

// WriteHeader is part of http.ResponseWriter.
func (w *problemWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}
