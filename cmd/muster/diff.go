package main

import (
	"context"
	"fmt"
)

type diffCmd struct {
	clientFlags
	jsonFlag
	ExitCode bool     `help:"Exit with 1 if anything would change."`
	Paths    []string `arg:"" name:"path" help:"Files, or directories of *.yaml files; - is standard input."`
}

func (diffCmd) Help() string {
	return `Shows what apply would change, and changes nothing.

  muster diff config/
  muster diff --exit-code config/ || echo "not applied yet"`
}

func (c diffCmd) Run(ctx context.Context, a *app) error {
	would, err := sendFiles(ctx, a, c.clientFlags, "diff", c.Paths)
	if err != nil {
		return err
	}
	if c.JSON {
		err = a.printJSON(would.raw)
	} else {
		a.changes(would.Changes)
		_, err = fmt.Fprintf(a.out, "%s\n", plural(len(would.Changes), "change"))
	}
	if err == nil && c.ExitCode && len(would.Changes) > 0 {
		return errReported
	}
	return err
}
