package gate

import (
	"cmp"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

type givenResult struct {
	RuleID    string          `json:"ruleId"`
	RuleIndex *int            `json:"ruleIndex"`
	Rule      *givenReference `json:"rule"`
	Kind      string          `json:"kind"`
	Level     string          `json:"level"`
	Message   givenMessage    `json:"message"`
	Locations []struct {
		Physical struct {
			Artifact givenArtifact `json:"artifactLocation"`
			Region   struct {
				Line   int `json:"startLine"`
				Column int `json:"startColumn"`
			} `json:"region"`
		} `json:"physicalLocation"`
		Logical []givenLogical `json:"logicalLocations"`
	} `json:"locations"`
	Target        givenArtifact     `json:"analysisTarget"`
	Fingerprints  map[string]string `json:"fingerprints"`
	Partial       map[string]string `json:"partialFingerprints"`
	BaselineState string            `json:"baselineState"`
	Suppressions  []struct {
		Status string `json:"status"`
	} `json:"suppressions"`
	Provenance struct {
		Invocation *int `json:"invocationIndex"`
	} `json:"provenance"`
}

type givenMessage struct {
	Text      string   `json:"text"`
	Markdown  string   `json:"markdown"`
	ID        string   `json:"id"`
	Arguments []string `json:"arguments"`
}

// A givenArtifact is an artifactLocation.
type givenArtifact struct {
	URI   string `json:"uri"`
	Base  string `json:"uriBaseId"`
	Index *int   `json:"index"`
}

// readResults keeps the results that count until the run is known.
func (r *runReader) readResults() error {
	s := r.log
	there, err := s.array(func() error {
		var one givenResult
		before := s.dec.InputOffset()
		if err := s.decode(&one); err != nil {
			return err
		}
		size := int(s.dec.InputOffset()-before) + small
		switch {
		case !one.counts():
		case one.suppressed():
			s.report.Suppressed++
		case len(r.results) == maxFindings || r.kept+size > maxWaiting:
			s.report.Total++
		default:
			r.kept += size
			r.results = append(r.results, one)
		}
		return nil
	})
	r.has = r.has || there
	return err
}

// counts says whether a result is a finding: not one of a rule that was kept,
// and not one that is gone since the baseline.
func (o *givenResult) counts() bool {
	switch o.Kind {
	case "pass", "notApplicable", "informational":
		return false
	}
	return o.BaselineState != "absent"
}

// suppressed says whether all who were asked agree that the result be left out.
func (o *givenResult) suppressed() bool {
	for _, s := range o.Suppressions {
		if s.Status != "" && s.Status != "accepted" {
			return false
		}
	}
	return len(o.Suppressions) > 0
}

func (r *runReader) finding(o *givenResult) Finding {
	ref := givenReference{ID: o.RuleID, Index: o.RuleIndex}
	if o.Rule != nil {
		ref = *o.Rule
		ref.ID = cmp.Or(ref.ID, o.RuleID)
		if ref.Index == nil && ref.Component.Index == nil {
			ref.Index = o.RuleIndex
		}
	}
	rule, component := r.descriptor(ref, func(c *givenComponent) []givenRule { return c.rules })
	f := Finding{
		Tool:     cmp.Or(r.driver.name, "SARIF"),
		Kind:     cmp.Or(strings.TrimSpace(cmp.Or(o.RuleID, ref.ID, rule.ID)), "no rule"),
		Class:    StaticAnalysis,
		Severity: sarifSeverity(r.level(o, ref, rule)),
		Message:  r.message(o.Message, rule, component),
		At:       r.place(o),
	}
	f.Key = o.key()
	return f
}

// level is that of 3.27.10 of the standard.
func (r *runReader) level(o *givenResult, ref givenReference, rule givenRule) string {
	switch {
	case o.Level != "":
		return o.Level
	case o.Kind != "" && o.Kind != "fail":
		return "none"
	}
	invocation := -1
	if i := o.Provenance.Invocation; i != nil {
		invocation = *i
	} else if len(r.invocations) == 1 { // it can only be this one
		invocation = 0
	}
	if invocation >= 0 && invocation < len(r.invocations) {
		for _, override := range r.invocations[invocation].Overrides {
			of, _ := r.descriptor(override.Descriptor, func(c *givenComponent) []givenRule { return c.rules })
			same := of.ID != "" && of.ID == rule.ID && of.GUID == rule.GUID || override.Descriptor.ID != "" && override.Descriptor.ID == ref.ID
			if same && override.Configuration.Level != "" {
				return override.Configuration.Level
			}
		}
	}
	return cmp.Or(rule.DefaultConfiguration.Level, "warning")
}

func sarifSeverity(level string) Severity {
	switch level {
	case "note", "none":
		return Info
	case "warning":
		return Warning
	}
	return Error // what is not in the standard is taken for the worst
}

var (
	placeholder  = regexp.MustCompile(`\{\{|\}\}|\{\d+\}`)
	embeddedLink = regexp.MustCompile(`\[((?:[^\[\]\\]|\\.)*)\]\([^()\s]*\)`)
	escapedText  = regexp.MustCompile(`\\([\[\]\\])`)
)

// message is the text of a message in one line, its arguments put in.
func (r *runReader) message(m givenMessage, rule givenRule, component *givenComponent) string {
	text := cmp.Or(m.Text, m.Markdown)
	if text == "" && m.ID != "" {
		of, ok := rule.Messages[m.ID]
		if !ok {
			of = component.messages[m.ID]
		}
		text = cmp.Or(of.Text, of.Markdown)
	}
	if text == "" {
		text = cmp.Or(rule.Short.Text, rule.Full.Text, strings.Join(append([]string{m.ID}, m.Arguments...), " "))
	}
	text = placeholder.ReplaceAllStringFunc(text, func(p string) string {
		switch p {
		case "{{", "}}":
			return p[:1]
		}
		if n, err := strconv.Atoi(p[1 : len(p)-1]); err == nil && n < len(m.Arguments) {
			return m.Arguments[n]
		}
		return p
	})
	text = embeddedLink.ReplaceAllString(text, "$1")
	text = escapedText.ReplaceAllString(text, "$1")
	return cmp.Or(strings.Join(strings.Fields(text), " "), "no message")
}

// place is the first location of a result.
func (r *runReader) place(o *givenResult) Frame {
	if len(o.Locations) == 0 {
		return Frame{File: r.file(o.Target)}
	}
	first := o.Locations[0]
	f := Frame{
		File:   cmp.Or(r.file(first.Physical.Artifact), r.file(o.Target)),
		Line:   max(0, first.Physical.Region.Line),
		Column: max(0, first.Physical.Region.Column),
	}
	if len(first.Logical) > 0 {
		l := first.Logical[0]
		if i := l.Index; l.Full == "" && i != nil && *i >= 0 && *i < len(r.logical) {
			l = r.logical[*i]
		}
		f.Function = cmp.Or(l.Full, l.Name)
	}
	return f
}

// file is the path of an artifact, put upon its base as far as that is told.
func (r *runReader) file(a givenArtifact) string {
	if i := a.Index; a.URI == "" && i != nil && *i >= 0 && *i < len(r.artifacts) {
		a = r.artifacts[*i]
	}
	if a.URI == "" {
		return ""
	}
	uri := a.URI
	for range 8 { // bases may go in a circle
		base, ok := r.bases[a.Base]
		if !ok || strings.Contains(uri, "://") || strings.HasPrefix(uri, "file:") {
			break
		}
		if base.URI != "" {
			uri = strings.TrimSuffix(base.URI, "/") + "/" + uri
		}
		a = base
	}
	return uriPath(uri)
}

// uriPath is the path of a URI: of file:///C:/dev/a%20b.c it is C:/dev/a b.c.
func uriPath(uri string) string {
	path := uri
	if rest, ok := strings.CutPrefix(uri, "file:"); ok {
		path = rest
		if host, ok := strings.CutPrefix(rest, "//"); ok {
			path = host[max(0, strings.IndexByte(host, '/')):]
		}
	}
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	if len(path) > 2 && path[0] == '/' && path[2] == ':' { // a drive
		path = path[1:]
	}
	return path
}

// key is the tool's own name for a result over time. A partial fingerprint is
// but of the text around it, so the file belongs to it.
func (o *givenResult) key() string {
	if name, ok := first(o.Fingerprints); ok {
		return name + ":" + o.Fingerprints[name]
	}
	name, ok := first(o.Partial)
	if !ok {
		return ""
	}
	const githubs = "primaryLocationLineHash" // which CodeQL writes, and GitHub goes by
	if _, ok := o.Partial[githubs]; ok {
		name = githubs
	}
	key := name + ":" + o.Partial[name]
	if len(o.Locations) > 0 {
		key += " in " + o.Locations[0].Physical.Artifact.URI
	}
	return key
}

// first is the first name of a map by its text.
func first(m map[string]string) (string, bool) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		return name, true
	}
	return "", false
}
