// Package incident is the heart of Muster: what an alert, an incident, an
// escalation and a notification are, and how they change. Every rule is a pure
// function of (state, now); nothing here reads a clock, a database or a network.
//
// An incident is the fold of its timeline: a rule decides which entries are
// added, and Incident.Apply alone says what an entry changes. So the row that
// the store keeps and the story that people read cannot disagree.
package incident

import "time"

// Status is where an incident stands.
type Status string

// The statuses of an incident; docs/state-machines.md has the table.
const (
	Triggered    Status = "triggered"    // somebody must come; the policy climbs
	Acknowledged Status = "acknowledged" // somebody is on it; nobody else is paged
	Snoozed      Status = "snoozed"      // put aside until an instant, then it climbs anew
	Resolved     Status = "resolved"     // over; a later trigger opens another incident
)

// Urgency says which of a user's notification rules apply.
type Urgency string

// The urgencies; High is that of critical and error alerts unless a service says otherwise.
const (
	High Urgency = "high"
	Low  Urgency = "low"
)

// An Incident is the response to one or more alerts of one group key. All
// instants are UTC, to the microsecond; a zero instant means "never".
type Incident struct {
	ID           string    `json:"id"`
	Org          string    `json:"organization"`
	Number       int64     `json:"number"` // counts within the organization, for people
	GroupKey     string    `json:"group_key"`
	Title        string    `json:"title"`
	Service      string    `json:"service,omitempty"`
	Team         string    `json:"team,omitempty"`
	Severity     Severity  `json:"severity"`
	Urgency      Urgency   `json:"urgency"`
	Status       Status    `json:"status"`
	Policy       Policy    `json:"policy"`   // copied when the incident opens: an edit never moves a running climb
	Revision     int64     `json:"revision"` // of the configuration the policy was copied from
	Climb        int       `json:"climb"`    // grows with every new start of the climb, so that no later page collides with an earlier one
	Round        int       `json:"round"`    // of the policy's Repeat rounds, from 0
	Step         int       `json:"step"`     // the next step to notify, from 0
	Due          time.Time `json:"due,omitzero"`
	OpenedAt     time.Time `json:"opened_at"`
	AckedAt      time.Time `json:"acknowledged_at,omitzero"` // the first acknowledgement
	AckedBy      string    `json:"acknowledged_by,omitempty"`
	SnoozedUntil time.Time `json:"snoozed_until,omitzero"`
	Exhausted    bool      `json:"exhausted,omitempty"` // every step was notified and nobody came
	ResolvedAt   time.Time `json:"resolved_at,omitzero"`
	ResolvedBy   string    `json:"resolved_by,omitempty"`
	RestoredAt   time.Time `json:"restored_at,omitzero"`   // when Muster was restored last while it was open …
	RestoredFrom time.Time `json:"restored_from,omitzero"` // … and when the backup was made
	Firing       int       `json:"firing"`                 // alerts that fire now
	Alerts       int       `json:"alerts"`                 // alerts there ever were
	Hold         string    `json:"hold,omitempty"`         // the run whose verdict is awaited; until then the incident does not resolve by itself
	Seq          int64     `json:"seq"`                    // of the last timeline entry
	Shown        int64     `json:"shown"`                  // of the last entry that changed what messages show
	Version      int64     `json:"version"`                // for compare-and-set; the store counts it
}

// Open tells whether the incident is not resolved.
func (i Incident) Open() bool { return i.Status != Resolved }

// Why an open incident has nothing due; see Waits.
const (
	WaitsAcknowledged = "acknowledged" // for whoever took it
	WaitsExhausted    = "exhausted"    // for anybody: the policy is at its end
)

// Waits says why an open incident has nothing due. It is "" for one that is due
// or resolved, and for one that is stuck.
func (i Incident) Waits() string {
	switch {
	case !i.Due.IsZero():
	case i.Status == Acknowledged:
		return WaitsAcknowledged
	case i.Status == Triggered && i.Exhausted:
		return WaitsExhausted
	}
	return ""
}

// A Policy tells whom to notify and how long to wait, step by step.
type Policy struct {
	Slug   string `json:"slug,omitempty"`
	Steps  []Step `json:"steps"`
	Repeat int    `json:"repeat"` // rounds in all; 0 and 1 both mean one
}

// A Step of a policy notifies its targets ("user:ana", "team:payments",
// "schedule:primary") and then waits before the next one.
type Step struct {
	Notify []string      `json:"notify"`
	Wait   time.Duration `json:"wait"`
}

// Severity of an alert, as its sender or rule says, and of an incident, as its
// worst alert says.
type Severity string

// The severities, worst first.
const (
	Critical Severity = "critical"
	Error    Severity = "error"
	Warning  Severity = "warning"
	Info     Severity = "info"
)

// Rank orders severities: 0 is critical, 3 is info; what is unknown ranks as error.
func (s Severity) Rank() int {
	switch s {
	case Critical:
		return 0
	case Warning:
		return 2
	case Info:
		return 3
	}
	return 1
}

// Urgency is that of an alert of this severity: High for critical and error.
func (s Severity) Urgency() Urgency {
	if s.Rank() <= 1 {
		return High
	}
	return Low
}

// SEV is the severity of an incident on the scale SEV1 (worst) to SEV5.
func (s Severity) SEV() string {
	return [...]string{"SEV1", "SEV2", "SEV3", "SEV4"}[s.Rank()]
}
