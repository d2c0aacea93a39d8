package incident

// A Transition is one row of a published state machine: something in the state
// From goes to the state To when By happens. An empty From means that there is
// nothing yet. What is not listed is refused, or changes nothing.
type Transition struct {
	Of   string // "incident", "alert" or "notification"
	From string
	By   string
	To   string
}

// Transitions are the state machines of incidents, of the alert of a dedup key
// and of notifications (rows of the outbox). docs/state-machines.md shows them;
// tests here and in store hold the code to them, no more and no fewer.
var Transitions = []Transition{
	{"incident", "", "opened", "triggered"},
	{"incident", "triggered", "step due", "triggered"},
	{"incident", "triggered", "acknowledge", "acknowledged"},
	{"incident", "triggered", "snooze", "snoozed"},
	{"incident", "triggered", "reassign", "triggered"},
	{"incident", "triggered", "escalate now", "triggered"},
	{"incident", "triggered", "retrigger", "triggered"},
	{"incident", "triggered", "resolve", "resolved"},
	{"incident", "triggered", "last alert resolved", "resolved"},
	{"incident", "acknowledged", "snooze", "snoozed"},
	{"incident", "acknowledged", "reassign", "triggered"},
	{"incident", "acknowledged", "escalate now", "triggered"},
	{"incident", "acknowledged", "retrigger", "triggered"},
	{"incident", "acknowledged", "resolve", "resolved"},
	{"incident", "acknowledged", "last alert resolved", "resolved"},
	{"incident", "snoozed", "snooze ends", "triggered"},
	{"incident", "snoozed", "acknowledge", "acknowledged"},
	{"incident", "snoozed", "snooze", "snoozed"},
	{"incident", "snoozed", "reassign", "triggered"},
	{"incident", "snoozed", "escalate now", "triggered"},
	{"incident", "snoozed", "retrigger", "triggered"},
	{"incident", "snoozed", "resolve", "resolved"},
	{"incident", "snoozed", "last alert resolved", "resolved"},

	{"alert", "", "trigger", "firing"},
	{"alert", "", "resolve", "tombstone"},
	{"alert", "firing", "trigger", "firing"},
	{"alert", "firing", "resolve", "resolved"},
	{"alert", "firing", "older resolve", "firing"},
	{"alert", "firing", "incident resolved by hand", "closed"},
	{"alert", "resolved", "trigger", "firing"},
	{"alert", "resolved", "older trigger", "resolved"},
	{"alert", "resolved", "resolve", "resolved"},
	{"alert", "closed", "trigger", "firing"},
	{"alert", "closed", "older trigger", "closed"},
	{"alert", "closed", "resolve", "closed"},
	{"alert", "tombstone", "trigger", "firing"},
	{"alert", "tombstone", "older trigger", "tombstone"},
	{"alert", "tombstone", "resolve", "tombstone"},

	{"notification", "", "decided", "pending"},
	{"notification", "pending", "claimed", "pending"},
	{"notification", "pending", "accepted", "sent"},
	{"notification", "pending", "accepted, but changed meanwhile", "pending"},
	{"notification", "pending", "put off", "pending"},
	{"notification", "pending", "refused", "failed"},
	{"notification", "pending", "not worth sending", "cancelled"},
	{"notification", "pending", "nobody must come any more", "cancelled"},
	{"notification", "pending", "cannot be read", "quarantined"},
	{"notification", "pending", "message changed", "pending"},
	{"notification", "cancelled", "accepted", "sent"}, // it had left already
	{"notification", "cancelled", "message changed", "pending"},
	{"notification", "quarantined", "released", "pending"},
	{"notification", "quarantined", "message changed", "pending"},
	{"notification", "sent", "message changed", "pending"},
	{"notification", "failed", "message changed", "pending"},
}
