package main

import (
	"slices"
	"testing"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/runbook"
)

// What goes through a connection names a kind of connection that there is, and
// no list has two of a name: a configuration could not say which.
func TestKindsFitTogether(t *testing.T) {
	k := kinds()
	var connections []string
	for _, c := range k.Connections {
		connections = append(connections, c.Name)
	}
	for list, all := range map[string][]config.Kind{
		"channels": k.Channels, "steps": k.Steps, "trackers": k.Trackers, "sources": k.Sources, "connections": k.Connections, "environments": k.Environments,
	} {
		if len(all) == 0 {
			t.Errorf("there are no %s", list)
		}
		seen := map[string]bool{}
		for _, kind := range all {
			if seen[kind.Name] {
				t.Errorf("%s: %s is there twice", list, kind.Name)
			}
			seen[kind.Name] = true
			for _, via := range kind.Via {
				if !slices.Contains(connections, via) {
					t.Errorf("%s: %s goes through %q, which is no kind of connection", list, kind.Name, via)
				}
			}
			if list == "environments" && !slices.Contains(connections, kind.Name) {
				t.Errorf("%s: %s is no kind of connection", list, kind.Name)
			}
		}
	}
	for _, step := range runbook.Steps {
		if step.Connection != "" && !slices.Contains(connections, step.Connection) {
			t.Errorf("step %s needs a connection %q, which there is not", step.Name, step.Connection)
		}
	}
}
