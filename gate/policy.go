package gate

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// A Policy says what must be signed before an artefact may go out.
type Policy struct {
	Artefact string        // SHA-256 of it, in hex
	Commit   string        // that it was built from; "" for any
	Project  string        // that it is of; "" for any
	Suites   []string      // that must have passed; none: whatever is signed, and at least one
	MaxAge   time.Duration // of a verdict; 0 for any
}

// skew is how far a clock of CI may be ahead.
const skew = 5 * time.Minute

// Check says all that is wrong with what was signed, nil for nothing. Statements
// on other artefacts prove nothing and harm nothing. Of several on one suite the
// newest counts: a suite that is run again may pass, or fail.
func (p Policy) Check(statements []Statement, now time.Time) error {
	if !isSHA256(p.Artefact) {
		return errors.New("policy: the artefact's digest is no SHA-256 in lower-case hex")
	}
	newest := map[string]Statement{}
	others := map[string]string{} // names of other artefacts by suite
	var suites []string
	for _, s := range statements {
		if s.Digest != p.Artefact {
			others[s.Suite] = cmp.Or(s.Artefact, s.Digest)
			continue
		}
		before, ok := newest[s.Suite]
		if !ok {
			suites = append(suites, s.Suite)
		}
		if !ok || s.At.After(before.At) || s.At.Equal(before.At) && s.Verdict != "pass" {
			newest[s.Suite] = s
		}
	}
	var wrong []error
	for _, suite := range p.Suites {
		if _, ok := newest[suite]; ok {
			continue
		}
		why := fmt.Errorf("suite %q: nothing is signed for this artefact", suite)
		if other, ok := others[suite]; ok {
			why = fmt.Errorf("suite %q: what is signed is for another artefact, %q", suite, clip(other))
		}
		wrong = append(wrong, why)
	}
	if len(p.Suites) == 0 && len(newest) == 0 {
		why := errors.New("nothing is signed for this artefact")
		for _, suite := range slices.Sorted(maps.Keys(others)) {
			why = fmt.Errorf("what is signed is for another artefact, %q", clip(others[suite]))
			break
		}
		wrong = append(wrong, why)
	}
	for _, suite := range suites {
		for _, why := range p.wrong(newest[suite], now) {
			wrong = append(wrong, fmt.Errorf("suite %q: %s", suite, why))
		}
	}
	return errors.Join(wrong...)
}

// wrong says what is wrong with one statement on the artefact.
func (p Policy) wrong(s Statement, now time.Time) (wrong []string) {
	add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if s.Verdict != "pass" {
		add("it did not pass: %s", clip(s.Reason))
	}
	if p.Commit != "" && s.Source.Commit != p.Commit {
		add("it is of another commit, %q", clip(s.Source.Commit))
	}
	if p.Project != "" && s.Source.Project != p.Project {
		add("it is of another project, %q", clip(s.Source.Project))
	}
	switch age := now.Sub(s.At); {
	case age < -skew:
		add("it is from the future, %s", s.At.UTC().Format(time.RFC3339))
	case p.MaxAge > 0 && age > p.MaxAge:
		add("it is too old, of %s; at most %s", s.At.UTC().Format(time.RFC3339), p.MaxAge)
	}
	return wrong
}
