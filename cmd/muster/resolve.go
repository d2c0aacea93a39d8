package main

import "context"

type resolveCmd struct {
	commandFlags
	Incidents []string `arg:"" name:"incident" help:"Numbers or ids."`
}

func (resolveCmd) Help() string {
	return `What still fires opens a new incident with its next signal.

  muster resolve 42 -m "rolled back"`
}

func (c resolveCmd) Run(ctx context.Context, a *app) error {
	return c.each(ctx, a, c.Incidents, "resolve", nil)
}
