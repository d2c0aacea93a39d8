package incident

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrConflict marks a command that the incident's state does not allow; the
// message says what is so and since when, for the person who came second.
var ErrConflict = errors.New("conflict")

// ErrInvalid marks a command that makes no sense in any state.
var ErrInvalid = errors.New("invalid")

// A Change is what a rule decided: the incident as it is now, the entries that
// tell of it, the notifications that must go out, and whether those not yet
// sent must not. All of it is saved in one transaction or none of it.
type Change struct {
	Incident Incident
	Entries  []Entry
	Pages    []Notification
	Stop     bool // unsent pages of this incident are dropped
}

// add decides one entry: it numbers it, applies it and keeps it.
func (c *Change) add(now time.Time, by Cause, kind Kind, data Data) {
	data.Due, data.Until = instant(data.Due), instant(data.Until)
	e := Entry{Seq: c.Incident.Seq + 1, At: instant(now), Kind: kind, Cause: by, Schema: Schema, Data: data}
	c.Incident = c.Incident.Apply(e)
	c.Entries = append(c.Entries, e)
}

// instant is how instants are kept: UTC, to the microsecond, without the
// reading of a monotonic clock, so that a row, its timeline and what was
// decided are equal.
func instant(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// Then appends a later change of the same incident to c.
func (c Change) Then(next Change) Change {
	if next.Stop {
		c.Pages = nil // decided and dropped in one breath
	}
	c.Incident = next.Incident
	c.Entries = append(c.Entries, next.Entries...)
	c.Pages = append(c.Pages, next.Pages...)
	c.Stop = c.Stop || next.Stop
	return c
}

// Record adds an entry that changes no state of its own: a note, a sent page,
// a step of a runbook, a ticket.
func Record(inc Incident, now time.Time, by Cause, kind Kind, data Data) Change {
	c := Change{Incident: inc}
	c.add(now, by, kind, data)
	return c
}

// An Opening is what an incident begins with.
type Opening struct {
	ID, Org, GroupKey, Title, Service, Team string

	Number   int64
	Severity Severity
	Urgency  Urgency // "" means that of the severity
	Policy   Policy
	Revision int64
}

// Open begins an incident. It is due at once: the caller advances it.
func Open(o Opening, now time.Time, by Cause) Change {
	c := Change{Incident: Incident{ID: o.ID, Org: o.Org}}
	if o.Urgency == "" {
		o.Urgency = o.Severity.Urgency()
	}
	c.add(now, by, Opened, Data{
		Title: o.Title, Number: o.Number, GroupKey: o.GroupKey, Service: o.Service, Team: o.Team,
		Severity: o.Severity, Urgency: o.Urgency, Policy: &o.Policy, Revision: o.Revision, Due: now,
	})
	return c
}

// AddAlert tells that an alert joined the incident. A worse one raises the
// severity, see Worsen; nothing else re-notifies.
func AddAlert(inc Incident, title string, sev Severity, now time.Time, by Cause) Change {
	c := Change{Incident: inc}
	c.add(now, by, AlertAdded, Data{Count: 1, Title: title})
	return c.Then(Worsen(c.Incident, sev, now, by))
}

// Worsen raises the severity to that of a worse alert. Where that turns a low
// urgency into a high one, the climb starts anew while nobody has acknowledged.
func Worsen(inc Incident, sev Severity, now time.Time, by Cause) Change {
	c := Change{Incident: inc}
	if sev.Rank() >= inc.Severity.Rank() {
		return c
	}
	urgency := inc.Urgency
	if sev.Urgency() == High {
		urgency = High
	}
	c.add(now, by, SeverityRaised, Data{Severity: sev, Urgency: urgency})
	if urgency != inc.Urgency && inc.Status == Triggered {
		c = c.Then(Retrigger(c.Incident, "a worse alert joined", now, Engine))
	}
	return c
}

// ResolveAlert tells that one of the incident's alerts stopped firing. The
// last one resolves the incident, unless a runbook's verdict is awaited.
func ResolveAlert(inc Incident, title string, now time.Time, by Cause) Change {
	c := Change{Incident: inc}
	c.add(now, by, AlertResolved, Data{Count: 1, Title: title})
	return c.Then(Settle(c.Incident, now, by))
}

// Settle resolves an open incident of which no alert fires any more and whose
// runbook, if any, has been judged. Otherwise it changes nothing.
func Settle(inc Incident, now time.Time, by Cause) Change {
	c := Change{Incident: inc}
	if inc.Open() && inc.Alerts > 0 && inc.Firing == 0 && inc.Hold == "" {
		c.add(now, by, ResolvedEntry, Data{Text: "every alert is resolved"})
		c.Stop = true
	}
	return c
}

// Acknowledge stops the climb: somebody is on it. Whoever comes second is told
// who was first.
func Acknowledge(inc Incident, now time.Time, by Cause) (Change, error) {
	switch inc.Status {
	case Resolved:
		return Change{}, resolvedAlready(inc)
	case Acknowledged:
		return Change{}, fmt.Errorf("%w: already acknowledged by %s", ErrConflict, inc.AckedBy)
	}
	c := Change{Incident: inc, Stop: true}
	c.add(now, by, Acked, Data{})
	return c, nil
}

// Resolve closes the incident, even while alerts fire: their next trigger
// opens a new one.
func Resolve(inc Incident, reason string, now time.Time, by Cause) (Change, error) {
	if !inc.Open() {
		return Change{}, resolvedAlready(inc)
	}
	c := Change{Incident: inc, Stop: true}
	c.add(now, by, ResolvedEntry, Data{Text: reason})
	return c, nil
}

// Snooze puts the incident aside until an instant, when it climbs anew.
func Snooze(inc Incident, until, now time.Time, by Cause) (Change, error) {
	if !inc.Open() {
		return Change{}, resolvedAlready(inc)
	}
	if !until.After(now) {
		return Change{}, fmt.Errorf("%w: until: %s is not in the future", ErrInvalid, until.UTC().Format(time.RFC3339))
	}
	if until.After(now.AddDate(0, 0, 30)) {
		return Change{}, fmt.Errorf("%w: until: at most 30 days ahead", ErrInvalid)
	}
	c := Change{Incident: inc, Stop: true}
	c.add(now, by, SnoozeBegan, Data{Until: until})
	return c, nil
}

// Reassign pages other targets first; if they do not come, the incident's
// policy follows from its first step.
func Reassign(inc Incident, targets []string, now time.Time, by Cause) (Change, error) {
	if !inc.Open() {
		return Change{}, resolvedAlready(inc)
	}
	if len(targets) == 0 {
		return Change{}, fmt.Errorf("%w: targets: name at least one user, team or schedule", ErrInvalid)
	}
	targets = slices.Clone(targets)
	policy := inc.Policy
	wait := 5 * time.Minute
	if len(policy.Steps) > 0 {
		wait = policy.Steps[0].Wait
	}
	policy.Steps = append([]Step{{Notify: targets, Wait: wait}}, policy.Steps...)
	c := Change{Incident: inc, Stop: true}
	c.add(now, by, Reassigned, Data{Targets: targets, Policy: &policy, Climb: inc.Climb + 1, Due: now})
	return c, nil
}

// EscalateNow makes the next step due at once. An acknowledged or snoozed
// incident becomes triggered again; one that is at the top starts anew.
func EscalateNow(inc Incident, reason string, now time.Time, by Cause) (Change, error) {
	if !inc.Open() {
		return Change{}, resolvedAlready(inc)
	}
	if inc.atTop() {
		return Retrigger(inc, reason, now, by), nil
	}
	c := Change{Incident: inc, Stop: inc.Status != Triggered}
	climb := inc.Climb
	if inc.Status != Triggered {
		climb++
	}
	c.add(now, by, Retriggered, Data{Text: reason, Climb: climb, Round: inc.Round, Step: inc.Step, Due: now})
	return c, nil
}

// atTop tells whether every step of every round has been notified.
func (i Incident) atTop() bool {
	return i.Step >= len(i.Policy.Steps) && i.Round+1 >= max(1, i.Policy.Repeat)
}

// Retrigger starts the climb anew from the first step, whatever the status of
// the open incident: a snooze ended, or a fix did not work.
func Retrigger(inc Incident, reason string, now time.Time, by Cause) Change {
	c := Change{Incident: inc, Stop: true}
	if !inc.Open() {
		return Change{Incident: inc}
	}
	c.add(now, by, Retriggered, Data{Text: reason, Climb: inc.Climb + 1, Due: now})
	return c
}

// Mend makes an open incident that has nothing due, and no reason for that, due
// at once, at the step where it stands; a snoozed one as if the snooze ended.
// Another incident stays as it is, and only the entry tells what was mended.
func Mend(inc Incident, what string, now time.Time) Change {
	by := Cause{Actor: System, Origin: "auditor"}
	c := Record(inc, now, by, Noted, Data{Text: what})
	if !inc.Open() || !inc.Due.IsZero() || inc.Waits() != "" {
		return c
	}
	if inc.Status == Snoozed {
		c = c.Then(Retrigger(c.Incident, what, now, by))
	} else {
		c.add(now, by, Retriggered, Data{Text: what, Climb: inc.Climb, Round: inc.Round, Step: inc.Step, Due: now})
	}
	return c
}

// Restore tells that Muster was restored, at an instant, from a backup that was
// made before: nobody knows what happened to the incident in between. One that
// was triggered climbs anew from the first step. It is told once of a restore.
func Restore(inc Incident, backup, restored, now time.Time) Change {
	c := Change{Incident: inc}
	if !inc.Open() || inc.RestoredAt.Equal(instant(restored)) {
		return c
	}
	c.add(restored, Engine, Restored, Data{Backup: instant(backup)})
	if inc.Status == Triggered {
		c = c.Then(Retrigger(c.Incident, "Muster was restored from a backup", now, Engine))
	}
	return c
}

// Note writes something down.
func Note(inc Incident, text string, now time.Time, by Cause) (Change, error) {
	if text == "" {
		return Change{}, fmt.Errorf("%w: text: a note needs a text", ErrInvalid)
	}
	return Record(inc, now, by, Noted, Data{Text: text}), nil
}

func resolvedAlready(inc Incident) error {
	return fmt.Errorf("%w: already resolved by %s at %s", ErrConflict, inc.ResolvedBy, inc.ResolvedAt.UTC().Format(time.RFC3339))
}
