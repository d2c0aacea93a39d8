package runbook

import (
	"context"

	"github.com/musterhq/muster/config"
)

// HTTP sends one request.
var HTTP = Step{
	Kind:  config.Kind{Name: "http"},
	Plan:  func(context.Context, Env) (Plan, error) { return Plan{}, errNotYet },
	Apply: func(context.Context, Env, Plan) (Result, error) { return Result{}, errNotYet },
	Look:  func(context.Context, Env, Plan, Result) (Result, error) { return Result{}, errNotYet },
}
