package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestGateDocs: each command line in the examples of the pages about the gate is one that the
// program takes.
func TestGateDocs(t *testing.T) {
	pages, err := filepath.Glob("../../docs/gate*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	command := regexp.MustCompile(`(?m)(?:^|[|;] )muster (gate [^\n|>;#\x60]+)`)
	seen := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		joined := strings.ReplaceAll(string(text), "\\\n", " ")
		for _, m := range command.FindAllStringSubmatch(joined, -1) {
			parser, err := kong.New(&commands{}, kong.Name("muster"), kong.Vars{"version": "", "instant": ""}, kong.Exit(func(int) {}))
			if err != nil {
				t.Fatal(err)
			}
			args := words(strings.ReplaceAll(strings.ReplaceAll(m[1], "$?", "0"), "…", "x"))
			if _, err := parser.Parse(args); err != nil && !strings.Contains(err.Error(), "no such file") && !strings.HasPrefix(err.Error(), "expected one of") {
				t.Errorf("%s: muster %s: %v", filepath.Base(page), m[1], err)
			}
			seen++
		}
	}
	if seen < 5 {
		t.Errorf("the pages have %d commands", seen)
	}
}

// words splits a command line as a shell does, as far as the pages need it.
func words(line string) []string {
	var out []string
	for _, w := range regexp.MustCompile(`"[^"]*"|'[^']*'|\S+`).FindAllString(line, -1) {
		out = append(out, strings.Trim(w, `"'`))
	}
	return out
}
