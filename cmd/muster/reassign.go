package main

import "context"

type reassignCmd struct {
	commandFlags
	Incident string   `arg:"" help:"Number or id."`
	Targets  []string `arg:"" name:"target" help:"user:ana, team:payments or schedule:primary."`
}

func (reassignCmd) Help() string {
	return `The targets are paged at once, and the policy after them if nobody comes.

  muster reassign 42 user:bob team:database -m "it is the database"`
}

func (c reassignCmd) Run(ctx context.Context, a *app) error {
	return c.each(ctx, a, []string{c.Incident}, "reassign", map[string]any{"targets": c.Targets})
}
