package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

const (
	maxWaiting = 64 << 20 // what a run keeps until its end, in bytes: rules, artifacts, results
	small      = 256      // what a value takes besides its text
)

// A runReader is one run of one tool.
type runReader struct {
	log         *sarifReader
	at          string // its JSON pointer
	driver      givenComponent
	extensions  []givenComponent
	invocations []givenInvocation
	bases       map[string]givenArtifact
	artifacts   []givenArtifact
	logical     []givenLogical
	results     []givenResult
	has         bool // the member results is there, and an array
	kept        int  // bytes of what waits for the end
}

// A givenComponent is the driver of a tool or an extension of it.
type givenComponent struct {
	name          string
	guid          string
	rules         []givenRule
	notifications []givenRule
	messages      map[string]givenText
}

// A givenRule is a reportingDescriptor.
type givenRule struct {
	ID                   string               `json:"id"`
	GUID                 string               `json:"guid"`
	Short                givenText            `json:"shortDescription"`
	Full                 givenText            `json:"fullDescription"`
	Messages             map[string]givenText `json:"messageStrings"`
	DefaultConfiguration struct {
		Level string `json:"level"`
	} `json:"defaultConfiguration"`
}

type givenText struct {
	Text     string `json:"text"`
	Markdown string `json:"markdown"`
}

type givenLogical struct {
	Name  string `json:"name"`
	Full  string `json:"fullyQualifiedName"`
	Index *int   `json:"index"`
}

// A givenReference is a reportingDescriptorReference.
type givenReference struct {
	ID        string `json:"id"`
	Index     *int   `json:"index"`
	GUID      string `json:"guid"`
	Component struct {
		Index *int   `json:"index"`
		GUID  string `json:"guid"`
		Name  string `json:"name"`
	} `json:"toolComponent"`
}

type givenInvocation struct {
	Successful    *bool               `json:"executionSuccessful"`
	ExitCode      *int                `json:"exitCode"`
	StartFailure  string              `json:"processStartFailureMessage"`
	Execution     []givenNotification `json:"toolExecutionNotifications"`
	Configuration []givenNotification `json:"toolConfigurationNotifications"`
	Overrides     []struct {
		Descriptor    givenReference `json:"descriptor"`
		Configuration struct {
			Level string `json:"level"`
		} `json:"configuration"`
	} `json:"ruleConfigurationOverrides"`
}

type givenNotification struct {
	Descriptor givenReference `json:"descriptor"`
	Message    givenMessage   `json:"message"`
	Level      string         `json:"level"`
}

func newRunReader(s *sarifReader, number int) *runReader {
	return &runReader{log: s, at: fmt.Sprintf("/runs/%d", number), bases: map[string]givenArtifact{}}
}

func (r *runReader) read() error {
	if err := r.log.object(r.member); err != nil {
		r.judge() // what was read so far is true
		return err
	}
	if !r.has {
		r.log.report.Break("%s/results: missing: %s was run without a scan, or failed", r.at, cmp.Or(r.driver.name, "the tool"))
	}
	r.judge()
	return nil
}

func (r *runReader) member(name string) error {
	switch name {
	case "tool":
		return r.log.object(r.tool)
	case "invocations":
		return each(r, &r.invocations)
	case "originalUriBaseIds":
		return r.decode(&r.bases)
	case "artifacts":
		return r.readArtifacts()
	case "logicalLocations":
		return each(r, &r.logical)
	case "externalPropertyFileReferences":
		r.log.report.Break("%s/externalPropertyFileReferences: parts of the run lie in other files, which are not read", r.at)
	case "results":
		return r.readResults()
	}
	return r.log.skip()
}

// each reads the elements of an array that waits for the end of the run.
func each[T any](r *runReader, to *[]T) error {
	_, err := r.log.array(func() error {
		var one T
		err := r.decode(&one)
		*to = append(*to, one)
		return err
	})
	return err
}

func (r *runReader) tool(name string) error {
	switch name {
	case "driver":
		return r.log.object(r.component(&r.driver))
	case "extensions":
		_, err := r.log.array(func() error {
			r.extensions = append(r.extensions, givenComponent{})
			return r.log.object(r.component(&r.extensions[len(r.extensions)-1]))
		})
		return err
	}
	return r.log.skip()
}

// component reads the members of the driver or an extension.
func (r *runReader) component(c *givenComponent) func(name string) error {
	return func(name string) error {
		switch name {
		case "name":
			return r.decode(&c.name)
		case "guid":
			return r.decode(&c.guid)
		case "globalMessageStrings":
			return r.decode(&c.messages)
		case "rules":
			return each(r, &c.rules)
		case "notifications":
			return each(r, &c.notifications)
		}
		return r.log.skip()
	}
}

// decode reads a value that waits for the end of the run.
func (r *runReader) decode(v any) error {
	before := r.log.dec.InputOffset()
	if err := r.log.decode(v); err != nil {
		return err
	}
	return r.keep(int(r.log.dec.InputOffset()-before) + small)
}

// keep counts what is kept. What is not a result cannot be left out: levels and
// places depend on it.
func (r *runReader) keep(bytes int) error {
	if r.kept += bytes; r.kept > maxWaiting {
		return shapeError{fmt.Sprintf("%s: more than %d MB of what all of a run is needed for", r.at, maxWaiting>>20)}
	}
	return nil
}

// readArtifacts keeps where artifacts are; results may name them by number.
// Their contents may be in there too, and are dropped.
func (r *runReader) readArtifacts() error {
	_, err := r.log.array(func() error {
		var a struct {
			Location givenArtifact `json:"location"`
		}
		if err := r.log.decode(&a); err != nil {
			return err
		}
		r.artifacts = append(r.artifacts, a.Location)
		return r.keep(len(a.Location.URI) + len(a.Location.Base) + small)
	})
	return err
}

// judge tells of the run, as all of it is known.
func (r *runReader) judge() {
	r.driver.name = strings.Join(strings.Fields(clip(r.driver.name)), " ")
	name := cmp.Or(r.driver.name, "SARIF")
	if tools := r.log.report.Tool; !slices.Contains(strings.Split(tools, ", "), name) {
		r.log.report.Tool = strings.TrimPrefix(tools+", "+name, ", ")
	}
	for i := range r.invocations {
		r.invocation(fmt.Sprintf("%s/invocations/%d", r.at, i), &r.invocations[i])
	}
	for i := range r.results {
		r.log.report.Add(r.finding(&r.results[i]))
	}
	r.results = nil
}

// invocation breaks the report if the tool did not do all that it was to do.
func (r *runReader) invocation(at string, i *givenInvocation) {
	for _, list := range []struct {
		name string
		of   []givenNotification
	}{{"toolExecutionNotifications", i.Execution}, {"toolConfigurationNotifications", i.Configuration}} {
		for n, note := range list.of {
			descriptor, component := r.descriptor(note.Descriptor, func(c *givenComponent) []givenRule { return c.notifications })
			if cmp.Or(note.Level, descriptor.DefaultConfiguration.Level) == "error" {
				r.log.report.Break("%s/%s/%d: %s", at, list.name, n, r.message(note.Message, descriptor, component))
			}
		}
	}
	switch {
	case i.StartFailure != "":
		r.log.report.Break("%s/processStartFailureMessage: %s", at, i.StartFailure)
	case i.Successful != nil && !*i.Successful:
		r.log.report.Break("%s/executionSuccessful: false: %s did not do all that it was to do", at, cmp.Or(r.driver.name, "the tool"))
	}
}

// descriptor finds what a reference refers to, and its component; the zero
// descriptor if it is not there.
func (r *runReader) descriptor(ref givenReference, of func(*givenComponent) []givenRule) (givenRule, *givenComponent) {
	c := r.referred(ref)
	if c == nil {
		return givenRule{}, &r.driver
	}
	list := of(c)
	if i := ref.Index; i != nil && *i >= 0 && *i < len(list) {
		return list[*i], c
	}
	if ref.GUID != "" {
		if i := slices.IndexFunc(list, func(d givenRule) bool { return strings.EqualFold(d.GUID, ref.GUID) }); i >= 0 {
			return list[i], c
		}
	}
	// The id of a result may be below that of its rule: CA1000/1 is of CA1000.
	for id := ref.ID; id != ""; id = parent(id) {
		if i := slices.IndexFunc(list, func(d givenRule) bool { return d.ID == id }); i >= 0 {
			return list[i], c
		}
	}
	return givenRule{}, c
}

// referred is the component of a reference; nil if it is not there.
func (r *runReader) referred(ref givenReference) *givenComponent {
	by := ref.Component
	if i := by.Index; i != nil && *i >= 0 {
		if *i < len(r.extensions) {
			return &r.extensions[*i]
		}
		return nil
	}
	if by.GUID == "" && by.Name == "" {
		return &r.driver
	}
	for i := range r.extensions {
		if e := &r.extensions[i]; by.GUID != "" && strings.EqualFold(e.guid, by.GUID) || by.GUID == "" && e.name == by.Name {
			return e
		}
	}
	return &r.driver
}
