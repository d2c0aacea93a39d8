package event_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/musterhq/muster/event"
	"pgregory.net/rapid"
)

// line is a text that needs no cleaning.
func line(min, max int) *rapid.Generator[string] {
	return rapid.StringMatching(`[a-zA-Z0-9äß日🚨/:"'<>&{}\\]([ -~é]{0,40}[a-z0-9])?`).Filter(func(s string) bool {
		return len(s) >= min && len(s) <= max
	})
}

func instants() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMicro(rapid.Int64Range(0, 9e15).Draw(t, "µs")).UTC()
	})
}

// someEvent makes events that are already as Read promises.
func someEvent() *rapid.Generator[event.Event] {
	return rapid.Custom(func(t *rapid.T) event.Event {
		e := event.Event{
			Action:   rapid.SampledFrom([]event.Action{event.Trigger, event.Acknowledge, event.Resolve, event.Change}).Draw(t, "action"),
			Key:      line(1, 255).Draw(t, "key"),
			Title:    line(1, 1024).Draw(t, "title"),
			Severity: rapid.SampledFrom([]event.Severity{event.SeverityCritical, event.SeverityError, event.SeverityWarning, event.SeverityInfo}).Draw(t, "severity"),
		}
		for _, s := range []*string{&e.Group, &e.Description, &e.Source, &e.Component, &e.Class, &e.Service, &e.Environment} {
			if rapid.Bool().Draw(t, "set") {
				*s = line(1, 255).Draw(t, "text")
			}
		}
		if rapid.Bool().Draw(t, "timed") {
			e.Time = instants().Draw(t, "time")
			e.Until = e.Time.Add(time.Duration(rapid.Int64Range(1, 1e6).Draw(t, "lasting")) * time.Microsecond)
		}
		if labels := rapid.MapOfN(line(1, 40), line(0, 60), 0, 12).Draw(t, "labels"); len(labels) > 0 {
			e.Labels = labels
		}
		if rapid.Bool().Draw(t, "detailed") {
			e.Details, _ = json.Marshal(rapid.MapOfN(line(1, 40), rapid.Int(), 0, 5).Draw(t, "details"))
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "links") {
			e.Links = append(e.Links, event.Link{URL: "https://a.example/" + string(rune('a'+i)), Text: line(1, 255).Draw(t, "text")})
		}
		return e
	})
}

var sameJSON = cmp.Transformer("details", func(m json.RawMessage) any {
	var v any
	_ = json.Unmarshal(m, &v)
	return v
})

// TestRoundTrip: an event written as JSON and read by our own source is the
// same, without a warning; alone, in an array, and in an object.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(someEvent(), 1, 3).Draw(t, "events")
		for _, form := range []any{want, map[string]any{"events": want}, want[0]} {
			body, err := json.MarshalIndent(form, "", rapid.SampledFrom([]string{"", "\t"}).Draw(t, "indent"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := event.Read("muster", nil, body)
			if err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			if diff := cmp.Diff(want[:len(got)], got, sameJSON); diff != "" {
				t.Fatalf("%s: %s", body, diff)
			}
		}
	})
}

// TestOrderDoesNotMatter: the order of members says nothing in JSON.
func TestOrderDoesNotMatter(t *testing.T) {
	bodies := map[string][]string{
		"muster": {`"action":"trigger"`, `"title":"T"`, `"source":"S"`, `"severity":"P1"`, `"labels":{"a":"1","b":"2"}`, `"time":1774744200`, `"until":1774744201`, `"links":["http://x.example"]`},
		"alertmanager": {`"groupKey":"g"`, `"version":"4"`, `"truncatedAlerts":1`, `"status":"resolved"`,
			`"alerts":[{"labels":{"severity":"page","alertname":"A"}},{"status":"firing","fingerprint":"f"}]`},
		"pagerduty": {`"routing_key":"r"`, `"event_action":"trigger"`, `"client":"c"`, `"client_url":"http://c.example"`, `"links":[{"href":"http://l.example"}]`,
			`"payload":{"summary":"s","source":"h","severity":"x","timestamp":"2026-11-22T13:11:35Z"}`},
	}
	for kind, members := range bodies {
		rapid.Check(t, func(t *rapid.T) {
			want, err := event.Read(kind, nil, []byte("{"+strings.Join(members, ",")+"}"))
			if err != nil {
				t.Fatal(err)
			}
			shuffled := rapid.Permutation(members).Draw(t, "order")
			got, err := event.Read(kind, nil, []byte("{"+strings.Join(shuffled, " ,\n")+"}"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.SortSlices(func(a, b event.Warning) bool { return a.Pointer+a.Detail < b.Pointer+b.Detail })); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

// TestMutations damages good bodies in many ways; a fixed seed makes a failure
// come again.
func TestMutations(t *testing.T) {
	r := rand.New(rand.NewPCG(26, 11))
	bodies := goldenBodies(t)
	pieces := []string{`"`, `\`, `{`, `}`, `[`, `]`, `,`, `:`, `null`, `1e999`, `\u0000`, `\ud800`, "\xff", "\x00", `""`, `"key"`, `"title":`, `{}`, `[]`, "\n"}
	var longest time.Duration
	for range 5000 {
		body := append([]byte(nil), bodies[r.IntN(len(bodies))]...)
		for range 1 + r.IntN(3) {
			at := r.IntN(len(body))
			end := min(len(body), at+r.IntN(12))
			piece := pieces[r.IntN(len(pieces))]
			body = append(body[:at:at], append([]byte(piece), body[end:]...)...)
		}
		begin := time.Now()
		for _, kind := range []string{"muster", "alertmanager", "pagerduty", "change"} {
			events, err := read(kind, body)
			judge(t, kind, body, events, err)
		}
		longest = max(longest, time.Since(begin))
	}
	t.Log("longest", longest)
}
