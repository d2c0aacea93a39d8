package main

import (
	"context"
	"fmt"

	"github.com/musterhq/muster/runbook"
)

type rejectCmd struct {
	clientFlags
	Run_   string `arg:"" name:"run" help:"Id of the run, as muster runs shows it."`
	Reason string `short:"m" placeholder:"TEXT" help:"Why, for the timeline."`
}

func (rejectCmd) Help() string {
	return `  muster reject 0199… -m "the deployment is not the cause"`
}

func (c rejectCmd) Run(ctx context.Context, a *app) error {
	api, err := c.client(a)
	if err != nil {
		return err
	}
	var run runbook.Run
	if err := api.post(ctx, runPath(c.Run_, "/reject"), map[string]any{"reason": c.Reason}, &run); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s is %s\n", clean(run.Runbook), clean(string(run.State)))
	return err
}
