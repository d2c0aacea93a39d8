package event_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const samples = "../../shared/samples/"

// TestSamples reads bodies that others published or that were captured, and
// compares the heart of what is made of them: action, severity, number of
// warnings and key of each event.
func TestSamples(t *testing.T) {
	if _, err := os.Stat(samples); err != nil {
		t.Skip("samples absent: ", err)
	}
	tests := []struct {
		kind, file string
		want       []string
	}{
		{"alertmanager", "alertmanager-webhook/goalert-0.json", []string{"trigger error 2 dab43189276e5f48"}},
		{"alertmanager", "alertmanager-webhook/prometheus-v3-alert.json", []string{"trigger critical 1 d2089d8d0f422129"}},
		{"alertmanager", "alertmanager-webhook/prometheus-v4-alert.json", []string{"trigger critical 1 2f30fca22fdaa8ef"}},
		{"alertmanager", "oncall-alertmanager/example.json", []string{"trigger critical 0 f404ecabc8dd5cd7", "trigger critical 0 f8f08d4e32c61a9d"}},
		{"alertmanager", "captured-alertmanager/webhook-High5xxRate-firing.json", []string{"trigger critical 0 748407e49fb2adfb", "trigger warning 0 b8ddbb2afca6307d"}},
		{"alertmanager", "captured-alertmanager/webhook-High5xxRate-partial.json", []string{"trigger critical 0 748407e49fb2adfb", "resolve warning 0 b8ddbb2afca6307d"}},
		{"alertmanager", "captured-alertmanager/webhook-High5xxRate-resolved.json", []string{"resolve critical 0 748407e49fb2adfb"}},
		{"pagerduty", "captured-alertmanager/pagerduty-v2-High5xxRate-firing.json", []string{"trigger error 1 259e1d814cb681e5c5ac806205431aa9442c64270e167a5c2d86545677eefd18"}},
		{"pagerduty", "captured-alertmanager/pagerduty-v2-High5xxRate-resolved.json", []string{"resolve critical 0 259e1d814cb681e5c5ac806205431aa9442c64270e167a5c2d86545677eefd18"}},
		{"pagerduty", "pagerduty-events-v2/02-00-example-request-payloads.json", []string{"trigger info 0 samplekeyhere"}},
		{"pagerduty", "pagerduty-events-v2/02-01-example-request-payloads.json", []string{"acknowledge info 0 dedupkeyhere"}},
		{"pagerduty", "pagerduty-events-v2/02-02-example-request-payloads.json", []string{"resolve info 0 dedupkeyhere"}},
		{"pagerduty", "pagerduty-events-v2/openapi-enqueue-req-event.json", []string{"trigger critical 0 srv01/mysql"}},
		{"change", "pagerduty-events-v2/03-00-example-request-payload.json", []string{"change info 0 change:*"}},
		{"change", "pagerduty-events-v2/openapi-change-enqueue-req-build-change-event.json", []string{"change info 0 change:*"}},
		{"change", "pagerduty-events-v2/openapi-change-enqueue-req-git-change-event.json", []string{"change info 0 change:*"}},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			body, err := os.ReadFile(samples + tt.file)
			if err != nil {
				t.Fatal(err)
			}
			events, err := read(tt.kind, body)
			judge(t, tt.kind, body, events, err)
			if err != nil || len(events) != len(tt.want) {
				t.Fatalf("%d events, error %v; want %d", len(events), err, len(tt.want))
			}
			for i, e := range events {
				got := fmt.Sprintf("%s %s %d %s", e.Action, e.Severity, len(e.Warnings), e.Key)
				want, prefix := strings.CutSuffix(tt.want[i], "*")
				if got != want && !(prefix && strings.HasPrefix(got, want)) {
					t.Errorf("%s, want %s; %v", got, tt.want[i], e.Warnings)
				}
			}
		})
	}
}

// TestForeignSamples feeds every source with everything that is at hand: no
// source may panic or break a promise over what is meant for another.
func TestForeignSamples(t *testing.T) {
	paths, _ := filepath.Glob(samples + "*/*")
	if len(paths) == 0 {
		t.Skip("samples absent: none beside the repository")
	}
	files := 0
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || info.IsDir() || info.Size() > 1<<20 {
			continue
		}
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files++
		for _, kind := range []string{"muster", "alertmanager", "pagerduty", "change"} {
			events, err := read(kind, body)
			judge(t, kind, body, events, err)
		}
	}
	t.Log(files, "files")
}
