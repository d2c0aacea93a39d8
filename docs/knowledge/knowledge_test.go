package knowledge_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/docs/knowledge"
	"github.com/musterhq/muster/gate"
)

// TestEveryClassHasAPage compares the list of classes with the directory, and
// holds the pages to one form.
func TestEveryClassHasAPage(t *testing.T) {
	files, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, class := range gate.Classes {
		want = append(want, string(class)+".md")
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("pages (-classes +directory):\n%s", diff)
	}
	links := regexp.MustCompile(`\]\(([a-z-]+)\.md\)`)
	for _, class := range gate.Classes {
		page, ok := knowledge.Page(string(class))
		if !ok {
			continue
		}
		if title := knowledge.Title(page); title == "" || strings.HasPrefix(title, "#") {
			t.Errorf("%s: title %q", class, title)
		}
		if s := knowledge.Summary(page); len(s) < 80 || strings.HasPrefix(s, "#") {
			t.Errorf("%s: summary %q", class, s)
		}
		var headings []string
		for line := range strings.Lines(page) {
			if strings.HasPrefix(line, "## ") {
				headings = append(headings, strings.TrimSpace(line))
			}
		}
		if diff := cmp.Diff([]string{"## How it shows", "## How to find it", "## How to mend it", "## How to keep it out"}, headings); diff != "" {
			t.Errorf("%s: headings (-want +got):\n%s", class, diff)
		}
		if n := strings.Count(page, "\n"); n < 30 || n > 60 {
			t.Errorf("%s: %d lines", class, n)
		}
		if !strings.Contains(page, "\n    ") {
			t.Errorf("%s: no command to run", class)
		}
		for _, link := range links.FindAllStringSubmatch(page, -1) {
			if !slices.Contains(gate.Classes, gate.Class(link[1])) {
				t.Errorf("%s: leads to %s", class, link[1])
			}
		}
	}
	if _, ok := knowledge.Page("../knowledge"); ok {
		t.Error("a page outside of the handbook")
	}
}
