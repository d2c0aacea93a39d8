package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/shop"
)

// TestDemo plays the whole story with the real program around it, and the two
// stories that must not end well. Each instant that it reports is looked up
// where it comes from: on the incident's timeline, or in the shop's own record.
func TestDemo(t *testing.T) {
	tests := []struct {
		fault, verdict string
		reached        []string // besides those that every story reaches
		fails          bool
	}{
		{"", "recovered", []string{"rollback_done", "resolved", "ticket_created", "postmortem_written"}, false},
		{faultNoRecovery, "unchanged", []string{"rollback_done", "second_page"}, true},
		{faultGitLab, "unknown", []string{"second_page"}, true},
	}
	always := []string{"bad_release", "rule_fired", "incident_opened", "first_page_sent", "approved", "rollback_started", "verified"}
	for _, tt := range tests {
		t.Run("fault "+tt.fault, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			w, err := startDemo(t.Context(), dir, tt.fault, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer w.close()
			var told bytes.Buffer
			s := &story{narrator: narrator{&told, time.Now()}, world: w, fault: tt.fault, dir: dir, api: newDemoAPI(w)}
			ctx, cancel := context.WithTimeout(t.Context(), 85*time.Second)
			defer cancel()
			failed := s.play(ctx)
			if (failed != nil) != tt.fails {
				t.Errorf("the story's end: %v", failed)
			}
			got := s.result()
			if got["verdict"] != tt.verdict {
				t.Errorf("verdict %v, want %s", got["verdict"], tt.verdict)
			}
			reached := slices.Concat(always, tt.reached)
			for name, at := range got {
				if name == "verdict" || name == "incident" {
					continue
				}
				if want := slices.Contains(reached, name); (at != nil) != want {
					t.Errorf("%s: %v, reached should be %v", name, at, want)
				}
			}
			checkInstants(t, w, got)
			if t.Failed() {
				t.Log("\n" + told.String())
			}
			if !tt.fails {
				checkDocuments(t, w, dir)
			}
		})
	}
}

// checkInstants looks up each reported instant where it comes from.
func checkInstants(t *testing.T, w *demoWorld, got map[string]any) {
	t.Helper()
	org, err := w.muster.engine.Organization("shop")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := w.muster.store.Timeline(t.Context(), org, got["incident"].(string), 0, 10000)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]incident.Kind{
		"rule_fired": incident.AlertAdded, "incident_opened": incident.Opened, "first_page_sent": incident.Notified, "approved": incident.RunApproved,
		"rollback_started": incident.RunStep, "rollback_done": incident.RunStep, "verified": incident.RunVerdict, "resolved": incident.ResolvedEntry,
		"ticket_created": incident.TicketCreated, "postmortem_written": incident.Postmortem, "second_page": incident.Notified,
	}
	var last time.Time
	for _, name := range []string{"bad_release", "rule_fired", "incident_opened", "first_page_sent", "approved", "rollback_started", "rollback_done", "verified", "resolved", "ticket_created", "postmortem_written"} {
		if got[name] == nil {
			continue
		}
		at, err := time.Parse(time.RFC3339, got[name].(string))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if at.Before(last) {
			t.Errorf("%s at %v comes before the station before it, %v", name, at, last)
		}
		last = at
	}
	for name, kind := range kinds {
		if got[name] == nil {
			continue
		}
		if !slices.ContainsFunc(entries, func(e incident.Entry) bool {
			return e.Kind == kind && e.At.Format(time.RFC3339Nano) == got[name]
		}) {
			t.Errorf("%s: the timeline has no %s at %v", name, kind, got[name])
		}
	}
	if !slices.ContainsFunc(w.shop.Deploys(), func(d shop.Deploy) bool {
		return d.Release == badRelease && d.At.UTC().Format(time.RFC3339Nano) == got["bad_release"]
	}) {
		t.Errorf("bad_release: the shop deployed nothing bad at %v", got["bad_release"])
	}
}

// checkDocuments looks at what a recovered story leaves behind.
func checkDocuments(t *testing.T, w *demoWorld, dir string) {
	t.Helper()
	if v := w.shop.Live().Version; v != "v41" {
		t.Errorf("the shop runs %s", v)
	}
	issues := w.gitlab.Issues(w.project)
	if len(issues) != 1 || len(issues[0].Notes) != 1 || !strings.Contains(issues[0].Notes[0], "Resolved at") {
		t.Errorf("want one issue with one comment on the end: %+v", issues)
	}
	draft, err := os.ReadFile(filepath.Join(dir, "postmortem.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Time to detect", "Time to acknowledge", "Time to recover", "threshold 0.50 %", "gitlab.rollback", "recovered"} {
		if !bytes.Contains(draft, []byte(want)) {
			t.Errorf("the postmortem does not say %q", want)
		}
	}
	if chart, err := os.ReadFile(filepath.Join(dir, "chart.svg")); err != nil || !bytes.Contains(chart, []byte("<svg")) {
		t.Errorf("no graph: %v", err)
	}
	if len(w.smtp.Mails()) == 0 || len(w.pager.Requests()) == 0 {
		t.Error("no mail or no webhook came")
	}
	for _, r := range w.pager.Requests() {
		if r.Err != nil || r.Before > 0 {
			t.Errorf("webhook %s: %v, came %d times before", r.ID, r.Err, r.Before)
		}
	}
	retries := 0
	for _, r := range w.gitlab.Requests() {
		if strings.HasSuffix(r.Path, "/retry") {
			retries++
		}
	}
	if retries != 1 {
		t.Errorf("the job was retried %d times", retries)
	}
}
