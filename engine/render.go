package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
)

// message renders an incident as it is now: what is sent is judged again at
// the moment of sending.
func (e *Engine) message(ctx context.Context, s *setup, inc incident.Incident, kind string, o store.Outgoing) (notify.Message, error) {
	runs, err := e.Runs(ctx, inc.Org, inc.ID)
	if err != nil {
		return notify.Message{}, err
	}
	m := notify.Message{
		Key: o.ID, Kind: kind, IncidentID: inc.ID, Number: strconv.FormatInt(inc.Number, 10),
		Organization: s.org.Slug, Service: inc.Service, Status: string(inc.Status), Severity: string(inc.Severity),
		Title: inc.Title, Facts: facts(inc), Actions: actions(inc), Repeat: int(o.Attempt) - 1,
		Payload: payload(inc),
	}
	if o.Kind == rowUpdate { // each state is a message of its own
		m.Key, m.Repeat = fmt.Sprintf("%s/%d", o.ID, inc.Shown), 0
	}
	if e.URL != "" {
		m.URL = strings.TrimSuffix(e.URL, "/") + "/incidents/" + inc.ID
	}
	for _, run := range runs {
		m.Facts = append(m.Facts, runFacts(run)...)
		if run.State == runbook.AwaitingApproval && inc.Open() {
			m.Actions = append(m.Actions, approvalActions(run)...)
		}
	}
	return m, nil
}

func facts(inc incident.Incident) []notify.Fact {
	f := []notify.Fact{
		{Name: "Severity", Value: inc.Severity.SEV() + " " + string(inc.Severity)},
		{Name: "Since", Value: inc.OpenedAt.Format("2006-01-02 15:04:05 UTC")},
		{Name: "Alerts", Value: fmt.Sprintf("%d firing of %d", inc.Firing, inc.Alerts)},
	}
	if !inc.RestoredAt.IsZero() {
		f = append(f, notify.Fact{Name: "Restored", Value: fmt.Sprintf("Muster was restored at %s from a backup of %s; what happened in between is not known here", instantText(inc.RestoredAt), instantText(inc.RestoredFrom))})
	}
	switch inc.Status {
	case incident.Acknowledged:
		f = append(f, notify.Fact{Name: "Acknowledged by", Value: name(inc.AckedBy)})
	case incident.Snoozed:
		f = append(f, notify.Fact{Name: "Snoozed until", Value: inc.SnoozedUntil.Format("2006-01-02 15:04 UTC")})
	case incident.Resolved:
		f = append(f, notify.Fact{Name: "Resolved by", Value: name(inc.ResolvedBy) + " after " + inc.ResolvedAt.Sub(inc.OpenedAt).Round(time.Second).String()})
	}
	return f
}

// name is how an actor is shown to people.
func name(actor string) string {
	return strings.TrimPrefix(actor, "user:")
}

func runFacts(run runbook.Run) []notify.Fact {
	f := []notify.Fact{{Name: "Runbook", Value: run.Runbook + ": " + strings.ReplaceAll(string(run.State), "_", " ")}}
	for _, step := range run.Steps {
		if len(step.Plan.Summary) > 0 {
			f = append(f, notify.Fact{Name: step.Plan.Step, Value: strings.Join(step.Plan.Summary, "\n")})
		}
	}
	if run.Verdict != "" {
		f = append(f, notify.Fact{Name: "Verdict", Value: string(run.Verdict) + ": " + run.Reason})
	} else if run.Reason != "" {
		f = append(f, notify.Fact{Name: "Because", Value: run.Reason})
	}
	return f
}

func actions(inc incident.Incident) []notify.Action {
	ack := notify.Action{Name: "acknowledge", Label: "Acknowledge", Value: inc.ID, Style: "primary"}
	resolve := notify.Action{Name: "resolve", Label: "Resolve", Value: inc.ID}
	switch inc.Status {
	case incident.Triggered, incident.Snoozed:
		return []notify.Action{ack, resolve}
	case incident.Acknowledged:
		return []notify.Action{resolve}
	}
	return nil
}

// approvalActions carry the run and the hash of the plan that is shown: an
// approval of another plan is no approval of this one.
func approvalActions(run runbook.Run) []notify.Action {
	value := run.ID + ":" + run.Hash
	return []notify.Action{
		{Name: "approve", Label: "Approve " + run.Runbook, Value: value, Style: "primary"},
		{Name: "reject", Label: "Reject", Value: value, Style: "danger"},
	}
}

// payload is what webhooks send as data.
func payload(inc incident.Incident) json.RawMessage {
	inc.Policy = incident.Policy{}
	body, _ := json.Marshal(map[string]any{"incident": inc}) // plain values: cannot fail
	return body
}
