package engine_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/store"
)

// rounds is how often each race is run, and how many rounds, each with an incident
// of its own, go on side by side: so that commits are shared, as under load.
func rounds() (all, atOnce int) {
	if os.Getenv("MUSTER_LONG") != "" {
		return 10_000, 50
	}
	return 200, 20
}

// A race is two things that happen to one incident at the same instant, by two
// engines where the database allows that.
type race struct {
	*testing.T
	address string
	a, b    *running
	probe   *probe
	editing *sync.Mutex // one edit after the other
}

// races runs a race again and again on both databases.
func races(t *testing.T, run func(r race, n int)) {
	t.Parallel()
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			r := race{T: t, probe: &probe{}, editing: &sync.Mutex{}}
			o := options{channels: []notify.Kind{r.probe.kind()}}
			if database == "sqlite" {
				r.address = filepath.Join(t.TempDir(), "muster.db")
				r.a = start(t, r.address, o)
				r.b = r.a
			} else {
				r.address = pgtest.DSN(t)
				r.a, r.b = start(t, r.address, o), start(t, r.address, o)
			}
			r.a.apply(climbing("ana"))
			r.b.wait("the configuration", 10*time.Second, func() bool { _, err := r.b.SenderByKey("the-only-key"); return err == nil })
			r.b.org = r.a.org
			all, atOnce := rounds()
			for n := 0; n < all && !t.Failed(); n += atOnce {
				var side sync.WaitGroup
				for i := range atOnce {
					side.Go(func() { run(r, n+i) })
				}
				side.Wait()
			}
			r.a.wait("all that was due has left", time.Minute+time.Duration(all)*50*time.Millisecond, func() bool {
				return number(t, r.address, `SELECT count(*) FROM outbox WHERE state = 'pending' AND kind = 'page'`) == 0
			})
			r.quiet()
		})
	}
}

// climbing is a configuration whose second step pages who is on call.
func climbing(oncall string) string {
	return fmt.Sprintf(`
organization: shop
interrupts: {at_most: unlimited}
users:
  first: {contacts: {pager: {probe: first, via: hook}}}
  ana: {contacts: {pager: {probe: ana, via: hook}}}
  bob: {contacts: {pager: {probe: bob, via: hook}}}
connections: {hook: {probe: ''}}
schedules:
  duty: {timezone: Europe/London, layers: [{users: [%s], rotate: weekly, handoff: "Mon 09:00"}]}
policies:
  p: {steps: [{notify: [user:first], wait: 1h}, {notify: [schedule:duty], wait: 1h}, {notify: [user:first], wait: 1h}]}
services:
  s: {policy: p}
integrations:
  i: {kind: muster, key: the-only-key, service: s}
`, oncall)
}

// together does two things, begun at the same instant.
func together(x, y func() error) (errX, errY error) {
	barrier := make(chan struct{})
	var both sync.WaitGroup
	both.Go(func() { <-barrier; errX = x() })
	both.Go(func() { <-barrier; errY = y() })
	close(barrier)
	both.Wait()
	return errX, errY
}

func by(user string) incident.Cause {
	return incident.Cause{Actor: incident.Actor("user:" + user), Origin: "test"}
}

func (r race) do(e *running, id, what, user string) func() error {
	return func() error {
		_, err := e.Do(r.Context(), r.a.org, id, engine.Command{Do: what, By: by(user)})
		return err
	}
}

func (r race) entries(id string) []incident.Entry {
	r.Helper()
	list, err := r.a.store.Timeline(r.Context(), r.a.org, id, 0, 1000)
	if err != nil {
		r.Fatal(err)
	}
	return list
}

// seqOf is where the last entry of a kind stands in a timeline; 0 if there is none.
func seqOf(list []incident.Entry, kind incident.Kind) (seq int64, count int) {
	for _, e := range list {
		if e.Kind == kind {
			seq, count = e.Seq, count+1
		}
	}
	return seq, count
}

// quiet looks at the whole database after a race: no page was committed for an
// incident after it was acknowledged or resolved, and each row is the fold of its
// timeline.
func (r race) quiet() {
	r.Helper()
	list, err := r.a.store.Incidents(r.Context(), r.a.org, store.IncidentFilter{Limit: 100_000})
	if err != nil {
		r.Fatal(err)
	}
	for _, inc := range list {
		var folded incident.Incident
		folded.ID, folded.Org = inc.ID, inc.Org
		calm := false // acknowledged or resolved, and not triggered again
		pages := 0
		for _, e := range r.entries(inc.ID) {
			if e.Seq > inc.Seq { // came after the row was read
				break
			}
			folded = folded.Apply(e)
			switch e.Kind {
			case incident.Acked, incident.ResolvedEntry:
				calm = true
			case incident.Retriggered:
				calm = false
			case incident.Escalated:
				pages += len(e.Data.Users)
				if calm {
					r.Errorf("#%d climbed at entry %d, after it was acknowledged or resolved", inc.Number, e.Seq)
				}
			}
		}
		if folded.Seq != inc.Seq || folded.Status != inc.Status || folded.Climb != inc.Climb || folded.Step != inc.Step {
			r.Errorf("#%d is not the fold of its timeline, which ends at %d: %s/%d/%d and %s/%d/%d", inc.Number, inc.Seq, inc.Status, inc.Climb, inc.Step, folded.Status, folded.Climb, folded.Step)
		}
		rows, err := r.a.store.Outgoing(r.Context(), r.a.org, inc.ID)
		if err != nil {
			r.Fatal(err)
		}
		committed := 0
		for _, o := range rows {
			if o.Kind == incident.Page {
				committed++
			}
		}
		if committed > pages {
			r.Errorf("#%d has %d pages, and its timeline tells of %d", inc.Number, committed, pages)
		}
	}
}

// open opens an incident of its own for a round.
func (r race) open(n int) string {
	return r.a.trigger("the-only-key", fmt.Sprint("k", n), "t").Incident
}

// TestTwoAcknowledge: of two responders one wins, and the other is told who.
func TestTwoAcknowledge(t *testing.T) {
	races(t, func(r race, n int) {
		id := r.open(n)
		ana, bob := together(r.do(r.a, id, "acknowledge", "ana"), r.do(r.b, id, "acknowledge", "bob"))
		winner, loser := "user:ana", bob
		if ana != nil {
			winner, loser = "user:bob", ana
		}
		if (ana == nil) == (bob == nil) {
			r.Errorf("round %d: ana %v, bob %v", n, ana, bob)
			return
		}
		if !errors.Is(loser, incident.ErrConflict) || !strings.Contains(loser.Error(), winner) {
			r.Errorf("round %d: %s won, and the other is told %v", n, winner, loser)
		}
		list := r.entries(id)
		if _, acks := seqOf(list, incident.Acked); acks != 1 {
			r.Errorf("round %d: %d acknowledgements", n, acks)
		}
		for _, e := range list {
			if e.Kind == incident.Acked && string(e.Actor) != winner {
				r.Errorf("round %d: %s won, and the timeline says %s", n, winner, e.Actor)
			}
		}
	})
}

// TestAcknowledgeAgainstEscalate: when the wait is over at the very instant of the
// acknowledgement, the climb comes before it or not at all, and none of its pages
// stays behind.
func TestAcknowledgeAgainstEscalate(t *testing.T) {
	races(t, func(r race, n int) {
		id := r.open(n)
		person := incident.Roster{
			Who: func(target string, _ time.Time) []string { return []string{"ana"} },
			Reach: func(string, incident.Urgency) []incident.Reach {
				return []incident.Reach{{Contact: "pager", Channel: "probe", Connection: "hook", Address: "ana"}}
			},
		}
		climbed := false
		ack, climb := together(r.do(r.a, id, "acknowledge", "ana"), func() error {
			return r.b.store.Write(r.Context(), func(t *store.Tx) error {
				inc, err := t.Incident(r.a.org, id)
				if err != nil {
					return err
				}
				c := incident.Advance(inc, inc.Due.Add(time.Second), person)
				climbed = len(c.Entries) > 0
				t.Save(c)
				return nil
			})
		})
		if ack != nil || climb != nil {
			r.Errorf("round %d: %v, %v", n, ack, climb)
			return
		}
		list := r.entries(id)
		acked, _ := seqOf(list, incident.Acked)
		last, escalations := seqOf(list, incident.Escalated)
		if want := map[bool]int{false: 1, true: 2}[climbed]; escalations != want || last > acked {
			r.Errorf("round %d: climbed %v; %d escalations, the last at %d, acknowledged at %d", n, climbed, escalations, last, acked)
		}
		rows, err := r.a.store.Outgoing(r.Context(), r.a.org, id)
		if err != nil {
			r.Error(err)
		}
		for _, o := range rows {
			if o.Kind == incident.Page && o.State == "pending" {
				r.Errorf("round %d: page %s is still to be sent", n, o.ID)
			}
		}
	})
}

// TestResolveAgainstRefire: a problem that is resolved and fires again at the same
// instant is either the resolved incident's last trigger, or opens a new one that
// pages; and what fires belongs to an open incident.
func TestResolveAgainstRefire(t *testing.T) {
	races(t, func(r race, n int) {
		id := r.open(n)
		key := fmt.Sprint("k", n)
		resolve := r.do(r.a, id, "resolve", "ana")
		if n%2 == 1 { // by the sender
			resolve = func() error {
				from, err := r.a.SenderByKey("the-only-key")
				if err == nil {
					_, err = r.a.Intake(r.Context(), from, []event.Event{{Action: event.Resolve, Key: key, Title: "t", Severity: event.SeverityCritical}}, []byte("{}"))
				}
				return err
			}
		}
		var again engine.Accepted
		resolved, fired := together(resolve, func() error {
			from, err := r.b.SenderByKey("the-only-key")
			if err != nil {
				return err
			}
			got, err := r.b.Intake(r.Context(), from, []event.Event{{Action: event.Trigger, Key: key, Title: "t", Severity: event.SeverityCritical}}, []byte("{}"))
			if err == nil {
				again = got[0]
			}
			return err
		})
		if resolved != nil || fired != nil {
			r.Errorf("round %d: %v, %v", n, resolved, fired)
			return
		}
		old, err := r.a.store.Incident(r.Context(), r.a.org, id)
		if err != nil {
			r.Error(err)
			return
		}
		now, err := r.a.store.Incident(r.Context(), r.a.org, again.Incident)
		if err != nil {
			r.Errorf("round %d: the trigger's incident %q: %v", n, again.Incident, err)
			return
		}
		switch {
		case again.Incident == id && old.Open(): // the trigger came after the sender's resolve, or both were one: it must fire
			r.Errorf("round %d: it was resolved and fired again, and is %s with %d firing", n, old.Status, old.Firing)
		case again.Incident != id && (old.Open() || now.Status != incident.Triggered || now.Firing != 1):
			r.Errorf("round %d: the old one is %s, the new one %s with %d firing", n, old.Status, now.Status, now.Firing)
		case again.Incident != id:
			if _, escalations := seqOf(r.entries(now.ID), incident.Escalated); escalations != 1 {
				r.Errorf("round %d: the new incident escalated %d times", n, escalations)
			}
		}
	})
}

// TestEditAgainstClimb: whoever is on call changes while incidents climb: each
// climb pages one of the two, by one version of the configuration, and the
// incidents keep the policy that they opened with.
func TestEditAgainstClimb(t *testing.T) {
	races(t, func(r race, n int) {
		id := r.open(n)
		before, err := r.a.store.Incident(r.Context(), r.a.org, id)
		if err != nil {
			r.Error(err)
			return
		}
		edit := func() error { return nil }
		const each = 20
		if n%each == 0 { // while the others climb
			text := climbing([]string{"ana", "bob"}[n/each%2])
			if n/each%4 > 1 { // and the policy as well
				text = strings.Replace(text, "notify: [schedule:duty], wait: 1h", "notify: [schedule:duty], wait: 2h", 1)
			}
			edit = func() error {
				r.editing.Lock()
				defer r.editing.Unlock()
				_, err := r.a.Apply(r.Context(), "", []config.File{{Name: "test.yaml", Body: []byte(text)}}, tester)
				return err
			}
		}
		climb, edited := together(r.do(r.b, id, "escalate", "ana"), edit)
		if climb != nil || edited != nil {
			r.Errorf("round %d: %v, %v", n, climb, edited)
			return
		}
		after, err := r.a.store.Incident(r.Context(), r.a.org, id)
		if err != nil {
			r.Error(err)
			return
		}
		if after.Policy.Steps[1].Wait != before.Policy.Steps[1].Wait || after.Revision != before.Revision {
			r.Errorf("round %d: the incident's policy changed with the edit", n)
		}
		var users []string
		for _, e := range r.entries(id) {
			if e.Kind == incident.Escalated && e.Data.Step == 2 {
				users = append(users, e.Data.Users...)
			}
		}
		rows, err := r.a.store.Outgoing(r.Context(), r.a.org, id)
		if err != nil {
			r.Error(err)
		}
		var paged []string
		for _, o := range rows {
			for _, user := range []string{"ana", "bob"} {
				if o.Kind == incident.Page && strings.Contains(string(o.Body), `"user":"`+user+`"`) {
					paged = append(paged, user)
				}
			}
		}
		if len(users) != 1 || len(paged) != 1 || users[0] != paged[0] {
			r.Errorf("round %d: the second step is %v, and %v were paged", n, users, paged)
		}
	})
}
