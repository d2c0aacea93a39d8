package main

import "context"

type ackCmd struct {
	commandFlags
	Incidents []string `arg:"" name:"incident" help:"Numbers or ids."`
}

func (ackCmd) Help() string {
	return `Nobody else is paged for an acknowledged incident.

  muster ack 42
  muster ack 42 43 -m "looking at it"`
}

func (c ackCmd) Run(ctx context.Context, a *app) error {
	return c.each(ctx, a, c.Incidents, "acknowledge", nil)
}
