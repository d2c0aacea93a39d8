package web

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// describe is how huma is set up: OpenAPI 3.1, JSON, problems of our own form,
// and neither a documentation page from elsewhere nor schema links.
func describe(version string) huma.Config {
	const prefix = "#/components/schemas/"
	registry := huma.NewMapRegistry(prefix, schemaName)
	registry.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[Problem]())
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{Title: "Muster", Version: version, Description: "Incident management: intakes, incidents, on-call, runbooks, configuration. " +
				"Every error is a problem (RFC 9457). x-muster-role says which role a route takes. " +
				"A token of the whole instance names the organization in the header " + organizationHeader + "."},
			Servers: []*huma.Server{{URL: "/"}},
			Components: &huma.Components{
				Schemas:         registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{"bearer": {Type: "http", Scheme: "bearer", Description: "A token, or at the intakes the key of an integration."}},
			},
		},
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
		Transformers: []huma.Transformer{func(ctx huma.Context, _ string, v any) (any, error) {
			if m, ok := v.(*huma.ErrorModel); ok {
				return humaProblem(ctx.Context(), m), nil
			}
			return v, nil
		}},
	}
}

// schemaName names the schema of a type. Types of the heart have their own
// names; those of other packages whose names are too common get theirs before.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Name() != "" && strings.HasSuffix(t.PkgPath(), "/runbook") {
		return "Runbook" + name
	}
	return name
}

// describeErrors makes the schema of problems known before any route needs it.
func (s *server) describeErrors() {
	s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "")
}

// schema returns the schema of a type, for plain routes.
func (s *server) schema(t reflect.Type) *huma.Schema {
	return s.api.OpenAPI().Components.Schemas.Schema(t, true, "")
}

// takes says what the body of a plain route is, by media type; a nil type is
// text of any form.
func (s *server) takes(media string, t reflect.Type) edit {
	return func(op *huma.Operation) {
		if op.RequestBody == nil {
			op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}}
		}
		op.RequestBody.Content[media] = &huma.MediaType{Schema: s.schemaOr(t)}
	}
}

// gives says what the answer of a plain route is.
func (s *server) gives(code int, media string, t reflect.Type) edit {
	return func(op *huma.Operation) {
		if op.Responses == nil {
			op.Responses = map[string]*huma.Response{}
		}
		r := &huma.Response{Description: http.StatusText(code)}
		if media != "" {
			r.Content = map[string]*huma.MediaType{media: {Schema: s.schemaOr(t)}}
		}
		op.Responses[strconv.Itoa(code)] = r
	}
}

func (s *server) schemaOr(t reflect.Type) *huma.Schema {
	if t == nil {
		return &huma.Schema{Type: huma.TypeString}
	}
	return s.schema(t)
}

// problems says which errors a plain route answers with.
func (s *server) problems(codes ...int) edit {
	return func(op *huma.Operation) {
		for _, code := range codes {
			s.gives(code, problemType, reflect.TypeFor[Problem]())(op)
		}
	}
}

// param says that a plain route has a parameter; those in the path are needed.
func param(in, name, doc string) edit {
	return func(op *huma.Operation) {
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: name, In: in, Required: in == "path", Description: doc, Schema: &huma.Schema{Type: huma.TypeString},
		})
	}
}

// openAPIRoutes serves the document. It comes last: by then every route is known.
func (s *server) openAPIRoutes() {
	s.plain(nobody, http.MethodGet, "/api/v1/openapi.json", "openapi", "This document", func(w http.ResponseWriter, _ *http.Request) {
		writeBody(w, http.StatusOK, "application/openapi+json", s.openAPI)
	}, tag("process"), s.gives(http.StatusOK, "application/openapi+json", nil))
	document, err := json.Marshal(s.api.OpenAPI())
	if err != nil {
		panic(err) // a fault of the program, and the first test finds it
	}
	s.openAPI = document
}

// writeBody answers with a whole body and its length.
func writeBody(w http.ResponseWriter, status int, media string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

// writeJSON answers with a value that has a JSON form.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		newProblem(http.StatusInternalServerError, "the answer has no JSON form").write(w)
		return
	}
	writeBody(w, status, "application/json", append(body, '\n'))
}
