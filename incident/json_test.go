package incident_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/internal/jsontest"

	"github.com/musterhq/muster/incident"
)

// TestAppendJSON: what is written by hand reads back as what encoding/json
// writes does, whatever the fields hold, those of nested types included. Fields
// are found by reflection, so that a new one that AppendJSON forgets fails here.
func TestAppendJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		jsontest.Same(t, jsontest.Drawn[incident.Alert](t))
		jsontest.Same(t, jsontest.Drawn[incident.Incident](t))
		jsontest.Same(t, jsontest.Drawn[incident.Entry](t))
	})
}
