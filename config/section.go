package config

import (
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
)

// A section is one map of a Doc: how it is called in files, how one resource
// of it is called, and how one is read and written. A section that is alone is
// itself one resource, whose slug is its name.
type section struct {
	name, kind string
	alone      bool
	make       func(d *Doc)
	slugs      func(d Doc) []string // sorted
	read       func(d *Doc, slug string, n node)
	write      func(d Doc, slug string, w writer) *yaml.Node
	copy       func(to *Doc, from Doc, slug string)
}

// sections are in the order of an export: people first, then what they own.
func sections() []section {
	return []section{
		of("users", "user", func(d *Doc) *map[string]User { return &d.Users }, readUser, writeUser),
		of("teams", "team", func(d *Doc) *map[string]Team { return &d.Teams }, readTeam, writeTeam),
		of("schedules", "schedule", func(d *Doc) *map[string]Schedule { return &d.Schedules }, readSchedule, writeSchedule),
		of("policies", "policy", func(d *Doc) *map[string]Policy { return &d.Policies }, readPolicy, writePolicy),
		of("connections", "connection", func(d *Doc) *map[string]Connection { return &d.Connections }, readConnection, writeConnection),
		of("services", "service", func(d *Doc) *map[string]Service { return &d.Services }, readService, writeService),
		of("integrations", "integration", func(d *Doc) *map[string]Integration { return &d.Integrations }, readIntegration, writeIntegration),
		of("logs", "log", func(d *Doc) *map[string]Log { return &d.Logs }, readLog, writeLog),
		of("runbooks", "runbook", func(d *Doc) *map[string]Runbook { return &d.Runbooks }, readRunbook, writeRunbook),
		of("rules", "rule", func(d *Doc) *map[string]Rule { return &d.Rules }, readRule, writeRule),
		of("gates", "gate", func(d *Doc) *map[string]Gate { return &d.Gates }, readGate, writeGate),
		single("operators", func(d *Doc) *Operators { return &d.Operators }, Operators.none, readOperators, writeOperators),
		single("interrupts", func(d *Doc) *Interrupts { return &d.Interrupts }, Interrupts.standard, readInterrupts, writeInterrupts),
	}
}

// single makes a section that is one resource: what an organization has one of.
func single[T any](name string, in func(*Doc) *T, none func(T) bool, read func(node) T, write func(writer, T) *yaml.Node) section {
	return section{
		name: name, kind: name, alone: true,
		make: func(d *Doc) {},
		slugs: func(d Doc) []string {
			if none(*in(&d)) {
				return nil
			}
			return []string{name}
		},
		read:  func(d *Doc, _ string, n node) { *in(d) = read(n) },
		write: func(d Doc, _ string, w writer) *yaml.Node { return write(w, *in(&d)) },
		copy:  func(to *Doc, from Doc, _ string) { *in(to) = *in(&from) },
	}
}

// path is where a resource of the section stands in files.
func (s section) path(slug string) string {
	if s.alone {
		return s.name
	}
	return s.name + "." + slug
}

func of[T any](name, kind string, in func(*Doc) *map[string]T, read func(node) T, write func(writer, T) *yaml.Node) section {
	return section{
		name: name,
		kind: kind,
		make: func(d *Doc) { *in(d) = map[string]T{} },
		slugs: func(d Doc) []string {
			return slices.Sorted(maps.Keys(*in(&d)))
		},
		read: func(d *Doc, slug string, n node) {
			(*in(d))[slug] = read(n)
		},
		write: func(d Doc, slug string, w writer) *yaml.Node {
			return write(w, (*in(&d))[slug])
		},
		copy: func(to *Doc, from Doc, slug string) {
			(*in(to))[slug] = (*in(&from))[slug]
		},
	}
}

func sectionNames() []string {
	out := []string{"organization"}
	for _, s := range sections() {
		out = append(out, s.name)
	}
	return out
}
