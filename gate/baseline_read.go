package gate

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// What a baseline may cost to read, and what of its mistakes is told.
const (
	maxBaseline = 16 << 20 // bytes
	maxMistakes = 20
)

// ParseBaseline reads a baseline; name is the file's, for messages. Whatever is
// unknown, missing, double or not as Text writes it is an error with its place:
// a baseline that is read wrongly would let defects pass. An empty file is an
// empty baseline.
func ParseBaseline(name string, text []byte) (Baseline, error) {
	r := baselineReader{name: name, known: Baseline{}}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	switch line := conflict(text); {
	case len(text) > maxBaseline:
		return nil, fmt.Errorf("%s: is larger than %d bytes", name, maxBaseline)
	case line > 0:
		return nil, fmt.Errorf("%s:%d:1: a merge left its conflict here (<<<<<<<, =======, >>>>>>>): keep the blocks of both sides and take its lines out", name, line)
	case !utf8.Valid(text):
		return nil, fmt.Errorf("%s:%d: is not UTF-8 text", name, invalidLine(text))
	}
	var doc, more yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF): // empty
	case err != nil:
		return nil, yamlMistake(name, err)
	default:
		r.document(doc.Content[0])
		if err := decoder.Decode(&more); err == nil {
			r.wrong(&more, "a second document: a baseline is one")
		} else if !errors.Is(err, io.EOF) {
			return nil, yamlMistake(name, err)
		}
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return r.known, nil
}

// conflict returns the line at which a merge gave up, or 0.
func conflict(text []byte) int {
	number := 0
	for line := range bytes.Lines(text) {
		number++
		mark := strings.TrimRight(string(line), "\r\n")
		if mark == "=======" || strings.HasPrefix(mark, "<<<<<<<") || strings.HasPrefix(mark, ">>>>>>>") || strings.HasPrefix(mark, "|||||||") {
			return number
		}
	}
	return 0
}

func invalidLine(text []byte) int {
	number := 0
	for line := range bytes.Lines(text) {
		number++
		if !utf8.Valid(line) {
			break
		}
	}
	return number
}

var yamlPlace = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)

// yamlMistake is an error of the YAML parser, which names the line at best.
func yamlMistake(name string, err error) error {
	m := yamlPlace.FindStringSubmatch(err.Error())
	return fmt.Errorf("%s:%s: is not YAML: %s", name, cmp.Or(m[1], "1"), m[2])
}

// A baselineReader collects what reading a baseline gives.
type baselineReader struct {
	name     string
	known    Baseline
	mistakes []baselineMistake
}

type baselineMistake struct {
	line, column int
	why          string
}

func (r *baselineReader) wrong(at *yaml.Node, format string, args ...any) {
	r.mistakes = append(r.mistakes, baselineMistake{at.Line, at.Column, fmt.Sprintf(format, args...)})
}

// err is all mistakes by their places, a line each.
func (r *baselineReader) err() error {
	slices.SortStableFunc(r.mistakes, func(a, b baselineMistake) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	var all []error
	for i, m := range r.mistakes {
		if i == maxMistakes {
			all = append(all, fmt.Errorf("%s: and %d mistakes more", r.name, len(r.mistakes)-i))
			break
		}
		all = append(all, fmt.Errorf("%s:%d:%d: %s", r.name, m.line, m.column, m.why))
	}
	return errors.Join(all...)
}

func (r *baselineReader) document(top *yaml.Node) {
	fields := r.mapping(top, "", "version", "known")
	if version := fields["version"]; version == nil {
		r.wrong(top, "version is missing: write version: %d", baselineVersion)
	} else if version.Value != strconv.Itoa(baselineVersion) || version.Kind != yaml.ScalarNode {
		r.wrong(version, "version: this muster reads version %d, not %q", baselineVersion, clip(version.Value))
		return
	}
	known := fields["known"]
	if known == nil || known.Kind == yaml.ScalarNode && known.Tag == "!!null" {
		return
	}
	entries := r.mapping(known, "known")
	for i := 0; i+1 < len(known.Content); i += 2 { // in the order of the file
		if key, entry := known.Content[i].Value, known.Content[i+1]; entries[key] == entry {
			r.entry(key, entry)
		}
	}
}

// mapping returns the values of a mapping by key. Known names the keys that it
// may have; without any, it may have any fingerprint.
func (r *baselineReader) mapping(n *yaml.Node, path string, known ...string) map[string]*yaml.Node {
	out := map[string]*yaml.Node{}
	if n.Kind != yaml.MappingNode {
		r.wrong(n, "%swants keys and values", prefix(path))
		return out
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch first, twice := lines[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			r.wrong(key, "%sa key is one word", prefix(path))
		case twice:
			r.wrong(key, "%s%s stands twice; the first is in line %d", prefix(path), clip(key.Value), first)
		case known == nil && !isFingerprint(key.Value):
			r.wrong(key, "%s%q is no fingerprint: %s", prefix(path), clip(key.Value), fingerprintForm)
		case known != nil && !slices.Contains(known, key.Value):
			r.wrong(key, "%s%q is unknown: one of %s", prefix(path), clip(key.Value), strings.Join(known, ", "))
		default:
			lines[key.Value] = key.Line
			out[key.Value] = value
		}
	}
	return out
}

func prefix(path string) string {
	if path == "" {
		return ""
	}
	return path + ": "
}

func (r *baselineReader) entry(fingerprint string, n *yaml.Node) {
	path := "known." + fingerprint
	fields := r.mapping(n, path, "kind", "where", "owner", "since", "until", "reason")
	if n.Kind != yaml.MappingNode {
		return
	}
	for _, name := range []string{"kind", "since", "reason"} {
		if fields[name] == nil {
			r.wrong(n, "%s.%s is missing", path, name)
		}
	}
	text := func(name string) string {
		v := fields[name]
		if v == nil {
			return ""
		}
		if v.Kind != yaml.ScalarNode || v.Tag == "!!null" || strings.TrimSpace(v.Value) == "" {
			r.wrong(v, "%s.%s wants text", path, name)
			return ""
		}
		return v.Value
	}
	date := func(name string) time.Time {
		s := text(name)
		if s == "" {
			return time.Time{}
		}
		t, err := time.Parse(time.DateOnly, s)
		if err != nil || t.IsZero() {
			r.wrong(fields[name], "%s.%s: %q is no day: write YYYY-MM-DD", path, name, clip(s))
		}
		return t
	}
	k := Known{
		Fingerprint: fingerprint,
		Kind:        text("kind"),
		Where:       text("where"),
		Owner:       text("owner"),
		Since:       date("since"),
		Until:       date("until"),
		Reason:      text("reason"),
	}
	if !k.Until.IsZero() && k.Until.Before(k.Since) {
		r.wrong(fields["until"], "%s.until: %s is before since, %s", path, dayText(k.Until), dayText(k.Since))
	}
	r.known[fingerprint] = k
}
