package web

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are those of requests. Labels are of closed sets: patterns of routes
// and statuses, never paths.
type metrics struct {
	seconds *prometheus.HistogramVec
	handler http.Handler
}

func newMetrics(registry *prometheus.Registry) *metrics {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "muster_http_request_seconds", Help: "How long requests took, by route and status.",
		Buckets: []float64{.001, .005, .02, .1, .5, 2, 10},
	}, []string{"route", "status"})
	var before prometheus.AlreadyRegisteredError
	if errors.As(registry.Register(seconds), &before) { // two faces of one engine count together
		seconds = before.ExistingCollector.(*prometheus.HistogramVec)
	}
	return &metrics{seconds: seconds, handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{})}
}

func (m *metrics) request(route string, status int, took time.Duration) {
	m.seconds.WithLabelValues(route, strconv.Itoa(status)).Observe(took.Seconds())
}
