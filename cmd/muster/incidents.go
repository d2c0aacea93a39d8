package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/runbook"
)

type incidentsCmd struct {
	List     incidentListCmd     `cmd:"" default:"withargs" help:"List incidents: the open ones, newest first."`
	Show     incidentShowCmd     `cmd:"" help:"Show one incident with its alerts and runs."`
	Timeline incidentTimelineCmd `cmd:"" help:"Show what happened in an incident, in order."`
}

func (incidentsCmd) Help() string {
	return `  muster incidents
  muster incidents list --all --service checkout --json
  muster incidents show 42
  muster incidents timeline 42`
}

// incidentPath is the API's path of an incident, which its number or id names.
func incidentPath(ref string, rest ...string) string {
	return "/api/v1/incidents/" + url.PathEscape(strings.TrimPrefix(ref, "#")) + strings.Join(rest, "")
}

type incidentListCmd struct {
	clientFlags
	jsonFlag
	All     bool   `help:"Show resolved ones, too."`
	Status  string `placeholder:"STATUS" help:"Only those that are triggered, acknowledged, snoozed or resolved."`
	Service string `placeholder:"SLUG" help:"Only those of a service."`
	Limit   int    `default:"50" help:"Show at most so many; 0 is all. (${default})"`
}

func (c incidentListCmd) Run(ctx context.Context, a *app) error {
	api, err := c.client(a)
	if err != nil {
		return err
	}
	query := url.Values{}
	if !c.All && c.Status == "" {
		query.Set("open", "true")
	}
	set(query, "status", c.Status)
	set(query, "service", c.Service)
	items, more, err := api.list(ctx, "/api/v1/incidents", "incidents", query, c.Limit)
	if err != nil {
		return err
	}
	incidents, err := decoded[incident.Incident](items)
	if err != nil {
		return err
	}
	t := &table{head: []string{"NUMBER", "STATUS", "SEV", "OPENED", "SERVICE", "TITLE"}}
	for _, i := range incidents {
		t.add(strconv.FormatInt(i.Number, 10), status(string(i.Status)), severity(i.Severity), a.when(i.OpenedAt), i.Service, i.Title)
	}
	none := "No open incidents."
	if query.Get("open") == "" {
		none = "No incidents."
	}
	if err := c.print(a, items, none, t); err != nil || !more {
		return err
	}
	_, err = fmt.Fprintf(a.err, "There are more; --limit shows them.\n")
	return err
}

// set sets a parameter that is given.
func set(query url.Values, name, value string) {
	if value != "" {
		query.Set(name, value)
	}
}

type incidentShowCmd struct {
	clientFlags
	jsonFlag
	Incident string `arg:"" help:"Number or id."`
}

func (c incidentShowCmd) Run(ctx context.Context, a *app) error {
	api, err := c.client(a)
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if err := api.get(ctx, incidentPath(c.Incident), nil, &raw); err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(raw)
	}
	var i incident.Incident
	if err := json.Unmarshal(raw, &i); err != nil {
		return fmt.Errorf("incident %s: %w", c.Incident, err)
	}
	a.facts(incidentFacts(a, i))

	var alerts struct{ Alerts []incident.Alert }
	if err := api.get(ctx, incidentPath(c.Incident, "/alerts"), nil, &alerts); err != nil {
		return err
	}
	if len(alerts.Alerts) > 0 {
		fmt.Fprintln(a.out)
		if err := alertTable(a, alerts.Alerts).write(a.out, a.width, a.colour); err != nil {
			return err
		}
	}
	var runs struct{ Runs []runbook.Run }
	if err := api.get(ctx, incidentPath(c.Incident, "/runs"), nil, &runs); err != nil {
		return err
	}
	for _, run := range runs.Runs {
		fmt.Fprintln(a.out)
		showRun(a, run)
	}
	return nil
}

func incidentFacts(a *app, i incident.Incident) [][2]string {
	facts := [][2]string{
		{"Incident", fmt.Sprintf("#%d %s", i.Number, i.Title)},
		{"Id", i.ID},
		{"Status", string(i.Status)},
		{"Severity", i.Severity.SEV() + " " + string(i.Severity)},
		{"Service", i.Service},
		{"Team", i.Team},
		{"Opened", a.when(i.OpenedAt)},
		{"Alerts", fmt.Sprintf("%d firing of %d", i.Firing, i.Alerts)},
	}
	if !i.AckedAt.IsZero() {
		facts = append(facts, [2]string{"Acknowledged", strings.TrimSpace(a.when(i.AckedAt) + " " + i.AckedBy)})
	}
	if i.Status == incident.Snoozed {
		facts = append(facts, [2]string{"Snoozed until", a.when(i.SnoozedUntil)})
	}
	if !i.ResolvedAt.IsZero() {
		facts = append(facts, [2]string{"Resolved", a.when(i.ResolvedAt) + " " + i.ResolvedBy})
	}
	if i.Status == incident.Triggered && !i.Due.IsZero() {
		facts = append(facts, [2]string{"Escalates", a.when(i.Due)})
	}
	return facts
}

// facts prints names and values under each other; what is empty is left out.
func (a *app) facts(facts [][2]string) {
	width := 0
	for _, f := range facts {
		width = max(width, len(f[0]))
	}
	for _, f := range facts {
		if value := clean(f[1]); value != "" {
			fmt.Fprintf(a.out, "%-*s  %s\n", width, f[0], value)
		}
	}
}

type incidentTimelineCmd struct {
	clientFlags
	jsonFlag
	Incident string `arg:"" help:"Number or id."`
}

func (c incidentTimelineCmd) Run(ctx context.Context, a *app) error {
	api, err := c.client(a)
	if err != nil {
		return err
	}
	items, _, err := api.list(ctx, incidentPath(c.Incident, "/timeline"), "entries", nil, 0)
	if err != nil {
		return err
	}
	entries, err := decoded[incident.Entry](items)
	if err != nil {
		return err
	}
	t := &table{head: []string{"TIME", "WHAT", "WHO", "DETAIL"}}
	for _, e := range entries {
		t.add(a.when(e.At), strings.ReplaceAll(string(e.Kind), "_", " "), string(e.Actor), detail(a, e.Data))
	}
	return c.print(a, items, "Nothing happened.", t)
}

// detail is what an entry says beyond its kind, in a few words.
func detail(a *app, d incident.Data) string {
	var parts []string
	add := func(format string, value any) { parts = append(parts, fmt.Sprintf(format, value)) }
	if len(d.Users) > 0 {
		add("%s", strings.Join(d.Users, ", "))
	}
	if len(d.Targets) > 0 {
		add("to %s", strings.Join(d.Targets, ", "))
	}
	if d.User != "" {
		add("%s", d.User)
	}
	if d.Channel != "" {
		add("by %s", d.Channel)
	}
	if d.Attempt > 1 {
		add("attempt %d", d.Attempt)
	}
	if !d.Until.IsZero() {
		add("until %s", a.when(d.Until))
	}
	if d.Runbook != "" {
		add("%s", d.Runbook)
	}
	if d.Verdict != "" {
		add("%s", d.Verdict)
	}
	if d.Count > 1 {
		add("%d alerts", d.Count)
	}
	if d.Title != "" {
		add("%s", d.Title)
	}
	if d.Text != "" {
		add("%s", d.Text)
	}
	if d.URL != "" {
		add("%s", d.URL)
	}
	return strings.Join(parts, ", ")
}
