package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/musterhq/muster/config"
)

// docsKinds are those that the examples of the documentation use.
func docsKinds() config.Kinds {
	url := &config.Field{Name: "url", Type: "url", Required: true}
	return config.Kinds{
		Channels: []config.Kind{
			{Name: "slack", Via: []string{"slack"}, Address: &config.Field{Name: "address", Required: true}},
			{Name: "email", Via: []string{"email"}, Address: &config.Field{Name: "address", Required: true}},
			{Name: "webhook", Via: []string{"webhook"}},
		},
		Connections: []config.Kind{
			{Name: "gitlab", Address: url, Fields: []config.Field{{Name: "token", Required: true, Secret: true}}},
			{Name: "slack", Address: &config.Field{Name: "url", Type: "url"}, Fields: []config.Field{{Name: "token", Required: true, Secret: true}}},
			{Name: "email", Address: url, Fields: []config.Field{{Name: "from", Required: true}, {Name: "username"}, {Name: "password", Secret: true}}},
			{Name: "webhook", Address: url, Fields: []config.Field{{Name: "secret", Secret: true}}},
		},
		Trackers: []config.Kind{{Name: "gitlab", Via: []string{"gitlab"}, Fields: []config.Field{{Name: "project", Required: true}}}},
		Sources:  []config.Kind{{Name: "alertmanager"}, {Name: "muster"}},
		Steps: []config.Kind{
			{Name: "gitlab.rollback", Via: []string{"gitlab"}, Fields: []config.Field{{Name: "environment"}}},
			{Name: "wait", Fields: []config.Field{{Name: "duration", Type: "duration", Required: true}}},
			{Name: "http", Fields: []config.Field{{Name: "url", Type: "url", Required: true, Secret: true}, {Name: "headers", Type: "map", Secret: true}}},
			{Name: "notify", Fields: []config.Field{{Name: "targets", Type: "list", Required: true}, {Name: "text", Required: true}}},
		},
		Formats: []string{"auto", "access", "ndjson"},
	}
}

// blocks returns the YAML of a page, as files whose names tell the line.
func blocks(t *testing.T, page string) []config.File {
	t.Helper()
	var out []config.File
	parts := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatchIndex(page, -1)
	for _, p := range parts {
		line := 1 + strings.Count(page[:p[2]], "\n")
		out = append(out, config.File{Name: fmt.Sprintf("block at line %d", line), Body: []byte(page[p[2]:p[3]])})
	}
	return out
}

func page(t *testing.T, name string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestDocs: the examples of a page are, together, one correct configuration.
func TestDocs(t *testing.T) {
	for name, least := range map[string]int{"configuration.md": 11, "schedules.md": 3, "gate-tickets.md": 1} {
		files := blocks(t, page(t, name))
		if len(files) < least {
			t.Errorf("%s has only %d examples", name, len(files))
		}
		d, err := config.Parse(files, docsKinds())
		if err == nil {
			err = d.Check(docsKinds())
		}
		if err != nil {
			t.Errorf("%s:\n%v", name, err)
		}
	}
}

// TestDocsNameEveryKey reads from our own source which keys there are, and
// looks for each in the pages.
func TestDocsNameEveryKey(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	pages := page(t, "configuration.md") + page(t, "schedules.md")
	calls := regexp.MustCompile(`\.(?:object|need|get|line|lines|slug|slugs|words|duration|seconds|zone|moment)\(\s*("[^()]*)[),]`)
	words := regexp.MustCompile(`"([a-z_]+)"`)
	keys := map[string]bool{"organization": true, "allow": true, "via": true, "key": true, "kind": true}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range calls.FindAllStringSubmatch(string(source), -1) {
			for _, word := range words.FindAllStringSubmatch(call[1], -1) {
				keys[word[1]] = true
			}
		}
	}
	if len(keys) < 50 {
		t.Errorf("only %d keys were found in the source", len(keys))
	}
	for key := range keys {
		if !regexp.MustCompile("`(\\{)?"+key+"[`:]").MatchString(pages) && !strings.Contains(pages, "## "+key+"\n") {
			t.Errorf("no page tells of %s", key)
		}
	}
}

// TestDocsMessages: what configuration.md shows of messages is what is said.
func TestDocsMessages(t *testing.T) {
	_, err := config.Parse([]config.File{{Name: "shop.yaml", Body: []byte(strings.Repeat("\n", 12) +
		"services: {checkout: {policy: p,\n    polcy: p}}\n" + strings.Repeat("\n", 15) +
		"rules:\n  checkout-5xx: {service: checkout, ratio: {\n             bad:              status >= }, above: 1%, window: 1m}\n")}}, docsKinds())
	var problems config.Errors
	if !errors.As(err, &problems) || len(problems) != 2 {
		t.Fatal(err)
	}
	text := page(t, "configuration.md")
	for _, p := range problems {
		if !strings.Contains(text, "    "+p.Error()+"\n") {
			t.Errorf("configuration.md does not show: %v", p)
		}
	}
}
