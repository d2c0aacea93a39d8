package main

import (
	"bufio"
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/musterhq/muster/runbook"
)

type approveCmd struct {
	clientFlags
	Run_ string `arg:"" name:"run" help:"Id of the run, as muster runs shows it."`
	Plan string `placeholder:"HASH" help:"Approve this plan and no other, as muster runs shows it; needed where nobody can be asked."`
}

func (approveCmd) Help() string {
	return `An approval is for the plan that was shown: if it has changed since, the server refuses.

  muster approve 0199…
  muster approve 0199… --plan 3f9a6c20b1d4e587`
}

func runPath(id, rest string) string { return "/api/v1/runs/" + url.PathEscape(id) + rest }

func (c approveCmd) Run(ctx context.Context, a *app) error {
	api, err := c.client(a)
	if err != nil {
		return err
	}
	if c.Plan == "" && !a.asks {
		return misused("--plan: is needed where nobody can be asked; muster runs shows it")
	}
	if c.Plan != "" && len(c.Plan) < shortHash {
		return misused("--plan: wants at least %d digits", shortHash)
	}
	var run runbook.Run
	if err := api.get(ctx, runPath(c.Run_, ""), nil, &run); err != nil {
		return err
	}
	if c.Plan == "" {
		showRun(a, run)
		if !a.ask("Approve this plan?") {
			return fmt.Errorf("not approved")
		}
	} else if !strings.HasPrefix(run.Hash, strings.ToLower(c.Plan)) {
		return fmt.Errorf("the plan is now %s, not %s; muster runs shows what it would do", cutHash(run.Hash), c.Plan)
	}
	if err := api.post(ctx, runPath(c.Run_, "/approve"), map[string]any{"hash": run.Hash}, &run); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s is %s\n", clean(run.Runbook), strings.ReplaceAll(clean(string(run.State)), "_", " "))
	return err
}

// ask asks a person; only yes is yes.
func (a *app) ask(question string) bool {
	fmt.Fprintf(a.out, "%s [y/N] ", question)
	line, _ := bufio.NewReader(a.in).ReadString('\n') // at the end of input it is no
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return true
	}
	return false
}
