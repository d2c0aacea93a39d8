package web

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/musterhq/muster/internal/jsonscan"
)

// A role says who may use a route.
type role string

// The roles. Each of viewer, responder and admin may what the one before may;
// the others stand apart.
const (
	nobody      role = "none"        // no credentials are asked for
	viewer      role = "viewer"      // reads
	responder   role = "responder"   // acts on incidents, runs and schedules
	admin       role = "admin"       // configuration and tokens
	integration role = "integration" // the key of an integration, or an admin's token
	reporter    role = "reporter"    // reports for a gate in CI; an admin may too
	routingKey  role = "routing_key" // PagerDuty's, which is the key of an integration
	signature   role = "signature"   // the sender's signature over the body
)

// A route is one thing that can be asked for.
type route struct {
	method, path string
	role         role
}

// roleKey, keepKey and largeKey are keys of an operation's metadata: who may use
// it, which part of its answer may be kept for an Idempotency-Key (nil: all of it),
// and whether its body may be large; then the operation itself decodes it.
const (
	roleKey  = "role"
	keepKey  = "keep"
	largeKey = "large"
)

// A change of an operation before it is registered.
type edit func(*huma.Operation)

// add registers an operation of the API. The types of in and out make its part
// of the OpenAPI document and the validation of what comes in.
func add[In, Out any](s *server, who role, method, path, id, summary string, do func(context.Context, *In) (*Out, error), edits ...edit) {
	op := operation(who, method, path, id, summary, edits...)
	op.MaxBodyBytes = -1 // Handle has read it, within a limit
	huma.Register(s.api, op, func(ctx context.Context, in *In) (*Out, error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, s.problem(ctx, method+" "+path, err)
		}
		return out, nil
	})
}

// plain registers a handler without huma, and its part of the OpenAPI document.
func (s *server) plain(who role, method, path, id, summary string, do http.HandlerFunc, edits ...edit) {
	op := operation(who, method, path, id, summary, edits...)
	s.api.OpenAPI().AddOperation(&op)
	s.handle(op, do)
}

func operation(who role, method, path, id, summary string, edits ...edit) huma.Operation {
	op := huma.Operation{
		Method: method, Path: path, OperationID: id, Summary: summary,
		Metadata: map[string]any{roleKey: who}, Extensions: map[string]any{"x-muster-role": string(who)},
		Security: []map[string][]string{}, RejectUnknownQueryParameters: true,
	}
	switch who {
	case viewer, responder, admin, integration, reporter:
		op.Security = []map[string][]string{{"bearer": {}}}
	}
	if method == http.MethodPost && strings.HasPrefix(path, "/api/") {
		param("header", idempotencyHeader, "The same request with the same key is done once, and answered alike.")(&op)
	}
	for _, e := range edits {
		e(&op)
	}
	return op
}

// handle puts an operation on the mux and into the list of routes.
func (s *server) handle(op huma.Operation, do http.HandlerFunc) {
	who, _ := op.Metadata[roleKey].(role)
	s.routes = append(s.routes, route{op.Method, op.Path, who})
	s.mux.HandleFunc(op.Method+" "+op.Path, do)
}

// Handle is part of huma.Adapter: the way of every request of the API. It
// admits the caller, reads and scans the body, answers from memory what was
// asked before with the same Idempotency-Key, and holds the answer back until
// it is whole.
func (s *server) Handle(op *huma.Operation, next func(huma.Context)) {
	who, _ := op.Metadata[roleKey].(role)
	keep, _ := op.Metadata[keepKey].(func([]byte) []byte)
	large, _ := op.Metadata[largeKey].(bool)
	s.handle(*op, func(w http.ResponseWriter, r *http.Request) {
		c, err := s.admit(r, who)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		ctx := context.WithValue(r.Context(), callerKey{}, c)
		var body []byte
		switch {
		case op.Method == http.MethodGet:
		case large:
			free, err := s.reports.take(ctx, cmp.Or(c.Org, c.named))
			if err != nil {
				s.fail(w, r, err)
				return
			}
			defer free()
			if body, err = readBody(w, r, maxReport); err != nil {
				s.fail(w, r, err)
				return
			}
		default:
			if body, err = readBody(w, r, maxOther); err != nil {
				s.fail(w, r, err)
				return
			}
			if ctx, err = scanned(ctx, r, body); err != nil {
				s.fail(w, r, err)
				return
			}
		}
		r = r.WithContext(ctx)
		r.Body = io.NopCloser(bytes.NewReader(body))
		run := func(ctx context.Context) *answer {
			a := newAnswer()
			next(humago.NewContext(op, r.WithContext(ctx), a))
			return a
		}
		a, err := s.once(r, c, body, keep, run)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		a.send(w)
	})
}

// scanned checks a JSON body before anybody else sees it, and keeps the scan in
// the context: what is found wrong later can then be placed. It is stricter
// than the intakes are: who writes a command can write it well.
func scanned(ctx context.Context, r *http.Request, body []byte) (context.Context, error) {
	if len(body) == 0 || !isJSON(r.Header) {
		return ctx, nil
	}
	doc, err := jsonscan.Scan(body, jsonscan.Limits{Depth: 32, Names: 1000, Values: 50_000})
	if err != nil {
		p := newProblem(http.StatusBadRequest, "%s", err)
		if e, ok := err.(*jsonscan.Error); ok {
			p.at(Fault{Pointer: e.Pointer, Line: e.Line, Column: e.Column, Detail: e.Detail})
		}
		return nil, p
	}
	ctx = context.WithValue(ctx, docKey{}, doc)
	if odd := doc.Warnings(); len(odd) > 0 {
		p := newProblem(http.StatusBadRequest, "%s: %s", cmp.Or(odd[0].Pointer, "the body"), odd[0].Detail)
		for _, w := range odd {
			line, column := jsonscan.Position(body, w.Offset)
			p.at(Fault{Pointer: w.Pointer, Line: line, Column: column, Detail: w.Detail})
		}
		return nil, p
	}
	return ctx, nil
}

// isJSON tells whether a body says to be JSON; one that says nothing is taken
// for it.
func isJSON(h http.Header) bool {
	given := h.Get("Content-Type")
	if given == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(given)
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}

// tag files an operation under a heading.
func tag(name string) edit { return func(op *huma.Operation) { op.Tags = []string{name} } }

// status is that of the answer where it is not 200.
func status(code int) edit { return func(op *huma.Operation) { op.DefaultStatus = code } }

// describe says more about an operation.
func describeAs(format string, args ...any) edit {
	return func(op *huma.Operation) { op.Description = fmt.Sprintf(format, args...) }
}

// answers says what an answer that is no JSON is.
func answers(code, media string) edit {
	return func(op *huma.Operation) {
		op.Responses = map[string]*huma.Response{code: {
			Description: "OK", Content: map[string]*huma.MediaType{media: {Schema: &huma.Schema{Type: huma.TypeString}}},
		}}
	}
}
