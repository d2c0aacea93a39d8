package gate

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestDefect follows one defect through runs: each line is what a run was and
// what it made of the defect.
func TestDefect(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	finding := ResultFinding{Fingerprint: "a", Class: Leak, Severity: Error, New: true, Ticket: true}
	main := Source{Branch: "main", Default: true}
	branch := Source{Branch: "feature"}
	type run struct {
		after   time.Duration // of noon, when it was judged
		from    Source
		shows   bool
		edit    func(*Result, *ResultFinding)
		state   DefectState
		episode int
		changed bool // anew, or closed
	}
	accepted := func(_ *Result, f *ResultFinding) { f.New = false }
	for _, tt := range []struct {
		name string
		runs []run
	}{
		{"found, gone, back", []run{
			{0, main, true, nil, DefectOpen, 1, true}, {1, main, true, nil, DefectOpen, 1, false}, {2, main, false, nil, DefectClosed, 1, true},
			{3, main, false, nil, DefectClosed, 1, false}, {4, main, true, nil, DefectOpen, 2, true}, {5, main, false, nil, DefectClosed, 2, true},
		}},
		{"only a whole run of the default branch closes", []run{
			{0, main, true, nil, DefectOpen, 1, true},
			{1, main, false, func(r *Result, _ *ResultFinding) { r.Complete = false }, DefectOpen, 1, false},
			{2, main, false, func(r *Result, _ *ResultFinding) { r.Omitted = 1 }, DefectOpen, 1, false},
			{3, branch, false, nil, DefectOpen, 1, false},
		}},
		{"an older run closes nothing", []run{{5, main, true, nil, DefectOpen, 1, true}, {4, main, false, nil, DefectOpen, 1, false}, {5, main, false, nil, DefectClosed, 1, true}}},
		{"an older run opens nothing", []run{{0, main, true, nil, DefectOpen, 1, true}, {5, main, false, nil, DefectClosed, 1, true}, {4, main, true, nil, DefectClosed, 1, false}, {5, main, true, nil, DefectClosed, 1, false}}},
		{"of a branch alone", []run{
			{0, branch, true, nil, DefectOpen, 1, true}, {1, main, false, nil, DefectClosed, 1, true}, {2, branch, true, nil, DefectOpen, 2, true},
		}},
		{"mended on the default branch, and not on another", []run{
			{0, branch, true, nil, DefectOpen, 1, true}, {1, main, true, nil, DefectOpen, 1, false}, {2, main, false, nil, DefectClosed, 1, true},
			{3, branch, true, nil, DefectClosed, 1, false}, {4, main, true, nil, DefectOpen, 2, true},
		}},
		{"accepted, it stays as it is", []run{
			{0, main, true, nil, DefectOpen, 1, true}, {1, main, true, accepted, DefectOpen, 1, false}, {2, main, false, nil, DefectClosed, 1, true},
			{3, main, true, accepted, DefectClosed, 1, false},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var d Defect
			seen := 0
			for i, r := range tt.runs {
				result, f, at := Result{Complete: true, Source: r.from}, finding, noon.Add(r.after*time.Minute)
				if r.edit != nil {
					r.edit(&result, &f)
				}
				var changed bool
				if r.shows {
					seen++
					d, changed = d.See(result, f, at)
				} else {
					d, changed = d.Miss(result, at)
				}
				if d.State != r.state || d.Episode != r.episode || changed != r.changed || d.Seen != seen {
					t.Fatalf("run %d: %s, episode %d, changed %v, seen %d; want %s, %d, %v, %d", i, d.State, d.Episode, changed, d.Seen, r.state, r.episode, r.changed, seen)
				}
				if (d.State == DefectClosed) == d.ClosedAt.IsZero() {
					t.Errorf("run %d: %s, closed at %v", i, d.State, d.ClosedAt)
				}
			}
		})
	}
}

func TestDefectTitle(t *testing.T) {
	for _, tt := range []struct {
		d    Defect
		want string
	}{
		{Defect{Class: Leak, Function: "f", File: "a.c", Line: 3, Message: "64 bytes\n lost"}, "leak in f (a.c:3): 64 bytes lost"},
		{Defect{Class: Crash, File: "a.c", Kind: "SEGV"}, "crash in a.c: SEGV"},
		{Defect{Class: DataRace, Function: "f", Kind: "Race"}, "data-race in f: Race"},
		{Defect{Class: Leak, Kind: "x"}, "leak in an unknown place: x"},
	} {
		if got := tt.d.Title(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// TestResultCheck: what the web's test does not reach.
func TestResultCheck(t *testing.T) {
	long := strings.Repeat("x", maxID+1)
	good := func() Result {
		return Result{Verdict: "pass", Suite: "unit", Findings: []ResultFinding{{Fingerprint: "a", Class: Leak, Severity: Error}}, Reports: []ResultReport{{Name: "a.xml"}}}
	}
	if err := good().Check(); err != nil {
		t.Fatal(err)
	}
	for pointer, edit := range map[string]func(*Result){
		"/id":                     func(r *Result) { r.ID = "a\nb" },
		"/suite":                  func(r *Result) { r.Suite = long },
		"/omitted":                func(r *Result) { r.Omitted = -1 },
		"/reports":                func(r *Result) { r.Reports = make([]ResultReport, maxReports+1) },
		"/findings/0/fingerprint": func(r *Result) { r.Findings[0].Fingerprint = "a\tb" },
		"/findings/0/line":        func(r *Result) { r.Findings[0].Line = -1 },
	} {
		r := good()
		edit(&r)
		var wrong Wrong
		if err := r.Check(); !errors.As(err, &wrong) || wrong.Pointer != pointer {
			t.Errorf("%s: %v", pointer, err)
		}
	}
	for pointer, s := range map[string]Selftest{"/checks": {Checks: make([]SelftestCheck, maxChecks+1)}, "/id": {ID: long}} {
		var wrong Wrong
		if err := s.Check(); !errors.As(err, &wrong) || wrong.Pointer != pointer {
			t.Errorf("self-test, %s: %v", pointer, err)
		}
	}
}

// TestResultCut: whatever is long is cut, and what was given is left as it was.
func TestResultCut(t *testing.T) {
	long := strings.Repeat("<", 1<<20)
	given := Result{Reason: long, Source: Source{Commit: long, Branch: long, Pipeline: long, Project: long, Default: true}, Findings: []ResultFinding{{
		Tool: long, Kind: long, Message: long, File: long, Function: long, Owner: long, Stack: slices.Repeat([]string{long}, 300),
	}}}
	text, err := json.Marshal(given.Cut())
	if err != nil {
		t.Fatal(err)
	}
	if most := (40 + 11) * 7 * maxResultLine; len(text) > most || !strings.Contains(string(text), `"default_branch":true`) {
		t.Errorf("%d bytes are left", len(text))
	}
	if len(given.Findings[0].Message) != 1<<20 || len(given.Findings[0].Stack) != 300 || len(given.Findings[0].Stack[0]) != 1<<20 {
		t.Error("what was given is cut, too")
	}
	test := Selftest{Detail: long, Checks: []SelftestCheck{{Name: long, Detail: long}}}
	if cut := test.Cut(); len(cut.Detail)+len(cut.Checks[0].Name)+len(cut.Checks[0].Detail) > 3*maxResultLine || len(test.Checks[0].Name) != 1<<20 {
		t.Errorf("a self-test: %d bytes of detail", len(cut.Detail))
	}
}
