package event_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/musterhq/muster/event"
)

func TestMusterAction(t *testing.T) {
	tests := []struct {
		members string
		want    event.Action // "" is refused
		pointer string       // of the refusal
	}{
		{``, event.Trigger, ""},
		{`,"action":"trigger"`, event.Trigger, ""},
		{`,"action":"acknowledge"`, event.Acknowledge, ""},
		{`,"action":"resolve"`, event.Resolve, ""},
		{`,"action":"change"`, event.Change, ""},
		{`,"action":" Resolve "`, event.Resolve, ""},
		{`,"status":"firing"`, event.Trigger, ""},
		{`,"status":"resolved"`, event.Resolve, ""},
		{`,"action":"acknowledge","status":"firing"`, event.Acknowledge, ""},
		{`,"action":null,"status":"resolved"`, event.Resolve, ""},
		{`,"action":"","status":""`, event.Trigger, ""},
		{`,"action":"fire"`, "", "/action"},
		{`,"action":7`, "", "/action"},
		{`,"action":{}`, "", "/action"},
		{`,"status":"pending"`, "", "/status"},
		{`,"action":"fire","status":"firing"`, "", "/action"},
	}
	for _, tt := range tests {
		body := []byte(`{"title":"t","key":"k"` + tt.members + `}`)
		events, err := event.Read("muster", nil, body)
		if tt.want == "" {
			if list, ok := err.(event.Errors); !ok || list[0].Pointer != tt.pointer {
				t.Errorf("%s: %v, want an error at %s", body, err, tt.pointer)
			}
			continue
		}
		if err != nil || len(events) != 1 || events[0].Action != tt.want {
			t.Errorf("%s: %v %v, want %s", body, events, err, tt.want)
		}
	}
}

// TestDerivedKey: a trigger that says the same of the same thing has the same
// key, and every other one has another.
func TestDerivedKey(t *testing.T) {
	key := func(body string) string {
		t.Helper()
		events, err := event.Read("muster", nil, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return events[0].Key
	}
	first := key(`{"title":"ab","source":"c","service":"s","component":"d"}`)
	for _, same := range []string{
		`{"component":"d","service":"s","source":"c","title":"ab"}`,
		`{"title":" ab ","source":"c","service":"s","component":"d","severity":"info","time":1774744200,"labels":{"a":"b"}}`,
		`{"title":"\u0061b","source":"c","service":"s","component":"d","key":""}`,
	} {
		if got := key(same); got != first {
			t.Errorf("%s has key %s, not %s", same, got, first)
		}
	}
	seen := map[string]string{}
	for _, other := range []string{
		`{"title":"ab","source":"c","service":"s","component":"d"}`,
		`{"title":"a","source":"bc","service":"s","component":"d"}`,
		`{"title":"ab","source":"cs","component":"d"}`,
		`{"title":"ab","source":"c","service":"sd"}`,
		`{"title":"abcsd"}`,
		`{"action":"change","title":"ab","source":"c","service":"s","component":"d"}`,
		`{"action":"change","title":"ab","source":"c","service":"s","component":"d","time":1774744200}`,
	} {
		got := key(other)
		if twin, twice := seen[got]; twice {
			t.Errorf("%s and %s both have key %s", other, twin, got)
		}
		seen[got] = other
	}
}

func TestKeyIsNeverCut(t *testing.T) {
	long := strings.Repeat("k", 255)
	tests := []struct{ key, want string }{
		{"a b", "a b"},
		{" a ", " a "},
		{long, long},
		{long + "1", "sha256:"},
		{long + "2", "sha256:"},
		{`a\nb`, "sha256:"},
		{`a\u0000b`, "sha256:"},
		{"a\xffb", "a\uFFFDb"},
		{`schlüssel`, "schlüssel"},
	}
	seen := map[string]bool{}
	for _, tt := range tests {
		events, err := event.Read("muster", nil, []byte(`{"title":"t","key":"`+tt.key+`","group":"`+tt.key+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		got := events[0].Key
		if got != tt.want && !(tt.want == "sha256:" && strings.HasPrefix(got, tt.want) && len(got) == 71) || seen[got] {
			t.Errorf("key %.20q… became %q", tt.key, got)
		}
		if events[0].Group != got {
			t.Errorf("group %.20q… became %q", tt.key, events[0].Group)
		}
		seen[got] = true
	}
}

func TestHints(t *testing.T) {
	for field, want := range map[string]string{
		"tittle": `"title"`, "sevrity": `"severity"`, "Key": `"key"`, "summary": `"title"`, "dedup_key": `"key"`,
		"enviroment": `"environment"`, "lables": `"labels"`, "timestamp": `"time"`, "ation": `"action"`,
		"sumary": `"title"`, "x": "", "completely_different": "", "foo": "", strings.Repeat("t", 5000): "",
	} {
		events, err := event.Read("muster", nil, []byte(`{"title":"t","key":"k","`+field+`":1}`))
		if err != nil || len(events[0].Warnings) != 1 {
			t.Fatalf("%.20s: %v %v", field, err, events)
		}
		detail := events[0].Warnings[0].Detail
		if _, got, _ := strings.Cut(detail, "did you mean "); strings.TrimSuffix(got, "?") != want {
			t.Errorf("%.20s: %s, want %s", field, detail, want)
		}
	}
}

func TestTimes(t *testing.T) {
	tests := []struct{ in, want string }{
		{`"2026-11-22T13:11:35Z"`, "2026-11-22T13:11:35Z"},
		{`"2026-11-22T13:11:35.123456789+05:30"`, "2026-11-22T07:41:35.123456Z"},
		{`"2015-07-17T08:42:58.315+0000"`, "2015-07-17T08:42:58.315Z"},
		{`"2026-11-22 13:11:35 +0100"`, "2026-11-22T12:11:35Z"},
		{`"2026-11-22 13:11:35"`, "2026-11-22T13:11:35Z"},
		{`1774744200`, "2026-03-29T00:30:00Z"},
		{`1774744200.5`, "2026-03-29T00:30:00.5Z"},
		{`1774744200123`, "2026-03-29T00:30:00.123Z"},
		{`1774744200123456`, "2026-03-29T00:30:00.123456Z"},
		{`1774744200123456789`, "2026-03-29T00:30:00.123456Z"},
		{`"0001-01-01T00:00:00Z"`, ""},
		{`""`, ""},
		{`null`, ""},
		{`"2026-02-30T00:00:00Z"`, "?"},
		{`"2026-06-30T23:59:60Z"`, "?"},
		{`"1969-12-31T23:59:59Z"`, "?"},
		{`"2262-01-01T00:00:00Z"`, "?"},
		{`-1`, "?"},
		{`1e30`, "?"},
		{`"tomorrow"`, "?"},
		{`[]`, "?"},
		{`true`, "?"},
	}
	for _, tt := range tests {
		events, err := event.Read("muster", nil, []byte(`{"title":"t","key":"k","time":`+tt.in+`}`))
		if err != nil {
			t.Fatal(err)
		}
		e := events[0]
		got := ""
		if !e.Time.IsZero() {
			got = e.Time.Format("2006-01-02T15:04:05.999999999Z07:00")
		}
		if len(e.Warnings) > 0 {
			got += "?"
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q; %v", tt.in, got, tt.want, e.Warnings)
		}
	}
}

func TestSeverities(t *testing.T) {
	tests := []struct {
		in   string
		want event.Severity
		warn bool
	}{
		{"critical", event.SeverityCritical, false}, {"CRITICAL", event.SeverityCritical, false}, {" error ", event.SeverityError, false},
		{"warning", event.SeverityWarning, false}, {"info", event.SeverityInfo, false},
		{"P1", event.SeverityCritical, true}, {"SEV2", event.SeverityError, true}, {"page", event.SeverityError, true},
		{"high", event.SeverityError, true}, {"warn", event.SeverityWarning, true}, {"none", event.SeverityInfo, true},
		{"", event.SeverityError, true}, {"plaid", event.SeverityError, true}, {"{{ .Labels.severity }}", event.SeverityError, true},
	}
	for _, tt := range tests {
		events, err := event.Read("muster", nil, []byte(`{"title":"t","key":"k","severity":"`+tt.in+`"}`))
		if err != nil || events[0].Severity != tt.want || len(events[0].Warnings) > 0 != tt.warn {
			t.Errorf("%q: %v %v, want %s, a warning: %v", tt.in, events, err, tt.want, tt.warn)
		}
	}
}

func TestText(t *testing.T) {
	tests := []struct{ in, title, description string }{
		{`a\r\nb\rc\td\u2028e`, "a b c d e", "a\nb\nc\td\ne"},
		{`\u0000\u001b[31mred\u007f\u0085x`, "[31mred x", "[31mred\nx"},
		{`  spaces  `, "spaces", "  spaces  "},
		{"\xff\xfeé", "\uFFFD\uFFFDé", "\uFFFD\uFFFDé"},
		{`<!channel> & \"quotes\"`, `<!channel> & "quotes"`, `<!channel> & "quotes"`},
	}
	for _, tt := range tests {
		events, err := event.Read("muster", nil, []byte(`{"key":"k","title":"`+tt.in+`","description":"`+tt.in+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		if e := events[0]; e.Title != tt.title || e.Description != tt.description {
			t.Errorf("%q: title %q, description %q", tt.in, e.Title, e.Description)
		}
	}
	long := strings.Repeat("x", 1023) + "é tail"
	events, err := event.Read("muster", nil, []byte(`{"key":"k","title":"`+long+`"}`))
	if err != nil || events[0].Title != long[:1023] || events[0].Warnings[0].Pointer != "/title" {
		t.Errorf("a long title was not cut before its é: %v %v", events, err)
	}
}

func TestLabelsKeptAreAlwaysTheSame(t *testing.T) {
	var forward, backward []string
	for i := range 200 {
		member := `"` + string(rune('a'+i/26)) + string(rune('a'+i%26)) + `":"v"`
		forward = append(forward, member)
		backward = append([]string{member}, backward...)
	}
	var first string
	for _, members := range [][]string{forward, backward} {
		events, err := event.Read("muster", nil, []byte(`{"title":"t","key":"k","labels":{`+strings.Join(members, ",")+`}}`))
		if err != nil || len(events[0].Labels) != event.MaxLabels {
			t.Fatal(len(events[0].Labels), err)
		}
		got := string(golden(events, nil))
		if first == "" {
			first = got
		}
		if got != first || events[0].Labels["aa"] != "v" || events[0].Labels["hr"] != "" {
			t.Error("other labels were kept, or not the first by name")
		}
	}
}

// TestHintsAreBounded: to look for a hint takes long, so one body gets few.
func TestHintsAreBounded(t *testing.T) {
	events, err := event.Read("muster", nil, []byte(`[`+strings.Repeat(`{"title":"t","key":"k","tittle":1,"kee":2},`, 100)+`{"title":"t"}]`))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(golden(events, nil)), "did you mean"); n != 32 {
		t.Errorf("%d hints, want 32", n)
	}
}

// TestWarningsGoWithTheirEvent: what the scanner finds odd is told by the event
// that holds it, and by the first one if none does.
func TestWarningsGoWithTheirEvent(t *testing.T) {
	events, err := event.Read("muster", nil, []byte("{\"\xff\":1,\"events\":[{\"title\":\"a\",\"key\":\"a\"},{\"title\":\"b\",\"key\":\"b\",\"labels\":{\"x\":\"1\",\"x\":\"2\"}},{\"title\":\"c\xff\",\"key\":\"c\"}]}"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		for _, w := range e.Warnings {
			got = append(got, e.Key+" "+w.Pointer)
		}
	}
	want := []string{"a /\uFFFD", "a /\uFFFD", "b /events/1/labels/x", "c /events/2/title"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestErrorsAreBounded(t *testing.T) {
	for _, body := range []string{
		`[` + strings.Repeat(`{"action":"x"},`, 4_000) + `7]`,
		`[` + strings.Repeat(`7,`, 4_000) + `7]`,
	} {
		_, err := event.Read("muster", nil, []byte(body))
		if list, ok := err.(event.Errors); !ok || len(list) != 16 {
			t.Errorf("%.20s: %d errors, want 16", body, len(list))
		}
	}
}
