package gate

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	peer "github.com/joshdk/go-junit"
)

func TestJUnit(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"several results of one test", `<testsuite name="s"><testcase classname="c" name="a"><skipped/><failure message="first"/><error message="second"/></testcase></testsuite>`, []string{
			"failure error s/c/a: first", "error error s/c/a: second", "1 ran, 0 did not",
		}},
		{"where", `<testsuite><testcase name="a" file="a_test.py" line="7"><failure/></testcase><testcase name="b"><failure file="b.rb" line="1,009"/></testcase></testsuite>`, []string{
			"failure error a: the test does not say what went wrong (a_test.py:7)", "failure error b: the test does not say what went wrong (b.rb:1009)", "2 ran, 0 did not",
		}},
		{"the line that says most", "<testsuite><testcase name='a'><failure message=''>\n\n  self = &lt;x&gt;\n&gt; y\nE   AssertionError: 143 != 0\nE   more</failure></testcase><testcase name='b'><error type='IOException'> \n </error></testcase></testsuite>", []string{
			"failure error a: AssertionError: 143 != 0", "error error b: IOException", "2 ran, 0 did not",
		}},
		{"tried again", `<testsuite><testcase name="a"><flakyFailure message="once"/><flakyError message="twice"/></testcase><testcase name="b"><failure message="x"/><rerunFailure message="x"/><rerunError message="y"/></testcase></testsuite>`, []string{
			"flakyFailure warning a: once", "flakyError warning a: twice", "failure error b: x", "2 ran, 0 did not",
		}},
		{"a status and no element", `<testsuites><testsuite><testcase name="a" status="failed"/><testcase name="b" status="run" result="completed"/><testcase name="c" status="notrun" result="suppressed"/><testcase name="d" status="ERROR"/></testsuite></testsuites>`, []string{
			"failure error a: the test failed, and the report does not say how", "failure error d: the test failed, and the report does not say how", "3 ran, 1 did not",
		}},
		{"CTest has no program", `<testsuite name="(empty)"><testcase name="gone" classname="gone" status="notrun"><skipped message="Unable to find executable"/></testcase><testcase name="off" classname="off" status="disabled"/></testsuite>`, []string{
			"skipped error (empty)/gone: Unable to find executable", "1 ran, 1 did not",
		}},
		{"what Node does not yet expect", `<testsuites><testcase name="a" failure="later"><skipped type="todo" message="true"/><failure message="later"/></testcase></testsuites>`, []string{
			"failure info a: later", "1 ran, 0 did not",
		}},
		{"around the tests", `<testsuites><testsuite name="s"><testcase name="a"/><error message="teardown"/></testsuite><testsuite><failure/></testsuite></testsuites>`, []string{
			"error error s: teardown", "failure error test suite: the test does not say what went wrong", "1 ran, 0 did not",
		}},
		{"names that say nothing new", `<testsuite name=" s "><testsuite name="t"><testcase classname="t" name="a"><failure message="m"/></testcase></testsuite><testcase><failure message="n"/></testcase></testsuite>`, []string{
			"failure error t/a: m", "failure error s: n", "2 ran, 0 did not",
		}},
		{"tests in elements that nobody knows", `<testsuites><module><group><testcase name="a"><failure message="m"/></testcase></group></module></testsuites>`, []string{
			"failure error a: m", "1 ran, 0 did not",
		}},
		{"what is printed is no result", `<testsuite><testcase name="a"><system-out>&lt;failure/></system-out></testcase><system-err><failure/><testcase/></system-err></testsuite>`, []string{
			"1 ran, 0 did not",
		}},
		{"characters that XML does not know", "<testsuite><testcase name='a'><failure message='&#27;[31m\x1b[0m'>x</failure></testcase></testsuite>", []string{
			"failure error a: \ufffd[31m\ufffd[0m", "1 ran, 0 did not",
		}},
		{"Latin-1", "<?xml version='1.0' encoding='ISO-8859-1'?><testsuite><testcase name='Gr\xfc\xdfe'><failure message='\x80 5'/></testcase></testsuite>", []string{
			"failure error Grüße: € 5", "1 ran, 0 did not",
		}},
		{"an encoding that is not read", "<?xml version='1.0' encoding='Shift_JIS'?><testsuite/>", []string{
			`broken: the file looks like XML, and is none: line 1: the encoding is "Shift_JIS", which is not read; a report is one of ` + formatNames(), "0 ran, 0 did not",
		}},
		{"failures in attributes alone", `<testsuites failures="1"><testsuite name="s" failures="1"><testcase name="a"/></testsuite></testsuites>`, []string{
			`broken: line 1: suite "s" says that it has failures, and tells none`, `broken: line 1: suite "" says that it has failures, and tells none`, "1 ran, 0 did not",
		}},
		{"tests in attributes alone", `<testsuite tests="5"/>`, []string{
			"broken: there is no test case in the report: no test ran", "0 ran, 0 did not",
		}},
	}
	for _, tt := range tests {
		r := readString(t, tt.text)
		var got []string
		for _, f := range r.Findings {
			line := fmt.Sprintf("%s %s %s: %s", f.Kind, f.Severity, f.Key, f.Message)
			if f.At.File != "" {
				line += fmt.Sprintf(" (%s:%d)", f.At.File, f.At.Line)
			}
			got = append(got, line)
		}
		for _, why := range r.Broken {
			got = append(got, "broken: "+why)
		}
		got = append(got, fmt.Sprintf("%d ran, %d did not", r.Tests, r.Skipped))
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
	}
}

// TestJUnitPeer reads the samples with a reader of somebody else, too: both find
// the same number of tests, and of tests that went wrong.
func TestJUnitPeer(t *testing.T) {
	files, _ := filepath.Glob("../../shared/samples/junit-xml/junit-xml__*.xml")
	if len(files) == 0 {
		t.Skip("samples absent: junit-xml")
	}
	compared := 0
	for _, file := range files {
		r := readFile(t, file)
		if len(r.Broken) > 0 {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		suites, err := peer.Ingest(text)
		if err != nil {
			t.Errorf("%s: go-junit: %v", file, err)
			continue
		}
		tests, wrong := 0, 0
		for _, s := range suites {
			s.Aggregate()
			tests += s.Totals.Tests
			wrong += s.Totals.Failed + s.Totals.Error
		}
		failed := map[string]bool{}
		for _, f := range r.Findings {
			failed[f.Key] = true
		}
		compared++
		if r.Tests+r.Skipped != tests || len(failed) != wrong {
			t.Errorf("%s: %d tests, %d went wrong; go-junit finds %d and %d", filepath.Base(file), r.Tests+r.Skipped, len(failed), tests, wrong)
		}
	}
	if compared < 20 {
		t.Errorf("only %d files were compared", compared)
	}
}

func TestRefuse(t *testing.T) {
	tests := []struct{ head, want string }{
		{"<?xml version='1.0'?>\n<test-run id='2'>", "NUnit 3"},
		{"<test-results total='4'>", "NUnit 2"},
		{"<assemblies>", "xUnit.net"},
		{`<TestRun id="1" xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010">`, "TRX"},
		{"<checkstyle version='8.0'/>", "Checkstyle"},
		{"<!DOCTYPE coverage SYSTEM 'http://cobertura.sourceforge.net/xml/coverage-04.dtd'>\n<coverage line-rate='0.5'>", "Cobertura"},
		{"<coverage generated='1'>", "coverage"},
		{"<results version='2'><cppcheck version='2.10'/>", "Cppcheck"},
		{"<svg xmlns='http://www.w3.org/2000/svg'>", "drawing"},
		{"<!doctype html>\n<html><br>", "HTML"},
		{"  <HTML><body>", "HTML"},
		{"<project>", "<project> outermost"},
		{"<?xml version='1.0'?>\n\n", "ends before its first element"},
		{"<a b=c>", "looks like XML, and is none: line 1"},
		{"{\n   <insert_a_suppression_name_here>\n   Memcheck:Leak\n   fun:malloc\n}\n", "suppressions"},
		{"{\n   x\n   Helgrind,drd:Race\n}\n", "suppressions"},
		{"# callgrind format\nversion: 1\n", "profile"},
		{"desc: (none)\ncmd: ./a\ntime_unit: i\n", "profile"},
		{"desc: I1 cache: 32768 B\ncmd: ./a\nevents: Ir\n", "profile"},
		{"==12== Memcheck, a memory error detector\n==12== Command: ./a\n", "--xml=yes"},
	}
	for _, tt := range tests {
		r := readString(t, tt.head)
		if reasons := strings.Join(r.Broken, "\n"); !strings.Contains(reasons, tt.want) || r.Format != "" {
			t.Errorf("%q: format %q, %q; want %q", tt.head, r.Format, reasons, tt.want)
		}
	}
}
