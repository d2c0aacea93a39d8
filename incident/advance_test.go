package incident_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/incident"
)

func TestAdvance(t *testing.T) {
	step := func(minutes int, notify ...string) incident.Step {
		return incident.Step{Notify: notify, Wait: time.Duration(minutes) * time.Minute}
	}
	never := time.Time{}
	tests := []struct {
		name string
		edit func(*incident.Incident)
		now  time.Time
		page string // who is paged on Slack; "" for nobody
		due  time.Time
		says string // the kinds of the entries
	}{
		{"the first step at once", nil, nine, "ana", nine.Add(5 * time.Minute), "escalated"},
		{"not before it is due", func(i *incident.Incident) { i.Due = nine.Add(time.Microsecond) }, nine, "", nine.Add(time.Microsecond), ""},
		{"one page for one person", func(i *incident.Incident) { i.Step = 1 }, nine, "bob", nine.Add(10 * time.Minute), "escalated"},
		{"a team, sorted, without whom nothing reaches", func(i *incident.Incident) { i.Policy.Steps[0] = step(5, "team:all") }, nine, "ana bob", nine.Add(5 * time.Minute), "escalated"},
		{"late by a day, still one step", nil, nine.AddDate(0, 0, 1), "ana", nine.AddDate(0, 0, 1).Add(5 * time.Minute), "escalated"},
		{"acknowledged waits", func(i *incident.Incident) { i.Status = incident.Acknowledged }, nine, "", nine, ""},
		{"resolved waits", func(i *incident.Incident) { i.Status = incident.Resolved }, nine, "", nine, ""},
		{"never due", func(i *incident.Incident) { i.Due = never }, nine, "", never, ""},
		{"the top is the end", func(i *incident.Incident) { i.Step = 2 }, nine, "", never, "exhausted"},
		{"the top of the first of two rounds", func(i *incident.Incident) { i.Step, i.Policy.Repeat = 2, 2 }, nine, "ana", nine.Add(5 * time.Minute), "escalated"},
		{"the top of the last of two rounds", func(i *incident.Incident) { i.Step, i.Round, i.Policy.Repeat = 2, 1, 2 }, nine, "", never, "exhausted"},
		{"an empty step is passed over", func(i *incident.Incident) {
			i.Policy.Steps = append([]incident.Step{step(60, "schedule:none")}, i.Policy.Steps...)
		}, nine, "ana", nine.Add(5 * time.Minute), "escalated escalated"},
		{"so is one of people who cannot be reached", func(i *incident.Incident) { i.Policy.Steps[0] = step(60, "user:mute") }, nine, "bob", nine.Add(10 * time.Minute), "escalated escalated"},
		{"an empty last step ends the climb at once", func(i *incident.Incident) { i.Step, i.Policy.Steps[1] = 1, step(60) }, nine, "", never, "escalated exhausted"},
		{"a policy that reaches nobody ends", func(i *incident.Incident) {
			i.Policy = incident.Policy{Steps: []incident.Step{step(1), step(1)}, Repeat: 9}
		}, nine, "", never, "escalated escalated escalated exhausted"},
		{"a policy without steps ends", func(i *incident.Incident) { i.Policy.Steps = nil }, nine, "", never, "exhausted"},
		{"a snooze ends with the first step", func(i *incident.Incident) { i.Status, i.Step, i.SnoozedUntil = incident.Snoozed, 2, nine }, nine, "ana", nine.Add(5 * time.Minute), "retriggered escalated"},
		{"a snooze goes on", func(i *incident.Incident) { i.Status, i.Due = incident.Snoozed, nine.Add(1) }, nine, "", nine.Add(1), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := incident.Open(incident.Opening{ID: "i1", Org: "o1", Severity: incident.Critical, Policy: incident.Policy{Steps: []incident.Step{
				step(5, "user:ana"), step(10, "user:bob", "team:twice"),
			}}}, nine, ana).Incident
			if tt.edit != nil {
				tt.edit(&in)
			}
			c := incident.Advance(in, tt.now, roster)
			var users, kinds []string
			for _, p := range c.Pages {
				if p.Channel == "slack" {
					users = append(users, p.User)
				}
			}
			for _, e := range c.Entries {
				kinds = append(kinds, string(e.Kind))
			}
			if got := strings.Join(users, " "); got != tt.page || !c.Incident.Due.Equal(tt.due) {
				t.Errorf("paged %q, due %v; want %q, %v", got, c.Incident.Due, tt.page, tt.due)
			}
			if got := strings.Join(kinds, " "); got != tt.says {
				t.Errorf("the timeline says %q, want %q", got, tt.says)
			}
		})
	}
}

// TestPages: all of a person's notifications are decided at once, each after
// the wait of its rule, under keys that say where in which climb.
func TestPages(t *testing.T) {
	policy := incident.Policy{Steps: []incident.Step{{Notify: []string{"user:ana"}, Wait: time.Minute}}}
	c := incident.Open(incident.Opening{ID: "i1", Org: "o1", Severity: incident.Critical, Policy: policy}, nine, ana)
	c = c.Then(incident.Advance(c.Incident, nine, roster))
	slack := incident.Notification{
		Key: "i1/0/0/0/ana/slack/0/page", Incident: "i1", User: "ana", Contact: "slack", Kind: incident.Page,
		Channel: "slack", Connection: "slack", Address: "ana", NotBefore: nine,
	}
	phone := incident.Notification{
		Key: "i1/0/0/0/ana/phone/1/page", Incident: "i1", User: "ana", Contact: "phone", Rule: 1, Kind: incident.Page,
		Channel: "voice", Connection: "phone", Address: "ana", NotBefore: nine.Add(2 * time.Minute),
	}
	if diff := cmp.Diff([]incident.Notification{slack, phone}, c.Pages); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}

	// A low urgency takes other rules; a worse alert that makes it a high one
	// climbs anew, under new keys, unless somebody is on it.
	low := incident.Open(incident.Opening{ID: "i1", Org: "o1", Severity: incident.Warning, Policy: policy}, nine, ana)
	low = low.Then(incident.AddAlert(low.Incident, "a", incident.Warning, nine, ana))
	low = low.Then(incident.Advance(low.Incident, nine, roster))
	if len(low.Pages) != 1 || low.Pages[0].Contact != "slack" {
		t.Errorf("a low urgency pages %+v", low.Pages)
	}
	worse := incident.AddAlert(low.Incident, "b", incident.Critical, nine, ana)
	worse = worse.Then(incident.Advance(worse.Incident, nine, roster))
	if len(worse.Pages) != 2 || worse.Pages[0].Key != "i1/1/0/0/ana/slack/0/page" || !worse.Stop {
		t.Errorf("a worse alert pages %+v", worse.Pages)
	}
	acked, err := incident.Acknowledge(low.Incident, nine, ana)
	if err != nil {
		t.Fatal(err)
	}
	worse = incident.AddAlert(acked.Incident, "b", incident.Critical, nine, ana)
	if worse.Incident.Status != incident.Acknowledged || worse.Incident.Severity != incident.Critical || worse.Incident.Urgency != incident.High {
		t.Errorf("after a worse alert the acknowledged incident is %+v", worse.Incident)
	}
	if again := incident.AddAlert(worse.Incident, "c", incident.Info, nine, ana); again.Incident.Severity != incident.Critical {
		t.Errorf("a lesser alert made the severity %s", again.Incident.Severity)
	}
}
