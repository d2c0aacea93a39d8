// Package postmortem turns the timeline of an incident into a Markdown draft:
// what happened, when, how fast it was noticed and mended, what the signal
// looked like, and the questions that people must answer. It knows no clock and
// no database; it writes what the timeline says and invents nothing.
package postmortem

import (
	"fmt"
	"strings"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/chart"
)

// An Incident is what a draft is made of.
type Incident struct {
	Organization string // slug
	Incident     incident.Incident
	Entries      []incident.Entry
	Signal       chart.Series // of the rule that fired; without points there is no graph
}

// Times are how long the steps of a response took, counted from when the
// trouble began by the data. A negative one is not known.
type Times struct {
	Began       time.Time // when the signal first crossed its threshold; the opening if no rule fired
	Detect      time.Duration
	Acknowledge time.Duration
	Recover     time.Duration
}

// Measure reads the times from the incident: to detect is from the beginning
// to the opening, to acknowledge from the opening to the first
// acknowledgement, to recover from the beginning to the end of the signal, or
// to the resolution where no rule fired.
func Measure(in Incident) Times {
	inc := in.Incident
	t := Times{Began: inc.OpenedAt, Acknowledge: -1, Recover: -1}
	end := inc.ResolvedAt
	for _, span := range in.Signal.Shaded {
		if !span.From.IsZero() && span.From.Before(t.Began) {
			t.Began = span.From
		}
		if !span.To.IsZero() {
			end = span.To
		}
	}
	t.Detect = inc.OpenedAt.Sub(t.Began)
	if !inc.AckedAt.IsZero() {
		t.Acknowledge = inc.AckedAt.Sub(inc.OpenedAt)
	}
	if !end.IsZero() {
		t.Recover = end.Sub(t.Began)
	}
	return t
}

// Draft writes the document. All that came from outside is escaped, so that
// hostile alert text is shown and does nothing.
func Draft(in Incident) string {
	var b strings.Builder
	inc := in.Incident
	times := Measure(in)
	fmt.Fprintf(&b, "# Postmortem (draft): #%d %s\n\n", inc.Number, escape(inc.Title))
	fmt.Fprintf(&b, "| | |\n|---|---|\n")
	row := func(name, value string) { fmt.Fprintf(&b, "| %s | %s |\n", name, value) }
	row("Organization", escape(in.Organization))
	row("Service", escape(inc.Service))
	row("Severity", inc.Severity.SEV()+" ("+escape(string(inc.Severity))+")")
	row("Began", stamp(times.Began))
	row("Opened", stamp(inc.OpenedAt))
	row("Resolved", stamp(inc.ResolvedAt))
	row("Time to detect", span(times.Detect))
	row("Time to acknowledge", span(times.Acknowledge))
	row("Time to recover", span(times.Recover))
	row("Alerts", fmt.Sprint(inc.Alerts))
	b.WriteString("\n")

	if len(in.Signal.Points) > 0 {
		fmt.Fprintf(&b, "## The signal\n\n%s, threshold %.2f %%. As a picture: [chart.svg](chart.svg)\n\n```text\n%s\n```\n\n",
			escape(in.Signal.Title), 100*in.Signal.Threshold, strings.TrimRight(strings.ReplaceAll(chart.Text(in.Signal, 76, 12), "```", "'''"), "\n"))
	}

	b.WriteString("## Timeline\n\n| time (UTC) | what | who |\n|---|---|---|\n")
	for _, e := range in.Entries {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", e.At.UTC().Format("15:04:05.000"), describe(e), escape(who(e)))
	}
	b.WriteString(`
## What went well

_To be written._

## What did not

_To be written._

## Why it happened

_To be written: what made it possible, not who did it._

## What changes

| area | change | owner | due | done when (a machine can see it) |
|---|---|---|---|---|
| monitoring | | | | |
| runbooks | | | | |
| schedules | | | | |
| training | | | | |
`)
	return b.String()
}

func who(e incident.Entry) string {
	if e.Origin == "" {
		return string(e.Actor)
	}
	return string(e.Actor) + " (" + e.Origin + ")"
}

// describe tells an entry in a phrase.
func describe(e incident.Entry) string {
	d := e.Data
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, escape(fmt.Sprintf(format, args...))) }
	switch e.Kind {
	case incident.Opened:
		add("opened: %s", d.Title)
	case incident.AlertAdded:
		add("%d alert(s) joined: %s", d.Count, d.Title)
	case incident.AlertResolved:
		add("%d alert(s) resolved: %s", d.Count, d.Title)
	case incident.SeverityRaised:
		add("severity raised to %s", d.Severity)
	case incident.Escalated:
		add("policy step %d of round %d: paged %s", d.Step, d.Round+1, strings.Join(d.Users, ", "))
	case incident.Notified:
		to := d.User
		if to == "" {
			to = d.Address
		}
		add("%s by %s accepted", to, d.Channel)
	case incident.NotifyFailed:
		add("%s by %s failed for good", d.User, d.Channel)
	case incident.NotifyDelayed:
		add("%s by %s is late", d.User, d.Channel)
	case incident.Reassigned:
		add("reassigned to %s", strings.Join(d.Targets, ", "))
	case incident.SnoozeBegan:
		add("snoozed until %s", stamp(d.Until))
	case incident.RunVerdict:
		add("verdict on runbook %s: %s", d.Runbook, d.Verdict)
	case incident.RunPlanned, incident.RunApproved, incident.RunRejected, incident.RunStep:
		add("%s %s", strings.ReplaceAll(string(e.Kind), "_", " "), d.Runbook)
	default:
		add("%s", strings.ReplaceAll(string(e.Kind), "_", " "))
	}
	if d.Text != "" && e.Kind != incident.Notified {
		add("%s", d.Text)
	}
	if d.URL != "" {
		parts = append(parts, escape(d.URL))
	}
	return strings.Join(parts, ": ")
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "not yet"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func span(d time.Duration) string {
	if d < 0 {
		return "not known"
	}
	return d.Round(100 * time.Millisecond).String()
}

// escape makes text from outside harmless in a Markdown table cell: no line
// break, no markup, no HTML, no mention.
func escape(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '\\', '`', '*', '_', '[', ']', '|', '#', '~', '!':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '&':
			b.WriteString("&amp;")
		case '@':
			b.WriteString("&#64;")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
