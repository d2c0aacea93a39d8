package incident_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/incident"
)

// TestFoldIsTheIncident: after any sequence of commands the fold of the
// timeline, as it is stored, is the incident; take (see life) checks on the
// way that nobody is paged who should be left alone, and no key twice.
func TestFoldIsTheIncident(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawOpen(t)
		l.live(t, rapid.IntRange(1, 40).Draw(t, "n"), func(by string, before incident.Incident, c incident.Change) {
			if climbs := reaching(c); len(climbs) > 1 {
				t.Fatalf("%s climbed %d steps at once: %+v", by, len(climbs), c.Entries)
			}
			if !before.Open() && c.Incident.Status != incident.Resolved {
				t.Fatalf("%s opened a resolved incident again", by)
			}
		})
		var stored []incident.Entry
		var row incident.Incident
		roundTrip(t, l.entries, &stored)
		roundTrip(t, l.inc, &row)
		if diff := cmp.Diff(row, incident.Fold("i1", "o1", stored)); diff != "" {
			t.Fatalf("(-row +fold):\n%s", diff)
		}
		if diff := cmp.Diff(l.inc, row, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("what was decided differs from what is stored (-decided +stored):\n%s", diff)
		}
	})
}

// reaching returns the entries of a change that notified somebody.
func reaching(c incident.Change) (list []incident.Entry) {
	for _, e := range c.Entries {
		if e.Kind == incident.Escalated && len(e.Data.Users) > 0 {
			list = append(list, e)
		}
	}
	return list
}

func roundTrip(t *rapid.T, from, to any) {
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestClimbEnds: left to itself a climb notifies every step that reaches
// somebody once in every round, in order, and then ends.
func TestClimbEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawOpen(t)
		policy := l.inc.Policy
		reaches := func(s incident.Step) bool {
			for _, target := range s.Notify {
				for _, user := range roster.Who(target, nine) {
					if len(roster.Reach(user, incident.High)) > 0 {
						return true
					}
				}
			}
			return false
		}
		type place struct{ Round, Step int }
		var want, got []place
		for round := range max(1, policy.Repeat) {
			for i, s := range policy.Steps {
				if reaches(s) {
					want = append(want, place{round, i})
				}
			}
		}
		calls := 0
		for ; !l.inc.Due.IsZero(); calls++ {
			if calls > len(want)+1 {
				t.Fatalf("%d calls and no end; the policy has %d steps that reach somebody", calls, len(want))
			}
			late := time.Duration(rapid.IntRange(0, 48*60).Draw(t, "late")) * time.Minute
			l.now = l.inc.Due.Add(late)
			c := incident.Advance(l.inc, l.now, roster)
			var steps []place
			for _, p := range c.Pages {
				if at := (place{p.Round, p.Step}); len(steps) == 0 || steps[len(steps)-1] != at {
					steps = append(steps, at)
				}
			}
			if len(steps) > 1 {
				t.Fatalf("%v late, one call climbed %v", late, steps)
			}
			if len(steps) == 1 && !c.Incident.Due.Equal(l.now.Add(policy.Steps[steps[0].Step].Wait)) {
				t.Fatalf("due %v after step %v at %v", c.Incident.Due, steps[0], l.now)
			}
			got = append(got, steps...)
			l.take(t, c)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("steps that were notified (-want +got):\n%s", diff)
		}
		if last := l.entries[len(l.entries)-1]; last.Kind != incident.Exhausted {
			t.Fatalf("the climb ends with %s", last.Kind)
		}
		if calls != len(want)+1 {
			t.Fatalf("%d calls, want one for each of %d steps and one for the end", calls, len(want))
		}
	})
}

// TestSecondAcknowledge: whoever comes second is told who was first.
func TestSecondAcknowledge(t *testing.T) {
	c := incident.Open(incident.Opening{ID: "i1", Org: "o1"}, nine, ana)
	first, err := incident.Acknowledge(c.Incident, nine, incident.Cause{Actor: "user:bob"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = incident.Acknowledge(first.Incident, nine, ana)
	if !errors.Is(err, incident.ErrConflict) || !strings.Contains(err.Error(), "user:bob") {
		t.Errorf("error %v, want a conflict that names bob", err)
	}
	over, err := incident.Resolve(first.Incident, "", nine.Add(time.Minute), incident.Cause{Actor: "user:chi"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = incident.Resolve(over.Incident, "", nine.Add(time.Hour), ana)
	if !errors.Is(err, incident.ErrConflict) || !strings.Contains(err.Error(), "user:chi at 2026-11-22T09:01:00Z") {
		t.Errorf("error %v, want a conflict that says who resolved it and when", err)
	}
}

// TestAcknowledgedAt: who acknowledged is the last one, when is the first time.
func TestAcknowledgedAt(t *testing.T) {
	inc := incident.Open(incident.Opening{ID: "i1", Org: "o1"}, nine, ana).Incident
	for i, actor := range []incident.Actor{"user:bob", "user:chi"} {
		c, err := incident.Acknowledge(inc, nine.Add(time.Duration(i+1)*time.Minute), incident.Cause{Actor: actor})
		if err != nil {
			t.Fatal(err)
		}
		if inc = c.Incident; inc.AckedBy != string(actor) || !inc.AckedAt.Equal(nine.Add(time.Minute)) {
			t.Errorf("acknowledged by %s at %v, want %s and the first time", inc.AckedBy, inc.AckedAt, actor)
		}
		inc = incident.Retrigger(inc, "", nine.Add(time.Hour), ana).Incident
	}
}

// TestThen: pages that a later change of the same transaction stops do not go.
func TestThen(t *testing.T) {
	policy := incident.Policy{Steps: []incident.Step{{Notify: []string{"user:ana"}, Wait: time.Minute}}}
	c := incident.Open(incident.Opening{ID: "i1", Org: "o1", Policy: policy}, nine, ana)
	c = c.Then(incident.Advance(c.Incident, nine, roster))
	if len(c.Pages) == 0 || c.Stop {
		t.Fatalf("opened: %+v", c)
	}
	acked, err := incident.Acknowledge(c.Incident, nine, ana)
	if err != nil {
		t.Fatal(err)
	}
	c = c.Then(acked)
	if len(c.Pages) > 0 || !c.Stop || len(c.Entries) != 3 || c.Incident.Status != incident.Acknowledged {
		t.Errorf("opened and acknowledged: %+v", c)
	}
}

// TestRefusals: what makes no sense is refused with the field's name, and a
// resolved incident takes no command.
func TestRefusals(t *testing.T) {
	triggered := incident.Open(incident.Opening{ID: "i1", Org: "o1"}, nine, ana).Incident
	over, err := incident.Resolve(triggered, "", nine, ana)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		do   func() (incident.Change, error)
		kind error
		says string
	}{
		{"snooze into the past", func() (incident.Change, error) { return incident.Snooze(triggered, nine, nine, ana) }, incident.ErrInvalid, "until:"},
		{"snooze for ever", func() (incident.Change, error) { return incident.Snooze(triggered, nine.AddDate(0, 2, 0), nine, ana) }, incident.ErrInvalid, "until:"},
		{"reassign to nobody", func() (incident.Change, error) { return incident.Reassign(triggered, nil, nine, ana) }, incident.ErrInvalid, "targets:"},
		{"an empty note", func() (incident.Change, error) { return incident.Note(triggered, "", nine, ana) }, incident.ErrInvalid, "text:"},
		{"acknowledge what is over", func() (incident.Change, error) { return incident.Acknowledge(over.Incident, nine, ana) }, incident.ErrConflict, "user:ana"},
		{"snooze what is over", func() (incident.Change, error) {
			return incident.Snooze(over.Incident, nine.Add(time.Hour), nine, ana)
		}, incident.ErrConflict, "user:ana"},
		{"reassign what is over", func() (incident.Change, error) { return incident.Reassign(over.Incident, targets, nine, ana) }, incident.ErrConflict, "user:ana"},
		{"escalate what is over", func() (incident.Change, error) { return incident.EscalateNow(over.Incident, "", nine, ana) }, incident.ErrConflict, "user:ana"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := tt.do()
			if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want %v that says %q", err, tt.kind, tt.says)
			}
			if diff := cmp.Diff(incident.Change{}, c); diff != "" {
				t.Errorf("a change all the same:\n%s", diff)
			}
		})
	}
}

// TestMend: what is stuck moves again and what is not stays as it is.
func TestMend(t *testing.T) {
	at := time.Date(2026, 3, 2, 3, 0, 0, 0, time.UTC)
	policy := incident.Policy{Steps: []incident.Step{{Notify: []string{"user:ana"}, Wait: time.Minute}, {Notify: []string{"user:bob"}, Wait: time.Minute}}}
	open := incident.Open(incident.Opening{ID: "i", Org: "o", Title: "t", Severity: incident.Critical, Policy: policy}, at, incident.Engine).Incident
	nobody := incident.Roster{Who: func(string, time.Time) []string { return nil }}
	acked, err := incident.Acknowledge(open, at, incident.Engine)
	if err != nil {
		t.Fatal(err)
	}
	exhausted := incident.Advance(open, at, nobody).Incident
	snoozed, err := incident.Snooze(open, at.Add(time.Hour), at, incident.Engine)
	if err != nil {
		t.Fatal(err)
	}
	stuck := func(i incident.Incident, step int) incident.Incident {
		i.Due, i.Step = time.Time{}, step
		return i
	}
	for name, test := range map[string]struct {
		inc    incident.Incident
		waits  string
		due    bool
		climb  int
		step   int
		status incident.Status
	}{
		"due":          {open, "", true, 0, 0, incident.Triggered},
		"acknowledged": {acked.Incident, "acknowledged", false, 0, 0, incident.Acknowledged},
		"exhausted":    {exhausted, "exhausted", false, 0, 2, incident.Triggered},
		"stuck":        {stuck(open, 1), "", true, 0, 1, incident.Triggered},
		"stuck snooze": {stuck(snoozed.Incident, 1), "", true, 1, 0, incident.Triggered},
	} {
		if got := test.inc.Waits(); got != test.waits {
			t.Errorf("%s: waits %q, want %q", name, got, test.waits)
		}
		c := incident.Mend(test.inc, "it was stuck", at)
		got := c.Incident
		if !got.Due.IsZero() != test.due || got.Climb != test.climb || got.Step != test.step || got.Status != test.status {
			t.Errorf("%s: mended to %+v", name, got)
		}
		if c.Entries[0].Kind != incident.Noted || c.Entries[0].Data.Text != "it was stuck" {
			t.Errorf("%s: told by %+v", name, c.Entries[0])
		}
	}
}
