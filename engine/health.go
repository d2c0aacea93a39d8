package engine

import (
	"github.com/musterhq/muster/store"
)

// database hears, from the committer, that the database stopped taking writes,
// does so for another reason, or takes them again. It must not wait.
func (e *Engine) database(h store.Health) {
	up := 1.0
	if !h.OK {
		up = 0
	}
	e.metrics.database.Set(up)
	if h.OK {
		e.Log.Info("the database takes what is written", "since", h.Since)
	} else {
		e.Log.Error("the database takes nothing", "reason", h.Reason, "since", h.Since, "error", h.Err)
	}
	e.unstored.wake.now()
	e.couriers.wake.now() // what could not be claimed or stored
	e.clock.now()
	e.emergency.wake.now()
	e.runs.wake.now()
}
