package runbook

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/wire"
)

var (
	ana = Person{User: "ana", Teams: []string{"payments"}}
	bob = Person{User: "bob", Teams: []string{"search"}}
	chi = Person{User: "chi", Schedules: []string{"primary"}}
)

// planned is a run of two steps that is verified, and asks the payments team.
func planned(t interface{ Fatal(...any) }, edit func(*Run)) Run {
	r := Run{
		ID: "r1", Organization: "o1", IncidentID: "i1", Runbook: "rollback-checkout",
		Target: Target{Service: "checkout", Environment: "production", Settings: config.Settings{"project": "shop/checkout"}},
		Steps: []StepRun{
			{Plan: Plan{Step: "gitlab.rollback", Pin: json.RawMessage(`{"job": 7}`), Limit: 20 * time.Minute}},
			{Plan: Plan{Step: "notify", Pin: json.RawMessage(`{}`)}},
		},
		Approval: Approval{By: []string{"team:payments", "schedule:primary"}, Within: 10 * time.Minute},
		Verify:   Verification{Signal: "trigger", RecoversWithin: 10 * time.Minute},
	}
	if edit != nil {
		edit(&r)
	}
	r, err := New(r, json.RawMessage(`{"budget": "2 per 1h"}`), nil, noon)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A move is a command a while after the one before it.
type move struct {
	after   time.Duration
	command Command
}

// play gives the commands and returns the run and the last error.
func play(r Run, moves ...move) (Run, error) {
	now := noon
	var err error
	for _, m := range moves {
		now = now.Add(m.after)
		r, err = r.Do(m.command, now)
	}
	return r, err
}

var doneResult = Result{Done: true, Outcome: OutcomeDone}

func TestRun(t *testing.T) {
	h := planned(t, nil).Hash
	yes, propose, begin := Approve{ana, h}, Propose{}, Begin{0, h}
	approved := []move{{0, propose}, {time.Minute, yes}}
	running := append(slices.Clone(approved), move{time.Second, begin})
	verifying := append(slices.Clone(running), move{time.Second, Report{0, doneResult}}, move{0, Begin{1, h}}, move{0, Report{1, doneResult}})
	then := func(base []move, more ...move) []move { return append(slices.Clone(base), more...) }

	tests := []struct {
		name  string
		moves []move
		edit  func(*Run)
		state State
		due   time.Duration // after noon; -1: none
		err   string        // of the last command
		check func(Run) string
	}{
		{"proposed", then(nil, move{0, propose}), nil, AwaitingApproval, 10 * time.Minute, "", nil},
		{"proposed twice", then(nil, move{0, propose}, move{0, propose}), nil, AwaitingApproval, 10 * time.Minute, "proposed before", nil},
		{"nobody is asked", then(nil, move{0, propose}), func(r *Run) { r.Approval.By = nil }, Approved, 0, "", nil},
		{"approved", approved, nil, Approved, time.Minute, "", nil},
		{"approved by who is on call", then(nil, move{0, propose}, move{time.Minute, Approve{chi, h}}), nil, Approved, time.Minute, "", nil},
		{"approved before it was proposed", then(nil, move{0, yes}), nil, Planned, 0, "nobody was asked", nil},
		{"approved twice", then(approved, move{time.Second, Approve{chi, h}}), nil, Approved, time.Minute, "already approved by ana at 2026-03-02 12:01:00 UTC", nil},
		{"approved by a stranger", then(nil, move{0, propose}, move{0, Approve{bob, h}}), nil, AwaitingApproval, 10 * time.Minute, "bob may not approve it; [team:payments schedule:primary] may", nil},
		{"approved by nobody", then(nil, move{0, propose}, move{0, Approve{Person{Teams: []string{"payments"}}, h}}), nil, AwaitingApproval, 10 * time.Minute, "nobody may not", nil},
		{"approved by who asked for it", then(nil, move{0, propose}, move{0, yes}), func(r *Run) { r.Trigger.By = "ana" }, AwaitingApproval, 10 * time.Minute, "another person must approve", nil},
		{"or where that is allowed", then(nil, move{0, propose}, move{0, yes}), func(r *Run) { r.Trigger.By, r.Approval.Self = "ana", true }, Approved, 0, "", nil},
		{"approved another plan", then(nil, move{0, propose}, move{0, Approve{ana, "feedc0de"}}), nil, AwaitingApproval, 10 * time.Minute, "the plan changed", nil},
		{"approved just in time", then(nil, move{0, propose}, move{10*time.Minute - 1, yes}), nil, Approved, 10*time.Minute - 1, "", nil},
		{"approved too late", then(nil, move{0, propose}, move{10 * time.Minute, yes}), nil, AwaitingApproval, 10 * time.Minute, "expired at 2026-03-02 12:10:00 UTC", nil},
		{"expired", then(nil, move{0, propose}, move{10 * time.Minute, Expire{}}), nil, Expired, -1, "", nil},
		{"expired too soon", then(nil, move{0, propose}, move{time.Minute, Expire{}}), nil, AwaitingApproval, 10 * time.Minute, "holds until", nil},
		{"approved after it expired", then(nil, move{0, propose}, move{10 * time.Minute, Expire{}}, move{0, yes}), nil, Expired, -1, "expired at", nil},
		{"an approval does not hold for ever", then(approved, move{10 * time.Minute, begin}), nil, Approved, time.Minute, "expired", nil},
		{"and expires", then(approved, move{10 * time.Minute, Expire{}}), nil, Expired, -1, "", nil},
		{"rejected", then(nil, move{0, propose}, move{0, Reject{ana, "a migration ran"}}), nil, Rejected, -1, "", func(r Run) string { return r.Reason }},
		{"rejected wins over approved", then(approved, move{0, Reject{chi, ""}}, move{0, begin}), nil, Rejected, -1, "it is rejected", nil},
		{"approved after a no", then(nil, move{0, propose}, move{0, Reject{ana, ""}}, move{0, Approve{chi, h}}), nil, Rejected, -1, "already rejected by ana at 2026-03-02 12:00:00 UTC", nil},
		{"rejected by a stranger", then(approved, move{0, Reject{bob, ""}}), nil, Approved, time.Minute, "bob may not reject", nil},
		{"taken back by who asked", then(nil, move{0, propose}, move{0, Reject{bob, ""}}), func(r *Run) { r.Trigger.By = "bob" }, Rejected, -1, "", nil},
		{"rejected while it runs", then(running, move{0, Reject{ana, ""}}), nil, Running, 3*time.Minute + time.Second, "it is running", nil},
		{"refused", then(nil, move{0, Refuse{"the budget is used up"}}), nil, Refused, -1, "", nil},
		{"refused when about to begin", then(approved, move{0, Refuse{"the budget is used up"}}), nil, Refused, -1, "", nil},
		{"approved after it was refused", then(nil, move{0, Refuse{"the budget is used up"}}, move{0, yes}), nil, Refused, -1, "the budget is used up", nil},
		{"refused while it runs", then(running, move{0, Refuse{"x"}}), nil, Running, 3*time.Minute + time.Second, "only before its first step", nil},
		{"begun without an approval", then(nil, move{0, propose}, move{0, begin}), nil, AwaitingApproval, 10 * time.Minute, "it is not approved", nil},
		{"begun with another plan", then(approved, move{0, Begin{0, "feedc0de"}}), nil, Approved, time.Minute, "the plan changed", nil},
		{"running", running, nil, Running, 3*time.Minute + time.Second, "", func(r Run) string { return string(r.Approval.State) }},
		{"begun twice", then(running, move{time.Second, begin}), nil, Running, 3*time.Minute + time.Second, "begun at 2026-03-02 12:01:01 UTC already", nil},
		{"begun out of turn", then(approved, move{0, Begin{1, h}}), nil, Approved, time.Minute, "step 2 is not the next one, step 1 is", nil},
		{"not done yet", then(running, move{time.Second, Report{0, Result{Again: 5 * time.Second, Data: []byte(`{}`)}}}), nil, Running, time.Minute + 7*time.Second, "", nil},
		{"not done at its limit", then(running, move{20 * time.Minute, Report{0, Result{Again: time.Second, Detail: "job 7 is pending"}}}), nil, Ended, -1, "",
			func(r Run) string { return r.Reason }},
		{"due no later than the limit", then(running, move{19 * time.Minute, Report{0, Result{Again: time.Hour}}}), nil, Running, 21*time.Minute + time.Second, "", nil},
		{"done and the next", then(running, move{time.Second, Report{0, doneResult}}), nil, Running, time.Minute + 2*time.Second, "", nil},
		{"reported twice", then(running, move{0, Report{0, doneResult}}, move{0, Report{0, doneResult}}), nil, Running, time.Minute + time.Second, "step 1 is not the one that runs", nil},
		{"reported before it began", then(running, move{0, Report{0, doneResult}}, move{0, Report{1, doneResult}}), nil, Running, time.Minute + time.Second, "was not begun", nil},
		{"done without an outcome", then(running, move{0, Report{0, Result{Done: true}}}), nil, Running, 3*time.Minute + time.Second, "came to nothing", nil},
		{"an outcome without being done", then(running, move{0, Report{0, Result{Outcome: OutcomeDone}}}), nil, Running, 3*time.Minute + time.Second, "is not done", nil},
		{"an outcome there is not", then(running, move{0, Report{0, Result{Done: true, Outcome: "fine"}}}), nil, Running, 3*time.Minute + time.Second, `no outcome "fine"`, nil},
		{"a step failed", then(running, move{0, Report{0, Result{Done: true, Outcome: OutcomeFailed, Detail: "the job failed"}}}), nil, Ended, -1, "", func(r Run) string { return r.Reason }},
		{"a step is unknown", then(running, move{0, Report{0, Result{Done: true, Outcome: OutcomeUnknown}}}, move{0, Begin{1, h}}), nil, Ended, -1, "it is ended", nil},
		{"verifying", verifying, nil, Verifying, time.Minute + 12*time.Second, "", nil},
		{"too early to tell", then(verifying, move{10 * time.Second, Judged{Reason: "watching"}}), nil, Verifying, time.Minute + 22*time.Second, "", nil},
		{"judged", then(verifying, move{time.Minute, Judged{Recovered, "it resolved", true}}), nil, Ended, -1, "", func(r Run) string { return string(r.Verdict) + ", " + r.Reason }},
		{"judged twice", then(verifying, move{0, Judged{Recovered, "", true}}, move{0, Judged{Worse, "", true}}), nil, Ended, -1, "nothing to judge", nil},
		{"judged to be nothing", then(verifying, move{0, Judged{"", "", true}}), nil, Verifying, time.Minute + 12*time.Second, `no verdict ""`, nil},
		{"nothing to verify", then(running, move{0, Report{0, doneResult}}, move{0, Begin{1, h}}, move{0, Report{1, doneResult}}), func(r *Run) { r.Verify = Verification{} }, Ended, -1, "", func(r Run) string { return string(r.Verdict) }},
		{"stopped between two steps", then(running, move{0, Report{0, doneResult}}, move{0, Stop{"ana", "enough"}}), nil, Ended, -1, "", func(r Run) string { return r.Reason }},
		{"stopped in a step", then(running, move{0, Stop{"ana", "enough"}}), nil, Running, 3*time.Minute + time.Second, "", nil},
		{"which is followed to its end", then(running, move{0, Stop{"ana", "enough"}}, move{0, Report{0, doneResult}}), nil, Ended, -1, "", func(r Run) string { return r.Reason }},
		{"stopped in the last step", then(verifying[:5], move{0, Stop{"", "switched off"}}, move{0, Report{1, doneResult}}), nil, Verifying, time.Minute + 12*time.Second, "", nil},
		{"stopped before it began", then(approved, move{0, Stop{"ana", ""}}), nil, Refused, -1, "", func(r Run) string { return r.Reason }},
		{"stopped when all is done", then(verifying, move{0, Stop{"ana", ""}}), nil, Verifying, time.Minute + 12*time.Second, "no step left", nil},
		{"put off", then(running, move{0, Postpone{0, time.Minute, "429"}}), nil, Running, 2*time.Minute + time.Second, "", nil},
		{"put off and begun again", then(running, move{0, Postpone{0, time.Minute, "429"}}, move{time.Minute, begin}), nil, Running, 4*time.Minute + time.Second, "", nil},
		{"put off too often", func() []move {
			m := slices.Clone(running)
			for range 4 {
				m = append(m, move{0, Postpone{0, 0, "502"}}, move{10 * time.Second, begin})
			}
			return append(m, move{0, Postpone{0, 0, "502"}})
		}(), nil, Ended, -1, "", func(r Run) string { return r.Reason }},
		{"begun long after it was due", then(running, move{0, Report{0, doneResult}}, move{DefaultLimit, Begin{1, h}}), nil, Running, time.Minute + time.Second, "too long ago", nil},
		{"just in time", then(running, move{0, Report{0, doneResult}}, move{DefaultLimit - 1, Begin{1, h}}), nil, Running, DefaultLimit + 3*time.Minute + time.Second - 1, "", nil},
		{"overdue", then(running, move{0, Report{0, doneResult}}, move{DefaultLimit, Expire{}}), nil, Ended, -1, "", func(r Run) string { return r.Reason }},
		{"overdue, but in flight", then(running, move{DefaultLimit, Expire{}}), nil, Running, 3*time.Minute + time.Second, "nothing is overdue", nil},
		{"put off beyond its limit", then(running, move{0, Postpone{0, time.Hour, "429"}}), nil, Ended, -1, "", func(r Run) string { return r.Reason }},
		{"put off though something is known", then(running, move{0, Report{0, Result{Again: time.Second}}}, move{0, Postpone{0, 0, "x"}}), nil, Running, time.Minute + 2*time.Second, "may have changed something", nil},
		{"put off after a stop", then(running, move{0, Stop{"ana", "enough"}}, move{0, Postpone{0, 0, "502"}}), nil, Ended, -1, "", func(r Run) string { return r.Reason }},
		{"nothing known", then(nil, move{0, nil}), nil, Planned, 0, "not a command", nil},
	}
	reasons := map[string]string{
		"rejected":                     "rejected by ana: a migration ran",
		"running":                      "used",
		"not done at its limit":        "step 1 of 2, gitlab.rollback: unknown: gave up after 20m0s: job 7 is pending",
		"a step failed":                "step 1 of 2, gitlab.rollback: failed: the job failed",
		"judged":                       "recovered, it resolved",
		"nothing to verify":            "unknown",
		"stopped between two steps":    "stopped by ana: enough",
		"which is followed to its end": "stopped by ana: enough",
		"stopped before it began":      "stopped by ana",
		"put off too often":            "step 1 of 2, gitlab.rollback: failed: tried 5 times, nothing was changed: 502",
		"overdue":                      "step 2 of 2 was due at 2026-03-02 12:01:01 UTC and not begun",
		"put off beyond its limit":     "step 1 of 2, gitlab.rollback: failed: tried 1 times, nothing was changed: 429",
		"put off after a stop":         "stopped by ana: enough",
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := play(planned(t, tt.edit), tt.moves...)
			if tt.err == "" && err != nil || tt.err != "" && (!errors.Is(err, ErrMove) || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			due := time.Duration(-1)
			if !r.Due.IsZero() {
				due = r.Due.Sub(noon)
			}
			if r.State != tt.state || due != tt.due {
				t.Errorf("%s, due after %v; want %s, after %v", r.State, due, tt.state, tt.due)
			}
			if tt.check != nil {
				if got := tt.check(r); got != reasons[tt.name] {
					t.Errorf("%q, want %q", got, reasons[tt.name])
				}
			}
		})
	}
}

// The hash binds an approval to everything that will happen.
func TestHash(t *testing.T) {
	body := json.RawMessage(`{"budget": "2 per 1h", "steps": [1.0, 2]}`)
	params := config.Settings{"environment": "production"}
	target := Target{Organization: "o1", Service: "checkout", Settings: config.Settings{"project": "shop/checkout"}}
	plans := []Plan{{Step: "wait", Pin: json.RawMessage(`{"duration": 5, "a": {"b": null}}`)}, {Step: "notify"}}
	hash := func(body json.RawMessage, params config.Settings, target Target, plans []Plan) string {
		t.Helper()
		h, err := Hash(body, params, target, plans)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	want := hash(body, params, target, plans)
	if len(want) != 64 {
		t.Errorf("hash %q", want)
	}

	same := hash(json.RawMessage(" {\"steps\":[1.0,2],\n\"budget\":\"2 per 1h\"}"), params, target,
		[]Plan{{Step: "wait", Summary: []string{"other words"}, Pin: json.RawMessage(`{"a":{"b":null},"duration":5}`)}, {Step: "notify"}})
	if same != want {
		t.Error("order of keys, white space and summaries change the hash")
	}
	if hash(body, nil, target, nil) != hash(body, config.Settings{}, target, nil) {
		t.Error("no parameters have two hashes")
	}

	other := target
	other.Settings = config.Settings{"project": "shop/payments"}
	for name, got := range map[string]string{
		"body":      hash(json.RawMessage(`{"budget": "3 per 1h", "steps": [1.0, 2]}`), params, target, plans),
		"number":    hash(json.RawMessage(`{"budget": "2 per 1h", "steps": [1.00000000000000000001, 2]}`), params, target, plans),
		"params":    hash(body, config.Settings{"environment": "staging"}, target, plans),
		"target":    hash(body, params, other, plans),
		"pin":       hash(body, params, target, []Plan{{Step: "wait", Pin: json.RawMessage(`{"duration": 6, "a": {"b": null}}`)}, {Step: "notify"}}),
		"kind":      hash(body, params, target, []Plan{{Step: "http", Pin: plans[0].Pin}, {Step: "notify"}}),
		"order":     hash(body, params, target, []Plan{plans[1], plans[0]}),
		"more":      hash(body, params, target, append(slices.Clone(plans), Plan{Step: "notify"})),
		"big int":   hash(json.RawMessage(`9007199254740993`), params, target, plans),
		"big int 2": hash(json.RawMessage(`9007199254740992`), params, target, plans),
	} {
		if got == want {
			t.Errorf("another %s has the same hash", name)
		}
		want2 := hash(json.RawMessage(`9007199254740992`), params, target, plans)
		if name == "big int" && got == want2 {
			t.Error("large numbers are rounded")
		}
	}

	for _, bad := range []string{"{", `{} {}`, `{} x`, "nan"} {
		if h, err := Hash(json.RawMessage(bad), params, target, plans); err == nil {
			t.Errorf("body %s: %s", bad, h)
		}
		if h, err := Hash(body, params, target, []Plan{{Step: "a"}, {Step: "wait", Pin: json.RawMessage(bad)}}); err == nil || !strings.Contains(err.Error(), "steps[1]: pin") {
			t.Errorf("pin %s: %s, %v", bad, h, err)
		}
	}
}

func TestNewRefusesWhatIsNotPlanned(t *testing.T) {
	for name, r := range map[string]Run{"no steps": {}, "no plan": {Steps: []StepRun{{}}}} {
		if _, err := New(r, nil, nil, noon); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	// What an earlier run left behind does not come along.
	old := Run{Steps: []StepRun{{Plan: Plan{Step: "wait"}, StartedAt: noon, Tries: 3}}, State: Ended, Verdict: Worse, Halt: "x",
		Approval: Approval{By: []string{"user:ana"}, State: ApprovalGiven, Hash: "x", DecidedBy: "ana"}}
	r, err := New(old, nil, nil, noon)
	if err != nil {
		t.Fatal(err)
	}
	want := Run{Hash: r.Hash, State: Planned, Steps: []StepRun{{Plan: Plan{Step: "wait"}}}, Approval: Approval{By: []string{"user:ana"}},
		CreatedAt: noon, UpdatedAt: noon, Due: noon}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if old.Steps[0].Tries != 3 {
		t.Error("the given run was changed")
	}
}

func TestRunSurvivesStorage(t *testing.T) {
	h := planned(t, nil).Hash
	r, err := play(planned(t, nil), move{0, Propose{}}, move{0, Approve{ana, h}}, move{0, Begin{0, h}}, move{0, Report{0, Result{Again: time.Second, Data: json.RawMessage(`{"job":9}`)}}})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Run
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	compact := cmp.Transformer("json", func(m json.RawMessage) any {
		var v any
		_ = json.Unmarshal(m, &v)
		return v
	})
	if diff := cmp.Diff(r, back, compact); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAfterApplyAndLook(t *testing.T) {
	refused := fmt.Errorf("no: %w", wire.ErrRefused)
	later := wire.Later{After: time.Minute, Err: errors.New("429")}
	last := Result{Data: json.RawMessage(`{"job":9}`)}
	tests := []struct {
		name string
		got  Command
		want Command
	}{
		{"applied", AfterApply(1, doneResult, nil), Report{1, doneResult}},
		{"refused", AfterApply(1, Result{}, refused), Report{1, Result{Done: true, Outcome: OutcomeRefused, Detail: refused.Error()}}},
		{"later", AfterApply(1, Result{}, later), Postpone{1, time.Minute, later.Error()}},
		{"not now", AfterApply(1, Result{}, errors.New("502")), Postpone{1, 0, "502"}},
		{"looked", AfterLook(1, last, doneResult, nil), Report{1, doneResult}},
		{"may not look", AfterLook(1, last, Result{}, refused), Report{1, Result{Done: true, Outcome: OutcomeUnknown, Detail: "could not look: no: refused", Data: last.Data}}},
		{"look later", AfterLook(1, last, Result{}, later), Report{1, Result{Again: time.Minute, Detail: "could not look: " + later.Error(), Data: last.Data}}},
		{"look again", AfterLook(1, last, Result{}, errors.New("502")), Report{1, Result{Again: lookEvery, Detail: "could not look: 502", Data: last.Data}}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestRunProperties plays random commands, with an engine that crashes, and
// states what may never happen.
func TestRunProperties(t *testing.T) {
	seen := map[Transition]bool{}
	rapid.Check(t, func(t *rapid.T) {
		r := planned(t, func(r *Run) {
			if rapid.Bool().Draw(t, "asks nobody") {
				r.Approval.By = nil
			}
			if rapid.Bool().Draw(t, "verifies nothing") {
				r.Verify = Verification{}
			}
			r.Trigger.By = rapid.SampledFrom([]string{"", "ana", "bob"}).Draw(t, "asked for by")
		})
		asksNobody := len(r.Approval.By) == 0
		applied := make([]int, len(r.Steps)) // how often each step reached the world outside
		now := noon
		yes, final := 0, State("")
		hashes := []string{r.Hash, r.Hash, r.Hash, "feedc0de", ""}
		people := []Person{ana, ana, chi, bob, {}}
		for range rapid.IntRange(1, 40).Draw(t, "moves") {
			now = now.Add(rapid.SampledFrom([]time.Duration{0, time.Second, 20 * time.Second, 3 * time.Minute, 11 * time.Minute}).Draw(t, "after"))
			step := rapid.SampledFrom([]int{r.Current(), r.Current(), r.Current(), 0, 1, 7, -1}).Draw(t, "step")
			hash := rapid.SampledFrom(hashes).Draw(t, "hash")
			who := rapid.SampledFrom(people).Draw(t, "who")
			c := rapid.SampledFrom([]Command{
				Propose{}, Propose{}, Approve{who, hash}, Approve{who, hash}, Approve{who, hash}, Reject{who, "no"}, Expire{}, Refuse{"budget"}, Stop{who.User, "stop"},
				Begin{step, hash}, Begin{step, hash}, Begin{step, hash}, Begin{step, hash},
				Report{step, doneResult}, Report{step, doneResult}, Report{step, Result{Again: time.Second}}, Report{step, Result{Done: true, Outcome: OutcomeUnknown}},
				Postpone{step, 0, "502"}, Judged{Verdict: Recovered, Done: true}, Judged{},
			}).Draw(t, "command")

			before, wasRaw := r, mustJSON(t, r)
			next, err := r.Do(c, now)
			if mustJSON(t, before) != wasRaw {
				t.Fatalf("%s changed the run it was given", c.command())
			}
			if err != nil {
				if diff := cmp.Diff(before, next); diff != "" || !errors.Is(err, ErrMove) {
					t.Fatalf("%s failed with %v and changed the run:\n%s", c.command(), err, diff)
				}
				continue
			}
			if final != "" {
				t.Fatalf("%s moved a run that was %s", c.command(), final)
			}
			seen[Transition{"run", string(before.State), c.command(), string(next.State), ""}] = true
			if a, b := before.Approval.State, next.Approval.State; a != b {
				seen[Transition{"approval", string(a), c.command(), string(b), ""}] = true
			}
			r = next

			switch c := c.(type) {
			case Approve:
				yes++
				if c.Hash != r.Hash || !before.Approval.mayDecide(c.By) || c.By.User == r.Trigger.By {
					t.Fatalf("%s approved %q", c.By.User, c.Hash)
				}
			case Begin:
				if before.State != Approved && before.State != Running {
					t.Fatalf("began while %s", before.State)
				}
				if !asksNobody && yes != 1 || c.Hash != r.Hash {
					t.Fatalf("began with %d approvals", yes)
				}
				if before.Halt != "" {
					t.Fatal("began after a stop")
				}
				applied[c.Step]++ // Apply is called, whatever becomes of it
			case Postpone:
				applied[c.Step]-- // Apply swore that it changed nothing
			}
			for i, times := range applied {
				if times > 1 {
					t.Fatalf("step %d was applied %d times", i+1, times)
				}
				if times == 1 && i > 0 && r.Steps[i-1].Result.Outcome != OutcomeDone {
					t.Fatalf("step %d was applied after one that came to %q", i+1, r.Steps[i-1].Result.Outcome)
				}
			}
			if yes > 1 {
				t.Fatal("approved twice")
			}
			if _, lost := r.Lost(); lost && rapid.Bool().Draw(t, "a crash") {
				// What a restart finds: Look is asked, and whatever it says, Begin fails.
				if _, err := r.Do(Begin{r.Current(), r.Hash}, now); err == nil {
					t.Fatal("a step that was begun can be begun again")
				}
			}
			if r.State.Final() {
				final = r.State
				if !r.Due.IsZero() || (r.Verdict != "") != (r.State == Ended) || r.Reason == "" && c.command() != "judged" {
					t.Fatalf("%s, due %v, verdict %q, reason %q", r.State, r.Due, r.Verdict, r.Reason)
				}
			} else if r.Due.IsZero() {
				t.Fatalf("%s, and never due", r.State)
			}
		}
	})
	checkTransitions(t, seen)
}

func mustJSON(t interface{ Fatal(...any) }, v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// checkTransitions fails for moves that the table does not have. Those that the
// table has must be possible, which TestTransitionsArePossible shows.
func checkTransitions(t *testing.T, seen map[Transition]bool) {
	t.Helper()
	table := map[Transition]bool{}
	for _, tr := range Transitions {
		tr.When = ""
		table[tr] = true
	}
	for tr := range seen {
		if !table[tr] {
			t.Errorf("not in the table: %+v", tr)
		}
	}
}

// TestTransitionsArePossible walks every path of up to nine commands and meets
// every move of the table, and no other.
func TestTransitionsArePossible(t *testing.T) {
	seen := map[Transition]bool{}
	type node struct {
		r   Run
		now time.Time
	}
	var level []node
	for _, edit := range []func(*Run){nil, func(r *Run) { r.Approval.By = nil; r.Trigger.By = "bob" }, func(r *Run) { r.Verify = Verification{} }} {
		level = append(level, node{planned(t, edit), noon})
	}
	for range 9 {
		known := map[string]bool{}
		var next []node
		for _, n := range level {
			i, h := n.r.Current(), n.r.Hash
			for _, m := range []move{
				{0, Propose{}}, {0, Approve{ana, h}}, {0, Reject{ana, ""}}, {0, Reject{bob, ""}}, {11 * time.Minute, Expire{}}, {DefaultLimit, Expire{}}, {0, Refuse{"x"}}, {0, Stop{"ana", ""}},
				{0, Begin{i, h}}, {0, Report{i, doneResult}}, {0, Report{i, Result{Again: time.Second}}}, {0, Report{i, Result{Done: true, Outcome: OutcomeFailed}}},
				{0, Postpone{i, 0, "x"}}, {0, Postpone{i, time.Hour, "x"}}, {0, Judged{}}, {0, Judged{Unchanged, "", true}},
			} {
				now := n.now.Add(m.after)
				r, err := n.r.Do(m.command, now)
				if err != nil {
					continue
				}
				seen[Transition{"run", string(n.r.State), m.command.command(), string(r.State), ""}] = true
				if a, b := n.r.Approval.State, r.Approval.State; a != b {
					seen[Transition{"approval", string(a), m.command.command(), string(b), ""}] = true
				}
				if key := mustJSON(t, r); !known[key] {
					known[key] = true
					next = append(next, node{r, now})
				}
			}
		}
		level = next
	}
	checkTransitions(t, seen)
	for _, tr := range Transitions {
		tr.When = ""
		if !seen[tr] {
			t.Errorf("in the table, but not possible: %+v", tr)
		}
	}
}
