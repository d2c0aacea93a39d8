package runbook

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/wire"
)

// A Target is what a step acts on.
type Target struct {
	Organization string `json:"organization"` // its id
	Service      string `json:"service"`      // its slug
	Environment  string `json:"environment"`  // its name in the configuration
	// Settings are those of the service's environment for the tool, such as
	// project and environment of GitLab. They hold no secrets.
	Settings config.Settings `json:"settings,omitempty"`
}

// An Incident is what steps may know of the incident that they run for.
type Incident struct {
	ID       string
	Title    string // hostile: it comes from an alert
	OpenedAt time.Time
	FiredAt  time.Time // when the signal fired, by the data; OpenedAt stands in where it is zero
}

// An Env is everything a step may use. It is built anew for each call and not stored.
type Env struct {
	Wire       *wire.Client
	Connection config.Settings // url, token …, resolved: it holds secrets
	Params     config.Settings // the step's own settings, resolved: they may hold secrets
	Secrets    []string        // values within either that must appear nowhere
	Target     Target
	Incident   Incident
	Now        func() time.Time
}

// A Plan says what Apply would do. It is stored and shown, and holds no secrets.
type Plan struct {
	Step    string          `json:"step"`    // the kind of step
	Summary []string        `json:"summary"` // lines a person reads before approving
	Pin     json.RawMessage `json:"pin"`     // what Apply needs and is held to: ids, shas, versions
	// Limit is how long the step may take, in nanoseconds, before what it came to
	// counts as unknown; DefaultLimit if zero.
	Limit time.Duration `json:"limit,omitempty"`
}

// What a step came to. An empty outcome belongs to a step that is not done.
const (
	OutcomeDone    = "done"    // the step did what its plan says, or found it done
	OutcomeRefused = "refused" // nothing was changed, on purpose: the world is not as planned, or the tool said no
	OutcomeFailed  = "failed"  // it was tried and did not work
	OutcomeUnknown = "unknown" // nobody can tell whether it took effect: a human decides
)

// A Result is what is known of a step that was started.
type Result struct {
	Done    bool            `json:"done"`            // false: ask Look again after Again
	Again   time.Duration   `json:"again,omitempty"` // nanoseconds in JSON
	Outcome string          `json:"outcome,omitempty"`
	Detail  string          `json:"detail,omitempty"` // one line for people; no secrets
	Data    json.RawMessage `json:"data,omitempty"`   // for the next Look, or (notify) for the engine
}

// A Step is a kind of step: a value in the list Steps, and one file.
type Step struct {
	config.Kind
	// Connection is the kind of connection that it needs; "" for none.
	Connection string
	// Idempotent says that to do it twice is as good as once, whatever the
	// parameters. See Repeatable for steps where that depends on them.
	Idempotent bool

	// Plan reads and changes nothing. Its error says why no plan can be made;
	// wire.Verdict tells whether another try may help.
	Plan func(context.Context, Env) (Plan, error)
	// Apply does what the plan says, once, or refuses. It returns an error only
	// if it is certain that nothing was changed, so that it may be called again;
	// whatever may have taken effect is a Result.
	Apply func(context.Context, Env, Plan) (Result, error)
	// Look says what is so now and never changes anything. The Result is the one
	// stored last, and the zero Result after a crash that lost it. What it cannot
	// tell is OutcomeUnknown. An error means that it could not look this time.
	Look func(context.Context, Env, Plan, Result) (Result, error)

	repeatable func(config.Settings) bool // of these parameters; nil: Idempotent says it
}

// Repeatable says whether the step with these parameters may be done twice.
// It is shown to the human who decides about an unknown step; Muster itself
// never applies a step again.
func (s Step) Repeatable(params config.Settings) bool {
	if s.repeatable != nil {
		return s.repeatable(params)
	}
	return s.Idempotent
}

// Steps are all kinds of steps.
var Steps = []Step{GitLabRollback, HTTP, Notify, Wait}

// firedAt is the instant that decides which deployment was live when the
// trouble began.
func (i Incident) firedAt() time.Time {
	if i.FiredAt.IsZero() {
		return i.OpenedAt
	}
	return i.FiredAt
}

// planOf fills a Plan with its pin.
func planOf(step string, pin any, summary ...string) (Plan, error) {
	raw, err := json.Marshal(pin)
	if err != nil {
		return Plan{}, fmt.Errorf("%s: pin: %w", step, err)
	}
	return Plan{Step: step, Summary: summary, Pin: raw}, nil
}

// unpin reads a plan's pin back. A plan of another kind, or one that does not
// decode, must never be acted on.
func unpin(step string, p Plan, pin any) error {
	if p.Step != step {
		return fmt.Errorf("%s: %w: the plan is one of %q", step, wire.ErrRefused, p.Step)
	}
	if err := json.Unmarshal(p.Pin, pin); err != nil {
		return fmt.Errorf("%s: %w: pin: %w", step, wire.ErrRefused, err)
	}
	return nil
}
