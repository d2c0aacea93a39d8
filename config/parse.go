package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// A File is one file of a configuration. Name is only for messages.
type File struct {
	Name string
	Body []byte
}

// What a configuration may cost to read. A real one is far from all of these.
const (
	maxFiles = 1000
	maxFile  = 1 << 20 // bytes
	maxTotal = 8 << 20 // bytes of all files
	maxDepth = 20      // levels of YAML
	maxNodes = 1e6     // values of all files, each alias counted as what it stands for
	maxKey   = 256     // bytes
	maxDocs  = 1000    // YAML documents of one file
)

// Parse reads files as one configuration: each may hold any part of it, and
// several YAML documents. It checks the syntax, keys, types and ranges of
// everything, and the settings against the fields of their kinds; what refers
// to what is left to Check. Its error is Errors, with all problems; the Doc is
// then the zero one.
func Parse(files []File, kinds Kinds) (Doc, error) {
	d := newDoc()
	r := &reader{kinds: &kinds, places: d.places, defined: places{}}
	total := 0
	for i, f := range files {
		total += len(f.Body)
		r.file = f.Name
		switch {
		case i == maxFiles:
			r.add(Problem{File: f.Name, Detail: fmt.Sprintf("is beyond the %d files that a configuration may have", maxFiles)})
		case len(f.Body) > maxFile:
			r.add(Problem{File: f.Name, Detail: fmt.Sprintf("is larger than %d bytes", maxFile)})
		case total > maxTotal:
			r.add(Problem{File: f.Name, Detail: fmt.Sprintf("brings the configuration to more than %d bytes", maxTotal)})
		default:
			r.read(&d, f.Body)
			continue
		}
		break
	}
	for _, p := range d.checkSettings(kinds) {
		r.add(p)
	}
	if err := r.err(); err != nil {
		return Doc{}, err
	}
	return d, nil
}

// read reads the documents of one file.
func (r *reader) read(d *Doc, body []byte) {
	if at := invalid(body); at >= 0 {
		p := position(body, at)
		p.File, p.Detail = r.file, "is not UTF-8 text"
		r.add(p)
		return
	}
	decoder := yaml.NewDecoder(bytes.NewReader(body))
	for count := 0; ; count++ {
		var doc yaml.Node
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			r.add(syntaxProblem(r.file, body, err))
			return
		}
		if count == maxDocs {
			r.add(Problem{File: r.file, Line: doc.Line, Column: doc.Column, Detail: fmt.Sprintf("has more than %d YAML documents", maxDocs)})
			return
		}
		if len(doc.Content) == 1 && r.sound(doc.Content[0]) {
			r.document(d, doc.Content[0])
		}
	}
}

// invalid returns the offset of the first byte that is no UTF-8, or -1.
func invalid(body []byte) int {
	for i := 0; i < len(body); {
		c, n := utf8.DecodeRune(body[i:])
		if c == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// document reads one YAML document into d.
func (r *reader) document(d *Doc, y *yaml.Node) {
	top := node{r: r, y: y}
	if top.null() {
		return
	}
	o := top.object(sectionNames()...)
	if n, ok := o.get("organization"); ok {
		r.organization(d, n)
	}
	for _, s := range sections() {
		if n, ok := o.get(s.name); ok {
			r.section(d, s, n)
		}
	}
}

func (r *reader) organization(d *Doc, n node) {
	slug := n.slug()
	if slug == "" {
		return
	}
	if d.Organization != "" && d.Organization != slug {
		n.problemf("is %s here, and %s elsewhere; one configuration is of one organization", shown(slug), shown(d.Organization))
		return
	}
	d.Organization = slug
}

func (r *reader) section(d *Doc, s section, n node) {
	if s.alone {
		if first, ok := r.defined[s.name]; ok {
			n.problemf("is already defined in %s:%d:%d", first.File, first.Line, first.Column)
			return
		}
		r.defined[s.name] = place{r.file, n.key.Line, n.key.Column}
		s.read(d, s.name, n)
		return
	}
	o := n.entries()
	for _, slug := range o.order {
		path := s.path(slug)
		if first, ok := r.defined[path]; ok {
			o.keys[slug].problemf("is already defined in %s:%d:%d", first.File, first.Line, first.Column)
			r.places[path] = first
			continue
		}
		if !isSlug(slug) {
			o.keys[slug].problem(slugRule, slugged(slug))
			continue
		}
		key := o.keys[slug].y
		s.read(d, slug, o.vals[slug])
		// What is missing in a resource is told where its name stands.
		r.places[path] = place{r.file, key.Line, key.Column}
		r.defined[path] = r.places[path]
	}
}

// sound makes sure that reading the document is cheap and finite, and refuses
// what configuration has no use for. It follows aliases, and counts what they
// stand for each time.
func (r *reader) sound(y *yaml.Node) bool {
	open := map[*yaml.Node]bool{} // aliases that are being followed
	var walk func(n *yaml.Node, depth int) string
	var at *yaml.Node
	walk = func(n *yaml.Node, depth int) string {
		at = n
		if r.nodes++; r.nodes > maxNodes {
			return fmt.Sprintf("brings the configuration to more than %d values, with its aliases written out", int(maxNodes))
		}
		if depth > maxDepth {
			return fmt.Sprintf("is nested deeper than %d levels", maxDepth)
		}
		switch {
		case n.Kind == yaml.AliasNode:
			if open[n.Alias] {
				return "an alias (*) stands inside of what it stands for"
			}
			open[n.Alias] = true
			why := walk(n.Alias, depth+1)
			delete(open, n.Alias)
			return why
		case n.Style&yaml.TaggedStyle != 0:
			return "tags (!) are not used here; quote the value if it is text"
		case n.Tag == "!!merge":
			return "merge keys (<<) are not used here; an alias can stand for a whole value"
		}
		for i, c := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 0 && len(c.Value) > maxKey {
				at = c
				return fmt.Sprintf("the key is longer than %d bytes", maxKey)
			}
			if why := walk(c, depth+1); why != "" {
				return why
			}
		}
		return ""
	}
	if why := walk(y, 0); why != "" {
		r.add(Problem{File: r.file, Line: at.Line, Column: at.Column, Detail: why})
		return false
	}
	return true
}

func sortedKeys[T any](m map[string]T) []string {
	return slices.Sorted(maps.Keys(m))
}
