package runbook

import "time"

// A Budget is how many runs of one runbook against one target there may be
// within any stretch of time of that length. The zero Budget allows none.
type Budget struct {
	Runs int           `json:"runs"`
	Per  time.Duration `json:"per"` // nanoseconds
}
