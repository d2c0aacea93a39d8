package gate

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var midday = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// lost is a leak of a function, as memcheck tells of it.
func lost(function string, line int) Finding {
	return Finding{
		Tool: "memcheck", Kind: "Leak_DefinitelyLost", Class: Leak, Severity: Error, Message: "10 bytes lost", Bytes: 10, Blocks: 1,
		Stacks: []Stack{{Frames: []Frame{
			{Function: "malloc", Object: "/usr/libexec/valgrind/vgpreload_memcheck-amd64-linux.so"},
			{Function: function, File: "/builds/shop/a.c", Line: line, Object: "/builds/shop/a"},
			{Function: "main", File: "/builds/shop/a.c", Line: 90, Object: "/builds/shop/a"},
		}}},
	}
}

func told(name string, findings ...Finding) Report {
	r := Report{Name: name, Format: "valgrind", Tool: "memcheck"}
	for _, f := range findings {
		r.Add(f)
	}
	return r
}

func cut(name string, findings ...Finding) Report {
	r := told(name, findings...)
	r.Break("it ends in line 7, within <error>")
	return r
}

// knowing is a baseline that knows a finding until a day.
func knowing(f Finding, until time.Time) Baseline {
	fingerprint := Judge(Case{Reports: []Report{told("r", f)}}).Findings[0].Fingerprint
	return Baseline{fingerprint: {Fingerprint: fingerprint, Since: midday.AddDate(0, -1, 0), Until: until}}
}

func TestJudge(t *testing.T) {
	fine, today := &Exit{}, time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	reachable := lost("f", 3)
	reachable.Kind, reachable.Severity = "Leak_StillReachable", Info
	stopped := told("a", lost("f", 3))
	stopped.Stopped = true
	test := Finding{Tool: "go-test", Kind: "fail", Class: TestFailure, Severity: Error, Key: "TestX"}
	tests := []struct {
		name     string
		c        Case
		pass     bool
		complete bool
		reason   string // is in it
	}{
		{"clean", Case{Reports: []Report{told("a")}, Exit: fine}, true, true, "no findings in 1 report"},
		{"no report", Case{Exit: fine}, false, false, "there is no report"},
		{"a leak", Case{Reports: []Report{told("a", lost("f", 3))}}, false, true, "new findings: 1 error"},
		{"two in one report, the other clean", Case{Reports: []Report{told("a", lost("f", 3), lost("g", 4)), told("b")}}, false, true, "new findings: 2 error"},
		{"a report cut off", Case{Reports: []Report{told("a"), cut("b")}, Exit: fine}, false, false, "b: it ends in line 7"},
		{"two cut off", Case{Reports: []Report{cut("a"), cut("b")}}, false, false, "(and 1 report more)"},
		{"known", Case{Reports: []Report{told("a", lost("f", 3))}, Baseline: knowing(lost("f", 3), today)}, true, true, "1 known finding in 1 report"},
		{"known, and its last day was yesterday", Case{Reports: []Report{told("a", lost("f", 3))}, Baseline: knowing(lost("f", 3), today.AddDate(0, 0, -1))}, false, true, "new findings: 1 error"},
		{"known for good", Case{Reports: []Report{told("a", lost("f", 3))}, Baseline: knowing(lost("f", 3), time.Time{})}, true, true, "1 known"},
		{"one known, one new", Case{Reports: []Report{told("a", lost("f", 3), lost("g", 3))}, Baseline: knowing(lost("f", 3), today)}, false, true, "new findings: 1 error"},
		{"known, but cut off", Case{Reports: []Report{cut("a", lost("f", 3))}, Baseline: knowing(lost("f", 3), today)}, false, false, "a: it ends"},
		{"known, and it stopped the program", Case{Reports: []Report{stopped}, Baseline: knowing(lost("f", 3), today)}, false, false, "may pass, and what comes after it was not looked at"},
		{"known, and the program went on", Case{Reports: []Report{stopped}, Baseline: knowing(lost("f", 3), today), Exit: fine}, true, false, "1 known finding"},
		{"within the budget", Case{Reports: []Report{told("a", lost("f", 3))}, Budget: Budget{Error: 1}}, true, true, "1 new finding within the budget"},
		{"over it", Case{Reports: []Report{told("a", lost("f", 3), lost("g", 3))}, Budget: Budget{Error: 1}}, false, true, "2 error (1 allowed)"},
		{"reachable", Case{Reports: []Report{told("a", reachable)}, Budget: Budget{Info: Unlimited}}, true, true, "within the budget"},
		{"crashed", Case{Reports: []Report{told("a")}, Exit: &Exit{Code: -1, Signal: "segmentation fault"}}, false, false, "signal: segmentation fault"},
		{"error exit, no finding", Case{Reports: []Report{told("a")}, Exit: &Exit{Code: 3}}, false, false, "status 3, which no finding explains"},
		{"error exit, and only a leak that is known", Case{Reports: []Report{told("a", lost("f", 3))}, Baseline: knowing(lost("f", 3), today), Exit: &Exit{Code: 3}}, false, false, "status 3"},
		{"error exit because a test failed", Case{Reports: []Report{told("a", test)}, Budget: Budget{Error: 1}, Exit: &Exit{Code: 1}}, true, false, "within the budget"},
		{"a failed test may hide what comes after it", Case{Reports: []Report{told("a", test)}}, false, false, "1 error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.c.Now = midday
			v := Judge(tt.c)
			if v.Pass != tt.pass || v.Complete != tt.complete || !strings.Contains(v.Reason, tt.reason) {
				t.Errorf("passes: %v, complete: %v, %q; want %v, %v, %q", v.Pass, v.Complete, v.Reason, tt.pass, tt.complete, tt.reason)
			}
		})
	}
}

// TestTooMany: what is beyond the findings that are kept is counted, and fails
// whatever the budget is.
func TestTooMany(t *testing.T) {
	r := Report{Name: "many"}
	for n := range maxFindings + 7 {
		r.Add(lost(fmt.Sprint("f", n), 3))
	}
	v := Judge(Case{Reports: []Report{r}, Budget: Budget{Error: Unlimited}})
	if v.Pass || v.Omitted != 7 || v.Complete || !strings.Contains(v.Reason, "7 findings more than are kept") {
		t.Errorf("passes: %v, omitted %d, %q", v.Pass, v.Omitted, v.Reason)
	}
}

// TestGone: what a complete run no longer shows is gone; another run says nothing.
func TestGone(t *testing.T) {
	base := knowing(lost("f", 3), time.Time{})
	if v := Judge(Case{Reports: []Report{told("a")}, Baseline: base}); len(v.Gone) != 1 {
		t.Errorf("gone: %v", v.Gone)
	}
	for _, c := range []Case{{Reports: []Report{cut("a")}}, {}, {Reports: []Report{told("a", lost("f", 5))}}, {Reports: []Report{told("a")}, Exit: &Exit{Code: 1}}} {
		c.Baseline = base
		if v := Judge(c); len(v.Gone) != 0 {
			t.Errorf("gone: %v", v.Gone)
		}
	}
}

func fingerprints(t *testing.T, tree *Tree, findings ...Finding) []string {
	t.Helper()
	var out []string
	for _, f := range identify(told("r", findings...).Findings, tree) {
		out = append(out, f.Fingerprint)
	}
	return out
}

// TestFingerprint says what changes a fingerprint, and what does not.
func TestFingerprint(t *testing.T) {
	source := map[string]string{"a.c": strings.Repeat("\n", 2) + "char *p = malloc(10);\nchar *q = malloc(20);\nchar *p =   malloc(10);\n"}
	tree := NewTree("/builds/shop", []string{"a.c"}, func(p string) ([]byte, error) { return []byte(source[p]), nil })
	blind := NewTree("", nil, nil)
	with := func(change func(*Finding)) Finding {
		f := lost("f", 3)
		f.Stacks = []Stack{{Frames: append([]Frame{}, f.Stacks[0].Frames...)}}
		change(&f)
		return f
	}
	race := func(first, second string) Finding {
		return Finding{Tool: "tsan", Kind: "data race", Class: DataRace, Stacks: []Stack{
			{Frames: []Frame{{Function: first, File: "/builds/shop/a.c", Line: 3}}}, {Frames: []Frame{{Function: second, File: "/builds/shop/a.c", Line: 3}}}}}
	}
	tests := []struct {
		name string
		a, b Finding
		tree *Tree
		same bool
	}{
		{"another line, without source", lost("f", 3), lost("f", 7), blind, true},
		{"another line with another text", lost("f", 3), lost("f", 4), tree, false},
		{"another line with the same text but for spaces", lost("f", 3), lost("f", 5), tree, true},
		{"another function", lost("f", 3), lost("g", 3), tree, false},
		{"another kind", lost("f", 3), with(func(f *Finding) { f.Kind = "Leak_PossiblyLost" }), tree, false},
		{"another size", lost("f", 3), with(func(f *Finding) { f.Bytes = 99; f.Message = "99 bytes lost" }), tree, true},
		{"another allocator's library", lost("f", 3), with(func(f *Finding) {
			f.Stacks[0].Frames[0] = Frame{Function: "operator new(unsigned long)", Object: "/usr/lib/libstdc++.so.6"}
		}), tree, true},
		{"a clone that the compiler made", lost("f", 3), with(func(f *Finding) { f.Stacks[0].Frames[1].Function = "f.constprop.0" }), tree, true},
		{"built elsewhere", lost("f", 3), with(func(f *Finding) { f.Stacks[0].Frames[1].File = "/home/ana/shop/a.c" }), tree, true},
		{"another caller", lost("f", 3), with(func(f *Finding) { f.Stacks[0].Frames[2].Function = "other" }), tree, false},
		{"a race seen from the other side", race("f", "g"), race("g", "f"), blind, true},
		{"a race of others", race("f", "g"), race("f", "h"), blind, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := fingerprints(t, tt.tree, tt.a)[0], fingerprints(t, tt.tree, tt.b)[0]
			if (a == b) != tt.same {
				t.Errorf("%s and %s", a, b)
			}
		})
	}
	if two := fingerprints(t, tree, lost("f", 3), lost("f", 5)); len(two) != 2 || two[0] == two[1] {
		t.Errorf("two leaks on lines of the same text: %v", two)
	}
	if two := fingerprints(t, blind, lost("f", 3), lost("f", 5)); len(two) != 2 || two[0] == two[1] {
		t.Errorf("two leaks in one function, without source: %v", two)
	}
	stripped := Finding{Kind: "Leak_DefinitelyLost", Class: Leak, Stacks: []Stack{{Frames: []Frame{{Function: "malloc"}, {Object: "/builds/1/shop"}}}}}
	elsewhere := Finding{Kind: "Leak_DefinitelyLost", Class: Leak, Stacks: []Stack{{Frames: []Frame{{Function: "malloc"}, {Object: "/tmp/2/shop"}}}}}
	if a, b := fingerprints(t, blind, stripped)[0], fingerprints(t, blind, elsewhere)[0]; a != b {
		t.Error("a stripped program built elsewhere is another")
	}
}

func TestFind(t *testing.T) {
	tree := NewTree("/builds/shop", []string{"a.c", "src/b.c", "src/c.h", "lib/c.h", "src/deep/b.c", "deep/b.c"}, nil)
	for name, want := range map[string]string{
		"/builds/shop/a.c":            "a.c",
		"/home/ana/shop/src/b.c":      "src/b.c",
		"../../src/b.c":               "src/b.c",
		"src/deep/b.c":                "src/deep/b.c",
		"deep/b.c":                    "deep/b.c", // though src/deep/b.c ends so, too
		"c.h":                         "",         // there are two
		"/other/lib/c.h":              "lib/c.h",
		"/usr/include/c++/12/a.c":     "",
		"/build/glibc-xyz/stdlib/a.c": "",
		"/usr/src/app/src/b.c":        "src/b.c", // where containers build
		"/usr/src/googletest/src/b.c": "",
		"/elsewhere/zlib/b.c":         "", // neither src/b.c nor src/deep/b.c
		`C:\work\shop\src\b.c`:        "src/b.c",
		"":                            "",
		"/":                           "",
	} {
		if got, _ := tree.find(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
