package incident_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/incident"
)

// TestOrderDoesNotMatter: whatever the order in which dated signals of a key
// arrive, and however often each, the alert ends alike: it fires if the latest
// trigger is newer by the sender's clock than the latest resolve.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var triggered, cleared time.Time
		signals := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) incident.Signal {
			s := incident.Signal{Resolve: rapid.Bool().Draw(t, "resolve"), Sent: nine.Add(time.Duration(rapid.IntRange(0, 6).Draw(t, "second")) * time.Second)}
			if !s.Resolve {
				s.Until = s.Sent.Add(time.Hour)
			}
			return s
		}), 1, 8).Draw(t, "signals")
		for _, s := range signals {
			if s.Resolve && s.Sent.After(cleared) {
				cleared = s.Sent
			} else if !s.Resolve && s.Sent.After(triggered) {
				triggered = s.Sent
			}
		}
		repeats := rapid.SliceOfN(rapid.SampledFrom(signals), 0, 8).Draw(t, "repeats")
		arrived := rapid.Permutation(append(append([]incident.Signal{}, signals...), repeats...)).Draw(t, "order")

		a := incident.Alert{Org: "o1", Integration: "i", Key: "k"}
		for n, s := range arrived {
			now := nine.Add(time.Duration(n) * time.Minute)
			before := a
			var effect incident.Effect
			a, effect = a.Receive(s, now)
			if fires, fired := a.Status == incident.Firing, before.Status == incident.Firing; fires != (effect == incident.Started || effect == incident.Repeated || effect == incident.Nothing && fired) {
				t.Fatalf("signal %d: from %q to %q, effect %d", n, before.Status, a.Status, effect)
			}
			if effect == incident.Started && (a.Count != 1 || a.ID != "" || !a.OpenedAt.Equal(now)) {
				t.Fatalf("a new alert is %+v", a)
			}
			if a.ID == "" {
				a.ID = "a"
			}
		}
		fires := triggered.After(cleared)
		if (a.Status == incident.Firing) != fires || !a.Triggered.Equal(triggered) || !a.Cleared.Equal(cleared) {
			t.Fatalf("%s, triggered %v, cleared %v; want firing %v, %v, %v", a.Status, a.Triggered, a.Cleared, fires, triggered, cleared)
		}
		if fires && !a.Until.Equal(triggered.Add(time.Hour)) {
			t.Fatalf("expires %v, want as the newest trigger said, %v", a.Until, triggered.Add(time.Hour))
		}
	})
}

func TestReceive(t *testing.T) {
	trigger := func(second int) incident.Signal {
		s := incident.Signal{Event: "e", Title: "t", Severity: incident.Error}
		if second > 0 {
			s.Sent = nine.Add(time.Duration(second) * time.Second)
		}
		return s
	}
	resolve := func(second int) incident.Signal {
		s := trigger(second)
		s.Resolve = true
		return s
	}
	type signals = []incident.Signal
	tests := []struct {
		name    string
		signals signals // undated if the second is 0
		status  incident.AlertStatus
		effect  incident.Effect // of the last
	}{
		{"a trigger", signals{trigger(5)}, incident.Firing, incident.Started},
		{"a repeat", signals{trigger(5), trigger(5)}, incident.Firing, incident.Repeated},
		{"a resolve", signals{trigger(5), resolve(6)}, incident.AlertOver, incident.Ended},
		{"a resolve of the same instant", signals{trigger(5), resolve(5)}, incident.AlertOver, incident.Ended},
		{"a resolve twice", signals{trigger(5), resolve(6), resolve(6)}, incident.AlertOver, incident.Nothing},
		{"a resolve that was overtaken", signals{trigger(5), trigger(7), resolve(6)}, incident.Firing, incident.Nothing},
		{"a resolve without a trigger", signals{resolve(6)}, incident.Tombstone, incident.Nothing},
		{"resolve first", signals{resolve(6), trigger(5)}, incident.Tombstone, incident.Nothing},
		{"resolve first, then a new trigger", signals{resolve(6), trigger(7)}, incident.Firing, incident.Started},
		{"undated, resolve first", signals{resolve(0), trigger(0)}, incident.Firing, incident.Started},
		{"undated", signals{trigger(0), resolve(0), trigger(0), resolve(0)}, incident.AlertOver, incident.Ended},
		{"an undated resolve of a dated trigger", signals{trigger(5), resolve(0)}, incident.AlertOver, incident.Ended},
		{"a trigger that comes late", signals{trigger(5), resolve(7), trigger(6)}, incident.AlertOver, incident.Nothing},
		{"a new trigger", signals{trigger(5), resolve(6), trigger(7)}, incident.Firing, incident.Started},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var a incident.Alert
			var effect incident.Effect
			for _, s := range tt.signals {
				a, effect = a.Receive(s, nine)
			}
			if a.Status != tt.status || effect != tt.effect {
				t.Errorf("%s, effect %d; want %s, %d", a.Status, effect, tt.status, tt.effect)
			}
		})
	}
}

// TestRepeats: repeats count, keep the worst severity and move the expiry; what
// the alert began with stays.
func TestRepeats(t *testing.T) {
	at := func(minutes int) time.Time { return nine.Add(time.Duration(minutes) * time.Minute) }
	a, _ := incident.Alert{Org: "o1", Integration: "i", Key: "k"}.Receive(
		incident.Signal{Event: "e1", Title: "first", Severity: incident.Warning, Sent: at(0), Until: at(5)}, at(0))
	a.ID, a.IncidentID = "a1", "i1"
	a, _ = a.Receive(incident.Signal{Event: "e2", Title: "second", Severity: incident.Critical, Sent: at(2), Until: at(7)}, at(2))
	a, _ = a.Receive(incident.Signal{Event: "e3", Title: "third", Severity: incident.Info, Sent: at(1), Until: at(6)}, at(3)) // it came late
	want := incident.Alert{
		ID: "a1", Org: "o1", Integration: "i", Key: "k", Status: incident.Firing, IncidentID: "i1", Title: "first", Severity: incident.Critical,
		FirstEvent: "e1", LastEvent: "e3", Count: 3, OpenedAt: at(0), LastAt: at(3), Until: at(7), Triggered: at(2),
	}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if a.Expired(at(6)) || !a.Expired(at(7)) || a.Close(at(7)).Expired(at(9)) {
		t.Error("it expires when the newest trigger said, and not when it is over")
	}
	closed := a.Close(at(4))
	if closed.Status != incident.AlertOverHand || !closed.ResolvedAt.Equal(at(4)) {
		t.Errorf("closed it is %s at %v", closed.Status, closed.ResolvedAt)
	}
	if again, effect := closed.Receive(incident.Signal{Sent: at(3)}, at(5)); effect != incident.Started || again.Count != 1 || again.IncidentID != "" {
		t.Errorf("a trigger after a human resolved: effect %d, %+v", effect, again)
	}
	if a.Close(at(4)).Close(at(9)).ResolvedAt != at(4) {
		t.Error("closed twice, it was resolved twice")
	}
}
