package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/id"
)

// A GateState is how a gate stands.
type GateState struct {
	Gate    string     `json:"gate"`
	Service string     `json:"service"`
	Open    int64      `json:"open_defects"`
	Last    *GateRun   `json:"last_run,omitempty"`
	Proof   *GateProof `json:"proof,omitempty"`
}

// A GateRun is the last thing that a gate reported.
type GateRun struct {
	At      time.Time `json:"at"`
	Suite   string    `json:"suite"`
	Verdict string    `json:"verdict"`
	Reason  string    `json:"reason"`
}

// A GateProof says whether a gate has proved itself, where that is asked of it.
type GateProof struct {
	Every   string    `json:"every"`              // a duration
	Good    time.Time `json:"last_good,omitzero"` // the last good self-test; zero: not known
	Due     time.Time `json:"due"`                // when the next one is missed
	Overdue bool      `json:"overdue"`
}

// Gates lists the gates of an organization, by slug.
func (e *Engine) Gates(ctx context.Context, org string) ([]GateState, error) {
	s, err := e.setup(org)
	if err != nil {
		return nil, err
	}
	list := []GateState{}
	for _, slug := range slices.Sorted(maps.Keys(s.doc.Gates)) {
		g, err := e.Gate(ctx, org, slug)
		if err != nil {
			return nil, err
		}
		list = append(list, g)
	}
	return list, nil
}

// Gate returns how a gate stands.
func (e *Engine) Gate(ctx context.Context, org, slug string) (GateState, error) {
	s, g, err := e.gateOf(org, slug)
	if err != nil {
		return GateState{}, err
	}
	state := GateState{Gate: slug, Service: g.Service}
	if state.Open, err = e.Store.OpenDefects(ctx, org, slug); err != nil {
		return state, err
	}
	runs, err := e.GateRuns(ctx, org, slug, 1)
	if err != nil {
		return state, err
	}
	if len(runs) > 0 {
		state.Last = &GateRun{At: runs[0].At, Suite: runs[0].Suite, Verdict: runs[0].Verdict, Reason: runs[0].Reason}
	}
	if g.Selftest == 0 {
		return state, nil
	}
	since, known, err := e.proved(ctx, s, slug)
	if err != nil {
		return state, err
	}
	state.Proof = &GateProof{Every: config.FormatDuration(g.Selftest), Due: since.Add(g.Selftest)}
	state.Proof.Overdue = !now().Before(state.Proof.Due)
	if known {
		state.Proof.Good = since
	}
	return state, nil
}

// proved returns when a gate last passed a self-test, if that is known, else
// when it was configured.
func (e *Engine) proved(ctx context.Context, s *setup, slug string) (since time.Time, known bool, err error) {
	last, known, err := e.Store.GoodSelftest(ctx, s.org.ID, slug)
	if err != nil || known {
		return last.At, known, err
	}
	since, _ = id.At(s.ids["gate/"+slug])
	return since, false, nil
}

// GateRuns lists what a gate reported, newest first, without the defects of each.
func (e *Engine) GateRuns(ctx context.Context, org, slug string, limit int) ([]Reported, error) {
	rows, err := e.Store.GateRuns(ctx, org, slug, limit)
	if err != nil {
		return nil, err
	}
	list := make([]Reported, len(rows))
	for i, row := range rows {
		if err := json.Unmarshal(row.Body, &list[i]); err != nil {
			return nil, fmt.Errorf("run %s of gate %s: %w", row.ID, slug, err)
		}
		list[i].Defects = []ReportedDefect{}
	}
	return list, nil
}
