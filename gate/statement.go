package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// The names by which others know what is signed: an in-toto Statement, version
// 1, whose predicate is a verdict of ours.
const (
	statementType = "https://in-toto.io/Statement/v1"
	predicateType = "https://github.com/musterhq/muster/gate-verdict/v1"
)

// A Statement says of one artefact what the gate decided and on what ground.
type Statement struct {
	Artefact string // its name, for people
	Digest   string // SHA-256 of it, in hex
	Verdict  string // pass, fail
	Reason   string
	Suite    string
	Source   Source
	At       time.Time // when it was judged, UTC
	Reports  []StatementReport
	Budget   string // as Budget.String writes it
	Baseline string // SHA-256 of the baseline's text, in hex; "" for none
	Muster   string // version of the muster that judged
}

// A StatementReport names a report that was judged.
type StatementReport struct {
	Name   string `json:"name"`
	Digest string `json:"sha256"` // in hex
}

// Statement says of an artefact, by its SHA-256 in hex, what the verdict is.
// Baseline is the SHA-256 of the baseline's text, "" for none.
func (v Verdict) Statement(artefact, digest, baseline, muster string) Statement {
	s := Statement{
		Artefact: artefact,
		Digest:   digest,
		Verdict:  v.Word(),
		Reason:   v.Reason,
		Suite:    v.Suite,
		Source:   v.Source,
		At:       v.At.UTC(),
		Budget:   v.Budget.String(),
		Baseline: baseline,
		Muster:   muster,
	}
	for _, r := range v.Reports {
		s.Reports = append(s.Reports, StatementReport{r.Name, r.Digest})
	}
	return s
}

// check says what a statement lacks to be one.
func (s Statement) check() error {
	switch {
	case !isSHA256(s.Digest):
		return errors.New("the artefact's digest is no SHA-256 in lower-case hex")
	case s.Baseline != "" && !isSHA256(s.Baseline):
		return errors.New("the baseline's digest is no SHA-256 in lower-case hex")
	case s.Verdict != "pass" && s.Verdict != "fail":
		return fmt.Errorf("the verdict is neither pass nor fail: %q", clip(s.Verdict))
	case s.At.IsZero():
		return errors.New("it does not say when it was judged")
	}
	return nil
}

func isSHA256(s string) bool { return len(s) == 64 && strings.Trim(s, hexDigits) == "" }

type (
	intotoStatement struct {
		Type          string          `json:"_type"`
		Subject       []intotoSubject `json:"subject"`
		PredicateType string          `json:"predicateType"`
		Predicate     intotoPredicate `json:"predicate"`
	}
	intotoSubject struct {
		Name   string            `json:"name"`
		Digest map[string]string `json:"digest"`
	}
	intotoPredicate struct {
		Verdict string `json:"verdict"`
		Reason  string `json:"reason"`
		Suite   string `json:"suite"`
		Source
		At       time.Time         `json:"at"`
		Reports  []StatementReport `json:"reports"`
		Budget   string            `json:"budget"`
		Baseline string            `json:"baseline_sha256,omitempty"`
		Muster   string            `json:"muster"`
	}
)

// payload writes a statement as in-toto has it.
func (s Statement) payload() ([]byte, error) {
	return json.Marshal(intotoStatement{
		Type:          statementType,
		Subject:       []intotoSubject{{s.Artefact, map[string]string{"sha256": s.Digest}}},
		PredicateType: predicateType,
		Predicate: intotoPredicate{
			Verdict: s.Verdict, Reason: s.Reason, Suite: s.Suite, Source: s.Source, At: s.At.UTC(),
			Reports: slices.Concat([]StatementReport{}, s.Reports), Budget: s.Budget, Baseline: s.Baseline, Muster: s.Muster,
		},
	})
}

// parseStatement reads what payload writes.
func parseStatement(payload []byte) (Statement, error) {
	var in intotoStatement
	d := json.NewDecoder(bytes.NewReader(payload))
	if err := d.Decode(&in); err != nil {
		return Statement{}, fmt.Errorf("the statement is no JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Statement{}, errors.New("something stands behind the statement")
	}
	switch {
	case in.Type != statementType:
		return Statement{}, fmt.Errorf("it is no in-toto statement of version 1: %q", clip(in.Type))
	case in.PredicateType != predicateType:
		return Statement{}, fmt.Errorf("it is no verdict of a gate: %q", clip(in.PredicateType))
	case len(in.Subject) != 1:
		return Statement{}, fmt.Errorf("it speaks of %s, not of one", counted(len(in.Subject), "artefact"))
	}
	p := in.Predicate
	s := Statement{
		Artefact: in.Subject[0].Name, Digest: in.Subject[0].Digest["sha256"],
		Verdict: p.Verdict, Reason: p.Reason, Suite: p.Suite, Source: p.Source, At: p.At.UTC(),
		Budget: p.Budget, Baseline: p.Baseline, Muster: p.Muster,
	}
	if len(p.Reports) > 0 {
		s.Reports = p.Reports
	}
	return s, s.check()
}
