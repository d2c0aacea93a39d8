package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// A Resource is one thing of a Doc as the store keeps it.
type Resource struct {
	Kind, Slug string // user, team, schedule, policy, connection, service, integration, log, runbook, rule, gate, operators, interrupts
	// Body is the resource in the shape that files have, as JSON, with what
	// tells kinds and secrets without the Kinds: the keys $kind, $secret and
	// $secrets. It holds secrets as they are; see MapSecrets.
	Body json.RawMessage
}

// Resources returns everything in d but the organization's name, in a fixed
// order. Equal resources have equal bodies.
func (d Doc) Resources() []Resource {
	var out []Resource
	for _, s := range sections() {
		for _, slug := range s.slugs(d) {
			var body bytes.Buffer
			writeJSON(&body, s.write(d, slug, writer{stored: true}))
			out = append(out, Resource{s.kind, slug, body.Bytes()})
		}
	}
	return out
}

// writeJSON writes a tree of a writer, keys in its order.
func writeJSON(out *bytes.Buffer, n *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		out.WriteByte('{')
		for i := 0; i < len(n.Content); i += 2 {
			if i > 0 {
				out.WriteByte(',')
			}
			writeText(out, n.Content[i].Value)
			out.WriteByte(':')
			writeJSON(out, n.Content[i+1])
		}
		out.WriteByte('}')
	case yaml.SequenceNode:
		out.WriteByte('[')
		for i, c := range n.Content {
			if i > 0 {
				out.WriteByte(',')
			}
			writeJSON(out, c)
		}
		out.WriteByte(']')
	default:
		if n.Tag == "!!int" {
			out.WriteString(n.Value)
			return
		}
		writeText(out, n.Value)
	}
}

func writeText(out *bytes.Buffer, s string) {
	b, _ := json.Marshal(s) // a string always has a JSON form
	out.Write(b)
}

// FromResources puts a Doc together from what the store keeps. A resource that
// cannot be read is left out and told of in the error, an Errors; the Doc has
// all others, so that one bad row does not stop the rest. Keys that this
// program does not know are passed over.
func FromResources(org string, resources []Resource) (Doc, error) {
	d := newDoc()
	d.Organization = org
	var problems Errors
	for _, res := range resources {
		if ps := d.add(res); len(ps) > 0 {
			problems = append(problems, ps...)
		}
	}
	d.places = nil
	return d, problems.sorted()
}

// add reads one resource into d, or returns why it cannot.
func (d *Doc) add(res Resource) Errors {
	fail := func(path, detail string) Errors {
		return Errors{{Path: path, Detail: detail}}
	}
	for _, s := range sections() {
		if s.kind != res.Kind {
			continue
		}
		path := s.path(res.Slug)
		if !isSlug(res.Slug) || s.alone && res.Slug != s.name {
			return fail(s.name, fmt.Sprintf("%s; has %s", slugRule, shown(res.Slug)))
		}
		y, err := readJSON(res.Body)
		if err != nil {
			return fail(path, err.Error())
		}
		// It is read into a Doc of its own, so that a bad one leaves no trace.
		alone := newDoc()
		r := &reader{places: places{}}
		s.read(&alone, res.Slug, node{r: r, y: y, path: path})
		if len(r.problems) > 0 {
			return r.problems
		}
		s.copy(d, alone, res.Slug)
		return nil
	}
	return fail("", fmt.Sprintf("there is no kind of resource %s (slug %s)", shown(res.Kind), shown(res.Slug)))
}

// readJSON reads a body into the tree that files are read into. Its errors do
// not show the body.
func readJSON(body []byte) (*yaml.Node, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	n, err := readValue(decoder, 0)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the stored body goes on after its end, at byte %d", decoder.InputOffset())
	}
	return n, nil
}

func readValue(decoder *json.Decoder, depth int) (*yaml.Node, error) {
	bad := func() (*yaml.Node, error) {
		return nil, fmt.Errorf("the stored body is not JSON, at byte %d", decoder.InputOffset())
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("the stored body is nested deeper than %d levels", maxDepth)
	}
	token, err := decoder.Token()
	if err != nil {
		return bad()
	}
	switch t := token.(type) {
	case json.Delim:
		n := mapping()
		if t == '[' {
			n = sequence()
		}
		for decoder.More() {
			if t == '{' {
				key, err := decoder.Token()
				if err != nil {
					return bad()
				}
				n.Content = append(n.Content, scalar(key.(string)))
			}
			c, err := readValue(decoder, depth+1)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, c)
		}
		if _, err := decoder.Token(); err != nil {
			return bad()
		}
		return n, nil
	case string:
		return scalar(t), nil
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: t.String()}, nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(t)}, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}, nil
}
