package incident_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/incident"
)

// A group is what happens to the alerts of one group key and to its incidents,
// as an engine carries it out that does nothing but call the rules.
type group struct {
	now    time.Time
	alerts map[string]incident.Alert
	past   []incident.Alert     // alerts that were another's predecessors
	list   []incident.Incident  // all there were; the last may be open
	firing map[string]time.Time // the model: keys that fire, by the latest trigger
	clear  map[string]time.Time // the model: the latest resolve of a key
	held   bool                 // the model: a verdict is awaited
}

func (g *group) open() *incident.Incident {
	if n := len(g.list); n > 0 && g.list[n-1].Open() {
		return &g.list[n-1]
	}
	return nil
}

func (g *group) receive(key string, s incident.Signal) {
	before := g.alerts[key]
	after, effect := before.Receive(s, g.now)
	switch effect {
	case incident.Started:
		if before.ID != "" {
			g.past = append(g.past, before)
		}
		after.ID = fmt.Sprint("a", len(g.past), key)
		if g.open() == nil {
			c := incident.Open(incident.Opening{ID: fmt.Sprint("i", len(g.list)), Org: "o1", GroupKey: "g", Severity: incident.Critical}, g.now, ana)
			g.list = append(g.list, c.Incident)
			g.held = false
		}
		inc := g.open()
		after.IncidentID = inc.ID
		*inc = incident.AddAlert(*inc, "", incident.Critical, g.now, ana).Incident
	case incident.Ended:
		for i := range g.list {
			if g.list[i].ID == after.IncidentID {
				g.list[i] = incident.ResolveAlert(g.list[i], "", g.now, ana).Incident
			}
		}
	}
	if after.ID == "" {
		after.ID = "t" + key
	}
	g.alerts[key] = after
}

// TestResolveAgainstRefire: resolves, triggers, verdicts and people's resolves
// in any order, also late ones, against a model that knows only which keys fire:
// there is an open incident if one does (or a verdict is awaited), it counts
// them, and no resolved one ever opens again.
func TestResolveAgainstRefire(t *testing.T) {
	reached := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		g := &group{now: nine, alerts: map[string]incident.Alert{}, firing: map[string]time.Time{}, clear: map[string]time.Time{}}
		for range 60 {
			g.now = g.now.Add(time.Second)
			key := rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "key")
			sent := g.now.Add(-time.Duration(rapid.IntRange(0, 3).Draw(t, "late")) * time.Second)
			resolved := 0
			for _, inc := range g.list {
				if !inc.Open() {
					resolved++
				}
			}
			switch by := rapid.SampledFrom([]string{"trigger", "trigger", "resolve", "resolve", "human", "run", "verdict"}).Draw(t, "by"); by {
			case "trigger":
				g.receive(key, incident.Signal{Sent: sent})
				if last, fires := g.firing[key]; fires && sent.After(last) || !fires && sent.After(g.clear[key]) {
					g.firing[key] = sent
				}
			case "resolve":
				g.receive(key, incident.Signal{Resolve: true, Sent: sent})
				if sent.After(g.clear[key]) {
					g.clear[key] = sent
				}
				if last, fires := g.firing[key]; fires && !sent.Before(last) {
					delete(g.firing, key)
				}
			case "human":
				inc := g.open()
				if inc == nil {
					continue
				}
				c, err := incident.Resolve(*inc, "", g.now, ana)
				if err != nil {
					t.Fatal(err)
				}
				for k, a := range g.alerts {
					if a.IncidentID == inc.ID {
						g.alerts[k] = a.Close(g.now)
					}
				}
				*inc = c.Incident
				clear(g.firing)
				g.held = false
			case "run", "verdict":
				inc := g.open()
				if inc == nil {
					continue
				}
				kind := map[string]incident.Kind{"run": incident.RunStep, "verdict": incident.RunVerdict}[by]
				c := incident.Record(*inc, g.now, ana, kind, incident.Data{Run: "r", Hold: by == "run"})
				*inc = c.Then(incident.Settle(c.Incident, g.now, incident.Engine)).Incident
				g.held = by == "run"
			}

			open, fires := 0, len(g.firing)
			for i, inc := range g.list {
				if inc.Open() {
					open++
				} else if inc.Due != (time.Time{}) {
					t.Fatalf("the resolved incident %d is due", i)
				}
			}
			if still := len(g.list) - open; still < resolved {
				t.Fatal("a resolved incident opened again")
			}
			inc := g.open()
			switch {
			case open > 1:
				t.Fatalf("%d incidents are open", open)
			case fires > 0 && inc == nil:
				t.Fatalf("keys %v fire and no incident is open", g.firing)
			case fires == 0 && inc != nil && !g.held:
				t.Fatalf("nothing fires, no verdict is awaited, and an incident is open: %+v", inc)
			case inc != nil && inc.Firing != fires:
				t.Fatalf("the incident counts %d firing alerts; there are %v", inc.Firing, g.firing)
			}
			for k, a := range g.alerts {
				if _, fires := g.firing[k]; fires != (a.Status == incident.Firing) {
					t.Fatalf("%s is %s; fires %v", k, a.Status, fires)
				}
			}
			if fires == 0 && inc != nil {
				reached["an incident that waits for a verdict alone"]++
			}
			if len(g.list) > 1 && inc != nil {
				reached["a second incident"]++
			}
		}
	})
	if len(reached) < 2 {
		t.Errorf("the test met only %v", reached)
	}
}
