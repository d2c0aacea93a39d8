package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/musterhq/muster/engine"
)

// readyWithin bounds how long the database may take to say that it is there.
const readyWithin = 2 * time.Second

func (s *server) healthRoutes() {
	about := tag("process")
	s.plain(nobody, http.MethodGet, "/healthz", "healthz", "Whether the process answers", s.healthz, about, s.gives(http.StatusOK, "application/json", nil))
	s.plain(nobody, http.MethodGet, "/readyz", "readyz", "Whether the loops run and the database answers", s.readyz, about,
		s.gives(http.StatusOK, "application/json", nil), s.problems(http.StatusServiceUnavailable))
	s.plain(nobody, http.MethodGet, "/metrics", "metrics", "Figures for Prometheus", s.metrics.handler.ServeHTTP, about, s.gives(http.StatusOK, "text/plain", nil))
}

func (s *server) healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (s *server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
	defer cancel()
	if err := s.engine.Ready(ctx); err != nil {
		s.log.Warn("not ready", "error", err)
		p := newProblem(http.StatusServiceUnavailable, "starting, shutting down, or without its database")
		if errors.Is(err, engine.ErrSkewed) {
			p.Detail = err.Error()
		}
		p.with("Retry-After", "1").write(w)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
}
