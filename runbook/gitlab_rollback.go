package runbook

import (
	"context"
	"errors"

	"github.com/musterhq/muster/config"
)

var errNotYet = errors.New("not written yet")

// GitLabRollback puts the last good deployment back.
var GitLabRollback = Step{
	Kind:       config.Kind{Name: "gitlab.rollback", Via: []string{"gitlab"}},
	Connection: "gitlab",
	Plan:       func(context.Context, Env) (Plan, error) { return Plan{}, errNotYet },
	Apply:      func(context.Context, Env, Plan) (Result, error) { return Result{}, errNotYet },
	Look:       func(context.Context, Env, Plan, Result) (Result, error) { return Result{}, errNotYet },
}
