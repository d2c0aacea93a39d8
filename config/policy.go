package config

import (
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// A Policy is an escalation policy.
type Policy struct {
	Name   string
	Steps  []PolicyStep
	Repeat int // rounds in all, at least 1
}

// A PolicyStep notifies its targets at once and then waits before the next.
type PolicyStep struct {
	Notify []string // schedule:x, user:y, team:z
	Wait   time.Duration
}

const (
	maxSteps  = 50
	maxRounds = 20
	week      = 7 * 24 * time.Hour
)

func readPolicy(n node) Policy {
	o := n.object("name", "steps", "repeat")
	p := Policy{Name: o.line("name"), Repeat: 1}
	if r, ok := o.get("repeat"); ok {
		p.Repeat = int(r.integer(1, maxRounds))
	}
	steps, ok := o.need("steps")
	if !ok {
		return p
	}
	items := steps.list()
	switch {
	case len(items) == 0 && (steps.null() || steps.y.Kind == yaml.SequenceNode):
		steps.problemf("has no step: nobody would be paged")
	case len(items) > maxSteps:
		steps.problemf("has %d steps; at most %d make sense", len(items), maxSteps)
	}
	for i, item := range items {
		p.Steps = append(p.Steps, readPolicyStep(item, i == len(items)-1 && p.Repeat == 1))
	}
	return p
}

// readPolicyStep reads a step; after the last one nothing is waited for.
func readPolicyStep(n node, last bool) PolicyStep {
	o := n.object("notify", "wait")
	var s PolicyStep
	if t, ok := o.need("notify"); ok {
		s.Notify = distinct(t.list(), node.target)
		if t.y.Kind == yaml.SequenceNode && len(t.y.Content) == 0 {
			t.problemf("names nobody")
		}
	}
	if w, ok := o.get("wait"); ok {
		s.Wait = w.duration(time.Second, week)
	} else if !last {
		o.need("wait")
	}
	return s
}

// target returns schedule:x, user:y or team:z.
func (n node) target() string {
	s, ok := n.scalar()
	if !ok {
		return ""
	}
	kind, slug, _ := strings.Cut(s, ":")
	if kind != "schedule" && kind != "user" && kind != "team" || !isSlug(slug) {
		hint := ""
		if near := n.r.suggest(kind, []string{"schedule", "user", "team"}); near != "" && isSlug(slug) {
			hint = near + ":" + slug
		}
		n.problem(fmt.Sprintf("wants schedule:NAME, user:NAME or team:NAME; has %s", shown(s)), hint)
		return ""
	}
	return s
}

func writePolicy(_ writer, p Policy) *yaml.Node {
	m := mapping()
	put(m, "name", text(p.Name))
	steps := sequence()
	for _, s := range p.Steps {
		step := mapping()
		put(step, "notify", texts(s.Notify))
		put(step, "wait", duration(s.Wait))
		steps.Content = append(steps.Content, step)
	}
	put(m, "steps", steps)
	if p.Repeat != 1 {
		put(m, "repeat", number(int64(p.Repeat)))
	}
	return m
}
