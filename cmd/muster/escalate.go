package main

import "context"

type escalateCmd struct {
	commandFlags
	Incident string `arg:"" help:"Number or id."`
}

func (escalateCmd) Help() string {
	return `Pages the next step of the policy now, without waiting for its time.

  muster escalate 42 -m "need more hands"`
}

func (c escalateCmd) Run(ctx context.Context, a *app) error {
	return c.each(ctx, a, []string{c.Incident}, "escalate", nil)
}
