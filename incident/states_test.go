package incident_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/runbook"
)

var update = flag.Bool("update", false, "write docs/state-machines.md anew")

// published returns one machine of the table, as a set.
func published(t *testing.T, of string) map[incident.Transition]bool {
	t.Helper()
	set := map[incident.Transition]bool{}
	for _, tr := range incident.Transitions {
		if set[tr] {
			t.Errorf("listed twice: %+v", tr)
		}
		if tr.Of == of {
			set[tr] = true
		}
	}
	if len(set) == 0 {
		t.Fatalf("no transitions of %q", of)
	}
	return set
}

// TestIncidentTransitions: random lives make no transition that is not
// published, and short ones make all that are.
func TestIncidentTransitions(t *testing.T) {
	table, seen := published(t, "incident"), map[incident.Transition]bool{}
	watch := func(t rapid.TB) func(string, incident.Incident, incident.Change) {
		return func(by string, before incident.Incident, c incident.Change) {
			if tr, moved := transition(t, by, before, c); moved && !table[tr] {
				t.Fatalf("not in the table: %+v", tr)
			} else if moved {
				seen[tr] = true
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		l := drawOpen(t)
		watch(t)("opened", incident.Incident{}, incident.Change{Incident: l.inc, Entries: l.entries})
		l.live(t, 40, watch(t))
	})
	clear(seen)
	d := detail{severity: incident.Critical, until: time.Hour, goesBy: time.Minute, targets: targets, kind: incident.RunVerdict}
	for _, first := range names {
		for _, second := range names {
			for _, third := range names {
				l := open(t, incident.Critical, "", incident.Policy{})
				watch(t)("opened", incident.Incident{}, incident.Change{Incident: l.inc, Entries: l.entries})
				for _, by := range []string{first, second, third} {
					l.step(t, by, d, watch(t))
				}
			}
		}
	}
	if diff := cmp.Diff(table, seen); diff != "" {
		t.Errorf("published and never made (-table +made):\n%s", diff)
	}
}

// transition returns what a change is in the words of the table, and whether it
// is one: most entries tell of something and move nothing.
func transition(t rapid.TB, by string, before incident.Incident, c incident.Change) (tr incident.Transition, moved bool) {
	from, to := before.Status, c.Incident.Status
	switch by {
	case "opened", "acknowledge", "resolve", "snooze", "reassign", "escalate now", "retrigger":
		moved = len(c.Entries) > 0 // a retrigger of what is over says nothing
	case "time", "due":
		moved = len(c.Entries) > 0
		by = map[incident.Status]string{incident.Triggered: "step due", incident.Snoozed: "snooze ends"}[from]
	default:
		moved = from != to
		by = "last alert resolved"
		if moved && (c.Incident.Firing > 0 || c.Incident.Hold != "") {
			t.Fatalf("resolved by itself while %d alerts fire and %q holds it", c.Incident.Firing, c.Incident.Hold)
		}
	}
	return incident.Transition{Of: "incident", From: string(from), By: by, To: string(to)}, moved
}

// TestAlertTransitions does the same for the alert of a key.
func TestAlertTransitions(t *testing.T) {
	table, seen := published(t, "alert"), map[incident.Transition]bool{}
	happen := func(t rapid.TB, a incident.Alert, by string, second int) incident.Alert {
		before, sent := a, nine.Add(time.Duration(second)*time.Second)
		if by == "incident resolved by hand" {
			if a = a.Close(nine); a.Status == before.Status {
				return a // it did not fire
			}
		} else {
			s := incident.Signal{Resolve: by == "resolve", Sent: sent}
			a, _ = a.Receive(s, nine)
			if !s.Resolve && before.Status != incident.Firing && !before.Cleared.IsZero() && !sent.After(before.Cleared) ||
				s.Resolve && before.Status == incident.Firing && sent.Before(before.Triggered) {
				by = "older " + by
			}
		}
		tr := incident.Transition{Of: "alert", From: string(before.Status), By: by, To: string(a.Status)}
		if !table[tr] {
			t.Fatalf("not in the table: %+v", tr)
		}
		seen[tr] = true
		return a
	}
	what := []string{"trigger", "resolve", "incident resolved by hand"}
	rapid.Check(t, func(t *rapid.T) {
		var a incident.Alert
		for range 40 {
			a = happen(t, a, rapid.SampledFrom(what).Draw(t, "by"), rapid.IntRange(0, 20).Draw(t, "second"))
		}
	})
	clear(seen)
	var walk func(a incident.Alert, depth int)
	walk = func(a incident.Alert, depth int) {
		for _, by := range what {
			for second := range 3 {
				if next := happen(t, a, by, second); depth > 1 {
					walk(next, depth-1)
				}
			}
		}
	}
	walk(incident.Alert{}, 4)
	if diff := cmp.Diff(table, seen); diff != "" {
		t.Errorf("published and never made (-table +made):\n%s", diff)
	}
}

const page = "../docs/state-machines.md"

// TestStateMachinesPage keeps docs/state-machines.md as the tables are: what
// stands between the comments of a machine is written by -update.
func TestStateMachinesPage(t *testing.T) {
	file, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(file)
	for _, machine := range []string{"incident", "alert", "notification", "run", "approval"} {
		begin, end := "<!-- "+machine+": from the code -->\n", "<!-- /"+machine+" -->\n"
		before, rest, ok := strings.Cut(text, begin)
		_, after, ended := strings.Cut(rest, end)
		if !ok || !ended {
			t.Fatalf("%s: want the comments %q and %q, once each", page, begin, end)
		}
		text = before + begin + table(machine) + end + after
	}
	if *update {
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(string(file), text); diff != "" {
		t.Errorf("%s is not as the code (run with -update; -page +code):\n%s", page, diff)
	}
}

// table returns the Markdown table of a machine.
func table(machine string) string {
	var rows []string
	for _, tr := range incident.Transitions {
		if tr.Of == machine {
			rows = append(rows, fmt.Sprintf("| %s | %s | %s | |", or(tr.From), tr.By, tr.To))
		}
	}
	for _, tr := range runbook.Transitions {
		if tr.Machine == machine {
			rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s |", or(tr.From), tr.Command, tr.To, tr.When))
		}
	}
	head := "| from | what happens | to | when |\n|---|---|---|---|\n"
	if !slices.ContainsFunc(rows, func(r string) bool { return !strings.HasSuffix(r, "| |") }) { // no conditions
		head = "| from | what happens | to |\n|---|---|---|\n"
		for i := range rows {
			rows[i] = strings.TrimSuffix(rows[i], " |")
		}
	}
	return head + strings.Join(rows, "\n") + "\n"
}

func or(state string) string {
	if state == "" {
		return "(none)"
	}
	return state
}
