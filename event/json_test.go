package event_test

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/internal/jsontest"

	"github.com/musterhq/muster/event"
)

// TestAppendJSON: what is written by hand reads back as what encoding/json
// writes does, whatever the fields hold, those of nested types included. Fields
// are found by reflection, so that a new one that AppendJSON forgets fails here.
func TestAppendJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := jsontest.Drawn[event.Event](t)
		e.Details = rapid.SampledFrom([]json.RawMessage{nil, json.RawMessage(`{"free":"3%"}`), json.RawMessage(`[1,null]`), json.RawMessage(`"x"`)}).Draw(t, "details")
		e.Routing = "a secret"
		jsontest.Same(t, e)
	})
}
