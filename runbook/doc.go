// Package runbook holds what Muster can do by itself about an incident: the
// kinds of steps, one file each, and the state machine of a run with its
// approval, budget and verdict.
//
// A step is Plan (reads, pins, shows), then an approval of the plan's hash,
// then Apply, then Look (what is so now). The package knows how to speak to the
// tools that steps act on, through internal/wire only; it knows which moves of a
// run are allowed, as pure functions of (Run, Command, now).
//
// It does not know the database, the clock, who is on call, or how a person is
// asked for an approval: the engine stores each Run, owns the time, and carries
// commands in. It never sleeps and never tries anything again by itself.
package runbook
