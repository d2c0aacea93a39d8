package ticket

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestDocs holds docs/tickets.md against the code.
func TestDocs(t *testing.T) {
	raw, err := os.ReadFile("../docs/tickets.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	want := func(what string) {
		t.Helper()
		if !strings.Contains(text, what) {
			t.Errorf("docs/tickets.md lacks %q", what)
		}
	}
	rows := 0
	for _, tr := range Trackers {
		for i, f := range tr.Fields {
			rows++
			if i == 0 {
				want(fmt.Sprintf("| `%s` | `%s` | `%s` |", tr.Name, tr.Via[0], f.Name))
			} else {
				want(fmt.Sprintf("| | | `%s` |", f.Name))
			}
		}
	}
	_, table, _ := strings.Cut(text, "| tracker | connection |")
	table, _, _ = strings.Cut(table, "\n\n")
	if got := strings.Count(table, "\n") - 1; got != rows {
		t.Errorf("the table has %d rows, the trackers have %d settings", got, rows)
	}
	want("`" + marker("KEY") + "`")
	want("the label `" + gitlabLabel + "`")
	want(fmt.Sprintf("The latest %d issues", perPage*maxPages))
	want(fmt.Sprintf("the latest %d comments", perPage*maxPages))
	want(fmt.Sprintf("Titles end after %d characters, texts after %d,", maxTitle, maxBody))
}
