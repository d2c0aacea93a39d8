package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A reader collects what reading one configuration gives: the problems and
// the places of everything.
type reader struct {
	kinds    *Kinds // nil reads the stored form, which says by itself what is a kind and what a secret
	file     string
	problems Errors
	places   places
	defined  places // of resources: where each was first
	lost     int    // problems beyond the cap
	nodes    int    // values seen so far
}

// maxProblems bounds what a hostile file can make us say. No human reads more.
const maxProblems = 1000

func (r *reader) add(p Problem) {
	if len(r.problems) == maxProblems {
		r.lost++
		return
	}
	r.problems = append(r.problems, p)
}

// err returns all problems, sorted.
func (r *reader) err() error {
	problems := r.problems
	if r.lost > 0 {
		problems = append(problems[:len(problems):len(problems)], Problem{
			File: "\uffff", Detail: fmt.Sprintf("and %d problems more", r.lost),
		})
	}
	err := problems.sorted()
	if errs, ok := err.(Errors); ok && r.lost > 0 {
		errs[len(errs)-1].File = "" // the file name only made it the last
	}
	return err
}

// A node is a value in a file: where it stands, and its path.
type node struct {
	r    *reader
	y    *yaml.Node
	path string
	key  *yaml.Node // its key, where it is the value of one: there it is named
}

// child is the node of a value inside n; an alias is followed.
func (n node) child(y *yaml.Node, path string) node {
	if y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	n.r.places[path] = place{n.r.file, y.Line, y.Column}
	return node{r: n.r, y: y, path: path}
}

func (n node) problem(detail, suggestion string) {
	n.r.add(Problem{n.r.file, n.y.Line, n.y.Column, n.path, detail, suggestion})
}

func (n node) problemf(format string, args ...any) {
	n.problem(fmt.Sprintf(format, args...), "")
}

func (n node) null() bool { return n.y.Kind == yaml.ScalarNode && n.y.Tag == "!!null" }

// shape names what n is, for people.
func (n node) shape() string {
	switch {
	case n.null():
		return "nothing"
	case n.y.Kind == yaml.MappingNode:
		return "a mapping"
	case n.y.Kind == yaml.SequenceNode:
		return "a list"
	}
	return "text"
}

// list returns the items of a list; nothing is an empty one.
func (n node) list() []node {
	if n.null() {
		return nil
	}
	if n.y.Kind != yaml.SequenceNode {
		n.problemf("wants a list such as [a, b], has %s", n.shape())
		return nil
	}
	var out []node
	for i, y := range n.y.Content {
		out = append(out, n.child(y, fmt.Sprintf("%s[%d]", n.path, i)))
	}
	return out
}

// An object is a mapping: its keys in order, and their values.
type object struct {
	node
	order []string
	keys  map[string]node // the key itself, for problems about it
	vals  map[string]node
}

// entries returns the keys and values of a mapping; nothing is an empty one.
func (n node) entries() object {
	o := object{node: n, keys: map[string]node{}, vals: map[string]node{}}
	if n.null() {
		return o
	}
	if n.y.Kind != yaml.MappingNode {
		n.problemf("wants a mapping of keys to values, has %s", n.shape())
		return o
	}
	for i := 0; i+1 < len(n.y.Content); i += 2 {
		k, v := n.y.Content[i], n.y.Content[i+1]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			node{r: n.r, y: k, path: n.path}.problemf("a key is one word of text")
			continue
		}
		path := join(n.path, k.Value)
		key := node{r: n.r, y: k, path: path}
		if first, ok := o.keys[k.Value]; ok {
			key.problemf("the key stands twice; the first is in line %d", first.y.Line)
			continue
		}
		o.order = append(o.order, k.Value)
		o.keys[k.Value] = key
		val := n.child(v, path)
		val.key = k
		o.vals[k.Value] = val
	}
	return o
}

// object returns the mapping n, which may have the known keys and no others.
func (n node) object(known ...string) object {
	o := n.entries()
	o.only(known...)
	return o
}

// only complains about every key that is not known. The stored form may have
// been written by a newer program: there they are passed over.
func (o object) only(known ...string) {
	ok := make(map[string]bool, len(known))
	for _, k := range known {
		ok[k] = true
	}
	for _, k := range o.order {
		if !ok[k] && o.r.kinds != nil {
			o.keys[k].problem("unknown key", o.r.suggest(k, known))
		}
	}
}

// get returns the value of a key, and whether it is there.
func (o object) get(key string) (node, bool) {
	n, ok := o.vals[key]
	return n, ok
}

// need is get, with a problem where the key is missing.
func (o object) need(key string) (node, bool) {
	n, ok := o.vals[key]
	if !ok {
		at := o.y
		if o.key != nil {
			at = o.key
		}
		o.r.add(Problem{o.r.file, at.Line, at.Column, join(o.path, key), "is missing", ""})
	}
	return n, ok
}

// join appends a key to a path; a key that would make the path unreadable is
// quoted.
func join(path, key string) string {
	plain := key != "" && strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.$") == ""
	if !plain {
		return fmt.Sprintf("%s[%q]", path, key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
