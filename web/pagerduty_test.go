package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/incident"
)

const pdKey = `"routing_key":"key-of-pagerduty-012345"`

// TestPagerDuty checks the contract of the Events API v2: statuses and forms.
func TestPagerDuty(t *testing.T) {
	w := newWorld(t)
	const payload = `"payload":{"summary":"Disk full","source":"db1","severity":"critical"}`
	success := func(key string) string {
		return fmt.Sprintf(`{"status":"success","message":"Event processed","dedup_key":%q}`, key)
	}
	for _, c := range []struct {
		name, body, header string
		status             int
		want               string // the whole answer, or a part of it if it does not begin with a brace
	}{
		{"trigger", `{` + pdKey + `,"event_action":"trigger","dedup_key":"k1",` + payload + `}`, "", 202, success("k1")},
		{"trigger again", `{` + pdKey + `,"event_action":"trigger","dedup_key":"k1",` + payload + `}`, "", 202, success("k1")},
		{"key in the header", `{"event_action":"trigger","dedup_key":"k1",` + payload + `}`, "key-of-pagerduty-012345", 202, success("k1")},
		{"acknowledge", `{` + pdKey + `,"event_action":"acknowledge","dedup_key":"k1"}`, "", 202, success("k1")},
		{"resolve", `{` + pdKey + `,"event_action":"resolve","dedup_key":"k1"}`, "", 202, success("k1")},
		{"resolve of what is not open", `{` + pdKey + `,"event_action":"resolve","dedup_key":"none"}`, "", 202, success("none")},
		{"a severity of a template", `{` + pdKey + `,"event_action":"trigger","dedup_key":"k2","payload":{"summary":"x","source":"y","severity":""}}`, "", 202, success("k2")},
		{"an unknown severity", `{` + pdKey + `,"event_action":"trigger","dedup_key":"k2","payload":{"summary":"x","source":"y","severity":"P1"}}`, "", 202, success("k2")},
		{"details as text", `{` + pdKey + `,"event_action":"trigger","dedup_key":"k2","payload":{"summary":"x","source":"y","severity":"error","custom_details":"text"}}`, "", 202, success("k2")},
		{"no dedup_key", `{` + pdKey + `,"event_action":"trigger",` + payload + `}`, "", 202, `"dedup_key":"pd:`},
		{"an unknown key", `{"routing_key":"unknown-0123456789","event_action":"trigger",` + payload + `}`, "", 400,
			`{"status":"invalid event","message":"Event object is invalid","errors":["'routing_key' is not that of an integration"],"problems":[{"pointer":"/routing_key","detail":"'routing_key' is not that of an integration"}]}`},
		{"no key", `{"event_action":"trigger",` + payload + `}`, "", 400, `"status":"invalid event"`},
		{"no payload", `{` + pdKey + `,"event_action":"trigger"}`, "", 400, `'payload' is missing or blank`},
		{"no summary", `{` + pdKey + `,"event_action":"trigger","payload":{"source":"y","severity":"error"}}`, "", 400, `"pointer":"/payload/summary","line":1,"column":77`},
		{"no source", `{` + pdKey + `,"event_action":"trigger","payload":{"summary":"x","severity":"error"}}`, "", 400, `/payload/source`},
		{"an unknown action", `{` + pdKey + `,"event_action":"page",` + payload + `}`, "", 400, `'event_action' is`},
		{"version 1", `{"service_key":"abc","event_type":"trigger","description":"x"}`, "", 400, `Events API v1`},
		{"no JSON", `payload=x`, "", 400, `"status":"invalid event"`},
		{"too large", `{` + pdKey + `,"x":"` + strings.Repeat("a", maxPagerDuty) + `"}`, "", 413, `"status":"invalid event"`},
	} {
		var headers []string
		if c.header != "" {
			headers = []string{"X-Routing-Key", c.header}
		}
		r := w.do("", "POST", "/v2/enqueue", c.body, headers...)
		got := strings.TrimSpace(string(r.body))
		if r.status != c.status || strings.HasPrefix(c.want, "{") && got != c.want || !strings.Contains(got, c.want) {
			t.Errorf("%s: %d %s, want %d %s", c.name, r.status, got, c.status, c.want)
		}
		if strings.Contains(got, "key-of-pagerduty") || strings.Contains(got, "unknown-0123456789") {
			t.Errorf("%s: the answer holds a key: %s", c.name, got)
		}
	}

	var list struct{ Alerts []incident.Alert }
	w.ask(200, &list, "viewer", "GET", "/api/v1/alerts", "")
	states := map[string]incident.AlertStatus{}
	for _, a := range list.Alerts {
		states[a.Key] = a.Status
	}
	if states["k1"] != incident.AlertOver || states["k2"] != incident.Firing || len(states) != 3 {
		t.Errorf("alerts: %v", states)
	}

	w.ask(202, nil, "", "POST", "/v2/change/enqueue", `{`+pdKey+`,"payload":{"summary":"Deployed 1.2","source":"ci"}}`)
	w.ask(400, nil, "", "POST", "/v2/change/enqueue", `{`+pdKey+`,"payload":{}}`)
	var after struct{ Alerts []incident.Alert }
	w.ask(200, &after, "viewer", "GET", "/api/v1/alerts", "")
	if len(after.Alerts) != len(list.Alerts) {
		t.Error("a change made an alert")
	}
}

// TestSamples sends what real senders sent, if the samples are at hand.
func TestSamples(t *testing.T) {
	const samples = "../../shared/samples"
	if _, err := os.Stat(samples); err != nil {
		t.Skip("samples absent: " + samples)
	}
	w := newWorld(t)
	files := func(pattern string) []string {
		found, err := filepath.Glob(filepath.Join(samples, pattern))
		must(t, err)
		if len(found) == 0 {
			t.Errorf("no files %s", pattern)
		}
		return found
	}
	for _, name := range append(files("alertmanager-webhook/prometheus-v4*.json"), files("captured-alertmanager/webhook-*.json")...) {
		body, err := os.ReadFile(name)
		must(t, err)
		var a IntakeAnswer
		w.ask(202, &a, "", "POST", "/intake/alertmanager/key-of-prometheus-0123", string(body))
		var sent struct {
			Alerts []struct{ Fingerprint string }
		}
		must(t, json.Unmarshal(body, &sent))
		if len(a.Events) != len(sent.Alerts) {
			t.Errorf("%s: %d events of %d alerts", name, len(a.Events), len(sent.Alerts))
		}
		for _, e := range a.Events {
			w.same(t, e.Event, string(body))
		}
	}
	for _, name := range files("captured-alertmanager/pagerduty-v2-*.json") {
		body, err := os.ReadFile(name)
		must(t, err)
		var sent map[string]json.RawMessage
		must(t, json.Unmarshal(body, &sent))
		sent["routing_key"] = json.RawMessage(`"key-of-pagerduty-012345"`)
		ours, err := json.Marshal(sent)
		must(t, err)
		var a PagerDutyAccepted
		w.ask(http.StatusAccepted, &a, "", "POST", "/v2/enqueue", string(ours))
		if diff := cmp.Diff(string(sent["dedup_key"]), fmt.Sprintf("%q", a.DedupKey)); diff != "" {
			t.Errorf("%s: dedup_key (-sent +got):\n%s", name, diff)
		}
		w.same(t, w.newest(t), string(ours))
	}
}
