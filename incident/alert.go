package incident

import "time"

// AlertStatus is where an alert stands.
type AlertStatus string

// The statuses of an alert; docs/state-machines.md has the table.
const (
	Firing        AlertStatus = "firing"
	AlertOver     AlertStatus = "resolved"
	NoAlert       AlertStatus = ""          // there is none of this key
	AlertOverHand AlertStatus = "closed"    // a human resolved its incident while it fired: its next trigger opens a new alert
	Tombstone     AlertStatus = "tombstone" // a resolve came before any trigger
)

// An Alert is one deduplicated problem: what all events of one key of one
// integration tell, from a trigger to the resolve.
type Alert struct {
	ID          string            `json:"id"`
	Org         string            `json:"organization"`
	Integration string            `json:"integration"`
	Key         string            `json:"key"`
	Status      AlertStatus       `json:"status"`
	IncidentID  string            `json:"incident,omitempty"`
	Service     string            `json:"service,omitempty"`
	Title       string            `json:"title"`
	Severity    Severity          `json:"severity"`
	Source      string            `json:"source,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	FirstEvent  string            `json:"first_event,omitempty"` // id of the event that opened it
	LastEvent   string            `json:"last_event,omitempty"`
	Count       int64             `json:"count"` // triggers, repeats included
	OpenedAt    time.Time         `json:"opened_at"`
	LastAt      time.Time         `json:"last_at"` // when the last event of it was received
	ResolvedAt  time.Time         `json:"resolved_at,omitzero"`
	Until       time.Time         `json:"until,omitzero"`     // expires then unless repeated; zero: never
	Triggered   time.Time         `json:"triggered,omitzero"` // the latest trigger by the sender's clock
	Cleared     time.Time         `json:"cleared,omitzero"`   // the latest resolve by the sender's clock
	Version     int64             `json:"version"`
}

// A Signal is what an event says of an alert.
type Signal struct {
	Resolve  bool
	Event    string // its id
	Title    string
	Severity Severity
	Source   string
	Service  string
	Labels   map[string]string
	Sent     time.Time // by the sender's clock; zero if unsaid
	Until    time.Time
}

// Effect says what a signal did to the alert of its key.
type Effect int

// The effects.
const (
	Nothing  Effect = iota // it was stale, or there was nothing to resolve: only counted
	Started                // a new alert fires; the one before, if any, is history
	Repeated               // it fired already
	Ended                  // it does not fire any more
)

// Receive returns the alert of a key after a signal. The order in which the
// signals of a key arrive does not matter if their sender dates them: a
// resolve that is older by the sender's clock than the last trigger is stale,
// and so is a trigger not newer than the last resolve. Signals without a date
// count in the order of arrival. When Effect is Started, the returned alert is
// a new one and has no ID and no IncidentID yet; so has a new tombstone.
func (a Alert) Receive(s Signal, now time.Time) (Alert, Effect) {
	now, s.Sent, s.Until = instant(now), instant(s.Sent), instant(s.Until)
	if s.Resolve {
		return a.receiveResolve(s, now)
	}
	return a.receiveTrigger(s, now)
}

func (a Alert) receiveTrigger(s Signal, now time.Time) (Alert, Effect) {
	if notAfter(s.Sent, a.Cleared) {
		if a.Status != Firing {
			a.Triggered = later(a.Triggered, s.Sent)
			return a, Nothing
		}
	}
	if a.Status == Firing {
		a.Count++
		a.LastAt, a.LastEvent = now, s.Event
		if s.Sent.IsZero() || !s.Sent.Before(a.Triggered) { // one that was overtaken takes no promise back
			a.Until = s.Until
		}
		a.Triggered = later(a.Triggered, s.Sent)
		if s.Severity.Rank() < a.Severity.Rank() {
			a.Severity = s.Severity
		}
		return a, Repeated
	}
	return Alert{
		Org: a.Org, Integration: a.Integration, Key: a.Key,
		Status: Firing, Service: s.Service, Title: s.Title, Severity: s.Severity, Source: s.Source, Labels: s.Labels,
		FirstEvent: s.Event, LastEvent: s.Event, Count: 1, OpenedAt: now, LastAt: now, Until: s.Until,
		Triggered: later(a.Triggered, s.Sent), Cleared: a.Cleared,
	}, Started
}

func (a Alert) receiveResolve(s Signal, now time.Time) (Alert, Effect) {
	a.Cleared = later(a.Cleared, s.Sent)
	switch a.Status {
	case Firing:
		if !s.Sent.IsZero() && !a.Triggered.IsZero() && s.Sent.Before(a.Triggered) {
			return a, Nothing // a newer trigger overtook it
		}
		a.Status, a.ResolvedAt, a.LastAt, a.LastEvent = AlertOver, now, now, s.Event
		return a, Ended
	case NoAlert:
		a.Status, a.Title, a.Severity, a.OpenedAt, a.LastAt, a.ResolvedAt, a.LastEvent = Tombstone, s.Title, s.Severity, now, now, now, s.Event
		return a, Nothing
	}
	a.LastAt = now
	return a, Nothing
}

// Close marks a firing alert whose incident a human resolved. Its next trigger
// opens a new alert, even one that its sender dates before this.
func (a Alert) Close(now time.Time) Alert {
	if a.Status == Firing {
		a.Status, a.ResolvedAt = AlertOverHand, instant(now)
	}
	return a
}

// Expired tells whether a firing alert was not repeated by the instant its
// sender promised.
func (a Alert) Expired(now time.Time) bool {
	return a.Status == Firing && !a.Until.IsZero() && !now.Before(a.Until)
}

// notAfter tells whether both instants are known and a is not after b.
func notAfter(a, b time.Time) bool {
	return !a.IsZero() && !b.IsZero() && !a.After(b)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
