package config_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/config"
)

func TestDiff(t *testing.T) {
	const old = `
users:
  ana: {email: ana@shop.example, contacts: {hook: {webhook: "https://hooks.example/canary-1"}}}
teams: {ops: {members: [ana, bob]}}
connections:
  lab: {gitlab: https://git.example, token: glpat-canary-1, timeout: 5s}
  ref: {gitlab: https://git.example, token: env:A}
  lit: {gitlab: https://git.example, token: glpat-canary-3}
policies:
  p: {steps: [{notify: [user:ana], wait: 5m}, {notify: [team:ops]}]}
`
	const new = `
organization: shop
users:
  ana: {email: ana@shop.example, contacts: {hook: {webhook: "https://hooks.example/canary-2"}}}
  dan: {name: Dan, contacts: {hook: {webhook: "https://hooks.example/canary-3"}}}
teams: {ops: {members: [ana, dan]}}
connections:
  lab: {gitlab: https://git.example, token: glpat-canary-2}
  ref: {gitlab: https://git.example, token: glpat-canary-4}
  lit: {gitlab: https://git.example, token: env:A}
policies:
  p: {steps: [{notify: [user:ana], wait: 10m}], repeat: 3}
`
	got := config.Diff(parse(t, old), parse(t, new))
	want := []config.Change{
		{Kind: "organization", Slug: "shop", Op: "change", Fields: []config.FieldChange{{Path: "slug", Old: "", New: "shop"}}},
		{Kind: "user", Slug: "ana", Op: "change", Fields: []config.FieldChange{{Path: "contacts.hook.webhook", Old: "***", New: "changed"}}},
		{Kind: "user", Slug: "dan", Op: "add", Fields: []config.FieldChange{
			{Path: "contacts.hook.webhook", New: "***"}, {Path: "name", New: "Dan"}}},
		{Kind: "team", Slug: "ops", Op: "change", Fields: []config.FieldChange{{Path: "members", Old: "[ana, bob]", New: "[ana, dan]"}}},
		{Kind: "policy", Slug: "p", Op: "change", Fields: []config.FieldChange{
			{Path: "repeat", New: "3"},
			{Path: "steps[0].wait", Old: "5m", New: "10m"},
			{Path: "steps[1].notify", Old: "[team:ops]"}}},
		{Kind: "connection", Slug: "lab", Op: "change", Fields: []config.FieldChange{
			{Path: "timeout", Old: "5s"}, {Path: "token", Old: "***", New: "changed"}}},
		{Kind: "connection", Slug: "lit", Op: "change", Fields: []config.FieldChange{{Path: "token", Old: "***", New: "env:A"}}},
		{Kind: "connection", Slug: "ref", Op: "change", Fields: []config.FieldChange{{Path: "token", Old: "env:A", New: "changed"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	back := config.Diff(parse(t, new), parse(t, old))
	if len(back) != len(want)-1 { // that a file names no organization changes nothing
		t.Errorf("%v", back)
	}
	shown, err := json.Marshal([][]config.Change{got, back})
	if err != nil || strings.Contains(string(shown), "canary") {
		t.Errorf("a secret is shown (%v): %s", err, shown)
	}
}

// TestKeepSecrets: an export that is edited and applied keeps its secrets,
// unless the edit would send one elsewhere.
func TestKeepSecrets(t *testing.T) {
	const before = `connections: {lab: {gitlab: https://git.example, token: glpat-canary, timeout: 5s}}
runbooks: {r: {steps: [http: {url: https://a.example, token: canary, method: POST}]}}
users: {dan: {contacts: {hook: {webhook: "https://hooks.example/canary"}}}}`
	old := parse(t, before)
	out, err := old.YAML()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, from, to, fails string }{
		{"nothing", "", "", ""},
		{"a setting beside it", "timeout: 5s", "timeout: 9s", ""},
		{"a new secret", "token: '***'", "token: other", ""},
		{"another address", "https://git.example", "https://evil.example", "connections/lab/token: the secret is written as ***, but it would now go elsewhere"},
		{"another URL of a step", "https://a.example", "https://evil.example", "runbooks/r/steps/0/token: the secret is written as ***, but it would now go elsewhere"},
		{"another name", "lab:", "other:", "connections/other/token: the secret is written as ***, and there is none yet to keep"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(string(out), tt.from, tt.to, 1)
			if tt.from != "" && text == string(out) {
				t.Fatalf("%s is not in the export:\n%s", tt.from, out)
			}
			edited := parse(t, text)
			got, err := edited.KeepSecrets(old)
			if tt.fails != "" {
				if err == nil || !strings.HasPrefix(err.Error(), tt.fails) || strings.Contains(err.Error(), "canary") {
					t.Errorf("%v, want %s", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			// That a masked secret stands for itself is no change to Diff either.
			if diff := cmp.Diff(config.Diff(old, got), config.Diff(old, edited)); diff != "" {
				t.Error(diff)
			}
			if tt.name == "nothing" && same(old, got) != "" {
				t.Error(same(old, got))
			}
		})
	}
}

func TestStored(t *testing.T) {
	good := parse(t, string(shop(t))).Resources()
	bodies := map[string]string{}
	for _, r := range good {
		bodies[r.Kind+" "+r.Slug] = string(r.Body)
		if !json.Valid(r.Body) {
			t.Errorf("%s %s is not JSON: %s", r.Kind, r.Slug, r.Body)
		}
	}
	want := `{"gitlab":"https://gitlab.shop.example","retries":"3","timeout":"10s","token":"env:GITLAB_TOKEN","verify":"true",` +
		`"headers":{"X-Key":"file:/run/secrets/x-key","X-Team":"shop, payments"},"tags":["prod","eu"],` +
		`"$secrets":["headers.X-Key","headers.X-Team","token"],"allow":["10.1.0.0/16","fd00::/8"],"$kind":"gitlab"}`
	if diff := cmp.Diff(want, bodies["connection gitlab"]); diff != "" {
		t.Error(diff)
	}
	bad := []config.Resource{
		{Kind: "user", Slug: "eve", Body: json.RawMessage(`{"name":`)},
		{Kind: "user", Slug: "Eve", Body: json.RawMessage(`{}`)},
		{Kind: "team", Slug: "x", Body: json.RawMessage(`{} {}`)},
		{Kind: "team", Slug: "y", Body: json.RawMessage(`[]`)},
		{Kind: "team", Slug: "z", Body: json.RawMessage(`{"name":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`)},
		{Kind: "policy", Slug: "p", Body: json.RawMessage(`{"steps":[{"notify":["user:ana"],"wait":"soon"}]}`)},
		{Kind: "robot", Slug: "r", Body: json.RawMessage(`{}`)},
		{Kind: "connection", Slug: "c", Body: json.RawMessage(`{}`)},
	}
	newer := config.Resource{Kind: "team", Slug: "newer", Body: json.RawMessage(`{"members":["ana"],"mascot":"owl"}`)}
	d, err := config.FromResources("shop", append(append(bad, good...), newer))
	if err == nil {
		t.Fatal("no error")
	}
	golden(t, "stored.txt", err.Error()+"\n")
	// One bad row leaves all others as they are.
	if len(d.Teams) != 2 || d.Teams["newer"].Members[0] != "ana" || len(d.Resources()) != len(good)+1 {
		t.Errorf("%d resources, teams %v", len(d.Resources()), d.Teams)
	}
}
