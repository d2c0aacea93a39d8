package store_test

import (
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
)

// firing returns an alert of integration i that fires, with an id of its own.
func firing(key, incidentID string) incident.Alert {
	return incident.Alert{
		ID: id.New(nine), Org: "o", Integration: "i", Key: key, Status: incident.Firing, IncidentID: incidentID,
		Title: key, Severity: incident.Critical, Count: 1, OpenedAt: nine, LastAt: nine,
	}
}
