package store_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/store"
)

// TestOfOneIncident: SQLite finds the alerts and the runs of an incident by an index
// of incidents, and does not read all of the organization's.
func TestOfOneIncident(t *testing.T) {
	t.Parallel()
	s := must(store.Open(t.Context(), filepath.Join(t.TempDir(), "muster.db"), discard))(t)
	t.Cleanup(func() { _ = s.Close() })
	for _, status := range []incident.AlertStatus{"", incident.Firing} {
		for _, after := range []string{"", "a"} {
			plan := must(s.AlertsPlan(t.Context(), "o", store.AlertFilter{Incident: "i", Status: status, After: after, Limit: 10}))(t)
			if !strings.Contains(plan, "alerts_of_incident (incident=?") {
				t.Errorf("status %q, after %q: %s", status, after, plan)
			}
		}
	}
	if plan := must(s.RunsPlan(t.Context(), "o", "i"))(t); !strings.Contains(plan, "runs_once (incident=?") {
		t.Error(plan)
	}
}
