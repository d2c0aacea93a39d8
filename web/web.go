// Package web is the HTTP face of Muster: the JSON API under /api/v1 with its
// OpenAPI document, the intakes, the callback of Slack, health and metrics.
//
// It knows HTTP: routes and who may use them, sizes and encodings of bodies,
// which error is which status, cursors, ETags and Idempotency-Keys. It decides
// nothing about incidents, writes no SQL and reads no clock: what a request asks
// for is done by the engine, and the instant comes from Options.
package web

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/musterhq/muster/engine"
)

// Options say how the HTTP face is set up.
type Options struct {
	Log     *slog.Logger     // nil: nothing is logged
	Now     func() time.Time // the clock; needed
	Version string           // of the program, for the OpenAPI document
}

// server is all that handlers share. Nothing of it changes but what the fields
// with locks of their own guard.
type server struct {
	engine     *engine.Engine
	log        *slog.Logger
	now        func() time.Time
	mux        *http.ServeMux
	api        huma.API
	routes     []route
	metrics    *metrics
	complaints *complaints
	inFlight   *inFlight
	logBodies  *slots
	reports    *slots
	openAPI    []byte
}

// New returns the handler of everything that Muster answers over HTTP. It
// registers its metrics with the engine's registry.
func New(e *engine.Engine, o Options) http.Handler { return newServer(e, o) }

func newServer(e *engine.Engine, o Options) *server {
	s := &server{
		engine: e, log: o.Log, now: o.Now, mux: http.NewServeMux(),
		metrics: newMetrics(e.Registry()), complaints: newComplaints(), inFlight: newInFlight(),
		logBodies: newSlots(), reports: newSlots(),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.api = huma.NewAPI(describe(o.Version), s)
	s.describeErrors()

	s.intakeRoutes()
	s.pagerDutyRoutes()
	s.logRoutes()
	s.slackRoutes()

	s.incidentRoutes()
	s.commandRoutes()
	s.alertRoutes()
	s.eventRoutes()
	s.onCallRoutes()
	s.connectionRoutes()
	s.overrideRoutes()
	s.runRoutes()
	s.ruleRoutes()
	s.gateRoutes()
	s.defectRoutes()
	s.knowledgeRoutes()
	s.configRoutes()
	s.complaintRoutes()
	s.tokenRoutes()

	s.healthRoutes()
	s.openAPIRoutes()
	return s
}
