package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/gate"
	"github.com/musterhq/muster/internal/jsonscan"
)

type reportIn struct {
	Slug        string `path:"slug" maxLength:"63"`
	ContentType string `header:"Content-Type"`
	RawBody     []byte
}

type reportedOut struct{ Body engine.Reported }

type selftestedOut struct{ Body engine.Selftested }

type gatesOut struct {
	Body struct {
		Gates []engine.GateState `json:"gates" nullable:"false"`
	}
}

// A GateDetail is a gate with what it reported last.
type GateDetail struct {
	engine.GateState
	Runs      []engine.Reported `json:"runs" nullable:"false" doc:"The last 20, newest first; without their defects."`
	Selftests []gate.Selftest   `json:"selftests" nullable:"false" doc:"The last 20, newest first."`
}

type gateOut struct{ Body GateDetail }

func (s *server) gateRoutes() {
	const base = "/api/v1/gates"
	add(s, viewer, http.MethodGet, base, "list-gates", "The gates, and how they stand", s.gates, tag("gates"))
	add(s, viewer, http.MethodGet, base+"/{slug}", "get-gate", "A gate, with what it reported last", s.gate, tag("gates"))
	add(s, reporter, http.MethodPost, base+"/{slug}/reports", "report-gate", "Report what a gate found", s.report, tag("gates"), s.large(reflect.TypeFor[gate.Result]()),
		describeAs("The body is what `muster gate check --json` prints. One with an id that was reported before does nothing, and is answered as it was then, but with the tickets of now."))
	add(s, reporter, http.MethodPost, base+"/{slug}/selftests", "report-selftest", "Report a gate's self-test", s.selftest, tag("gates"), s.large(reflect.TypeFor[gate.Selftest]()))
}

// large says that an operation decodes its own body, which may be large and may
// have members that this program does not know: who reports may be newer.
func (s *server) large(t reflect.Type) edit {
	return func(op *huma.Operation) {
		op.SkipValidateBody = true
		op.Metadata[largeKey] = true
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: s.schema(t)}}}
	}
}

func (s *server) gates(ctx context.Context, _ *struct{}) (*gatesOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	var out gatesOut
	out.Body.Gates, err = s.engine.Gates(ctx, org)
	return &out, err
}

const gateRunsShown = 20

func (s *server) gate(ctx context.Context, in *struct {
	Slug string `path:"slug" maxLength:"63"`
}) (*gateOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	var out gateOut
	if out.Body.GateState, err = s.engine.Gate(ctx, org, in.Slug); err != nil {
		return nil, err
	}
	if out.Body.Runs, err = s.engine.GateRuns(ctx, org, in.Slug, gateRunsShown); err != nil {
		return nil, err
	}
	tests, err := s.engine.Store.Selftests(ctx, org, in.Slug, gateRunsShown)
	out.Body.Selftests = make([]gate.Selftest, len(tests))
	for i, t := range tests {
		out.Body.Selftests[i] = t.Body
	}
	return &out, err
}

func (s *server) report(ctx context.Context, in *reportIn) (*reportedOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	var r gate.Result
	if err := decodeReport(in.RawBody, &r); err != nil {
		return nil, err
	}
	done, err := s.engine.Report(ctx, org, in.Slug, r)
	return &reportedOut{done}, placedReport(in.RawBody, err)
}

func (s *server) selftest(ctx context.Context, in *reportIn) (*selftestedOut, error) {
	org, err := s.org(ctx)
	if err != nil {
		return nil, err
	}
	var t gate.Selftest
	if err := decodeReport(in.RawBody, &t); err != nil {
		return nil, err
	}
	done, err := s.engine.Selftest(ctx, org, in.Slug, t)
	return &selftestedOut{done}, placedReport(in.RawBody, err)
}

// decodeReport decodes a report and says where it is none.
func decodeReport(body []byte, into any) error {
	err := json.Unmarshal(body, into)
	var (
		syntax *json.SyntaxError
		kind   *json.UnmarshalTypeError
		at     *time.ParseError
		offset int64
	)
	f := Fault{}
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		offset, f.Detail = syntax.Offset, "is no JSON: "+syntax.Error()
	case errors.As(err, &kind):
		offset, f.Detail, f.Pointer = kind.Offset, "wants "+kindName(kind.Type)+"; has "+kind.Value, pathPointer(kind.Field)
	case errors.As(err, &at):
		f.Detail = "wants instants of the form 2026-11-22T15:04:05Z"
	default:
		f.Detail = "is no report of a gate"
	}
	f.Line, f.Column = jsonscan.Position(body, int(offset))
	if kind != nil || syntax != nil {
		f.Column = max(1, f.Column-1) // the offset is that behind it
	}
	return newProblem(http.StatusBadRequest, "the body %s", f.Detail).at(f)
}

// kindName is a Go type in the words of JSON.
func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "a whole number"
}

// placedReport places what is wrong with a report in its body.
func placedReport(body []byte, err error) error {
	var wrong gate.Wrong
	if !errors.As(err, &wrong) {
		return err
	}
	ctx := context.Background()
	if doc, err := jsonscan.Scan(body, jsonscan.Limits{Depth: 64, Names: 10_000, Values: 5_000_000}); err == nil {
		ctx = context.WithValue(ctx, docKey{}, doc)
	}
	return newProblem(http.StatusUnprocessableEntity, "%s", wrong).at(bodyFault(ctx, wrong.Pointer, wrong.Detail))
}
