package gate

import "time"

// A Selftest says whether a gate still refuses what it must refuse: a program
// with known defects was put before it. A gate that lets one of them pass has
// been letting others pass, since nobody knows when.
type Selftest struct {
	ID     string          `json:"id,omitempty"` // made by who reports, the same when it is sent again
	At     time.Time       `json:"at,omitzero"`  // UTC
	Good   bool            `json:"good"`
	Detail string          `json:"detail,omitempty"` // one line
	Checks []SelftestCheck `json:"checks,omitempty"`
	Source
}

// A SelftestCheck is one defect that was put before the gate.
type SelftestCheck struct {
	Name   string `json:"name"`
	Good   bool   `json:"good"` // it was refused
	Detail string `json:"detail,omitempty"`
}
