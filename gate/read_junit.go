package gate

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/musterhq/muster/internal/xmlscan"
)

// junit is what test runners write in the manner of Ant's JUnit task. Nobody owns
// the format, and the numbers in its attributes are often wrong: what counts is
// the elements.
var junit = Format{
	Name: "junit",
	Is: func(head []byte) bool {
		root := xmlRoot(head)
		return root == "testsuites" || root == "testsuite"
	},
	Read: func(from *bufio.Reader, r *Report) error {
		j := junitReport{Report: r, x: xmlscan.New(from)}
		r.Tool = "junit"
		return j.judged(j.read())
	},
}

// A junitReport is a report while it is read.
type junitReport struct {
	*Report
	x     *xmlscan.Scanner
	cases int // told, those that did not run included
}

func (j *junitReport) read() error {
	root, err := j.x.Root()
	if err != nil {
		return err
	}
	if err := j.suite(root, ""); err != nil {
		return err
	}
	return j.x.Close()
}

// judged says what is broken about a report that was read to its end, or to err.
func (j *junitReport) judged(err error) error {
	_, ok := xmlBroken(err)
	switch {
	case err != nil && !ok:
		return err
	case errors.Is(err, xmlscan.ErrTruncated):
		j.Break("%v: the report is truncated", err)
	case err != nil:
		j.Break("%v: the report is read up to there", err)
	case j.cases == 0:
		j.Break("there is no test case in the report: no test ran")
	}
	return nil
}

// suite reads a test suite and those within. What it does not know may hold test
// cases, too.
func (j *junitReport) suite(element, suite string) error {
	if element == "testsuite" {
		if name := strings.TrimSpace(j.x.Attr("name")); name != "" {
			suite = name
		}
	}
	claimed := atoi(j.x.Attr("failures")) + atoi(j.x.Attr("errors"))
	before := j.Total
	err := j.x.Each(func(name string) error {
		switch name {
		case "testcase":
			return j.testcase(suite)
		case "failure", "error": // of what surrounds the tests
			return j.result(Finding{Key: cmp.Or(suite, "test suite"), Severity: Error}, name)
		case "properties", "system-out", "system-err":
			return nil
		}
		return j.suite(name, suite)
	})
	if err == nil && claimed > 0 && j.Total == before {
		j.Break("line %d: suite %q says that it has failures, and tells none", j.x.Line(), suite)
	}
	return err
}

// testcase reads a test. It has an element for each thing that went wrong, and
// for not having run.
func (j *junitReport) testcase(suite string) error {
	j.cases++
	f := Finding{
		Key: testKey(suite, j.x.Attr("classname"), j.x.Attr("name")),
		At:  Frame{File: clip(j.x.Attr("file")), Line: atoi(j.x.Attr("line"))},

		Severity: Error,
	}
	if f.Key == "" {
		f.Key = fmt.Sprintf("test case %d", j.cases)
	}
	status := []string{strings.ToLower(j.x.Attr("status")), strings.ToLower(j.x.Attr("result"))}
	skipped := slices.ContainsFunc(status, func(s string) bool {
		return s == "skipped" || s == "disabled" || s == "notrun" || s == "suppressed"
	})
	before := j.Total
	err := j.x.Each(func(name string) error {
		switch name {
		case "failure", "error", "flakyFailure", "flakyError":
			return j.result(f, name)
		case "skipped":
			if strings.HasPrefix(j.x.Attr("message"), "Unable to find executable") { // CTest fails for it, too
				return j.result(f, name)
			}
			skipped = true
			if j.x.Attr("type") == "todo" { // Node's, which may fail
				f.Severity = Info
			}
		}
		return nil // rerunFailure and rerunError tell of tries after the failure that is told
	})
	if err != nil {
		return err
	}
	if j.Total == before && slices.ContainsFunc(status, func(s string) bool { return strings.HasPrefix(s, "fail") || strings.HasPrefix(s, "error") }) {
		f.Tool, f.Kind, f.Class = j.Tool, "failure", TestFailure
		f.Message = "the test failed, and the report does not say how"
		j.Add(f)
	}
	if skipped && j.Total == before {
		j.Skipped++
	} else {
		j.Tests++
	}
	return nil
}

// result reads what went wrong.
func (j *junitReport) result(f Finding, element string) error {
	f.Tool, f.Kind, f.Class = j.Tool, element, TestFailure
	if strings.HasPrefix(element, "flaky") { // it passed when it was tried again
		f.Severity = Warning
	}
	if f.At.File == "" {
		f.At = Frame{File: clip(j.x.Attr("file")), Line: atoi(j.x.Attr("line"))}
	}
	message, kind := j.x.Attr("message"), j.x.Attr("type")
	text, err := j.x.Content()
	if err != nil {
		return err
	}
	for _, s := range []string{message, text, kind, "the test does not say what went wrong"} {
		if f.Message = telling(s); f.Message != "" {
			break
		}
	}
	j.Add(f)
	return nil
}

// telling is the line of a text that says most: with pytest the one that it
// marks with E, or else the first.
func telling(s string) string {
	first := ""
	for line := range strings.Lines(s) {
		if told, ok := strings.CutPrefix(line, "E   "); ok {
			return strings.TrimSpace(told)
		}
		if first == "" {
			first = strings.TrimSpace(line)
		}
	}
	return first
}

// testKey names a test: suite, class and name, each if it says something new.
func testKey(parts ...string) string {
	var key []string
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" && !slices.Contains(key, p) {
			key = append(key, p)
		}
	}
	return clip(strings.Join(key, "/"))
}

// atoi is a number of an attribute; what is none, or is negative, is 0.
func atoi(s string) int {
	n, _ := strconv.Atoi(strings.ReplaceAll(strings.TrimSpace(s), ",", ""))
	return max(n, 0)
}
