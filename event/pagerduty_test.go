package event_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/musterhq/muster/event"
)

// TestPagerDutyErrors: the details stand in the "errors" of PagerDuty's answer.
func TestPagerDutyErrors(t *testing.T) {
	tests := []struct {
		name, body string
		want       []string
	}{
		{"empty", `{}`, []string{"'routing_key' is missing or blank", "'event_action' is missing or blank"}},
		{"no payload", `{"routing_key":"r","event_action":"trigger"}`, []string{"'payload' is missing or blank"}},
		{"empty payload", `{"routing_key":"r","event_action":"trigger","payload":{}}`,
			[]string{"'payload.summary' is missing or blank", "'payload.source' is missing or blank"}},
		{"wrong types", `{"routing_key":1,"event_action":[],"payload":[]}`,
			[]string{"'routing_key' is a number, but must be a string", "'event_action' is an array, but must be a string"}},
		{"action", `{"routing_key":"r","event_action":"close"}`,
			[]string{`'event_action' is "close", but must be one of 'trigger', 'acknowledge' or 'resolve'`}},
		{"resolve without a key", `{"routing_key":"r","event_action":"resolve"}`, []string{"'dedup_key' is missing or blank"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := event.Read("pagerduty", nil, []byte(tt.body))
			var list event.Errors
			if !errors.As(err, &list) {
				t.Fatal(err)
			}
			var got []string
			for _, e := range list {
				got = append(got, e.Detail)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRoutingKey(t *testing.T) {
	tests := []struct{ member, header, want string }{
		{`"routing_key":"body"`, "", "body"},
		{`"routing_key":"body"`, "header", "body"},
		{`"routing_key":""`, "header", "header"},
		{`"x":1`, "header", "header"},
		{`"routing_key":null`, "header", "header"},
	}
	for _, tt := range tests {
		h := http.Header{}
		h.Set("X-Routing-Key", tt.header)
		events, err := event.Read("pagerduty", h, []byte(`{`+tt.member+`,"event_action":"resolve","dedup_key":"k"}`))
		if err != nil || events[0].Routing != tt.want {
			t.Errorf("%s with header %q: %v %v, want %q", tt.member, tt.header, events, err, tt.want)
		}
		changes, err := event.ReadChange(h, []byte(`{`+tt.member+`,"payload":{"summary":"s"}}`))
		if err != nil || changes[0].Routing != tt.want || changes[0].Action != event.Change {
			t.Errorf("change with %s and header %q: %v %v, want %q", tt.member, tt.header, changes, err, tt.want)
		}
	}
}

// TestPagerDutyRetry: a trigger without a key has the same one when it is sent
// again, and another event has another.
func TestPagerDutyRetry(t *testing.T) {
	key := func(body string) string {
		t.Helper()
		events, err := event.Read("pagerduty", nil, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return events[0].Key
	}
	a := `{"routing_key":"r","event_action":"trigger","payload":{"summary":"s","source":"h","severity":"info"}}`
	b := `{"routing_key":"r","event_action":"trigger","payload":{"summary":"s","source":"g","severity":"info"}}`
	c := `{"routing_key":"q","event_action":"trigger","payload":{"summary":"s","source":"h","severity":"info"}}`
	if first, again := key(a), key(a); first != again || first == key(b) {
		t.Errorf("keys %s, %s, %s", first, again, key(b))
	}
	if key(a) != key(c) {
		t.Error("the secret routing key is in the dedup key")
	}
}

func TestPagerDutySize(t *testing.T) {
	body := `{"routing_key":"r","event_action":"resolve","dedup_key":"k"}`
	fits := body + strings.Repeat(" ", 512<<10-len(body))
	if _, err := event.Read("pagerduty", nil, []byte(fits)); err != nil {
		t.Error(err)
	}
	for _, read := range []func() ([]event.Event, error){
		func() ([]event.Event, error) { return event.Read("pagerduty", nil, []byte(fits+" ")) },
		func() ([]event.Event, error) { return event.ReadChange(nil, []byte(fits+" ")) },
	} {
		var list event.Errors
		if _, err := read(); !errors.Is(err, event.ErrTooLarge) || !errors.As(err, &list) {
			t.Errorf("error %v, want ErrTooLarge and Errors", err)
		}
	}
}

func TestUnknownKind(t *testing.T) {
	var list event.Errors
	if _, err := event.Read("zabbix\n", nil, []byte(`{}`)); !errors.Is(err, event.ErrUnknownKind) || !errors.As(err, &list) {
		t.Errorf("error %v, want ErrUnknownKind and Errors", err)
	}
	if events, err := event.Read("events", nil, []byte(`{"title":"t"}`)); err != nil || len(events) != 1 {
		t.Errorf("/intake/events: %v %v", events, err)
	}
}
