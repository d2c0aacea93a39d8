package postmortem_test

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/chart"
	"github.com/musterhq/muster/postmortem"
)

var update = flag.Bool("update", false, "write the golden files anew")

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// night is an incident of a rule, with a hostile title.
func night() postmortem.Incident {
	rule := incident.Cause{Actor: "rule:checkout-5xx", Origin: "detect"}
	ana := incident.Cause{Actor: "user:ana", Origin: "slack"}
	title := "5xx | **bold** <script>alert(1)</script>\n# not a heading @here `code`"
	c := incident.Open(incident.Opening{ID: "i1", Org: "o", GroupKey: "g", Number: 7, Title: title, Service: "checkout", Severity: incident.Critical,
		Policy: incident.Policy{Steps: []incident.Step{{Notify: []string{"user:ana"}, Wait: time.Minute}}}}, noon, rule)
	c = c.Then(incident.AddAlert(c.Incident, title, incident.Critical, noon, rule))
	ack, err := incident.Acknowledge(c.Incident, noon.Add(90*time.Second), ana)
	if err != nil {
		panic(err)
	}
	c = c.Then(ack)
	c = c.Then(incident.Record(c.Incident, noon.Add(2*time.Minute), ana, incident.Noted, incident.Data{Text: "looks like v42"}))
	c = c.Then(incident.Record(c.Incident, noon.Add(4*time.Minute), incident.Cause{Actor: "runbook:rollback"}, incident.RunVerdict, incident.Data{Runbook: "rollback", Verdict: "recovered"}))
	c = c.Then(incident.ResolveAlert(c.Incident, title, noon.Add(5*time.Minute), rule))
	signal := chart.Series{Title: "checkout-5xx", Threshold: 0.005, Shaded: []chart.Span{{From: noon.Add(-time.Minute), To: noon.Add(4 * time.Minute)}}}
	for i := -5; i <= 6; i++ {
		ratio := 0.001
		if i >= -1 && i < 4 {
			ratio = 0.03
		}
		signal.Points = append(signal.Points, chart.Point{At: noon.Add(time.Duration(i) * time.Minute), Ratio: ratio})
	}
	return postmortem.Incident{Organization: "shop", Incident: c.Incident, Entries: c.Entries, Signal: signal}
}

func TestDraft(t *testing.T) {
	got := postmortem.Draft(night())
	const golden = "testdata/night.md"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	for _, alive := range []string{"<script", "\n# not a heading", "**bold**", "@here"} {
		if strings.Contains(got, alive) {
			t.Errorf("hostile text is alive: %q", alive)
		}
	}
}

func TestMeasure(t *testing.T) {
	whole := night()
	silent := whole
	silent.Signal = chart.Series{}
	open := silent
	open.Incident.ResolvedAt, open.Incident.AckedAt = time.Time{}, time.Time{}
	tests := []struct {
		name string
		in   postmortem.Incident
		want postmortem.Times
	}{
		{"by the signal", whole, postmortem.Times{Began: noon.Add(-time.Minute), Detect: time.Minute, Acknowledge: 90 * time.Second, Recover: 5 * time.Minute}},
		{"without a rule", silent, postmortem.Times{Began: noon, Acknowledge: 90 * time.Second, Recover: 5 * time.Minute}},
		{"not over", open, postmortem.Times{Began: noon, Acknowledge: -1, Recover: -1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, postmortem.Measure(tt.in)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}
