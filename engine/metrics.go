package engine

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are the engine's own figures. Labels are of closed sets: no titles,
// no addresses.
type metrics struct {
	registry         *prometheus.Registry
	events           *prometheus.CounterVec
	opened, resolved prometheus.Counter
	sends            *prometheus.HistogramVec
	restarts, panics *prometheus.CounterVec
	verdicts         *prometheus.CounterVec
	lines            *prometheus.CounterVec
	operatorAlerts   *prometheus.CounterVec
	stuck            *prometheus.GaugeVec
	stuckFound       *prometheus.CounterVec
	auditSeconds     prometheus.Histogram
	auditLast        prometheus.Gauge
	auditWalk        *prometheus.GaugeVec
	database         prometheus.Gauge
	replicas         prometheus.Gauge
	skew, offline    prometheus.Gauge
	takeovers        prometheus.Counter
	calls            *prometheus.HistogramVec
	failing, since   *prometheus.GaugeVec
	gathered         *prometheus.CounterVec
	reports          *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		events:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "muster_events_accepted_total", Help: "Events that were answered 2xx, by kind of source."}, []string{"kind"}),
		opened:   prometheus.NewCounter(prometheus.CounterOpts{Name: "muster_incidents_opened_total", Help: "Incidents opened."}),
		resolved: prometheus.NewCounter(prometheus.CounterOpts{Name: "muster_incidents_resolved_total", Help: "Incidents resolved."}),
		sends: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "muster_send_seconds", Help: "How long sending an outbox row took, by kind of row and outcome.",
			Buckets: []float64{.005, .02, .1, .5, 2, 10, 20}}, []string{"kind", "outcome"}),
		restarts:       prometheus.NewCounterVec(prometheus.CounterOpts{Name: "muster_loop_restarts_total", Help: "Loops that failed and were started again."}, []string{"loop"}),
		panics:         prometheus.NewCounterVec(prometheus.CounterOpts{Name: "muster_panics_total", Help: "Panics that cost one send, one move of a run or one turn of rules, by loop."}, []string{"loop"}),
		verdicts:       prometheus.NewCounterVec(prometheus.CounterOpts{Name: "muster_run_verdicts_total", Help: "Runbook runs, by verdict."}, []string{"verdict"}),
		lines:          prometheus.NewCounterVec(prometheus.CounterOpts{Name: "muster_log_lines_total", Help: "Log lines read, by whether they could be parsed."}, []string{"parsed"}),
		operatorAlerts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "muster_operator_alerts_total", Help: "What the operators of Muster were told, or would have been if they were named, by kind."}, []string{"kind"}),
		database:       prometheus.NewGauge(prometheus.GaugeOpts{Name: "muster_database_up", Help: "Whether the database takes what is written: 1 or 0."}),
		replicas:       prometheus.NewGauge(prometheus.GaugeOpts{Name: "muster_replicas", Help: "Replicas that live, this one too."}),
		skew:           prometheus.NewGauge(prometheus.GaugeOpts{Name: "muster_clock_skew_seconds", Help: "How far the database's clock is ahead of this machine's; always 0 on SQLite."}),
		offline:        prometheus.NewGauge(prometheus.GaugeOpts{Name: "muster_offline", Help: "Whether this replica reaches none of several destinations: 1 or 0."}),
		takeovers:      prometheus.NewCounter(prometheus.CounterOpts{Name: "muster_takeovers_total", Help: "Replicas that this one declared dead, and whose work it freed."}),
		stuck:          prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "muster_stuck", Help: "What the auditor's last look found stuck, by kind."}, []string{"kind"}),
		stuckFound:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "muster_stuck_found_total", Help: "What the auditor found stuck, at every look, by kind."}, []string{"kind"}),
		auditSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "muster_audit_seconds", Help: "How long the auditor's looks took.",
			Buckets: []float64{.001, .005, .02, .1, .5, 2, 10}}),
	}
	of := []string{"organization", "connection"}
	m.calls = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "muster_connection_call_seconds", Help: "How long calls to what is outside took, by connection and outcome: ok, refused, later, failed.",
		Buckets: []float64{.1, .5, 2, 10, 20}}, append(of, "outcome"))
	m.failing = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "muster_connection_failing", Help: "Whether nothing gets through by a connection: 1 or 0."}, of)
	m.since = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "muster_connection_failing_since_seconds", Help: "Since when nothing gets through by a connection, in seconds since 1970; 0 if it works."}, of)
	m.registry.MustRegister(m.calls, m.failing, m.since)
	m.auditLast = prometheus.NewGauge(prometheus.GaugeOpts{Name: "muster_audit_last_look_seconds", Help: "When the auditor completed its last look, in seconds since 1970 UTC."})
	m.gathered = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "muster_pages_gathered_total", Help: "Pages that left with a digest or a newer page of their incident, by what became of it."}, []string{"outcome"})
	m.reports = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "muster_gate_reports_total", Help: "Reports of gates in CI that were taken in, by verdict."}, []string{"verdict"})
	m.registry.MustRegister(m.gathered, m.reports)
	m.database.Set(1)
	m.auditWalk = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "muster_audit_walk_seconds", Help: "How long the last round of each of the auditor's walks took, pauses included: what it looks for is found within that."}, []string{"walk"})
	m.registry.MustRegister(m.stuck, m.stuckFound, m.auditSeconds, m.auditLast, m.auditWalk)
	m.replicas.Set(1)
	m.registry.MustRegister(m.events, m.opened, m.resolved, m.sends, m.restarts, m.panics, m.verdicts, m.lines, m.operatorAlerts, m.database, m.replicas, m.skew, m.offline, m.takeovers,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Registry holds the engine's metrics, for /metrics.
func (e *Engine) Registry() *prometheus.Registry { return e.metrics.registry }
