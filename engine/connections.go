package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/store"
)

// A Connection is what this replica knows of a way out.
type Connection struct {
	Connection string    `json:"connection"`
	Kind       string    `json:"kind"`
	Health     string    `json:"health" enum:"works,failing,unknown" doc:"unknown: nothing was sent by it since this process began."`
	Since      time.Time `json:"since,omitzero" doc:"Since when nothing gets through."`
	Error      string    `json:"error,omitempty" doc:"What came of the last try, without secrets."`
	Failures   int       `json:"failures,omitempty" doc:"Tries in a row that failed or were refused."`
	SentAt     time.Time `json:"sent_at,omitzero" doc:"When something got through last."`
}

// The health of a connection.
const (
	connectionWorks   = "works"
	connectionFailing = "failing"
	connectionUnknown = "unknown"
)

// Connections lists the connections of an organization with their health, by
// name. Health is that of this process: another replica may be cut off.
func (e *Engine) Connections(org string) ([]Connection, error) {
	s, err := e.setup(org)
	if err != nil {
		return nil, err
	}
	e.couriers.mu.Lock()
	defer e.couriers.mu.Unlock()
	list := []Connection{}
	for _, slug := range slices.Sorted(maps.Keys(s.doc.Connections)) {
		c := Connection{Connection: slug, Kind: s.doc.Connections[slug].Kind, Health: connectionUnknown}
		if h := e.couriers.known[store.Destination(org, slug)]; h != nil {
			c.Since, c.Error, c.Failures, c.SentAt = h.since, h.reason, h.failures+h.refusals, h.sent
			switch {
			case h.red():
				c.Health = connectionFailing
			case !h.sent.IsZero():
				c.Health = connectionWorks
			}
		}
		list = append(list, c)
	}
	return list, nil
}

// tellOfConnections tells the log, the metrics and the operators which
// connections fail now, or work again.
func (e *Engine) tellOfConnections() {
	for destination, h := range e.couriers.news() {
		e.couriers.detours.now()
		org, connection, _ := strings.Cut(destination, "/")
		s, err := e.setup(org)
		if err != nil || connection == "" { // gone meanwhile, or the plain network
			continue
		}
		failing, since := e.metrics.failing.WithLabelValues(s.org.Slug, connection), e.metrics.since.WithLabelValues(s.org.Slug, connection)
		key := "connection/" + connection
		if !h.red() {
			failing.Set(0)
			since.Set(0)
			e.Log.Info("a connection works again", "organization", s.org.Slug, "connection", connection)
			e.report(org, event.Event{Action: event.Resolve, Key: key, Title: "Connection " + connection + " works again"})
			continue
		}
		failing.Set(1)
		since.Set(float64(h.since.Unix()))
		e.Log.Error("a connection fails", "organization", s.org.Slug, "connection", connection, "since", h.since, "error", h.reason)
		e.report(org, event.Event{
			Action: event.Trigger, Key: key, Labels: map[string]string{"kind": "connection"},
			Title: fmt.Sprintf("Nothing gets through by connection %s since %s: %s", connection, h.since.Format("15:04:05 UTC"), h.reason),
		})
	}
}
