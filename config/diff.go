package config

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Change is what happened to one resource from one configuration to the
// other.
type Change struct {
	Kind   string        `json:"kind"` // as of Resource; the name of the organization is of kind organization
	Slug   string        `json:"slug"`
	Op     string        `json:"op"` // add, change, remove
	Fields []FieldChange `json:"fields"`
}

// A FieldChange is one value that differs. Old is "" for what was added, New
// for what was removed. Of a secret only references are shown; any other is
// Masked, or "changed" where it is new.
type FieldChange struct {
	Path string `json:"path"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

// Diff returns what must be done to old to make it new: by section, in the
// order of an export, and by slug. A secret that is Masked in new is the one
// that old has.
func Diff(old, new Doc) []Change {
	var out []Change
	if new.Organization != "" && old.Organization != new.Organization {
		out = append(out, change("organization", new.Organization, values{"slug": {old.Organization, old.Organization}},
			values{"slug": {new.Organization, new.Organization}}))
	}
	for _, s := range sections() {
		slugs := append(s.slugs(old), s.slugs(new)...)
		slices.Sort(slugs)
		for _, slug := range slices.Compact(slugs) {
			c := change(s.kind, slug, s.values(old, slug), s.values(new, slug))
			if c.Op != "" {
				out = append(out, c)
			}
		}
	}
	return out
}

// A value is what stands at a path: itself, and as it may be shown.
type value struct{ raw, shown string }

func (v value) secret() bool { return v.raw != v.shown }

// values are those of one resource by path; nil where there is none.
type values map[string]value

func (s section) values(d Doc, slug string) values {
	if !slices.Contains(s.slugs(d), slug) {
		return nil
	}
	out := values{}
	out.collect("", s.write(d, slug, writer{}), s.write(d, slug, writer{masked: true}))
	return out
}

// collect adds the leaves of a tree; raw and shown are the same tree but for
// secrets. A list of plain values is one leaf: that is how people read it.
func (v values) collect(path string, raw, shown *yaml.Node) {
	switch {
	case raw.Kind == yaml.MappingNode && len(raw.Content) > 0:
		for i := 0; i < len(raw.Content); i += 2 {
			v.collect(join(path, raw.Content[i].Value), raw.Content[i+1], shown.Content[i+1])
		}
	case raw.Kind == yaml.SequenceNode && !plain(raw):
		for i := range raw.Content {
			v.collect(path+"["+strconv.Itoa(i)+"]", raw.Content[i], shown.Content[i])
		}
	case raw.Kind == yaml.ScalarNode:
		v[path] = value{raw.Value, shown.Value}
	default:
		v[path] = value{flat(raw), flat(shown)}
	}
}

func plain(list *yaml.Node) bool {
	return !slices.ContainsFunc(list.Content, func(n *yaml.Node) bool { return n.Kind != yaml.ScalarNode })
}

// flat writes a plain list as [a, b], and an empty mapping as {}.
func flat(n *yaml.Node) string {
	if n.Kind == yaml.MappingNode {
		return "{}"
	}
	items := make([]string, len(n.Content))
	for i, c := range n.Content {
		items[i] = c.Value
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// change compares two resources; Op is "" if they are the same.
func change(kind, slug string, old, new values) Change {
	c := Change{Kind: kind, Slug: slug}
	paths := slices.Sorted(maps.Keys(old))
	paths = append(paths, slices.Sorted(maps.Keys(new))...)
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		a, was := old[path]
		b, is := new[path]
		switch {
		case was && is && (a.raw == b.raw || a.secret() && b.raw == Masked):
			continue
		case !is:
			c.Fields = append(c.Fields, FieldChange{path, a.shown, ""})
		case was && b.secret():
			c.Fields = append(c.Fields, FieldChange{path, a.shown, "changed"})
		default:
			c.Fields = append(c.Fields, FieldChange{path, a.shown, b.shown})
		}
	}
	switch {
	case old == nil && new != nil:
		c.Op = "add"
	case old != nil && new == nil:
		c.Op = "remove"
	case len(c.Fields) > 0:
		c.Op = "change"
	}
	return c
}
