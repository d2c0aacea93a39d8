package gate

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	gojunit "github.com/joshdk/go-junit"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// exampleFindings are one of each standing, and of each way to say a place.
func exampleFindings() []Finding {
	return []Finding{
		{
			Tool: "asan", Kind: "heap-use-after-free", Class: UseAfterFree, Severity: Critical, Message: "read of 8 bytes that were freed", Count: 1,
			Report: "asan.log", Fingerprint: print32("3f2a"), Standing: New, Owners: []string{"@ann", "@core"}, Ticket: true,
			At: Frame{Function: "parse", File: "src/parse.c", Line: 4, Column: 9},
			Stacks: []Stack{
				{Frames: []Frame{
					{Function: "parse", File: "src/parse.c", Line: 4, Column: 9},
					{Function: "main", File: "src/main.c", Line: 12, Column: 2},
					{Function: "__libc_start_main", Object: "/lib/x86_64-linux-gnu/libc.so.6"},
				}},
				{Title: "freed by thread T0 here", Frames: []Frame{
					{Function: "free", Object: "a.out"},
					{Function: "release", File: "src/parse.c", Line: 21},
				}},
			},
			Excerpt: Excerpt{First: 1, Lines: []string{"#include \"parse.h\"", "", "int parse(const char *s) {", "\treturn s->kind;", "}"}},
		},
		{
			Tool: "memcheck", Kind: "Leak_DefinitelyLost", Class: Leak, Severity: Error, Message: "bytes are definitely lost", Bytes: 1536, Blocks: 3, Count: 3,
			Report: "valgrind.xml", Fingerprint: print32("90"), Standing: Expired, Known: Known{Until: someday("2026-11-01"), Since: someday("2026-08-01"), Reason: "later"},
			At:     Frame{Function: "open_all", File: "src/open.c", Line: 7},
			Stacks: []Stack{{Frames: []Frame{{Function: "malloc", Object: "vgpreload_memcheck-amd64-linux.so"}, {Function: "open_all", File: "src/open.c", Line: 7}}}},
		},
		{
			Tool: "junit", Kind: "failure", Class: TestFailure, Severity: Error, Message: "want 3, got 4", Count: 1, Key: "pkg.TestSum",
			Report: "junit.xml", Fingerprint: print32("c1"), Standing: New,
		},
		{
			Tool: "memcheck", Kind: "Leak_StillReachable", Class: Leak, Severity: Info, Message: "bytes are still reachable", Bytes: 8, Blocks: 1, Count: 1,
			Report: "valgrind.xml", Fingerprint: print32("aa"), Standing: New, At: Frame{Function: "once", File: "src/once.c", Line: 2},
		},
		{
			Tool: "helgrind", Kind: "Race", Class: DataRace, Severity: Error, Message: "possible data race", Count: 2,
			Report: "helgrind.xml", Fingerprint: print32("bb"), Standing: Accepted, Owners: []string{"@bob"}, At: Frame{Function: "count", File: "src/count.c", Line: 30},
			Known: Known{Fingerprint: print32("bb"), Kind: "Race", Where: "count (src/count.c)", Since: someday("2026-10-23"), Until: someday("2027-01-31"), Reason: "a counter for people only"},
		},
	}
}

// examples are verdicts by the name of their golden files.
func examples() map[string]Verdict {
	source := Source{Commit: "8d0f2b6c1e", Branch: "main", Default: true, Pipeline: "https://gitlab.example/p/1", Project: "https://gitlab.example/shop/parser"}
	report := Report{Name: "asan.log", Format: "sanitizer", Digest: strings.Repeat("ab", 32), Total: 5}
	failing := Verdict{
		Reason: "new findings: 1 critical, 2 error", Suite: "unit", Findings: exampleFindings(), Reports: []Report{report},
		Budget: DefaultBudget(), At: noon, Source: source,
		Gone: []Known{{Fingerprint: print32("e0"), Kind: "Leak_IndirectlyLost", Where: "grow (src/grow.c)", Owner: "@core"}},
	}
	broken := Verdict{
		Reason: "valgrind.xml: the file ends in the middle (and 1 report more)", Suite: "long", At: noon, Budget: DefaultBudget(), Findings: []Finding{}, Omitted: 3,
		Reports: []Report{{Name: "valgrind.xml", Format: "valgrind", Broken: []string{"the file ends in the middle", "the program was still running"}}, {Name: "empty.log", Broken: []string{"the file is empty"}}},
	}
	return map[string]Verdict{
		"clean":   {Pass: true, Reason: "no findings in 1 report", Suite: "unit", Complete: true, Reports: []Report{{Name: "asan.log", Format: "sanitizer", Digest: strings.Repeat("cd", 32)}}, Budget: DefaultBudget(), At: noon, Source: source},
		"failing": failing,
		"broken":  broken,
		"nothing": {Reason: "there is no report: nothing was checked", At: noon, Budget: DefaultBudget()},
		"hostile": hostileVerdict(),
	}
}

// evil is text that is dangerous in at least one output.
const evil = "\U000e0041 \x1b[2J\x1b]0;x\x07 @all /close\n/close\r\n</details><script>alert(1)</script> | ``` ` \\| [x](http://e) ![i](http://e) <!-- --> &lt; ]]> \u202egnp.exe\u2066 \u200b\x00\x85 \xff #1 !2 ~l www.e.example a@b.example"

func hostileVerdict() Verdict { return verdictOf(evil) }

// verdictOf says one text wherever a report or a repository can say any.
func verdictOf(text string) Verdict {
	f := Finding{
		Tool: text, Kind: text, Class: Class(text), Severity: Critical, Message: text, Count: 1, Report: text, Fingerprint: print32("3"),
		Standing: New, Owners: []string{text}, At: Frame{Function: text, File: "../../" + text, Line: 1, Column: 3, Object: text},
		Excerpt: Excerpt{First: 1, Lines: []string{text, "```", "/close"}},
	}
	f.Stacks = []Stack{{Title: text, Frames: []Frame{f.At, {Function: "/close", File: "/etc/passwd", Line: 2}}}}
	g := f
	g.Fingerprint, g.Standing = print32("4"), Accepted
	g.Known = Known{Fingerprint: text, Kind: text, Where: text, Owner: text, Since: someday("2026-01-01"), Reason: text}
	return Verdict{
		Reason: text, Suite: text, Findings: []Finding{f, g}, Reports: []Report{{Name: text, Format: text, Broken: []string{text}}},
		Gone: []Known{g.Known}, Budget: DefaultBudget(), At: noon, Source: Source{Commit: text, Branch: text, Pipeline: text, Project: text},
	}
}

func written(t testing.TB, name string, v Verdict, view View) []byte {
	t.Helper()
	i := slices.IndexFunc(Outputs, func(o Output) bool { return o.Name == name })
	if i < 0 {
		t.Fatal("no output " + name)
	}
	var out bytes.Buffer
	if err := Outputs[i].Write(&out, v, view); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestOutputsGolden(t *testing.T) {
	for name, v := range examples() {
		for _, o := range Outputs {
			t.Run(name+"."+o.Name, func(t *testing.T) {
				golden(t, name+"."+o.Name, written(t, o.Name, v, View{Width: 100}))
			})
		}
	}
	golden(t, "failing.colour.text", written(t, "text", examples()["failing"], View{Colour: true, Width: 60}))
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", "outputs", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestOutputsSayWhatCannotBeWritten lets the disk be full.
func TestOutputsSayWhatCannotBeWritten(t *testing.T) {
	for _, o := range Outputs {
		if err := o.Write(fullDisk{}, examples()["failing"], View{}); err == nil {
			t.Errorf("%s: no error", o.Name)
		}
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// checkHostile looks for what must not come through, whatever the text is.
func checkHostile(t *testing.T, v Verdict) {
	t.Helper()
	for _, o := range Outputs {
		for _, c := range string(written(t, o.Name, v, View{})) {
			if c != '\n' && !unicode.IsGraphic(c) {
				t.Errorf("%s: %U came through", o.Name, c)
			}
		}
	}
	for _, name := range []string{"json", "sarif", "codequality"} {
		if !json.Valid(written(t, name, v, View{})) {
			t.Errorf("%s is no JSON", name)
		}
	}
	checkJUnitForm(t, written(t, "junit", v, View{}))
	checkMarkdown(t, string(written(t, "markdown", v, View{})))
}

func TestHostileText(t *testing.T) { checkHostile(t, hostileVerdict()) }

func FuzzOutputs(f *testing.F) {
	for _, s := range []string{evil, "", "`", "``` ` ```", "|", `\|\`, "]]>", "</code></summary></details>", "\u2028/close", "~~~", "\ufeff", "{\"", "%", "file:///c:/x", "//host/x", ":", "a\rb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkHostile(t, verdictOf(s)) })
}

var (
	unescapedBar = regexp.MustCompile(`(?:^|[^\\])\|`)
	spanOfCode   = regexp.MustCompile("`[^`]*`")
	summary      = regexp.MustCompile("^<details><summary><code>[^<>]*</code></summary>$")
	ours         = regexp.MustCompile(`^(### Gate –?: FAIL|–?|Judged: |- |\| Severity \| Finding \| Place \| Owner \| Fingerprint \||\|---\|---\|---\|---\|---\||(\| –? )+\||</details>|)$`)
)

// checkMarkdown takes out all code and looks at what is left: words of ours
// alone, a whole table, and folds and blocks that end.
func checkMarkdown(t *testing.T, text string) {
	t.Helper()
	fenced, folds := false, 0
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(strings.TrimLeft(line, " "), "```"):
			fenced = !fenced
		case fenced:
			if !strings.HasPrefix(line, "  ") {
				t.Errorf("%q in a block stands at the margin", line)
			}
		case summary.MatchString(line):
			folds++
		default:
			if strings.HasPrefix(line, "|") && len(unescapedBar.FindAllString(line, -1)) != 6 {
				t.Errorf("the bars of %q", line)
			}
			if left := spanOfCode.ReplaceAllString(line, ""); !ours.MatchString(left) {
				t.Errorf("%q is left of %q", left, line)
			}
			if line == "</details>" {
				folds--
			}
		}
	}
	if fenced || folds != 0 {
		t.Errorf("a block is open: %v; %d folds are", fenced, folds)
	}
}

// TestMarkdownIsBounded has more to say than a comment may hold.
func TestMarkdownIsBounded(t *testing.T) {
	v := hostileVerdict()
	v.Findings, v.Gone = nil, nil
	long := strings.Repeat("é", 1000)
	for i := range 400 {
		standing := New
		if i%2 == 0 {
			standing = Accepted
		}
		f := Finding{
			Tool: "t", Kind: long, Severity: Error, Message: long, Standing: standing, Fingerprint: print32(fmt.Sprintf("%08x", i)),
			Owners: []string{long}, At: Frame{File: long, Function: long}, Known: Known{Reason: long},
		}
		for range maxStacks {
			f.Stacks = append(f.Stacks, Stack{Title: long, Frames: []Frame{f.At, f.At}})
		}
		v.Findings = append(v.Findings, f)
		v.Gone = append(v.Gone, Known{Fingerprint: long, Where: long})
		v.Reports = append(v.Reports, Report{Name: long, Broken: []string{long}})
	}
	text := written(t, "markdown", v, View{})
	if len(text) > 65_536 || len(text) < 30_000 || !regexp.MustCompile(`and \d+ findings more that block`).Match(text) {
		t.Errorf("%d bytes:\n%.2000s", len(text), text)
	}
	if n := bytes.Count(written(t, "text", v, View{}), []byte("fingerprint ")); n != shownFindings {
		t.Errorf("%d findings in full, want %d", n, shownFindings)
	}
	var r Result
	if err := json.Unmarshal(written(t, "json", v, View{}), &r); err != nil || len(r.Findings) != 400 {
		t.Errorf("%d in JSON, %v", len(r.Findings), err)
	}
}

// TestResultIsTaken holds what a gate reports to what a server takes.
func TestResultIsTaken(t *testing.T) {
	all := examples()
	long := hostileVerdict()
	long.Suite, long.Reason = strings.Repeat("é", maxName), strings.Repeat(evil, 1000)
	long.Source = Source{}
	f := &long.Findings[0]
	f.Class, f.Tool, f.Kind = Leak, strings.Repeat("é", maxName), long.Reason
	f.Message = strings.Repeat("\xff", maxResultLine)
	f.At = Frame{Function: long.Reason, File: long.Reason, Line: -1}
	f.Stacks = []Stack{{Frames: slices.Repeat([]Frame{f.At}, maxFrames)}}
	f.Owners = slices.Repeat([]string{evil}, 1000)
	long.Findings[1].Class = Leak
	long.Reports[0].Name, long.Reports[0].Format = long.Reason, long.Reason
	all["long"] = long
	delete(all, "hostile") // its class is none that a reader gives
	for name, v := range all {
		r := v.Result()
		if err := r.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var again Result
		text := written(t, "json", v, View{})
		if err := json.Unmarshal(text, &again); err != nil || again.Check() != nil {
			t.Errorf("%s: read again: %v, %v", name, err, again.Check())
		}
		if !cmp.Equal(r, again) {
			t.Errorf("%s: (-want +got)\n%s", name, cmp.Diff(r, again))
		}
	}
}

// TestSARIFIsValid holds what is written to the schema, and to the names that
// another implementation knows.
func TestSARIFIsValid(t *testing.T) {
	for name, v := range examples() {
		t.Run(name, func(t *testing.T) {
			text := written(t, "sarif", v, View{})
			var known sarif.Report
			strict := json.NewDecoder(bytes.NewReader(text))
			strict.DisallowUnknownFields()
			if err := strict.Decode(&known); err != nil {
				t.Fatal("a name that SARIF does not have: ", err)
			}
			log, err := sarif.FromBytes(text)
			if err != nil {
				t.Fatal(err)
			}
			if err := log.Validate(); err != nil {
				t.Fatal(err)
			}
			run := log.Runs[0]
			if len(run.Results) != len(v.Findings) || *run.Invocations[0].ExecutionSuccessful != v.Complete {
				t.Errorf("%d results, successful %v", len(run.Results), *run.Invocations[0].ExecutionSuccessful)
			}
			for i, r := range run.Results {
				f := v.Findings[i]
				accepted := f.Standing == Accepted
				if r.PartialFingerprints["muster/v1"] != f.Fingerprint || accepted != (len(r.Suppressions) == 1) || accepted != (*r.BaselineState == "unchanged") {
					t.Errorf("result %d: %v, %d suppressions, %s", i, r.PartialFingerprints, len(r.Suppressions), *r.BaselineState)
				}
				if rule := run.Tool.Driver.Rules[r.RuleIndex]; *rule.ID != *r.RuleID || *rule.Help.Text == "" {
					t.Errorf("result %d: rule %s, and its index is that of %s", i, *r.RuleID, *rule.ID)
				}
			}
		})
	}
}

// TestJUnitIsRead lets another implementation read it, and looks at the form.
func TestJUnitIsRead(t *testing.T) {
	want := map[string][3]int{ // passed, failed, errors
		"clean": {1, 0, 0}, "failing": {0, 3, 0}, "broken": {0, 0, 2}, "nothing": {0, 0, 1}, "hostile": {0, 1, 1},
	}
	for name, v := range examples() {
		t.Run(name, func(t *testing.T) {
			text := written(t, "junit", v, View{})
			suites, err := gojunit.Ingest(text)
			if err != nil || len(suites) != 1 {
				t.Fatalf("%d suites, %v", len(suites), err)
			}
			totals := suites[0].Totals
			if got := [3]int{totals.Passed, totals.Failed, totals.Error}; got != want[name] {
				t.Errorf("passed, failed, errors %v, want %v", got, want[name])
			}
			names := map[string]bool{}
			for _, test := range suites[0].Tests {
				names[test.Classname+"\x00"+test.Name] = true
			}
			if len(names) != len(suites[0].Tests) {
				t.Error("two tests have one name")
			}
			checkJUnitForm(t, text)
		})
	}
}

// checkJUnitForm holds XML to the form that CI servers publish for JUnit:
// elements and attributes in their places, and counts that are true.
func checkJUnitForm(t *testing.T, text []byte) {
	t.Helper()
	type form struct{ parent, attributes string }
	forms := map[string]form{
		"testsuites": {"", "tests failures errors"},
		"testsuite":  {"testsuites", "name tests failures errors skipped time timestamp"},
		"testcase":   {"testsuite", "name classname time"},
		"failure":    {"testcase", "message type"},
		"error":      {"testcase", "message type"},
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	var open []string
	told, found := map[string]string{}, map[string]int{}
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			name, parent := e.Name.Local, ""
			if len(open) > 0 {
				parent = open[len(open)-1]
			}
			f, ok := forms[name]
			if !ok || f.parent != parent {
				t.Errorf("<%s> stands in <%s>", name, parent)
			}
			has := map[string]string{}
			for _, a := range e.Attr {
				has[a.Name.Local] = a.Value
				if name == "testsuite" {
					told[a.Name.Local] = a.Value
				}
			}
			for _, a := range strings.Fields(f.attributes) {
				if _, ok := has[a]; !ok {
					t.Errorf("<%s> lacks %s", name, a)
				}
			}
			found[name]++
			open = append(open, name)
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}
	for attribute, element := range map[string]string{"tests": "testcase", "failures": "failure", "errors": "error"} {
		if told[attribute] != fmt.Sprint(found[element]) {
			t.Errorf("%s=%s, and there are %d", attribute, told[attribute], found[element])
		}
	}
}

// qualitySchema is the documented contract of GitLab's Code Quality report.
const qualitySchema = `{
	"type": "array",
	"items": {
		"type": "object",
		"required": ["description", "check_name", "fingerprint", "severity", "location"],
		"properties": {
			"description": {"type": "string", "minLength": 1},
			"check_name": {"type": "string", "minLength": 1},
			"fingerprint": {"type": "string", "minLength": 1},
			"severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
			"location": {
				"type": "object",
				"required": ["path"],
				"properties": {
					"path": {"type": "string", "minLength": 1, "not": {"pattern": "^(\\./|/)"}},
					"lines": {"type": "object", "required": ["begin"], "properties": {"begin": {"type": "integer", "minimum": 1}}},
					"positions": {"type": "object", "required": ["begin"], "properties": {"begin": {"type": "object", "required": ["line"], "properties": {"line": {"type": "integer", "minimum": 1}, "column": {"type": "integer"}}}}}
				},
				"oneOf": [{"required": ["lines"]}, {"required": ["positions"]}]
			}
		}
	}
}`

func TestCodeQualityIsValid(t *testing.T) {
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(qualitySchema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("quality.json", document); err != nil {
		t.Fatal(err)
	}
	schema := compiler.MustCompile("quality.json")
	check := func(t *testing.T, text []byte) error {
		t.Helper()
		report, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(report)
	}
	want := map[string]int{"clean": 0, "failing": 4, "broken": 2, "nothing": 0, "hostile": 2}
	for name, v := range examples() {
		text := written(t, "codequality", v, View{})
		if err := check(t, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var issues []qualityIssue
		if err := json.Unmarshal(text, &issues); err != nil || len(issues) != want[name] {
			t.Errorf("%s: %d issues, want %d: %v", name, len(issues), want[name], err)
		}
		prints := map[string]bool{}
		for _, i := range issues {
			prints[i.Fingerprint] = true
		}
		if len(prints) != len(issues) {
			t.Errorf("%s: a fingerprint stands twice", name)
		}
		if bytes.HasPrefix(text, []byte("\ufeff")) {
			t.Errorf("%s: a byte order mark", name)
		}
	}
	for _, bad := range []string{`{}`, `[{}]`, `[{"description":"d","check_name":"c","fingerprint":"f","severity":"error","location":{"path":"a","lines":{"begin":1}}}]`, `[{"description":"d","check_name":"c","fingerprint":"f","severity":"info","location":{"path":"./a","lines":{"begin":1}}}]`} {
		if check(t, []byte(bad)) == nil {
			t.Errorf("the schema takes %s", bad)
		}
	}
	t.Run("sample", func(t *testing.T) {
		sample, err := os.ReadFile("../../shared/samples/gitlab-code-quality/example.json")
		if err != nil {
			t.Skip("samples absent: ", err)
		}
		if err := check(t, sample); err != nil {
			t.Error(err)
		}
	})
}

// TestOutputsAreReadBack reads what was written as a report of another run. What
// blocked is there again; what was accepted is not; and what was not whole does
// not become so.
func TestOutputsAreReadBack(t *testing.T) {
	for name, v := range examples() {
		s := v.shares()
		tests := []struct {
			output   string
			findings int
			broken   bool
		}{
			{"junit", len(s.blocking) + junitErrors(t, v), false}, // an error of a test is a finding
			{"sarif", len(s.blocking) + len(s.allowed), !v.Complete},
		}
		for _, tt := range tests {
			t.Run(name+"."+tt.output, func(t *testing.T) {
				r, err := Read(name, bytes.NewReader(written(t, tt.output, v, View{})))
				if err != nil || !strings.Contains(strings.ToLower(r.Format), tt.output) {
					t.Fatalf("format %q, %v", r.Format, err)
				}
				if len(r.Findings) != tt.findings || (len(r.Broken) > 0) != tt.broken {
					t.Errorf("%d findings, want %d; broken %q, want %v", len(r.Findings), tt.findings, r.Broken, tt.broken)
				}
			})
		}
	}
}

func junitErrors(t *testing.T, v Verdict) int {
	t.Helper()
	suites, err := gojunit.Ingest(written(t, "junit", v, View{}))
	if err != nil {
		t.Fatal(err)
	}
	return suites[0].Totals.Error
}

// TestVisible draws any bytes: what comes out is one line, can be seen, and text
// that was harmless is as it was.
func TestVisible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) + rapid.String().Draw(t, "text")
		for _, c := range visible(s) {
			if !unicode.IsGraphic(c) {
				t.Fatalf("%U is left of %q", c, s)
			}
		}
	})
	for _, s := range []string{"", "a b", "größer → 名前 😀"} {
		if visible(s) != s {
			t.Errorf("%q became %q", s, visible(s))
		}
	}
	if got, want := visible("a\x1b[1m\u202eb\xff\n"), `a\x1b[1m\u202eb\xff `; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestShares(t *testing.T) {
	v := examples()["failing"]
	v.Budget = Budget{Critical: 0, Error: 2, Info: 0}
	s := v.shares()
	if len(s.blocking) != 2 || s.blocking[0].Severity != Critical || s.blocking[1].Severity != Info || len(s.allowed) != 2 || len(s.accepted) != 1 {
		t.Errorf("%d block, %d are allowed, %d accepted", len(s.blocking), len(s.allowed), len(s.accepted))
	}
}

func TestEveryClassHasHelp(t *testing.T) {
	var classes []Class
	for _, h := range classHelps {
		classes = append(classes, h.class)
		if h.title == "" || h.text == "" {
			t.Errorf("%s: no help", h.class)
		}
	}
	if diff := cmp.Diff(Classes, classes); diff != "" {
		t.Errorf("(-Classes +classHelps)\n%s", diff)
	}
}

// TestResultFits: whatever a run finds, and however many processes it has, the
// server takes what it is told of it.
func TestResultFits(t *testing.T) {
	const body = 32 << 20 // web takes no more
	stack := Stack{}
	for range listedFrames {
		stack.Frames = append(stack.Frames, Frame{Function: strings.Repeat("std::map<int,", 60)})
	}
	v := Verdict{Suite: "unit", Reason: "r", At: time.Unix(0, 0)}
	for i := range listedFindings {
		v.Findings = append(v.Findings, Finding{Fingerprint: fmt.Sprintf("%032x", i), Tool: "memcheck", Kind: "K", Class: Leak, Severity: Error, Count: 1, Stacks: []Stack{stack}})
	}
	for i := range maxReports + 5 {
		v.Reports = append(v.Reports, Report{Name: fmt.Sprint(i)})
	}
	v.Reports[maxReports+4].Break("cut off")
	r := v.Result()
	text, err := json.Marshal(r)
	if err != nil || len(text) > body {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if err := r.Check(); err != nil {
		t.Error(err)
	}
	if len(r.Findings) != listedFindings || r.Omitted != 0 || len(r.Findings[0].Stack) == 0 || len(r.Findings[listedFindings-1].Stack) > 0 {
		t.Errorf("%d findings, %d omitted", len(r.Findings), r.Omitted)
	}
	if r.Reports[0].Broken == nil {
		t.Error("the report that is broken is left out, and clean ones are not")
	}
	for i := range v.Findings {
		v.Findings[i].Message = strings.Repeat("<", maxText)
	}
	r = v.Result()
	if text, _ := json.Marshal(r); len(text) > body || len(r.Findings) == 0 || len(r.Findings)+r.Omitted != listedFindings {
		t.Errorf("%d bytes, %d findings, %d omitted", len(text), len(r.Findings), r.Omitted)
	}
}
