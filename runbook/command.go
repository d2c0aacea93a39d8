package runbook

import (
	"fmt"
	"time"

	"github.com/musterhq/muster/internal/wire"
)

// A Command asks a run to move. The engine makes them; Run.Do judges them.
type Command interface{ command() string }

type (
	// Propose asks for the approval, or grants it where nobody is asked.
	Propose struct{}
	// Approve says yes to the plan with this hash.
	Approve struct {
		By   Person
		Hash string
	}
	// Reject says no, and wins over a yes until the first step has begun.
	Reject struct {
		By     Person
		Reason string
	}
	// Expire ends an approval whose time is over, and a run that stood between
	// two steps for DefaultLimit after the next was due.
	Expire struct{}
	// Refuse keeps a run from beginning: budget, cooldown, depth, kill switch.
	Refuse struct{ Reason string }
	// Stop lets no further step begin; By is a user, or "" for the engine.
	Stop struct{ By, Reason string }
	// Begin starts the current step. It is committed before Apply is called, and
	// Hash is that of the plan which is about to be applied.
	Begin struct {
		Step int
		Hash string
	}
	// Report stores what Apply or Look returned for a step that was begun.
	Report struct {
		Step   int
		Result Result
	}
	// Postpone takes a Begin back: Apply is certain to have changed nothing.
	Postpone struct {
		Step   int
		After  time.Duration // from now; the usual rhythm if zero
		Reason string
	}
	// Judged carries what Judge said about a run that is verifying.
	Judged struct {
		Verdict Verdict
		Reason  string
		Done    bool
	}
)

func (Propose) command() string  { return "propose" }
func (Approve) command() string  { return "approve" }
func (Reject) command() string   { return "reject" }
func (Expire) command() string   { return "expire" }
func (Refuse) command() string   { return "refuse" }
func (Stop) command() string     { return "stop" }
func (Begin) command() string    { return "begin" }
func (Report) command() string   { return "report" }
func (Postpone) command() string { return "postpone" }
func (Judged) command() string   { return "judged" }

// AfterApply is the command that follows from what Apply returned. An error of
// Apply means that nothing was changed: what was refused ends the step, anything
// else lets it begin once more, later.
func AfterApply(step int, got Result, err error) Command {
	if err == nil {
		return Report{step, got}
	}
	refused, after := wire.Verdict(err)
	if refused {
		return Report{step, Result{Done: true, Outcome: OutcomeRefused, Detail: err.Error()}}
	}
	return Postpone{step, after, err.Error()}
}

// AfterLook is the command that follows from what Look returned; last is the
// result that was stored before. A Look that failed is tried again until the
// step's limit; one that was refused will never see anything.
func AfterLook(step int, last, got Result, err error) Command {
	if err == nil {
		return Report{step, got}
	}
	refused, after := wire.Verdict(err)
	if refused {
		return Report{step, Result{Done: true, Outcome: OutcomeUnknown, Detail: fmt.Sprintf("could not look: %v", err), Data: last.Data}}
	}
	return Report{step, Result{Again: max(after, lookEvery), Detail: fmt.Sprintf("could not look: %v", err), Data: last.Data}}
}
