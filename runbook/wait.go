package runbook

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/wire"
)

// maxWait bounds a wait: a run that sleeps for a day is a schedule, and forgotten.
const maxWait = 4 * time.Hour

// Wait lets time go by between two steps. It holds nothing up: it asks to be
// looked at again when the time is over.
var Wait = Step{
	Kind: config.Kind{
		Name: "wait",
		Fields: []config.Field{
			{Name: "duration", Label: "Duration", Help: "how long to wait, such as 90s or 5m; at most 4h", Required: true, Type: "duration"},
		},
	},
	Idempotent: true,
	Plan:       planWait,
	Apply:      applyWait,
	Look:       lookWait,
}

type waitPin struct {
	Duration time.Duration `json:"duration"` // nanoseconds
}

type waitData struct {
	Until time.Time `json:"until"`
}

func planWait(_ context.Context, env Env) (Plan, error) {
	d, err := time.ParseDuration(env.Params["duration"])
	if err != nil || d <= 0 || d > maxWait {
		return Plan{}, fmt.Errorf("wait: %w: duration: %q is not a duration between 0 and %v, such as 90s", wire.ErrRefused, env.Params["duration"], maxWait)
	}
	plan, err := planOf("wait", waitPin{d}, fmt.Sprintf("wait %v", d))
	plan.Limit = d + DefaultLimit // one whose beginning a crash forgot is found when its lease has ended, and waits anew
	return plan, err
}

func applyWait(_ context.Context, env Env, plan Plan) (Result, error) {
	var pin waitPin
	if err := unpin("wait", plan, &pin); err != nil {
		return Result{}, err
	}
	data, err := json.Marshal(waitData{env.Now().Add(pin.Duration)})
	if err != nil {
		return Result{}, fmt.Errorf("wait: %w", err)
	}
	return Result{Again: pin.Duration, Data: data, Detail: fmt.Sprintf("waiting %v", pin.Duration)}, nil
}

// lookWait ends the wait when its time is over. A wait whose beginning a crash
// forgot begins anew: longer is harmless, shorter may not be.
func lookWait(ctx context.Context, env Env, plan Plan, last Result) (Result, error) {
	if last.Done {
		return last, nil
	}
	var data waitData
	if err := json.Unmarshal(last.Data, &data); err != nil {
		return applyWait(ctx, env, plan)
	}
	if left := data.Until.Sub(env.Now()); left > 0 {
		last.Again = left
		return last, nil
	}
	return Result{Done: true, Outcome: OutcomeDone, Detail: "waited until " + data.Until.UTC().Format(time.RFC3339), Data: last.Data}, nil
}
