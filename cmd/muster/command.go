package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/musterhq/muster/incident"
)

// commandFlags are those of everything that is done to incidents.
type commandFlags struct {
	clientFlags
	jsonFlag
	Reason string `short:"m" placeholder:"TEXT" help:"Why, for the timeline."`
}

// each does one thing to incidents, one after the other. A refusal does not
// keep it from the others.
func (f commandFlags) each(ctx context.Context, a *app, refs []string, command string, body map[string]any) error {
	api, err := f.client(a)
	if err != nil {
		return err
	}
	if body == nil {
		body = map[string]any{}
	}
	if f.Reason != "" {
		body["reason"] = f.Reason
	}
	var done []incident.Incident
	var failed []error
	for _, ref := range refs {
		var after incident.Incident
		if err := api.post(ctx, incidentPath(ref, "/", command), body, &after); err != nil {
			failed = append(failed, fmt.Errorf("incident %s: %w", ref, err))
			continue
		}
		done = append(done, after)
		if !f.JSON {
			fmt.Fprintf(a.out, "#%d is %s%s: %s\n", after.Number, after.Status, until(a, after), clean(after.Title))
		}
	}
	if f.JSON && len(done) > 0 {
		failed = append(failed, a.printJSON(done))
	}
	return errors.Join(failed...)
}

func until(a *app, i incident.Incident) string {
	switch i.Status {
	case incident.Acknowledged:
		return " by " + clean(i.AckedBy)
	case incident.Snoozed:
		return " until " + a.when(i.SnoozedUntil)
	}
	return ""
}
