package main

import (
	"context"
	"time"
)

type snoozeCmd struct {
	commandFlags
	Incidents []string   `arg:"" name:"incident" help:"Numbers or ids."`
	For       lengthFlag `xor:"end" placeholder:"TIME" help:"How long, such as 2h."`
	Until     string     `xor:"end" placeholder:"TIME" help:"Until when: ${instant}."`
}

func (snoozeCmd) Help() string {
	return `The incident climbs anew from its first step when the time is over.

  muster snooze 42 --for 2h
  muster snooze 42 --until 08:30`
}

func (c snoozeCmd) Run(ctx context.Context, a *app) error {
	end := a.now().Add(time.Duration(c.For))
	switch {
	case c.Until != "":
		var err error
		if end, err = a.instant("--until", c.Until); err != nil {
			return err
		}
	case c.For <= 0:
		return misused("give --for or --until")
	}
	return c.each(ctx, a, c.Incidents, "snooze", map[string]any{"until": end.UTC().Format(time.RFC3339)})
}
