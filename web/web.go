// Package web is the HTTP face of Muster.
package web

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/musterhq/muster/engine"
)

// Options say how the HTTP face is set up.
type Options struct {
	Log     *slog.Logger
	Now     func() time.Time
	Version string
}

// New returns the handler of everything that Muster answers over HTTP.
func New(e *engine.Engine, o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	return mux
}

// Server returns a server with limits that a hostile client cannot stretch.
func Server(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
}
