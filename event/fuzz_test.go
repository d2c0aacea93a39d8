package event_test

import (
	"net/http"
	"testing"

	"github.com/musterhq/muster/event"
)

// FuzzSources feeds every source, and the change events of PagerDuty, with the
// same bodies.
func FuzzSources(f *testing.F) {
	for _, c := range hostile() {
		if len(c.body) < 4096 {
			f.Add([]byte(c.body))
		}
	}
	for _, body := range goldenBodies(f) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		header := http.Header{"X-Routing-Key": {"from the header"}}
		for _, s := range event.Sources {
			events, err := event.Read(s.Name, header, body)
			judge(t, s.Name, body, events, err)
		}
		events, err := event.ReadChange(header, body)
		judge(t, "change", body, events, err)
	})
}

// judge fails the test unless what Read returned keeps its promises.
func judge(t *testing.T, kind string, body []byte, events []event.Event, err error) {
	t.Helper()
	if err != nil {
		if why := misplaced(err, body); why != "" || events != nil {
			t.Fatalf("%s: %.200q: %d events and error %.300v: %s", kind, body, len(events), err, why)
		}
		return
	}
	for _, e := range events {
		if why := broken(e); why != "" {
			t.Fatalf("%s: %.200q: %s", kind, body, why)
		}
	}
}
