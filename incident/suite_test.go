package incident_test

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/incident"
)

var nine = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

var ana = incident.Cause{Actor: "user:ana", Origin: "api"}

// roster knows users, two teams and an empty schedule. Everybody has Slack at
// once and, when it is urgent, the phone two minutes later; mute cannot be
// reached at all.
var roster = incident.Roster{
	Who: func(target string, _ time.Time) []string {
		switch target {
		case "team:all":
			return []string{"bob", "ana", "mute"}
		case "team:twice":
			return []string{"bob", "bob"}
		case "schedule:none":
			return nil
		}
		return []string{target[len("user:"):]}
	},
	Reach: func(user string, u incident.Urgency) []incident.Reach {
		if user == "mute" {
			return nil
		}
		reach := []incident.Reach{{Rule: 0, Contact: "slack", Channel: "slack", Connection: "slack", Address: user}}
		if u == incident.High {
			reach = append(reach, incident.Reach{Rule: 1, Wait: 2 * time.Minute, Contact: "phone", Channel: "voice", Connection: "phone", Address: user})
		}
		return reach
	},
}

var targets = []string{"user:ana", "user:bob", "user:mute", "team:all", "team:twice", "schedule:none"}

// drawPolicy draws a policy of up to four steps, some of which reach nobody.
func drawPolicy(t *rapid.T) incident.Policy {
	step := rapid.Custom(func(t *rapid.T) incident.Step {
		return incident.Step{
			Notify: rapid.SliceOfN(rapid.SampledFrom(targets), 0, 3).Draw(t, "notify"),
			Wait:   time.Duration(rapid.IntRange(0, 20).Draw(t, "wait")) * time.Minute,
		}
	})
	return incident.Policy{Slug: "p", Steps: rapid.SliceOfN(step, 0, 4).Draw(t, "steps"), Repeat: rapid.IntRange(0, 3).Draw(t, "repeat")}
}

var severities = []incident.Severity{incident.Critical, incident.Error, incident.Warning, incident.Info, "odd"}

// A life is an incident under random commands, with what a second reader of its
// changes knows: the timeline, the keys that were paged, and whether people are
// to be left alone.
type life struct {
	now     time.Time
	inc     incident.Incident
	entries []incident.Entry
	keys    map[string]bool
	was     incident.Status
	climb   int
	quiet   bool // acknowledged, snoozed or resolved, and not triggered since
}

// open opens an incident; the details of the drawn policy matter in few tests.
func open(t rapid.TB, severity incident.Severity, urgency incident.Urgency, policy incident.Policy) *life {
	l := &life{now: nine, keys: map[string]bool{}}
	c := incident.Open(incident.Opening{
		ID: "i1", Org: "o1", GroupKey: "g", Title: "disk full", Service: "checkout", Team: "payments", Number: 7, Revision: 3,
		Severity: severity, Urgency: urgency, Policy: policy,
	}, l.now, ana)
	l.take(t, c)
	return l
}

func drawOpen(t *rapid.T) *life {
	return open(t, rapid.SampledFrom(severities).Draw(t, "severity"),
		rapid.SampledFrom([]incident.Urgency{"", incident.High, incident.Low}).Draw(t, "urgency"), drawPolicy(t))
}

// take checks a change against what is known and makes it the present.
func (l *life) take(t rapid.TB, c incident.Change) {
	if c.Stop && len(c.Entries) == 0 {
		t.Fatal("a change that stops pages tells nothing")
	}
	for _, e := range c.Entries {
		if e.Seq != l.inc.Seq+1 || e.Schema != incident.Schema || !slices.Contains(incident.Kinds, e.Kind) {
			t.Fatalf("entry %+v after number %d", e, l.inc.Seq)
		}
		l.inc.Seq = e.Seq
		for _, at := range []time.Time{e.At, e.Data.Due, e.Data.Until} {
			if at.Nanosecond()%1000 != 0 || at.Location() != time.UTC {
				t.Fatalf("%s has the instant %v, want UTC and whole microseconds", e.Kind, at)
			}
		}
		if e.Kind == incident.Escalated && len(e.Data.Users) == 0 && !e.Data.Due.Equal(e.At) {
			t.Fatalf("a step that reaches nobody costs a wait until %v at %v", e.Data.Due, e.At)
		}
		switch e.Kind {
		case incident.Acked, incident.SnoozeBegan, incident.ResolvedEntry:
			l.quiet = true
			if !c.Stop {
				t.Fatalf("%s lets unsent pages go out", e.Kind)
			}
		case incident.Retriggered, incident.Reassigned:
			l.quiet = false
		}
	}
	if l.quiet && len(c.Pages) > 0 {
		t.Fatalf("paged %d times while the incident is %s", len(c.Pages), c.Incident.Status)
	}
	for _, p := range c.Pages {
		if l.keys[p.Key] {
			t.Fatalf("the key %s was paged before", p.Key)
		}
		l.keys[p.Key] = true
		if p.Climb != c.Incident.Climb || p.Incident != "i1" || p.NotBefore.Before(l.now.Truncate(time.Microsecond)) {
			t.Fatalf("page %+v of climb %d at %v", p, c.Incident.Climb, l.now)
		}
	}
	switch inc := c.Incident; {
	case !inc.Due.IsZero() && inc.Status != incident.Triggered && inc.Status != incident.Snoozed:
		t.Fatalf("%s and yet due at %v", inc.Status, inc.Due)
	case inc.Status == incident.Snoozed && !inc.Due.Equal(inc.SnoozedUntil), inc.Status != incident.Snoozed && !inc.SnoozedUntil.IsZero():
		t.Fatalf("%s until %v and due at %v", inc.Status, inc.SnoozedUntil, inc.Due)
	case !inc.Open() && inc.Hold != "":
		t.Fatalf("resolved and yet held by %s", inc.Hold)
	case l.was != "" && l.was != incident.Triggered && inc.Status == incident.Triggered && inc.Climb <= l.climb:
		t.Fatalf("triggered anew in climb %d after climb %d", inc.Climb, l.climb)
	case inc.Climb < l.climb:
		t.Fatalf("climb %d after climb %d", inc.Climb, l.climb)
	}
	l.was, l.climb = c.Incident.Status, c.Incident.Climb
	l.inc = c.Incident
	l.entries = append(l.entries, c.Entries...)
}

// A detail is what a command is given, as far as it takes one.
type detail struct {
	severity incident.Severity
	until    time.Duration // of a snooze, from now
	goesBy   time.Duration
	targets  []string
	kind     incident.Kind // of a record
	run      string
	hold     bool
}

func drawDetail(t *rapid.T) detail {
	return detail{
		severity: rapid.SampledFrom(severities).Draw(t, "severity"),
		until:    time.Duration(rapid.IntRange(-1, 90).Draw(t, "minutes")) * time.Minute,
		goesBy:   time.Duration(rapid.Int64Range(0, int64(20*time.Minute)).Draw(t, "goes by")), // to the nanosecond
		targets:  rapid.SliceOfN(rapid.SampledFrom(targets), 0, 2).Draw(t, "targets"),
		kind: rapid.SampledFrom([]incident.Kind{
			incident.Notified, incident.RunPlanned, incident.RunStep, incident.RunVerdict, incident.RunRejected, incident.TicketCreated,
		}).Draw(t, "kind"),
		run:  fmt.Sprint("r", rapid.IntRange(1, 2).Draw(t, "run")),
		hold: rapid.Bool().Draw(t, "hold"),
	}
}

// names are those of all that can happen to an incident.
var names = []string{
	"note", "record", "time", "due", "alert joins", "alert resolved", "retrigger", "snooze", "reassign", "escalate now", "acknowledge", "resolve",
}

// do returns the change that something makes of the incident, or a refusal.
func (l *life) do(by string, d detail) (incident.Change, error) {
	switch by {
	case "alert joins":
		return incident.AddAlert(l.inc, "a", d.severity, l.now, ana), nil
	case "alert resolved":
		return incident.ResolveAlert(l.inc, "a", l.now, ana), nil
	case "acknowledge":
		return incident.Acknowledge(l.inc, l.now, ana)
	case "resolve":
		return incident.Resolve(l.inc, "done", l.now, ana)
	case "snooze":
		return incident.Snooze(l.inc, l.now.Add(d.until), l.now, ana)
	case "reassign":
		return incident.Reassign(l.inc, d.targets, l.now, ana)
	case "escalate now":
		return incident.EscalateNow(l.inc, "I need help", l.now, ana)
	case "retrigger":
		return incident.Retrigger(l.inc, "the fix did not work", l.now, ana), nil
	case "note":
		return incident.Note(l.inc, "looking", l.now, ana)
	case "record":
		c := incident.Record(l.inc, l.now, ana, d.kind, incident.Data{Run: d.run, Hold: d.hold})
		return c.Then(incident.Settle(c.Incident, l.now, incident.Engine)), nil
	case "time":
		l.now = l.now.Add(d.goesBy)
	case "due":
		if l.inc.Due.After(l.now) {
			l.now = l.inc.Due
		}
	}
	return incident.Advance(l.inc, l.now, roster), nil
}

// step does one thing, and tells of it unless it was refused.
func (l *life) step(t rapid.TB, by string, d detail, after func(by string, before incident.Incident, c incident.Change)) {
	before := l.inc
	c, err := l.do(by, d)
	if err == nil {
		l.take(t, c)
		after(by, before, c)
	} else if c.Incident.ID != "" || len(c.Entries)+len(c.Pages) > 0 || c.Stop {
		t.Fatalf("%s was refused (%v) and changed something all the same: %+v", by, err, c)
	}
}

// live does n random things.
func (l *life) live(t *rapid.T, n int, after func(by string, before incident.Incident, c incident.Change)) {
	for range n {
		l.step(t, rapid.SampledFrom(names).Draw(t, "by"), drawDetail(t), after)
	}
}
