package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/store"
)

var errUnit = errors.New("the unit failed")

// A unit stages and writes a row of each sort.
func oneOfEach(tx *store.Tx, name string) error {
	o := opening("o", name)
	var err error
	if o.Number, err = tx.NextNumber("o", "incident"); err != nil {
		return err
	}
	c := incident.Open(o, nine, tester)
	c = c.Then(incident.Advance(c.Incident, nine, everybody))
	tx.Save(c)
	alert := firing(name, o.ID)
	alert.FirstEvent = tx.Event("o", nine, store.RawEvent{Integration: "i", Body: []byte(name)})
	if err := tx.PutAlert(alert); err != nil {
		return err
	}
	if err := tx.AddToken(store.Token{ID: id.New(nine), Org: "o", Name: name, Hash: name, CreatedAt: nine}); err != nil {
		return err
	}
	return nil
}

// trace says which of these names left anything behind, and what.
func trace(t *testing.T, s *store.Store) map[string]string {
	t.Helper()
	seen := map[string]string{}
	for _, inc := range must(s.Incidents(t.Context(), "o", store.IncidentFilter{Limit: 1000}))(t) {
		entries := must(s.Timeline(t.Context(), "o", inc.ID, 0, 100))(t)
		pages := must(s.Outgoing(t.Context(), "o", inc.ID))(t)
		seen[inc.GroupKey] += fmt.Sprintf("incident with %d entries and %d pages, ", len(entries), len(pages))
	}
	for _, a := range must(s.Alerts(t.Context(), "o", store.AlertFilter{Limit: 1000}))(t) {
		e := must(s.RawEvent(t.Context(), "o", a.FirstEvent))(t)
		seen[a.Key] += fmt.Sprintf("alert of event %q, ", e.Body)
	}
	for _, k := range must(s.Tokens(t.Context(), "o"))(t) {
		seen[k.Name] += "token"
	}
	return seen
}

// testUnits puts units that succeed, fail and panic into the same commits.
func testUnits(t *testing.T, f fixture) {
	const n = 60
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			errs[i] = f.Write(t.Context(), func(tx *store.Tx) error {
				if err := oneOfEach(tx, fmt.Sprintf("u%02d", i)); err != nil {
					return err
				}
				switch i % 3 {
				case 1:
					return errUnit
				case 2:
					panic("at the disco")
				}
				return nil
			})
		})
	}
	wg.Wait()
	seen := trace(t, f.Store)
	for i, err := range errs {
		name := fmt.Sprintf("u%02d", i)
		want := ""
		switch i % 3 {
		case 0:
			want = fmt.Sprintf("incident with 2 entries and 2 pages, alert of event %q, token", name)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case 1:
			isError(t, err, errUnit)
		case 2:
			if err == nil || !strings.Contains(err.Error(), "at the disco") {
				t.Errorf("%s: error %v, want that of the panic", name, err)
			}
		}
		if seen[name] != want {
			t.Errorf("%s left %q, want %q", name, seen[name], want)
		}
	}
}
