package config

import (
	"strconv"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// A writer makes the tree of a resource. The same tree becomes the export, the
// stored body and the two sides of a diff.
type writer struct {
	stored bool // add what tells kinds and secrets without the Kinds
	masked bool // show no secret
}

// value writes a setting or an address.
func (w writer) value(s string, secret bool) *yaml.Node {
	if secret && w.masked {
		s = display(s)
	}
	return scalar(s)
}

func mapping() *yaml.Node  { return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"} }
func sequence() *yaml.Node { return &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"} }

// scalar writes text. The encoder quotes what would be read as something else.
func scalar(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}

func number(n int64) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(n, 10)}
}

// put adds a key; a nil value adds nothing.
func put(m *yaml.Node, key string, value *yaml.Node) {
	if value != nil {
		m.Content = append(m.Content, scalar(key), value)
	}
}

// The values below are nil, and so left out, when there is nothing to say.

func text(s string) *yaml.Node {
	if s == "" {
		return nil
	}
	return scalar(s)
}

func texts(list []string) *yaml.Node {
	if len(list) == 0 {
		return nil
	}
	n := sequence()
	for _, s := range list {
		n.Content = append(n.Content, scalar(s))
	}
	return n
}

func words(m map[string]string) *yaml.Node {
	if len(m) == 0 {
		return nil
	}
	n := mapping()
	for _, k := range sortedKeys(m) {
		put(n, k, scalar(m[k]))
	}
	return n
}

func duration(d time.Duration) *yaml.Node {
	if d == 0 {
		return nil
	}
	return scalar(FormatDuration(d))
}

// some returns n unless it is an empty mapping.
func some(n *yaml.Node) *yaml.Node {
	if len(n.Content) == 0 {
		return nil
	}
	return n
}

// style writes what is short on one line, and the rest line by line.
func style(n *yaml.Node) (width int) {
	const most = 90
	if n.Kind == yaml.ScalarNode {
		return utf8.RuneCountInString(n.Value) + 2
	}
	for _, c := range n.Content {
		width += style(c) + 2
	}
	if width <= most {
		n.Style = yaml.FlowStyle
	}
	return width
}
