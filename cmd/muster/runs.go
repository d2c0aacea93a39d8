package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/musterhq/muster/runbook"
)

type runsCmd struct {
	clientFlags
	jsonFlag
	Incident string `arg:"" help:"Number or id of the incident."`
}

func (runsCmd) Help() string {
	return `Shows the runbooks of an incident: what they would do, and what came of it.

  muster runs 42`
}

func (c runsCmd) Run(ctx context.Context, a *app) error {
	api, err := c.client(a)
	if err != nil {
		return err
	}
	var answer struct{ Runs []json.RawMessage }
	if err := api.get(ctx, incidentPath(c.Incident, "/runs"), nil, &answer); err != nil {
		return err
	}
	if c.JSON {
		return c.print(a, answer.Runs, "", nil)
	}
	runs, err := decoded[runbook.Run](answer.Runs)
	if err != nil {
		return err
	}
	if len(runs) == 0 {
		fmt.Fprintln(a.out, "No runs.")
	}
	for i, run := range runs {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		showRun(a, run)
	}
	return nil
}

// shortHash is how much of a plan's hash people are shown, and may give.
const shortHash = 16

// showRun shows a run, with all that an approval would set going.
func showRun(a *app, run runbook.Run) {
	facts := [][2]string{
		{"Run", run.ID},
		{"Runbook", run.Runbook},
		{"State", strings.ReplaceAll(string(run.State), "_", " ")},
		{"Because", run.Reason},
		{"Verdict", string(run.Verdict)},
		{"Created", a.when(run.CreatedAt)},
	}
	if run.State == runbook.AwaitingApproval {
		facts = append(facts, [2]string{"Plan", cutHash(run.Hash)}, [2]string{"Approve by", strings.Join(run.Approval.By, ", ") + " until " + a.when(run.Approval.ExpiresAt)})
	}
	a.facts(facts)
	for i, step := range run.Steps {
		outcome := step.Result.Outcome
		switch {
		case outcome != "":
		case step.InFlight():
			outcome = "running"
		default:
			outcome = "to come"
		}
		fmt.Fprintf(a.out, "  %d. %s: %s", i+1, clean(step.Plan.Step), clean(outcome))
		if step.Result.Detail != "" {
			fmt.Fprintf(a.out, ": %s", clean(step.Result.Detail))
		}
		fmt.Fprintln(a.out)
		for _, line := range step.Plan.Summary {
			fmt.Fprintf(a.out, "     %s\n", clean(line))
		}
	}
}

func cutHash(hash string) string {
	return hash[:min(shortHash, len(hash))]
}
