package event_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/musterhq/muster/event"
)

func alertmanager(t *testing.T, group, alert string) event.Event {
	t.Helper()
	events, err := event.Read("alertmanager", nil, fmt.Appendf(nil, `{"version":"4","status":"firing"%s,"alerts":[{"fingerprint":"f"%s}]}`, group, alert))
	if err != nil || len(events) != 1 {
		t.Fatal(events, err)
	}
	return events[0]
}

func TestAlertmanagerTimes(t *testing.T) {
	const start, end = "2026-11-22T13:11:35Z", "2026-11-22T14:00:00Z"
	tests := []struct{ name, alert, want string }{
		{"firing", `,"status":"firing","startsAt":"` + start + `","endsAt":"0001-01-01T00:00:00Z"`, start},
		{"firing, with an end", `,"status":"firing","startsAt":"` + start + `","endsAt":"` + end + `"`, start},
		{"resolved", `,"status":"resolved","startsAt":"` + start + `","endsAt":"` + end + `"`, end},
		{"resolved without an end", `,"status":"resolved","startsAt":"` + start + `"`, start},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := alertmanager(t, "", tt.alert)
			if got := e.Time.Format(time.RFC3339); got != tt.want || !e.Until.IsZero() {
				t.Errorf("time %s, until %v; want %s and no until", got, e.Until, tt.want)
			}
		})
	}
}

func TestAlertmanagerGroups(t *testing.T) {
	keys := []string{`"{}:{a=\"b\"}"`, `"{}:{a=\"c\"}"`, `"{}/{x=\"y\"}:{a=\"b\"}"`, `5615590933959184469`, `5615590933959184470`}
	seen := map[string]string{}
	for _, key := range keys {
		g := alertmanager(t, `,"groupKey":`+key, "").Group
		if again := alertmanager(t, `,"receiver":"other","groupKey":`+key, "").Group; g != again {
			t.Errorf("%s is %s, then %s", key, g, again)
		}
		if !strings.HasPrefix(g, "am:") || seen[g] != "" {
			t.Errorf("%s and %s are both %s", key, seen[g], g)
		}
		seen[g] = key
	}
	for _, none := range []string{``, `,"groupKey":""`, `,"groupKey":null`, `,"groupKey":{}`} {
		if g := alertmanager(t, none, "").Group; g != "" {
			t.Errorf("%s is group %s", none, g)
		}
	}
}

func TestAlertmanagerFields(t *testing.T) {
	tests := []struct {
		name, alert                                              string
		title, service, environment, source, component, severity string
	}{
		{"summary", `,"labels":{"alertname":"A","instance":"i"},"annotations":{"summary":"S","title":"T"}`, "S", "", "", "i", "", "error"},
		{"title", `,"labels":{"alertname":"A"},"annotations":{"summary":" ","title":"T"}`, "T", "", "", "", "", "error"},
		{"name and instance", `,"labels":{"alertname":"A","instance":"i:1"}`, "A (i:1)", "", "", "i:1", "", "error"},
		{"name", `,"labels":{"alertname":"A"}`, "A", "", "", "", "", "error"},
		{"nothing", ``, "alert without a name", "", "", "", "", "error"},
		{"labels", `,"labels":{"alertname":"A","service":"check-out","job":"j","env":"e","severity":"warning"}`, "A", "check-out", "e", "", "j", "warning"},
		{"better labels", `,"labels":{"alertname":"A","service":"Check Out","environment":"production","env":"e","component":"c","job":"j","severity":"CRITICAL"}`, "A", "", "production", "", "c", "critical"},
		{"severity none", `,"labels":{"alertname":"A","severity":"none"}`, "A", "", "", "", "", "info"},
		{"empty labels are none", `,"labels":{"alertname":"A","instance":"","severity":""}`, "A", "", "", "", "", "error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := alertmanager(t, "", tt.alert)
			got := []string{e.Title, e.Service, e.Environment, e.Source, e.Component, string(e.Severity)}
			want := []string{tt.title, tt.service, tt.environment, tt.source, tt.component, tt.severity}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAlertmanagerStatus works by alert and never by group: the group fires
// while any alert does.
func TestAlertmanagerStatus(t *testing.T) {
	tests := []struct {
		group, alert string
		want         event.Action
	}{
		{"firing", `,"status":"firing"`, event.Trigger},
		{"firing", `,"status":"resolved"`, event.Resolve},
		{"resolved", `,"status":"firing"`, event.Trigger},
		{"resolved", `,"status":"Resolved"`, event.Resolve},
		{"resolved", ``, event.Resolve},
		{"firing", ``, event.Trigger},
		{"", ``, event.Trigger},
		{"resolved", `,"status":"melting"`, event.Trigger},
	}
	for _, tt := range tests {
		if e := alertmanager(t, `,"status":"`+tt.group+`"`, tt.alert); e.Action != tt.want {
			t.Errorf("group %q, alert %q: %s, want %s", tt.group, tt.alert, e.Action, tt.want)
		}
	}
}

// TestFingerprint computes the fingerprints of alerts that a real Alertmanager
// sent, with the fingerprints taken out.
func TestFingerprint(t *testing.T) {
	paths, _ := filepath.Glob("../../shared/samples/captured-alertmanager/webhook-*.json")
	if len(paths) == 0 {
		t.Skip("samples absent: ../shared/samples/captured-alertmanager")
	}
	checked := 0
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var in map[string]any
		if err := json.Unmarshal(body, &in); err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, a := range in["alerts"].([]any) {
			alert := a.(map[string]any)
			want = append(want, alert["fingerprint"].(string))
			delete(alert, "fingerprint")
		}
		bare, _ := json.Marshal(in)
		events, err := event.Read("alertmanager", nil, bare)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range events {
			checked++
			if e.Key != want[i] {
				t.Errorf("%s, alert %d: %s, want %s", path, i, e.Key, want[i])
			}
		}
	}
	t.Log(checked, "alerts")
}
