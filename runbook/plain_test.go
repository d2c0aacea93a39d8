package runbook_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/runbook"
)

func noonClock() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) }

// trip is a network in one function.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestWait lets a wait go by without sleeping.
func TestWait(t *testing.T) {
	now := noonClock()
	env := runbook.Env{Params: config.Settings{"duration": "90s"}, Now: func() time.Time { return now }}
	plan, err := runbook.Wait.Plan(t.Context(), env)
	if err != nil || plan.Limit != 90*time.Second+runbook.DefaultLimit || !cmp.Equal(plan.Summary, []string{"wait 1m30s"}) {
		t.Fatalf("%+v, %v", plan, err)
	}
	got, err := runbook.Wait.Apply(t.Context(), env, plan)
	if err != nil || got.Done || got.Again != 90*time.Second {
		t.Fatalf("%+v, %v", got, err)
	}
	now = now.Add(60 * time.Second)
	got, err = runbook.Wait.Look(t.Context(), env, plan, got)
	if err != nil || got.Done || got.Again != 30*time.Second {
		t.Errorf("after a minute: %+v, %v", got, err)
	}
	now = now.Add(30 * time.Second)
	got, err = runbook.Wait.Look(t.Context(), env, plan, got)
	if err != nil || !got.Done || got.Outcome != runbook.OutcomeDone {
		t.Errorf("after 90 s: %+v, %v", got, err)
	}
	anew, err := runbook.Wait.Look(t.Context(), env, plan, runbook.Result{})
	if err != nil || anew.Done || anew.Again != 90*time.Second {
		t.Errorf("after a crash: %+v, %v", anew, err)
	}
	for _, d := range []string{"", "soon", "0s", "-5s", "5h", "5"} {
		env.Params = config.Settings{"duration": d}
		if _, err := runbook.Wait.Plan(t.Context(), env); !errors.Is(err, wire.ErrRefused) || !strings.Contains(err.Error(), "duration: ") {
			t.Errorf("%q: %v", d, err)
		}
	}
}

// TestForgottenWait: a wait that was begun by a process which died before it could
// say so is found a minute later, when its lease has ended, and goes by in full.
func TestForgottenWait(t *testing.T) {
	now := noonClock()
	env := runbook.Env{Params: config.Settings{"duration": "1s"}, Now: func() time.Time { return now }}
	plan, err := runbook.Wait.Plan(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	run, err := runbook.New(runbook.Run{Steps: []runbook.StepRun{{Plan: plan}}}, nil, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []runbook.Command{runbook.Propose{}, runbook.Begin{Step: 0, Hash: run.Hash}} {
		if run, err = run.Do(c, now); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(time.Minute + 20*time.Millisecond)
	for range 2 {
		last := run.Steps[0].Result
		got, err := runbook.Wait.Look(t.Context(), env, plan, last)
		if run, err = run.Do(runbook.AfterLook(0, last, got, err), now); err != nil {
			t.Fatal(err)
		}
		if !run.State.Final() {
			now = run.Due
		}
	}
	if got := run.Steps[0].Result; got.Outcome != runbook.OutcomeDone || now.Sub(noonClock()) != 61*time.Second+20*time.Millisecond {
		t.Errorf("after %v it came to %+v", now.Sub(noonClock()), got)
	}
}

func TestNotify(t *testing.T) {
	env := runbook.Env{
		Params:   config.Settings{"targets.0": "team:payments", "targets.1": "user:ana", "text": "{{target.service}} is being rolled back\n({{incident.title}})"},
		Target:   runbook.Target{Service: "checkout"},
		Incident: runbook.Incident{Title: "down\n\u202eevil\x00 {{incident.id}}"},
	}
	plan, err := runbook.Notify.Plan(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func() (runbook.Result, error){
		"apply": func() (runbook.Result, error) { return runbook.Notify.Apply(t.Context(), env, plan) },
		"look":  func() (runbook.Result, error) { return runbook.Notify.Look(t.Context(), env, plan, runbook.Result{}) },
	} {
		got, err := do()
		if err != nil || got.Outcome != runbook.OutcomeDone {
			t.Fatalf("%s: %+v, %v", name, got, err)
		}
		var intent runbook.Intent
		if err := json.Unmarshal(got.Data, &intent); err != nil {
			t.Fatal(err)
		}
		want := runbook.Intent{Targets: []string{"team:payments", "user:ana"}, Text: "checkout is being rolled back\n(down evil {{incident.id}})"}
		if diff := cmp.Diff(want, intent); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for name, params := range map[string]config.Settings{
		"targets: ":     {"text": "x"},
		"targets[1]: ":  {"targets": "user:ana, room:x", "text": "x"},
		"targets[0]: ":  {"targets": "user:", "text": "x"},
		"text: ":        {"targets": "user:ana", "text": " \n"},
		"text: posi":    {"targets": "user:ana", "text": "{{now}}"},
		"text: 4001 ch": {"targets": "user:ana", "text": strings.Repeat("ä", 4001)},
	} {
		if _, err := runbook.Notify.Plan(t.Context(), runbook.Env{Params: params}); !errors.Is(err, wire.ErrRefused) || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: %v, want %q", params, err, name)
		}
	}
}
