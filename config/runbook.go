package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// A Runbook is automation and what proves that it worked.
type Runbook struct {
	Name     string
	Approve  Approve // zero: runs without asking
	Budget   Budget  // zero: that of the engine
	Cooldown time.Duration
	Steps    []Step
	Verify   Verify // zero: nothing is verified
}

// Approve says who must say yes and how long that is waited for.
type Approve struct {
	By     string // team:x, user:y, schedule:z
	Within time.Duration
}

// A Budget is how many runs there may be in how long.
type Budget struct {
	Runs int
	Per  time.Duration
}

// A Step is one step of a runbook.
type Step struct {
	Kind     string // a kind of step, such as gitlab.rollback
	Settings Settings
	Secrets  []string // names in Settings that are secrets, sorted
}

// Verify says which signal must recover, and how soon.
type Verify struct {
	Signal         string // trigger, or rule:<slug>
	RecoversWithin time.Duration
}

// Default durations of a runbook, for keys that are left out.
const (
	DefaultApproval = 10 * time.Minute // approve.within
	DefaultRecovery = 10 * time.Minute // verify.recovers_within
)

const day = 24 * time.Hour

func readRunbook(n node) Runbook {
	o := n.object("name", "approve", "budget", "cooldown", "steps", "verify")
	r := Runbook{Name: o.line("name"), Cooldown: o.duration("cooldown", 0, week)}
	if a, ok := o.get("approve"); ok {
		r.Approve = readApprove(a)
	}
	if b, ok := o.get("budget"); ok {
		r.Budget = readBudget(b)
	}
	if v, ok := o.get("verify"); ok {
		r.Verify = readVerify(v)
	}
	steps, ok := o.need("steps")
	if !ok {
		return r
	}
	items := steps.list()
	switch {
	case len(items) == 0 && (steps.null() || steps.y.Kind == yaml.SequenceNode):
		steps.problemf("has no step: there is nothing to run")
	case len(items) > maxSteps:
		steps.problemf("has %d steps; at most %d make sense", len(items), maxSteps)
	}
	for _, item := range items {
		r.Steps = append(r.Steps, readStep(item))
	}
	return r
}

func readApprove(n node) Approve {
	o := n.object("by", "within")
	a := Approve{Within: DefaultApproval}
	if by, ok := o.need("by"); ok {
		a.By = by.target()
	}
	if w, ok := o.get("within"); ok {
		a.Within = w.duration(time.Second, day)
	}
	return a
}

// readBudget reads "2 per 1h".
func readBudget(n node) Budget {
	s, ok := n.scalar()
	if !ok {
		return Budget{}
	}
	words := strings.Fields(s)
	if len(words) != 3 || words[1] != "per" {
		n.problemf("wants a budget such as 2 per 1h; has %s", shown(s))
		return Budget{}
	}
	runs, err := strconv.Atoi(words[0])
	per, durationErr := ParseDuration(words[2])
	switch {
	case err != nil || durationErr != nil:
		n.problemf("wants a budget such as 2 per 1h; has %s", shown(s))
	case runs < 1 || runs > 1000:
		n.problemf("wants 1 to 1000 runs; has %d", runs)
	case per < time.Minute || per > 30*day:
		n.problemf("wants a time of 1m to 30d; has %s", FormatDuration(per))
	default:
		return Budget{runs, per}
	}
	return Budget{}
}

func readVerify(n node) Verify {
	o := n.object("signal", "recovers_within")
	v := Verify{Signal: "trigger", RecoversWithin: DefaultRecovery}
	if sig, ok := o.get("signal"); ok {
		s, _ := sig.scalar()
		rule, isRule := strings.CutPrefix(s, "rule:")
		if s != "" && s != "trigger" && !(isRule && isSlug(rule)) {
			sig.problem(fmt.Sprintf("wants trigger or rule:NAME; has %s", shown(s)), n.r.suggest(s, []string{"trigger"}))
		}
		v.Signal = s
	}
	if w, ok := o.get("recovers_within"); ok {
		v.RecoversWithin = w.duration(time.Second, day)
	}
	return v
}

// readStep reads {gitlab.rollback: {environment: production}}.
func readStep(n node) Step {
	o := n.entries()
	key, kind, ok := o.kindKey("kind of step", func(k *Kinds) []Kind { return k.Steps })
	if !ok {
		return Step{}
	}
	o.only(key)
	s := Step{Kind: key}
	s.Settings, s.Secrets = o.vals[key].entries().settings(kind)
	return s
}

func writeRunbook(w writer, r Runbook) *yaml.Node {
	m := mapping()
	put(m, "name", text(r.Name))
	if r.Approve != (Approve{}) {
		approve := mapping()
		put(approve, "by", text(r.Approve.By))
		put(approve, "within", duration(r.Approve.Within))
		put(m, "approve", approve)
	}
	if r.Budget != (Budget{}) {
		put(m, "budget", scalar(fmt.Sprintf("%d per %s", r.Budget.Runs, FormatDuration(r.Budget.Per))))
	}
	put(m, "cooldown", duration(r.Cooldown))
	steps := sequence()
	for _, s := range r.Steps {
		step, set := mapping(), mapping()
		w.putSettings(set, s.Settings, s.Secrets)
		put(step, s.Kind, set)
		steps.Content = append(steps.Content, step)
	}
	put(m, "steps", steps)
	if r.Verify != (Verify{}) {
		verify := mapping()
		put(verify, "signal", text(r.Verify.Signal))
		put(verify, "recovers_within", duration(r.Verify.RecoversWithin))
		put(m, "verify", verify)
	}
	return m
}
