package runbook

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/wire"
)

// Notify tells people something in the middle of a runbook. It sends nothing
// itself: its result is an Intent that the engine puts into the outbox, in the
// transaction that stores the result.
var Notify = Step{
	Kind: config.Kind{
		Name: "notify",
		Fields: []config.Field{
			{Name: "targets", Label: "To", Help: "who is told: user:ana, team:payments, schedule:payments-primary, separated by commas", Required: true, Type: "list"},
			{Name: "text", Label: "Text", Help: "what they are told; placeholders such as {{incident.id}} are filled in", Required: true},
		},
	},
	Idempotent: true, // the outbox key makes one message of two intents
	Plan:       planNotify,
	Apply:      applyNotify,
	Look: func(ctx context.Context, env Env, plan Plan, last Result) (Result, error) {
		if last.Done {
			return last, nil
		}
		return applyNotify(ctx, env, plan) // an intent that was not stored was not sent
	},
}

// An Intent is what a notify step asks the engine to send: Result.Data.
type Intent struct {
	Targets []string `json:"targets"` // "user:ana", "team:payments", "schedule:payments-primary"
	Text    string   `json:"text"`    // plain text, and hostile as alert text is
}

// maxText bounds a message, in characters.
const maxText = 4000

func planNotify(_ context.Context, env Env) (Plan, error) {
	refuse := func(field, format string, args ...any) (Plan, error) {
		return Plan{}, fmt.Errorf("notify: %w: %s: %s", wire.ErrRefused, field, fmt.Sprintf(format, args...))
	}
	targets := listOf(env.Params, "targets")
	if len(targets) == 0 {
		return refuse("targets", "nobody is named")
	}
	for i, t := range targets {
		kind, name, ok := strings.Cut(t, ":")
		if !ok || name == "" || (kind != "user" && kind != "team" && kind != "schedule") {
			return refuse(fmt.Sprintf("targets[%d]", i), "%q is not user:NAME, team:NAME or schedule:NAME", t)
		}
	}
	text, err := fill(env.Params["text"], env, plainText)
	if err != nil {
		return refuse("text", "%v", err)
	}
	text = strings.TrimSpace(text)
	switch n := utf8.RuneCountInString(text); {
	case n == 0:
		return refuse("text", "it is empty")
	case n > maxText:
		return refuse("text", "%d characters, more than %d", n, maxText)
	}
	return planOf("notify", Intent{targets, text}, "tell "+strings.Join(targets, ", ")+":", text)
}

func applyNotify(_ context.Context, _ Env, plan Plan) (Result, error) {
	var intent Intent
	if err := unpin("notify", plan, &intent); err != nil {
		return Result{}, err
	}
	data, err := json.Marshal(intent)
	if err != nil {
		return Result{}, fmt.Errorf("notify: %w", err)
	}
	return Result{Done: true, Outcome: OutcomeDone, Detail: "handed to the outbox for " + strings.Join(intent.Targets, ", "), Data: data}, nil
}

// listOf reads a setting that lists several: flattened to name.0, name.1, or
// in one text, parted by commas or white space.
func listOf(set config.Settings, name string) []string {
	var out []string
	for i := 0; ; i++ {
		v, ok := set[fmt.Sprintf("%s.%d", name, i)]
		if !ok {
			break
		}
		out = append(out, strings.TrimSpace(v))
	}
	return append(out, strings.FieldsFunc(set[name], func(r rune) bool {
		return r == ',' || r == ' ' || r == '\n' || r == '\t' || r == '\r'
	})...)
}
