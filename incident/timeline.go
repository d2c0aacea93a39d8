package incident

import "time"

// Kind of a timeline entry. The list is closed: Kinds names them all.
type Kind string

// The kinds of entries.
const (
	Opened          Kind = "opened"           // the incident began
	AlertAdded      Kind = "alert_added"      // Count alerts joined it (those of one commit are one entry)
	AlertResolved   Kind = "alert_resolved"   // Count of its alerts stopped firing
	SeverityRaised  Kind = "severity_raised"  // a worse alert joined
	Escalated       Kind = "escalated"        // a policy step was notified, or passed over because nobody stands behind it
	Exhausted       Kind = "exhausted"        // the last step of the last round has waited and nobody came
	Acked           Kind = "acknowledged"     // somebody took it
	Retriggered     Kind = "retriggered"      // it climbs anew from the first step
	SnoozeBegan     Kind = "snoozed"          // put aside until an instant
	Reassigned      Kind = "reassigned"       // other targets first, then the policy
	ResolvedEntry   Kind = "resolved"         // it is over
	Noted           Kind = "note"             // somebody wrote something down
	Notified        Kind = "notified"         // a notification left and was accepted
	NotifyFailed    Kind = "notify_failed"    // a notification was refused for good
	NotifyDelayed   Kind = "notify_delayed"   // a page does not get through yet: it is tried again, and the person's next contact method meanwhile
	RunPlanned      Kind = "run_planned"      // a runbook was proposed, with its plan
	RunApproved     Kind = "run_approved"     // somebody approved the plan
	RunRejected     Kind = "run_rejected"     // somebody rejected it, or the approval expired, or the budget refused
	RunStep         Kind = "run_step"         // a step of the runbook began or ended (Text says which)
	RunVerdict      Kind = "run_verdict"      // the runbook was judged
	TicketCreated   Kind = "ticket_created"   // a tracker has an issue of it
	TicketCommented Kind = "ticket_commented" // the issue was told of the end
	Postmortem      Kind = "postmortem"       // the draft was written
	Restored        Kind = "restored"         // Muster was restored from a backup; what happened since is not known
)

// Kinds lists every kind, in the order of a typical incident.
var Kinds = []Kind{
	Opened, AlertAdded, SeverityRaised, Escalated, Notified, NotifyFailed, NotifyDelayed, Exhausted, Acked, Retriggered, SnoozeBegan, Reassigned,
	Noted, RunPlanned, RunApproved, RunRejected, RunStep, RunVerdict, AlertResolved, ResolvedEntry, TicketCreated, TicketCommented, Postmortem, Restored,
}

// Shows tells whether an entry of this kind changes what the incident's
// messages show, so that they must be edited.
func (k Kind) Shows() bool {
	switch k {
	case Noted, Notified, NotifyFailed, NotifyDelayed, TicketCommented, Postmortem:
		return false
	}
	return true
}

// Schema is the version of Data that new entries are written with; Upcast
// brings older ones up to it.
const Schema = 1

// An Actor is who caused an entry: "user:ana", "rule:checkout-5xx",
// "integration:prometheus", "runbook:rollback", "token:ci" or "system".
type Actor string

// System is the actor of what the engine does by itself.
const System Actor = "system"

// Cause is who did something and from where ("api", "slack", "cli", "engine" …).
type Cause struct {
	Actor  Actor  `json:"actor"`
	Origin string `json:"origin,omitempty"`
}

// Engine is the cause of what happens because time went by.
var Engine = Cause{Actor: System, Origin: "engine"}

// An Entry is one line of an incident's timeline. Entries are only ever added.
type Entry struct {
	Seq  int64     `json:"seq"`
	At   time.Time `json:"at"`
	Kind Kind      `json:"kind"`
	Cause
	Schema int  `json:"schema"`
	Data   Data `json:"data,omitzero"`
}

// Data is what an entry says beyond its kind; each kind uses some of the fields.
type Data struct {
	Title    string    `json:"title,omitempty"`
	Number   int64     `json:"number,omitempty"`
	GroupKey string    `json:"group_key,omitempty"`
	Service  string    `json:"service,omitempty"`
	Team     string    `json:"team,omitempty"`
	Severity Severity  `json:"severity,omitempty"`
	Urgency  Urgency   `json:"urgency,omitempty"`
	Policy   *Policy   `json:"policy,omitempty"`
	Revision int64     `json:"revision,omitempty"`
	Count    int       `json:"count,omitempty"` // alerts
	Climb    int       `json:"climb,omitempty"` // after the entry
	Round    int       `json:"round,omitempty"` // after the entry
	Step     int       `json:"step,omitempty"`  // after the entry
	Due      time.Time `json:"due,omitzero"`    // after the entry
	Users    []string  `json:"users,omitempty"` // who was paged
	Targets  []string  `json:"targets,omitempty"`
	Until    time.Time `json:"until,omitzero"`
	Text     string    `json:"text,omitempty"`
	Key      string    `json:"key,omitempty"`     // of a notification
	User     string    `json:"user,omitempty"`    // a notification's
	Channel  string    `json:"channel,omitempty"` // a notification's
	Address  string    `json:"address,omitempty"` // a notification's room or person, as far as it may be shown
	Attempt  int       `json:"attempt,omitempty"`
	Run      string    `json:"run,omitempty"`
	Runbook  string    `json:"runbook,omitempty"`
	Hold     bool      `json:"hold,omitempty"` // from here on the incident waits for the run's verdict
	Verdict  string    `json:"verdict,omitempty"`
	URL      string    `json:"url,omitempty"`
	Backup   time.Time `json:"backup,omitzero"` // when the backup was made that Muster was restored from
}

// Apply returns the incident as it is after the entry. It is the only place
// that says what an entry changes, for new entries and for folding old ones.
func (i Incident) Apply(e Entry) Incident {
	d := e.Data
	i.Seq = e.Seq
	if e.Kind.Shows() {
		i.Shown = e.Seq
	}
	switch e.Kind {
	case Escalated, Acked, Retriggered, SnoozeBegan, Reassigned, ResolvedEntry:
		i.Exhausted = false
	}
	switch e.Kind {
	case Opened:
		i.Status, i.OpenedAt = Triggered, e.At
		i.Number, i.GroupKey, i.Title, i.Service, i.Team = d.Number, d.GroupKey, d.Title, d.Service, d.Team
		i.Severity, i.Urgency, i.Revision = d.Severity, d.Urgency, d.Revision
		if d.Policy != nil {
			i.Policy = *d.Policy
		}
		i.Due = d.Due
	case AlertAdded:
		i.Firing += d.Count
		i.Alerts += d.Count
	case AlertResolved:
		i.Firing = max(0, i.Firing-d.Count)
	case SeverityRaised:
		i.Severity, i.Urgency = d.Severity, d.Urgency
	case Escalated:
		i.Round, i.Step, i.Due = d.Round, d.Step, d.Due
	case Exhausted:
		i.Due, i.Exhausted = time.Time{}, true
	case Acked:
		i.Status, i.Due, i.SnoozedUntil = Acknowledged, time.Time{}, time.Time{}
		if i.AckedAt.IsZero() {
			i.AckedAt = e.At
		}
		i.AckedBy = string(e.Actor)
	case Retriggered:
		i.Status, i.AckedBy, i.SnoozedUntil = Triggered, "", time.Time{}
		i.Climb, i.Round, i.Step, i.Due = d.Climb, d.Round, d.Step, d.Due
	case SnoozeBegan:
		i.Status, i.SnoozedUntil, i.Due = Snoozed, d.Until, d.Until
	case Reassigned:
		i.Status, i.AckedBy, i.SnoozedUntil = Triggered, "", time.Time{}
		i.Climb, i.Round, i.Step, i.Due = d.Climb, 0, 0, d.Due
		if d.Policy != nil {
			i.Policy = *d.Policy
		}
	case ResolvedEntry:
		i.Status, i.Due, i.SnoozedUntil = Resolved, time.Time{}, time.Time{}
		i.ResolvedAt, i.ResolvedBy = e.At, string(e.Actor)
		i.Firing = 0 // a human may resolve while alerts fire: they are closed with it
		i.Hold = ""
	case Restored:
		i.RestoredAt, i.RestoredFrom = e.At, d.Backup
	case RunStep:
		if d.Hold && i.Open() {
			i.Hold = d.Run
		}
	case RunVerdict, RunRejected:
		if i.Hold == d.Run {
			i.Hold = ""
		}
	}
	return i
}

// Fold returns the incident that a whole timeline tells of.
func Fold(id, org string, entries []Entry) Incident {
	inc := Incident{ID: id, Org: org}
	for _, e := range entries {
		inc = inc.Apply(Upcast(e))
	}
	return inc
}

// Upcast brings an entry of an older schema up to Schema. There has been one
// schema so far.
func Upcast(e Entry) Entry {
	e.Schema = Schema
	return e
}
