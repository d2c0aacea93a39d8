package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/detect"
)

// TestSchedule: what the YAML of a layer says is what oncall does.
func TestSchedule(t *testing.T) {
	tests := []struct{ name, layer, from, to, want string }{
		{"weekly from the epoch", `{users: [ana, bob], handoff: "Mon 09:00"}`, "2024-01-01T09:00:00Z", "2024-01-15T09:00:00Z",
			"ana Mon 01 Jan 09:00, bob Mon 08 Jan 09:00"},
		{"weekly without a weekday is on Monday", `{users: [ana, bob], rotate: weekly, handoff: "9:00"}`, "2024-01-01T09:00:00Z", "2024-01-15T09:00:00Z",
			"ana Mon 01 Jan 09:00, bob Mon 08 Jan 09:00"},
		{"weekly on another day", `{users: [ana, bob], handoff: "thursday 17:30"}`, "2024-01-04T17:30:00Z", "2024-01-18T00:00:00Z",
			"ana Thu 04 Jan 17:30, bob Thu 11 Jan 17:30"},
		{"start says who begins", `{users: [ana, bob], handoff: "Mon 09:00", start: 2026-03-02}`, "2026-03-02T09:00:00Z", "2026-03-16T09:00:00Z",
			"ana Mon 02 Mar 09:00, bob Mon 09 Mar 09:00"},
		{"start in the middle of the week", `{users: [ana, bob], handoff: "Mon 09:00", start: 2026-03-04}`, "2026-03-09T09:00:00Z", "2026-03-23T00:00:00Z",
			"ana Mon 09 Mar 09:00, bob Mon 16 Mar 09:00"},
		{"weekly with a start and no weekday", `{users: [ana, bob], handoff: "09:00", start: 2026-03-04}`, "2026-03-04T09:00:00Z", "2026-03-12T00:00:00Z",
			"ana Wed 04 Mar 09:00, bob Wed 11 Mar 09:00"},
		{"daily", `{users: [ana, bob], rotate: daily, handoff: "09:00", start: 2026-03-02}`, "2026-03-02T09:00:00Z", "2026-03-04T09:00:00Z",
			"ana Mon 02 Mar 09:00, bob Tue 03 Mar 09:00"},
		{"every three days", `{users: [ana, bob], rotate: {days: 3}, handoff: "09:00", start: 2026-03-02}`, "2026-03-02T09:00:00Z", "2026-03-08T09:00:00Z",
			"ana Mon 02 Mar 09:00, bob Thu 05 Mar 09:00"},
		{"one alone", `{users: [ana]}`, "2026-03-02T00:00:00Z", "2026-03-16T00:00:00Z", "ana Mon 02 Mar 00:00, ana Mon 09 Mar 00:00"},
		{"bounds", `{users: [ana], from: 2026-03-03 12:00, until: 2026-03-05}`, "2026-03-01T00:00:00Z", "2026-03-10T00:00:00Z",
			"ana Tue 03 Mar 12:00, nobody Thu 05 Mar 00:00"},
		{"office hours", `{users: [ana], only: [Mon-Fri 9:00-17:00]}`, "2026-03-06T00:00:00Z", "2026-03-09T12:00:00Z",
			"ana Fri 06 Mar 09:00, nobody Fri 06 Mar 17:00, ana Mon 09 Mar 09:00"},
		{"nights, which end in the morning", `{users: [ana], only: ["Fri 22:00-06:00"]}`, "2026-03-06T00:00:00Z", "2026-03-09T00:00:00Z",
			"ana Fri 06 Mar 22:00, nobody Sat 07 Mar 06:00"},
		{"weekend", `{users: [ana], only: ["Sat,Sun"]}`, "2026-03-06T00:00:00Z", "2026-03-10T00:00:00Z",
			"ana Sat 07 Mar 00:00, nobody Mon 09 Mar 00:00"},
		{"until midnight", `{users: [ana], only: ["Fri 18:00-00:00"]}`, "2026-03-06T00:00:00Z", "2026-03-10T00:00:00Z",
			"ana Fri 06 Mar 18:00, nobody Sat 07 Mar 00:00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := parse(t, "schedules: {s: {timezone: Europe/London, layers: ["+tt.layer+"]}}")
			s, err := d.Schedule("s")
			if err != nil {
				t.Fatal(err)
			}
			from, _ := time.Parse(time.RFC3339, tt.from)
			to, _ := time.Parse(time.RFC3339, tt.to)
			var got []string
			end := from
			for _, shift := range s.Shifts(from, to, nil) {
				if !shift.From.Equal(end) && len(got) > 0 {
					got = append(got, "nobody "+end.Format("Mon 02 Jan 15:04"))
				}
				got = append(got, shift.User+" "+shift.From.Format("Mon 02 Jan 15:04"))
				end = shift.To
			}
			if !end.Equal(to) {
				got = append(got, "nobody "+end.Format("Mon 02 Jan 15:04"))
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, ", ")); diff != "" {
				t.Error(diff)
			}
		})
	}
	_, err := parse(t, string(shop(t))).Schedule("payments-primry")
	if err == nil || err.Error() != `schedules.payments-primry: there is no such schedule (did you mean "payments-primary"?)` {
		t.Errorf("%v", err)
	}
}

func TestDetectRule(t *testing.T) {
	d := parse(t, string(shop(t)))
	got, err := d.DetectRule("checkout-5xx")
	if err != nil {
		t.Fatal(err)
	}
	matches := func(c detect.Condition, status string) bool {
		var rec detect.Record
		rec.Fields = []detect.Field{{Name: "status", Value: []byte(status)}, {Name: "path", Value: []byte("/")}}
		return c.Match(&rec)
	}
	if !matches(got.Bad, "503") || matches(got.Bad, "404") || !matches(got.Where, "404") {
		t.Errorf("the conditions are not those of the file: %v, %v", got.Bad, got.Where)
	}
	got.Bad, got.Where = detect.Condition{}, detect.Condition{}
	want := detect.Rule{Slug: "checkout-5xx", Above: 0.005, Window: 5 * time.Minute, MinTotal: 200, By: []string{"service"},
		ResolveAfter: 2 * time.Minute, Lateness: config.NoLateness, MaxGroups: 50}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	plain, err := d.DetectRule("plain")
	if err != nil || plain.Lateness != 0 || plain.ResolveAfter != 0 || plain.MinTotal != 0 || plain.Above != 0.1 || plain.Window != 90*time.Second {
		t.Errorf("%+v, %v", plain, err)
	}
	if _, err := d.DetectRule("x"); err == nil || err.Error() != "rules.x: there is no such rule" {
		t.Errorf("%v", err)
	}
	// A Doc that was put together by a program says where it is wrong, too.
	d.Rules["plain"] = config.Rule{Ratio: config.Ratio{Bad: "??"}, Above: "1%"}
	if _, err := d.DetectRule("plain"); err == nil || !strings.HasPrefix(err.Error(), "test.yaml:73:43: rules.plain.ratio.bad: ") {
		t.Errorf("%v", err)
	}
}

func TestReach(t *testing.T) {
	d := parse(t, string(shop(t)))
	for _, tt := range []struct {
		user, urgency string
		want          []config.Reach
	}{
		{"ana", "high", []config.Reach{{By: "slack"}, {Wait: time.Minute, By: "phone"}}},
		{"ana", "low", []config.Reach{{By: "slack"}}},
		{"bob", "high", []config.Reach{{By: "hook"}, {By: "phone"}}},
		{"chi", "low", []config.Reach{{By: "email"}}},
		{"nobody", "high", nil},
	} {
		if diff := cmp.Diff(tt.want, d.Users[tt.user].Reach(tt.urgency)); diff != "" {
			t.Errorf("%s, %s: %s", tt.user, tt.urgency, diff)
		}
	}
	want := map[string]config.Contact{
		"email": {Kind: "email", Address: "ana@shop.example"}, "phone": {Kind: "sms", Address: "+34600000001"}, "slack": {Kind: "slack", Address: "U024BE7LH"},
	}
	if diff := cmp.Diff(want, d.Users["ana"].Reachable()); diff != "" {
		t.Error(diff)
	}
	if len(d.Users["ana"].Contacts) != 2 {
		t.Error("Reachable has changed the user")
	}
}

func TestEnvironment(t *testing.T) {
	d := parse(t, string(shop(t)))
	connection, set, ok := d.Environment("checkout", "production", []string{"argo", "gitlab"})
	if !ok || connection != "gitlab" || set["project"] != "shop/checkout" {
		t.Errorf("%s, %v, %v", connection, set, ok)
	}
	for _, tt := range []struct{ service, name, kind string }{
		{"checkout", "staging", "gitlab"}, {"checkout", "production", "argo"}, {"basket", "production", "gitlab"},
	} {
		if _, _, ok := d.Environment(tt.service, tt.name, []string{tt.kind}); ok {
			t.Errorf("%v has one", tt)
		}
	}
	// The key is the slug of a connection, or its kind if there is one of it.
	two := parse(t, `
connections: {eu: {gitlab: https://eu.example, token: t}, us: {gitlab: https://us.example, token: t}}
services:
  a: {policy: p, environments: {production: {us: {project: x}}}}
  b: {policy: p, environments: {production: {gitlab: {project: x}}}}`)
	if connection, _, ok := two.Environment("a", "production", []string{"gitlab"}); !ok || connection != "us" {
		t.Errorf("%s, %v", connection, ok)
	}
	if connection, _, ok := two.Environment("b", "production", []string{"gitlab"}); ok {
		t.Errorf("one of two is taken: %s", connection)
	}
}

// TestTicketInManyWords: both ways to write a ticket say the same.
func TestTicketInManyWords(t *testing.T) {
	short := parse(t, "services: {a: {policy: p, ticket: {jira: cloud, project: OPS, on: resolved}}}")
	long := parse(t, "services: {a: {policy: p, ticket: {kind: jira, connection: cloud, project: OPS, on: resolved}}}")
	if diff := same(short, long); diff != "" {
		t.Error(diff)
	}
}

// TestReachable: an e-mail address alone reaches somebody only if there is a
// connection that mail goes through.
func TestReachable(t *testing.T) {
	const people = "users: {ana: {email: ana@shop.example}}\npolicies: {p: {steps: [{notify: [user:ana]}]}}\n"
	const want = "test.yaml:1:9: users.ana: cannot be reached by any channel, but policy p pages ana"
	if err := parse(t, people).Check(kinds()); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := parse(t, people+"connections: {m: {smtp: \"smtp://mail.example\"}}").Check(kinds()); err != nil {
		t.Error(err)
	}
}
