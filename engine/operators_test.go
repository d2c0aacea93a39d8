package engine_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/notify"
)

// platform is an organization whose operators are paged as olga.
const platform = `
organization: shop
operators: {service: platform, emergency: [user:olga]}
users:
  ana: {contacts: {a: {probe: ana}}}
  olga: {contacts: {a: {probe: olga}}}
connections: {probe: {probe: ''}}
policies:
  shop: {steps: [{notify: [user:ana], wait: 1h}]}
  platform: {steps: [{notify: [user:olga], wait: 1h}]}
services: {shop: {policy: shop}, platform: {policy: platform}}
integrations: {i: {kind: muster, key: the-only-key, service: shop}}
`

// own is an event of Muster's own.
func own(action event.Action, key string) event.Event {
	return event.Event{Action: action, Key: key, Title: "about " + key, Severity: event.SeverityError, Labels: map[string]string{"kind": "test"}}
}

// TestTellOperators: each cause is one alert, however often it is told; it ends
// with its cause, over a restart too.
func TestTellOperators(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		p := &probe{}
		r := start(t, address, options{channels: []notify.Kind{p.kind()}})
		r.apply(platform)
		tell := func(org string, ev event.Event) {
			t.Helper()
			if err := r.TellOperators(t.Context(), org, ev); err != nil {
				t.Fatal(err)
			}
		}
		for range 5 {
			tell(r.org, own(event.Trigger, "one"))
			tell("", own(event.Trigger, "two")) // of the whole process
		}
		tell(r.org, own(event.Resolve, "never told"))
		r.wait("olga is paged for both", 5*time.Second, func() bool { return len(p.pages("olga")) == 2 })
		if n := counter(t, r, "muster_operator_alerts_total"); n != 2 {
			t.Errorf("counted %v, want 2", n)
		}
		tell(r.org, own(event.Resolve, "one"))
		for _, inc := range r.incidents() {
			if want := inc.Title == "about one"; want == inc.Open() || inc.Service != "platform" {
				t.Errorf("%s of %s is %s", inc.Title, inc.Service, inc.Status)
			}
		}
		r.end()
		r = start(t, address, options{channels: []notify.Kind{p.kind()}})
		tell("", own(event.Resolve, "two"))
		list := r.incidents()
		if len(list) != 2 || list[0].Open() || list[1].Open() {
			t.Errorf("after a restart: %v", list)
		}
		if n := number(t, address, `SELECT count(*) FROM alerts`); n != 2 {
			t.Errorf("%d alerts, want 2", n)
		}
		for i := range 300 { // causes without end
			tell(r.org, own(event.Trigger, fmt.Sprint("cause ", i)))
		}
		if n := number(t, address, `SELECT count(*) FROM alerts WHERE status = 'firing'`); n != 100 {
			t.Errorf("%d alerts at a time, want 100", n)
		}
	})
}

// TestNoOperators: without a service, it is logged and counted, and no other
// organization hears of it.
func TestNoOperators(t *testing.T) {
	t.Parallel()
	p := &probe{}
	r := start(t, filepath.Join(t.TempDir(), "muster.db"), options{channels: []notify.Kind{p.kind()}})
	r.apply(platform)
	r.apply(strings.Replace(strings.Replace(platform, "shop\n", "other\n", 1), "service: platform, ", "", 1))
	for range 3 {
		if err := r.TellOperators(t.Context(), r.org, own(event.Trigger, "one")); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(r.log.String(), "about one"); n != 1 {
		t.Errorf("logged %d times, want once", n)
	}
	if n := counter(t, r, "muster_operator_alerts_total"); n != 1 {
		t.Errorf("counted %v, want 1", n)
	}
	if n := number(t, r.address, `SELECT count(*) FROM alerts`); n != 0 {
		t.Errorf("%d alerts", n)
	}
}

// TestDefectIsTold: a panic is told to the operators, once.
func TestDefectIsTold(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		p := &probe{behave: func(_ context.Context, address string, _ notify.Message) error {
			if address == "ana" {
				panic("the password is hunter2hunter2")
			}
			return nil
		}}
		r := start(t, address, options{channels: []notify.Kind{p.kind()}})
		r.apply(platform)
		r.trigger("the-only-key", "a", "a")
		r.wait("olga is paged", 5*time.Second, func() bool { return len(p.pages("olga")) == 1 })
		r.trigger("the-only-key", "b", "b")
		r.wait("it happened again", 5*time.Second, func() bool { return counter(t, r, "muster_panics_total") == 2 })
		time.Sleep(100 * time.Millisecond)
		if n := len(p.pages("olga")); n != 1 {
			t.Errorf("olga was paged %d times, want once", n)
		}
		var told []incident.Incident
		for _, inc := range r.incidents() {
			if inc.Service == "platform" {
				told = append(told, inc)
			}
		}
		if len(told) != 1 || !strings.Contains(told[0].Title, "couriers") || strings.Contains(r.log.String()+r.timeline(told[0].ID), "hunter2") {
			t.Errorf("the operators have %v", told)
		}
	})
}
