package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/musterhq/muster/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

// kinds are such as the real lists have, with a field of every type.
func kinds() config.Kinds {
	phone := &config.Field{Name: "number", Label: "Phone number", Required: true}
	token := config.Field{Name: "token", Required: true, Secret: true}
	return config.Kinds{
		Channels: []config.Kind{
			{Name: "slack", Address: &config.Field{Name: "id", Required: true}, Via: []string{"slack"}},
			{Name: "sms", Address: phone, Via: []string{"twilio"}},
			{Name: "voice", Address: phone, Via: []string{"twilio"}},
			{Name: "email", Address: &config.Field{Name: "to", Required: true}, Via: []string{"smtp"}},
			{Name: "webhook", Address: &config.Field{Name: "url", Type: "url", Required: true, Secret: true}},
		},
		Connections: []config.Kind{
			{Name: "gitlab", Address: &config.Field{Name: "url", Type: "url", Required: true}, Fields: []config.Field{
				token,
				{Name: "timeout", Type: "duration"},
				{Name: "retries", Type: "number"},
				{Name: "verify", Type: "bool"},
				{Name: "headers", Type: "map", Secret: true},
				{Name: "tags", Type: "list"},
			}},
			{Name: "slack", Fields: []config.Field{token}},
			{Name: "twilio", Fields: []config.Field{{Name: "sid", Required: true}, token}},
			{Name: "smtp", Address: &config.Field{Name: "url", Type: "url", Required: true}, Fields: []config.Field{{Name: "password", Secret: true}}},
			{Name: "jira", Address: &config.Field{Name: "url", Type: "url", Required: true}, Fields: []config.Field{{Name: "user", Required: true}, token}},
		},
		Trackers: []config.Kind{
			{Name: "jira", Via: []string{"jira"}, Fields: []config.Field{{Name: "project", Required: true}, {Name: "type"}}},
		},
		Sources: []config.Kind{
			{Name: "alertmanager"},
			{Name: "generic", Fields: []config.Field{{Name: "secret", Secret: true}, {Name: "labels", Type: "map"}}},
		},
		Steps: []config.Kind{
			{Name: "gitlab.rollback", Via: []string{"gitlab"}, Fields: []config.Field{{Name: "environment", Required: true}, {Name: "project", Required: true}}},
			{Name: "http", Fields: []config.Field{{Name: "url", Type: "url", Required: true}, {Name: "method"}, {Name: "headers", Type: "map"}, {Name: "token", Secret: true}}},
			{Name: "wait", Fields: []config.Field{{Name: "for", Type: "duration", Required: true}}},
			{Name: "note"},
		},
		Environments: []config.Kind{{Name: "gitlab", Fields: []config.Field{{Name: "project", Required: true}, {Name: "environment"}}}},
		Formats:      []string{"auto", "access", "ndjson"},
	}
}

func shop(t testing.TB) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", "shop.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// failer is a testing.TB or a rapid.T.
type failer interface {
	Helper()
	Fatal(...any)
}

func parse(t failer, body string) config.Doc {
	t.Helper()
	d, err := config.Parse([]config.File{{Name: "test.yaml", Body: []byte(body)}}, kinds())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// same compares what two Docs say, and not where it stood.
func same(want, got config.Doc) string {
	return cmp.Diff(want, got, cmpopts.IgnoreUnexported(config.Doc{}))
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s:\n%s", path, diff)
	}
}

func TestExport(t *testing.T) {
	d := parse(t, string(shop(t)))
	if err := d.Check(kinds()); err != nil {
		t.Fatal(err)
	}
	out, err := d.YAML()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "shop.export.yaml", string(out))
	if strings.Contains(string(out), "secret-path") {
		t.Error("the export shows a secret")
	}
	back, err := parse(t, string(out)).KeepSecrets(d)
	if err != nil {
		t.Fatal(err)
	}
	if diff := same(d, back); diff != "" {
		t.Error(diff)
	}
	again, err := back.YAML()
	if err != nil || string(again) != string(out) {
		t.Errorf("the export of an export differs (%v):\n%s", err, again)
	}
}
