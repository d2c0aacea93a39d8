package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/store"
)

// TestCache does the same, drawn at random, to two databases: one whose
// committers keep what they have read and written, and one whose committers
// forget it before every commit. What the units see and what is stored must be
// the same. Each database has two writers, as two replicas are; commits hold
// several units, of which some fail, some break the whole transaction, and some
// are commands of people.
func TestCache(t *testing.T) {
	for _, kind := range kinds {
		if kind.name == "memory" {
			continue // has no other writer
		}
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			keeps, forgets := kind.address(t), kind.address(t)
			worlds := []*world{
				{writers: []*store.Store{open(t, keeps), open(t, keeps)}},
				{writers: []*store.Store{open(t, forgets), open(t, forgets)}, forgets: true},
			}
			taken := store.Override{ID: "taken", Org: "o", Schedule: "s", User: "ana", From: nine, To: nine.Add(time.Hour), CreatedAt: nine}
			for _, w := range worlds {
				write(t, w.writers[0], func(tx *store.Tx) error { return tx.AddOverride(taken) })
			}
			most := 12 // sequences; rapid's own number in the long form
			if os.Getenv("MUSTER_LONG") != "" {
				most = 1 << 30
			}
			orgs, failed := 0, false
			rapid.Check(t, func(r *rapid.T) {
				if orgs >= most && !failed { // but a failure is tried again until it is small
					return
				}
				defer func() { failed = failed || r.Failed() }()
				orgs++
				org := fmt.Sprint("o", orgs)
				for at := range rapid.IntRange(1, 8).Draw(r, "commits") {
					writer := rapid.SampledFrom([]int{0, 0, 1}).Draw(r, "writer")
					units := rapid.SliceOfN(rapid.Custom(drawDeeds), 1, 3).Draw(r, "units")
					for _, w := range worlds {
						w.commit(t, writer, org, units, nine.Add(time.Duration(at)*time.Minute))
					}
				}
				if diff := cmp.Diff(worlds[1].saw, worlds[0].saw); diff != "" {
					r.Fatalf("units that used the cache saw something else (-without +with):\n%s", diff)
				}
				if diff := cmp.Diff(worlds[1].rows(t, org), worlds[0].rows(t, org)); diff != "" {
					r.Fatalf("the rows differ (-without +with):\n%s", diff)
				}
			})
		})
	}
}

// A deed is one thing that a unit does.
type deed struct {
	Do    string // trigger, resolve, close, note
	Key   int
	Group int
}

// deeds are a unit.
type deeds struct {
	List []deed
	End  string // "" or how it fails: by itself, by a statement, or by what it staged when that is written
}

func drawDeeds(t *rapid.T) deeds {
	return deeds{
		List: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) deed {
			return deed{
				Do:    rapid.SampledFrom([]string{"trigger", "trigger", "trigger", "resolve", "close", "note"}).Draw(t, "do"),
				Key:   rapid.IntRange(0, 4).Draw(t, "key"),
				Group: rapid.IntRange(0, 1).Draw(t, "group"),
			}
		}), 1, 4).Draw(t, "deeds"),
		End: rapid.SampledFrom([]string{"", "", "", "", "fail", "break", "spoil"}).Draw(t, "end"),
	}
}

// A world is a database, its writers, and what their units saw.
type world struct {
	writers []*store.Store
	forgets bool
	saw     []string
}

// commit runs units in one commit of a writer.
func (w *world) commit(t *testing.T, writer int, org string, units []deeds, now time.Time) {
	t.Helper()
	s := w.writers[writer]
	if w.forgets {
		write(t, s, func(tx *store.Tx) error { tx.Forget(); return nil })
	}
	saw := make([][]string, len(units))
	var runs []func(*store.Tx) error
	var options [][]store.WriteOption
	for i, u := range units {
		var keys []store.AlertKey
		var groups []string
		for _, d := range u.List {
			keys = append(keys, store.AlertKey{Org: org, Integration: "i", Key: fmt.Sprint("k", d.Key)})
			groups = append(groups, fmt.Sprint("g", d.Group))
		}
		options = append(options, []store.WriteOption{store.Events(len(keys), keys...), store.Joining(groups)})
		runs = append(runs, func(tx *store.Tx) error {
			saw[i] = nil // it may run again
			for n, d := range u.List {
				what, err := d.do(tx, keys[n], groups[n], fmt.Sprintf("%s/%d/%d/%d/%d", org, now.Minute(), writer, i, n), now)
				saw[i] = append(saw[i], what)
				if err != nil {
					return err
				}
			}
			switch u.End {
			case "fail":
				return errUnit
			case "break":
				return tx.AddOverride(store.Override{ID: "taken", Org: "o", Schedule: "s", User: "ana", From: nine, To: nine.Add(time.Hour), CreatedAt: nine})
			}
			if u.End == "spoil" {
				tx.Event(org, now, store.RawEvent{Event: json.RawMessage(`{"half":`)})
			}
			return nil
		})
	}
	for i, err := range togetherWith(t, s, runs, options) {
		w.saw = append(w.saw, fmt.Sprint(saw[i], err != nil))
		if (units[i].End != "") != (err != nil) {
			t.Errorf("unit %v: %v", units[i], err)
		}
	}
}

// do does it as the engine would, with ids that both worlds share, and says what
// it saw.
func (d deed) do(tx *store.Tx, key store.AlertKey, group, id string, now time.Time) (saw string, err error) {
	alert, err := tx.Alert(key)
	if err != nil {
		return "", err
	}
	inc, err := tx.OpenIncident(key.Org, group)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	none := err != nil
	a, _ := json.Marshal(alert)
	b, _ := json.Marshal(inc)
	saw = fmt.Sprintf("%v: %s %s", d, a, b)
	switch d.Do {
	case "close", "note":
		if none {
			return saw, nil
		}
		c, err := incident.Note(inc, "note", now, tester)
		if d.Do == "close" {
			c, err = incident.Resolve(inc, "", now, tester)
		}
		tx.Save(c)
		return saw, err
	}
	next, effect := alert.Receive(incident.Signal{Resolve: d.Do == "resolve", Event: id, Title: "t", Severity: incident.Error, Labels: map[string]string{"n": id}}, now)
	switch effect {
	case incident.Started:
		next.ID = "a" + id
		c := incident.AddAlert(inc, "t", incident.Error, now, tester)
		if none {
			o := opening(key.Org, group)
			o.ID = "i" + id
			if o.Number, err = tx.NextNumber(key.Org, "incident"); err != nil {
				return saw, err
			}
			c = incident.Open(o, now, tester)
			c = c.Then(incident.AddAlert(c.Incident, "t", incident.Error, now, tester))
			c = c.Then(incident.Advance(c.Incident, now, everybody))
		}
		tx.Save(c)
		next.IncidentID = c.Incident.ID
	case incident.Ended:
		of, err := tx.Incident(key.Org, next.IncidentID)
		if err != nil {
			return saw, err
		}
		if of.Open() {
			tx.Save(incident.ResolveAlert(of, "t", now, tester))
		}
	case incident.Nothing:
		if next.Status == incident.NoAlert {
			return saw, nil
		}
		if next.ID == "" {
			next.ID = "a" + id
		}
	}
	return saw, tx.PutAlert(next)
}

// rows are all that is stored of an organization.
func (w *world) rows(t *testing.T, org string) (rows []string) {
	s := w.writers[0]
	for _, a := range must(s.Alerts(t.Context(), org, store.AlertFilter{Limit: 1000}))(t) {
		body, _ := json.Marshal(a)
		rows = append(rows, string(body))
	}
	for _, inc := range must(s.Incidents(t.Context(), org, store.IncidentFilter{Limit: 1000}))(t) {
		body, _ := json.Marshal(inc)
		rows = append(rows, string(body))
		for _, e := range must(s.Timeline(t.Context(), org, inc.ID, 0, 1000))(t) {
			body, _ := json.Marshal(e)
			rows = append(rows, string(body))
		}
		for _, o := range must(s.Outgoing(t.Context(), org, inc.ID))(t) {
			rows = append(rows, fmt.Sprint(o.ID, o.State, o.Due))
		}
	}
	slices.Sort(rows)
	return rows
}
