package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// The pages name every command, every flag of serve and every variable, and
// none that there is not.
func TestDocs(t *testing.T) {
	parser, err := kong.New(&commands{}, kong.Name("muster"), kong.Vars{"version": "", "instant": ""})
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		text, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	cli, running := read("cli.md"), read("running.md")

	var flags, variables []string
	var walk func(n *kong.Node)
	walk = func(n *kong.Node) {
		for _, f := range n.Flags {
			flags = append(flags, "--"+f.Name)
			variables = append(variables, f.Envs...)
		}
		for _, child := range n.Children {
			walk(child)
		}
	}
	walk(parser.Model.Node)
	for _, command := range parser.Model.Children {
		if !strings.Contains(cli, "`"+command.Name) {
			t.Errorf("cli.md does not name the command %s", command.Name)
		}
		if command.Name != "serve" {
			continue
		}
		for _, f := range command.Flags {
			if f.Name != "help" && !strings.Contains(running, "`--"+f.Name) {
				t.Errorf("running.md does not name the flag --%s of serve", f.Name)
			}
		}
	}
	for _, name := range variables {
		if !strings.Contains(cli+running, "`"+name+"`") {
			t.Errorf("no page names the variable %s", name)
		}
	}
	variables = append(append(variables, ownVariables()...), gatePublicKey)
	for page, text := range map[string]string{"cli.md": cli, "running.md": running} {
		for _, flag := range regexp.MustCompile("[ `]--[a-z][a-z-]*").FindAllString(text, -1) {
			if !slices.Contains(flags, flag[1:]) {
				t.Errorf("%s names a flag %s, which there is not", page, flag[1:])
			}
		}
		for _, name := range regexp.MustCompile("MUSTER_[A-Z_]+").FindAllString(text, -1) {
			if !slices.Contains(variables, name) {
				t.Errorf("%s names a variable %s, which there is not", page, name)
			}
		}
	}
}
