package gate

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestDefectStates lets whatever can happen happen to defects, in any order, and
// sees the published transitions, no more and no fewer.
func TestDefectStates(t *testing.T) {
	published, made := map[string]bool{}, map[string]bool{}
	for _, tr := range Transitions {
		published[fmt.Sprint(tr)] = true
	}
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		var d Defect
		mended := false // on the default branch, which had shown it
		for range 30 {
			judged := at.Add(time.Duration(rapid.IntRange(0, 9).Draw(t, "minute")) * time.Minute)
			r := Result{Complete: rapid.Bool().Draw(t, "complete"), Source: Source{Default: rapid.Bool().Draw(t, "default")}, Omitted: rapid.IntRange(0, 1).Draw(t, "omitted")}
			f := ResultFinding{New: rapid.Bool().Draw(t, "new"), Ticket: rapid.Bool().Draw(t, "ticket")}
			before, by := d, ""
			if rapid.Bool().Draw(t, "shown") {
				if d.State == "" && !f.Opens() {
					continue // which the engine does not ask about
				}
				switch {
				case d.State == DefectClosed && !judged.After(d.ClosedAt):
					by = byOverdue
				case d.State == DefectClosed && mended && !r.Default:
					by = byBranch
				case !f.Opens():
					by = byAccepted
				default:
					by = bySeen
				}
				d, _ = d.See(r, f, judged)
			} else if d.State == "" {
				continue
			} else {
				by = byMissedElse
				if r.Complete && r.Default && r.Omitted == 0 && !judged.Before(d.LastSeen) {
					by = byMissed
				}
				d, _ = d.Miss(r, judged)
			}
			mended = d.State == DefectClosed && d.Default
			tr := fmt.Sprint(Transition{before.State, by, d.State})
			made[tr] = true
			if !published[tr] {
				t.Fatalf("made and not published: %s", tr)
			}
		}
	})
	if diff := cmp.Diff(published, made); diff != "" {
		t.Errorf("published and never made (-published +made)\n%s", diff)
	}
}

// TestDefectStatesPage keeps the page as the table is.
func TestDefectStatesPage(t *testing.T) {
	const page, begin, end = "../docs/state-machines.md", "<!-- defect: from the code -->\n", "<!-- /defect -->\n"
	file, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(file), begin)
	_, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("%s: want the comments %q and %q", page, begin, end)
	}
	table := "| from | what happens | to |\n|---|---|---|\n"
	for _, tr := range Transitions {
		from := string(tr.From)
		if from == "" {
			from = "(none)"
		}
		table += fmt.Sprintf("| %s | %s | %s |\n", from, tr.By, tr.To)
	}
	text := before + begin + table + end + after
	if *update {
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(string(file), text); diff != "" {
		t.Errorf("%s is not as the code (run with -update; -page +code):\n%s", page, diff)
	}
}
