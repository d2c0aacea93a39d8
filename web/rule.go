package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/musterhq/muster/detect"
	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/store"
)

// A RuleState is what a rule says now.
type RuleState struct {
	Rule      string        `json:"rule"`
	Watermark time.Time     `json:"watermark,omitzero" doc:"Every second up to here is judged."`
	Late      int64         `json:"late" doc:"Records that came after their second was judged."`
	Series    []SeriesState `json:"series" nullable:"false"`
	Stopped   string        `json:"stopped,omitempty" doc:"Why it judges nothing, until a configuration is applied."`
}

// A SeriesState is what a rule says of one value of the key that it counts by.
type SeriesState struct {
	Series  string       `json:"series" doc:"Empty where the rule counts by nothing."`
	State   detect.State `json:"state" enum:"ok,insufficient,firing"`
	Episode time.Time    `json:"episode,omitzero" doc:"When firing: since when."`
	Bad     int64        `json:"bad" doc:"Bad records in the window."`
	Total   int64        `json:"total" doc:"Records in the window."`
}

type rulesOut struct {
	Body struct {
		Rules []RuleState `json:"rules" nullable:"false"`
	}
}

// A Count is what a rule counted in one second of event time.
type Count struct {
	Series string    `json:"series"`
	Second time.Time `json:"second" doc:"The end of the second."`
	Bad    int64     `json:"bad"`
	Total  int64     `json:"total"`
}

type windowsIn struct {
	Rule   string    `path:"slug" maxLength:"255"`
	Series string    `query:"series" doc:"Only this series; all if absent." maxLength:"1000"`
	From   time.Time `query:"from" doc:"An hour before to if absent. At most a day is shown of one series, an hour of all."`
	To     time.Time `query:"to" doc:"Now if absent."`
}

type windowsOut struct {
	Body struct {
		Windows []Count `json:"windows" nullable:"false" doc:"Seconds with a record, in order of time, then series."`
	}
}

func (s *server) ruleRoutes() {
	add(s, viewer, http.MethodGet, "/api/v1/rules", "list-rules", "What the rules say now", s.rules, tag("rules"))
	add(s, viewer, http.MethodGet, "/api/v1/rules/{slug}/windows", "list-windows", "What a rule counted", s.windows, tag("rules"))
}

func (s *server) rules(ctx context.Context, _ *struct{}) (*rulesOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	list, err := s.engine.Rules(org)
	if err != nil {
		return nil, err
	}
	var out rulesOut
	out.Body.Rules = make([]RuleState, len(list))
	for i, r := range list {
		out.Body.Rules[i] = ruleState(r)
	}
	return &out, nil
}

func ruleState(r engine.RuleStatus) RuleState {
	out := RuleState{Rule: r.Rule, Watermark: r.Watermark, Late: r.Late, Stopped: r.Stopped, Series: make([]SeriesState, len(r.Series))}
	for i, status := range r.Series {
		out.Series[i] = SeriesState(status)
	}
	return out
}

// What a listing of counts may span.
const (
	spanOfOne = 24 * time.Hour
	spanOfAll = time.Hour
)

func (s *server) windows(ctx context.Context, in *windowsIn) (*windowsOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	rules, err := s.engine.Rules(org)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(rules, func(r engine.RuleStatus) bool { return r.Rule == in.Rule }) {
		return nil, fmt.Errorf("rule %q: %w", in.Rule, store.ErrNotFound)
	}
	if in.To.IsZero() {
		in.To = s.now()
	}
	if in.From.IsZero() {
		in.From = in.To.Add(-spanOfAll)
	}
	span := spanOfOne
	if in.Series == "" {
		span = spanOfAll
	}
	if d := in.To.Sub(in.From); d < 0 || d > span {
		detail := fmt.Sprintf("want an instant at most %s before to", span)
		return nil, newProblem(http.StatusUnprocessableEntity, "from: %s", detail).at(Fault{Parameter: "from", Detail: detail})
	}
	counts, err := s.engine.Store.Windows(ctx, org, in.Rule, in.Series, in.Series == "", in.From, in.To)
	if err != nil {
		return nil, err
	}
	var out windowsOut
	out.Body.Windows = make([]Count, len(counts))
	for i, c := range counts {
		out.Body.Windows[i] = Count{c.Series, time.Unix(c.Second, 0).UTC(), c.Bad, c.Total}
	}
	return &out, nil
}
