package event_test

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/musterhq/muster/event"
)

// TestDocs runs the examples of docs/intake.md: a block marked with a kind is a
// body, and the next one says what is made of it.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../docs/intake.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```(json|text) ([a-z]+)\n(.*?)^```$").FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 16 || len(blocks)%2 != 0 {
		t.Fatalf("%d marked blocks", len(blocks))
	}
	for i := 0; i < len(blocks); i += 2 {
		kind, body, outcome, told := blocks[i][2], blocks[i][3], blocks[i+1][2], blocks[i+1][3]
		events, err := read(kind, []byte(body))
		if outcome == "refused" {
			var list event.Errors
			if !errors.As(err, &list) {
				t.Errorf("%s is not refused", body)
				continue
			}
			var got strings.Builder
			for _, e := range list {
				got.WriteString(e.Error() + "\n")
			}
			if diff := cmp.Diff(told, got.String()); diff != "" {
				t.Errorf("%s: %s", body, diff)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s is refused: %v", body, err)
			continue
		}
		written, err := json.Marshal(events)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(numbered(t, told), numbered(t, string(written))); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
}

// numbered decodes JSON without rounding its numbers.
func numbered(t *testing.T, text string) (v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// TestDocsNameEveryField compares the table of fields with what is read.
func TestDocsNameEveryField(t *testing.T) {
	page, err := os.ReadFile("../docs/intake.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| field | type |")
	table, _, _ = strings.Cut(table, "\n\n")
	var documented []string
	for _, row := range strings.Split(table, "\n")[2:] {
		first, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		documented = append(documented, strings.Split(strings.ReplaceAll(first, "`", ""), ", ")...)
	}
	if len(documented) < 17 {
		t.Fatalf("only %q", documented)
	}
	known := func(field string) bool {
		events, err := event.Read("muster", nil, []byte(`{"title":"t","key":"k","`+field+`":null}`))
		if err != nil { // title or key
			return true
		}
		return !strings.Contains(string(golden(events, nil)), "unknown field")
	}
	for _, field := range documented {
		if !known(field) {
			t.Errorf("%s is documented but not read", field)
		}
		// A field that is read is a field that hints know.
		if events, err := event.Read("muster", nil, []byte(`{"title":"t","key":"k","`+field+`x":null}`)); err != nil ||
			!strings.Contains(events[0].Warnings[0].Detail, `"`+field+`"`) {
			t.Errorf("%sx gives no hint at %s: %v %v", field, field, events, err)
		}
	}
	if known("nonsense") {
		t.Error("the test cannot fail")
	}
}
