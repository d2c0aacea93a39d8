package web

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/jsonscan"
)

// ConfigFiles is a configuration as it is sent: all of its files.
type ConfigFiles struct {
	Files []ConfigFile `json:"files" nullable:"false"`
}

// A ConfigFile is one YAML file.
type ConfigFile struct {
	Name string `json:"name" doc:"For messages."`
	Body string `json:"body" doc:"YAML."`
}

// A ConfigChange is what happens to one resource.
type ConfigChange struct {
	Kind   string              `json:"kind"`
	Slug   string              `json:"slug"`
	Op     string              `json:"op" enum:"add,change,remove"`
	Fields []ConfigFieldChange `json:"fields" nullable:"false"`
}

// A ConfigFieldChange is one value that differs. Secrets are not shown.
type ConfigFieldChange struct {
	Path string `json:"path"`
	Old  string `json:"old"`
	New  string `json:"new"`
}

// A ConfigAnswer tells what an apply did, or would do.
type ConfigAnswer struct {
	Organization string         `json:"organization,omitempty" doc:"Slug."`
	Revision     int64          `json:"revision,omitempty" doc:"The revision in force after an apply."`
	Changes      []ConfigChange `json:"changes" nullable:"false"`
}

type configIn struct {
	ContentType string `header:"Content-Type"`
	RawBody     []byte
}

type configOut struct{ Body ConfigAnswer }

func (s *server) configRoutes() {
	const base = "/api/v1/config"
	about := []edit{tag("configuration"), s.configBody(), describeAs("The body is YAML, or JSON with several files. 422 lists every mistake with file, line and column.")}
	add(s, viewer, http.MethodGet, base, "get-config", "The configuration in force, without secrets", s.config, tag("configuration"), answers("200", "application/yaml"))
	add(s, admin, http.MethodPost, base+"/validate", "validate-config", "Check a configuration", s.validateConfig, about...)
	add(s, admin, http.MethodPost, base+"/diff", "diff-config", "What an apply would change", s.diffConfig, about...)
	add(s, admin, http.MethodPost, base+"/apply", "apply-config", "Make a configuration the one in force", s.applyConfig, about...)
}

// configBody says what the body of a configuration may be.
func (s *server) configBody() edit {
	return func(op *huma.Operation) {
		op.SkipValidateBody = true // configFiles does it, and knows the places
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/yaml": {Schema: &huma.Schema{Type: huma.TypeString}},
			"application/json": {Schema: s.schema(reflect.TypeFor[ConfigFiles]())},
		}}
	}
}

func (s *server) config(ctx context.Context, _ *struct{}) (*textOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	text, err := s.engine.Export(org)
	return &textOut{ContentType: "application/yaml", Body: text}, err
}

func (s *server) validateConfig(ctx context.Context, in *configIn) (*configOut, error) {
	files, slug, err := s.configFiles(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := s.engine.Validate(slug, files); err != nil {
		return nil, err
	}
	return configured(ConfigAnswer{Organization: slug}, nil), nil
}

func (s *server) diffConfig(ctx context.Context, in *configIn) (*configOut, error) {
	files, slug, err := s.configFiles(ctx, in)
	if err != nil {
		return nil, err
	}
	changes, err := s.engine.Diff(ctx, slug, files)
	if err != nil {
		return nil, err
	}
	return configured(ConfigAnswer{Organization: slug}, changes), nil
}

func (s *server) applyConfig(ctx context.Context, in *configIn) (*configOut, error) {
	files, slug, err := s.configFiles(ctx, in)
	if err != nil {
		return nil, err
	}
	done, err := s.engine.Apply(ctx, slug, files, callerOf(ctx).cause())
	if err != nil {
		return nil, err
	}
	return configured(ConfigAnswer{Organization: done.Organization, Revision: done.Revision}, done.Changes), nil
}

func configured(a ConfigAnswer, changes []config.Change) *configOut {
	a.Changes = make([]ConfigChange, len(changes))
	for i, c := range changes {
		a.Changes[i] = ConfigChange{Kind: c.Kind, Slug: c.Slug, Op: c.Op, Fields: make([]ConfigFieldChange, len(c.Fields))}
		for j, f := range c.Fields {
			a.Changes[i].Fields[j] = ConfigFieldChange(f)
		}
	}
	return &configOut{a}
}

// configFiles returns the files of the body, and the slug of the organization
// that they may be of.
func (s *server) configFiles(ctx context.Context, in *configIn) ([]config.File, string, error) {
	slug, err := s.slug(ctx)
	if err != nil {
		return nil, "", err
	}
	if doc, ok := ctx.Value(docKey{}).(*jsonscan.Doc); ok {
		files, err := filesOf(ctx, doc.Root())
		return files, slug, err
	}
	if len(in.RawBody) == 0 { // an empty configuration would take everything away
		return nil, "", newProblem(http.StatusBadRequest, "the body is empty")
	}
	return []config.File{{Name: "body", Body: in.RawBody}}, slug, nil
}

// filesOf reads the JSON form, and refuses what it does not know.
func filesOf(ctx context.Context, root jsonscan.Value) ([]config.File, error) {
	var files []config.File
	wrong := func(v jsonscan.Value, pointer, detail string) error {
		pointer = v.Pointer() + pointer
		return newProblem(http.StatusUnprocessableEntity, "%s: %s", pointer, detail).at(bodyFault(ctx, pointer, detail))
	}
	if list := root.Get("files"); list.Kind() != jsonscan.Array || list.Len() == 0 {
		return nil, wrong(root, "/files", "want an array of at least one file")
	}
	for name, v := range root.Members() {
		if string(name) != "files" {
			return nil, wrong(v, "", "unknown field")
		}
	}
	for file := range root.Get("files").Elements() {
		for name, v := range file.Members() {
			if n := string(name); n != "name" && n != "body" {
				return nil, wrong(v, "", "unknown field")
			}
		}
		for _, field := range []string{"name", "body"} {
			if file.Get(field).Kind() != jsonscan.String {
				return nil, wrong(file, "/"+field, "want a string")
			}
		}
		files = append(files, config.File{Name: file.Get("name").Text(), Body: []byte(file.Get("body").Text())})
	}
	return files, nil
}
