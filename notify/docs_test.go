package notify_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/notify"
)

// TestDocs holds docs/channels.md against the code.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/channels.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)

	for _, k := range notify.Kinds {
		_, chapter, found := strings.Cut(doc, "\n## "+k.Name+"\n")
		if !found {
			t.Errorf("%s has no chapter", k.Name)
			continue
		}
		chapter, _, _ = strings.Cut(chapter, "\n## ")
		for _, f := range k.Fields {
			if !strings.Contains(chapter, "`"+f.Name+"`") {
				t.Errorf("%s: the setting %s is not described", k.Name, f.Name)
			}
		}
	}

	_, example, found := strings.Cut(doc, "```json webhook\n")
	if !found {
		t.Fatal("no example of a webhook's body")
	}
	example, _, _ = strings.Cut(example, "```")
	golden, err := os.ReadFile("testdata/webhook/page.golden")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := bytes.Cut(golden, []byte("\n\n"))
	var want, got any
	if err := json.Unmarshal([]byte(example), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the example is not what is sent:\n%s", d)
	}
}
