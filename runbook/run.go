package runbook

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/musterhq/muster/config"
)

// State is where a run stands.
type State string

// The states of a run. Planned through Verifying are open; the others are final.
const (
	Planned          State = "planned"           // every step has its plan; nobody was asked yet
	AwaitingApproval State = "awaiting_approval" // people were asked
	Approved         State = "approved"          // may begin; nothing was done yet
	Running          State = "running"           // its first step was begun
	Verifying        State = "verifying"         // all steps are done; the signal is watched
	Ended            State = "ended"             // has a verdict
	Rejected         State = "rejected"          // a human said no
	Expired          State = "expired"           // nobody said yes in time
	Refused          State = "refused"           // budget, cooldown, depth or kill switch: nothing was done
)

// Final says that a run in this state never changes again.
func (s State) Final() bool {
	return s == Ended || s == Rejected || s == Expired || s == Refused
}

// DefaultLimit is how long a step may take if its plan does not say.
const DefaultLimit = 30 * time.Minute

// ApplyWithin is the time that the engine gives to one call of Apply. Once it is
// over and nothing was stored, the step counts as lost.
const ApplyWithin = 2 * time.Minute

// lookEvery is the rhythm of verifying, and of asking again where a step named none.
const lookEvery = 10 * time.Second

// maxTries bounds how often a step is begun that changed nothing each time.
const maxTries = 5

// A Trigger is why a run exists.
type Trigger struct {
	Rule    string    `json:"rule,omitempty"`   // slug of the rule that fired
	Series  string    `json:"series,omitempty"` // the value of the key it counts by
	FiredAt time.Time `json:"fired_at,omitzero"`
	Ratio   float64   `json:"ratio,omitempty"` // bad/total, 0 to 1, when it fired
	By      string    `json:"by,omitempty"`    // the user who asked for the run; "" for a rule
}

// Verification is how a run proves itself.
type Verification struct {
	Signal         string        `json:"signal,omitempty"`          // "trigger", or the name of a query
	RecoversWithin time.Duration `json:"recovers_within,omitempty"` // nanoseconds; zero: nothing is verified
}

// A StepRun is one step of a run.
type StepRun struct {
	Plan       Plan      `json:"plan"`
	Repeatable bool      `json:"repeatable,omitempty"` // shown to who decides about an unknown step
	BegunAt    time.Time `json:"begun_at,omitzero"`    // when it was begun for the first time
	StartedAt  time.Time `json:"started_at,omitzero"`  // committed before Apply is called; zero again if postponed
	EndedAt    time.Time `json:"ended_at,omitzero"`
	Tries      int       `json:"tries,omitempty"` // how often it was begun; more than once only if it changed nothing
	// Result is what was stored last; zero if Apply never came back.
	Result Result `json:"result,omitzero"`
}

// InFlight says that the step was begun and has not ended.
func (s StepRun) InFlight() bool { return !s.StartedAt.IsZero() && s.EndedAt.IsZero() }

// limit is when what the step came to counts as unknown.
func (s StepRun) limit() time.Time {
	if s.Plan.Limit > 0 {
		return s.BegunAt.Add(s.Plan.Limit)
	}
	return s.BegunAt.Add(DefaultLimit)
}

// stored says that something is known of the step since it was begun.
func (r Result) stored() bool {
	return r.Done || r.Again != 0 || r.Outcome != "" || r.Detail != "" || len(r.Data) > 0
}

// A Run is one execution of a runbook against one target. It is a value: every
// change is a Command given to Do, which returns a new one.
type Run struct {
	ID           string       `json:"id"`
	Organization string       `json:"organization"`
	IncidentID   string       `json:"incident_id"`
	Runbook      string       `json:"runbook"` // slug
	Hash         string       `json:"hash"`    // what an approval is bound to; see Hash
	Target       Target       `json:"target"`
	State        State        `json:"state"`
	Steps        []StepRun    `json:"steps"`
	Approval     Approval     `json:"approval"`
	Trigger      Trigger      `json:"trigger"`
	Verify       Verification `json:"verify"`
	CreatedAt    time.Time    `json:"created_at,omitzero"`
	UpdatedAt    time.Time    `json:"updated_at,omitzero"`
	// Due is when the run wants to be looked at next; zero for a final one.
	Due time.Time `json:"due,omitzero"`
	// DoneAt is when the last step ended; the verdict counts what came after.
	DoneAt  time.Time `json:"done_at,omitzero"`
	Verdict Verdict   `json:"verdict,omitempty"` // of an ended run only
	Reason  string    `json:"reason,omitempty"`  // one line: why it stands where it stands
	// Halt is why no further step may begin, while one is still in flight.
	Halt    string `json:"halt,omitempty"`
	Version int64  `json:"version"` // the store's, for compare-and-set
}

// ErrMove marks a command that does not fit the run: the state is another, the
// approval is used up, the plan changed. The run stays as it is.
var ErrMove = errors.New("not possible")

func notPossible(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMove, fmt.Sprintf(format, args...))
}

// Current returns the index of the step that is in flight or comes next, and
// len(r.Steps) when all have ended.
func (r Run) Current() int {
	for i, s := range r.Steps {
		if s.EndedAt.IsZero() {
			return i
		}
	}
	return len(r.Steps)
}

// Lost says that a step was begun and no result of it was ever stored. After a
// restart the engine asks Look, with the zero Result, and never Apply.
func (r Run) Lost() (step int, lost bool) {
	i := r.Current()
	if r.State != Running || i == len(r.Steps) || !r.Steps[i].InFlight() {
		return 0, false
	}
	return i, !r.Steps[i].Result.stored()
}

// Deadline is when the verdict must fall; zero unless the run is verified.
func (r Run) Deadline() time.Time {
	if r.DoneAt.IsZero() || r.Verify.RecoversWithin <= 0 {
		return time.Time{}
	}
	return r.DoneAt.Add(r.Verify.RecoversWithin)
}

// New makes a planned run of one that names everything but how it stands: the
// steps with their plans, the target, the approval and the verification. It
// fills in the hash; its error says what is missing.
func New(r Run, body json.RawMessage, params config.Settings, now time.Time) (Run, error) {
	if len(r.Steps) == 0 {
		return Run{}, errors.New("runbook: steps: there are none")
	}
	steps := make([]StepRun, len(r.Steps))
	plans := make([]Plan, len(r.Steps))
	for i, s := range r.Steps {
		if s.Plan.Step == "" {
			return Run{}, fmt.Errorf("runbook: steps[%d]: it has no plan", i)
		}
		plans[i] = s.Plan
		steps[i] = StepRun{Plan: s.Plan, Repeatable: s.Repeatable}
	}
	hash, err := Hash(body, params, r.Target, plans)
	if err != nil {
		return Run{}, err
	}
	r.Approval = Approval{By: r.Approval.By, Within: r.Approval.Within, Self: r.Approval.Self}
	r.Steps, r.Hash, r.State = steps, hash, Planned
	r.CreatedAt, r.UpdatedAt, r.Due = now, now, now
	r.DoneAt, r.Verdict, r.Reason, r.Halt = time.Time{}, "", "", ""
	return r, nil
}
