package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

type rulesCmd struct {
	clientFlags
	jsonFlag
}

func (rulesCmd) Help() string {
	return `Shows how far each rule has counted, and the windows of its series.

  muster rules`
}

func (c rulesCmd) Run(ctx context.Context, a *app) error {
	api, err := c.client(a)
	if err != nil {
		return err
	}
	var answer struct{ Rules []json.RawMessage }
	if err := api.get(ctx, "/api/v1/rules", nil, &answer); err != nil {
		return err
	}
	type rule struct {
		Rule      string
		Watermark time.Time
		Late      int64
		Stopped   string
		Series    []struct {
			Series     string
			State      string
			Bad, Total int64
		}
	}
	rules, err := decoded[rule](answer.Rules)
	if err != nil {
		return err
	}
	t := &table{head: []string{"RULE", "STATE", "BAD", "TOTAL", "RATIO", "COUNTED UP TO", "SERIES"}}
	for _, r := range rules {
		if r.Stopped != "" {
			t.add(r.Rule, "stopped", "-", "-", "-", "-", r.Stopped)
			continue
		}
		if len(r.Series) == 0 {
			t.add(r.Rule, "idle", "-", "-", "-", a.when(r.Watermark), "-")
		}
		for _, s := range r.Series {
			ratio := "-"
			if s.Total > 0 {
				ratio = fmt.Sprintf("%.2f%%", 100*float64(s.Bad)/float64(s.Total))
			}
			t.add(r.Rule, status(s.State), s.Bad, s.Total, ratio, a.when(r.Watermark), s.Series)
		}
	}
	return c.print(a, answer.Rules, "There are no rules.", t)
}
