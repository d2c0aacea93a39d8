package runbook

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestDocs holds docs/runbooks.md against the code.
func TestDocs(t *testing.T) {
	raw, err := os.ReadFile("../docs/runbooks.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	want := func(what string) {
		t.Helper()
		if !strings.Contains(text, what) {
			t.Errorf("docs/runbooks.md lacks %q", what)
		}
	}

	var rows []string
	for _, s := range Steps {
		connection := "none"
		if s.Connection != "" {
			connection = "`" + s.Connection + "`"
		}
		for i, f := range s.Fields {
			if i == 0 {
				want(fmt.Sprintf("| `%s` | %s | `%s` |", s.Name, connection, f.Name))
			} else {
				want(fmt.Sprintf("| | | `%s` |", f.Name))
			}
			rows = append(rows, f.Name)
		}
	}
	_, table, _ := strings.Cut(text, "| step | connection |")
	table, _, _ = strings.Cut(table, "\n\n")
	if got := strings.Count(table, "\n") - 1; got != len(rows) {
		t.Errorf("the table of steps has %d rows, the steps have %d settings", got, len(rows))
	}

	for _, p := range Placeholders {
		want("`{{" + p + "}}`")
	}
	if got := strings.Count(text, "`{{"); got != len(Placeholders) {
		t.Errorf("%d placeholders are named, there are %d", got, len(Placeholders))
	}
	for _, v := range []Verdict{Recovered, Unchanged, Worse, Unknown} {
		want("| " + string(v) + " |")
	}
	want(fmt.Sprintf("has not ended after %s", strings.TrimSuffix(DefaultLimit.String(), "0s")))
	want(fmt.Sprintf("at most %d times", maxTries))
	want(fmt.Sprintf("The last %d deployments", historyPages*historyPage))
	want(fmt.Sprintf("`budget: %d per 1h` (the default)", DefaultBudget().Runs))
	want(fmt.Sprintf("%.1f times", worseBy))

	var states strings.Builder
	for _, tr := range Transitions {
		from := tr.From
		if from == "" {
			from = "(not asked)"
		}
		fmt.Fprintf(&states, "| %s | %s | %s | %s | %s |\n", tr.Machine, from, tr.Command, tr.To, tr.When)
	}
	head := "| machine | from | command | to | when |\n|---|---|---|---|---|\n"
	before, rest, ok := strings.Cut(text, head)
	if !ok {
		t.Fatal("docs/runbooks.md has no table of states")
	}
	got, after, _ := strings.Cut(rest, "\n\n")
	if got+"\n" == states.String() {
		return
	}
	if *update {
		if err := os.WriteFile("../docs/runbooks.md", []byte(before+head+states.String()+"\n"+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("the table of states is not that of the code; go test ./runbook -run Docs -update writes it:\n%s", states.String())
}

var update = flag.Bool("update", false, "write the goldens anew")
