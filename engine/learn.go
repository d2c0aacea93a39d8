package engine

import (
	"context"
	"strings"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/chart"
	"github.com/musterhq/muster/postmortem"
	"github.com/musterhq/muster/store"
)

// timelineMost is how much of a timeline documents and messages are made of.
const timelineMost = 10000

// writePostmortem drafts the postmortem of a resolved incident.
func (e *Engine) writePostmortem(ctx context.Context, s *setup, inc incident.Incident) (outcome, error) {
	entries, err := e.Store.Timeline(ctx, inc.Org, inc.ID, 0, timelineMost)
	if err != nil {
		return outcome{}, err
	}
	signal, err := e.signal(ctx, s, inc, entries)
	if err != nil {
		return outcome{}, err
	}
	markdown := postmortem.Draft(postmortem.Incident{Organization: s.org.Slug, Incident: inc, Entries: entries, Signal: signal})
	return outcome{
		at: now(), record: incident.Postmortem, data: incident.Data{URL: strings.TrimSuffix(e.URL, "/") + "/api/v1/incidents/" + inc.ID + "/postmortem"},
		store: func(t *store.Tx, s *setup, at time.Time) error {
			return t.PutPostmortem(s.org.ID, inc.ID, markdown, at)
		},
	}, nil
}

// Chart draws the ratio of the rule that fired, as SVG. An incident that no
// rule fired has none: store.ErrNotFound.
func (e *Engine) Chart(ctx context.Context, org, incidentID string) ([]byte, error) {
	s, err := e.setup(org)
	if err != nil {
		return nil, err
	}
	inc, err := e.Store.Incident(ctx, org, incidentID)
	if err != nil {
		return nil, err
	}
	entries, err := e.Store.Timeline(ctx, org, incidentID, 0, timelineMost)
	if err != nil {
		return nil, err
	}
	signal, err := e.signal(ctx, s, inc, entries)
	if err != nil {
		return nil, err
	}
	if len(signal.Points) == 0 {
		return nil, store.ErrNotFound
	}
	return chart.SVG(signal, 800, 320), nil
}

// signal is the course of the rule that fired, over the rule's own window,
// from a while before the incident to a while after it.
func (e *Engine) signal(ctx context.Context, s *setup, inc incident.Incident, entries []incident.Entry) (chart.Series, error) {
	alerts, err := e.Store.Alerts(ctx, inc.Org, store.AlertFilter{Incident: inc.ID, Limit: 100})
	if err != nil {
		return chart.Series{}, err
	}
	var series chart.Series
	for _, a := range alerts {
		slug, ok := strings.CutPrefix(a.Integration, "rule:")
		rule, known := s.rules[slug]
		if !ok || !known {
			continue
		}
		until := now()
		if !inc.ResolvedAt.IsZero() {
			until = inc.ResolvedAt.Add(rule.Window)
		}
		from := inc.OpenedAt.Add(-3 * rule.Window)
		key := a.Key
		if len(rule.By) == 0 {
			key = ""
		}
		counts, err := e.Store.Windows(ctx, inc.Org, slug, key, false, from.Add(-rule.Window), until)
		if err != nil {
			return series, err
		}
		series.Title, series.Threshold = slug+" "+a.Key, rule.Above
		series.Points = ratios(counts, rule.Window, from, until)
		series.Shaded = append(series.Shaded, chart.Span{From: a.Triggered, To: a.Cleared})
		break
	}
	for _, entry := range entries {
		switch entry.Kind {
		case incident.Acked, incident.RunApproved, incident.RunVerdict:
			series.Marks = append(series.Marks, chart.Mark{At: entry.At, Label: strings.ReplaceAll(string(entry.Kind), "_", " ")})
		}
	}
	return series, nil
}

// ratios are those of the window (t-window, t] at each second t.
func ratios(counts []store.WindowCount, window time.Duration, from, to time.Time) []chart.Point {
	bad, total := map[int64]int64{}, map[int64]int64{}
	for _, c := range counts {
		bad[c.Second] += c.Bad
		total[c.Second] += c.Total
	}
	var points []chart.Point
	var b, n int64
	width := int64(window / time.Second)
	for t := from.Unix() - width; t <= to.Unix(); t++ {
		b += bad[t] - bad[t-width]
		n += total[t] - total[t-width]
		if t >= from.Unix() && n > 0 {
			points = append(points, chart.Point{At: time.Unix(t, 0).UTC(), Ratio: float64(b) / float64(n)})
		}
	}
	return points
}
