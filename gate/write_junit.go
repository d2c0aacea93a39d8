package gate

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

type (
	junitSuites struct {
		XMLName  xml.Name   `xml:"testsuites"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"`
		Suite    junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Errors    int         `xml:"errors,attr"`
		Skipped   int         `xml:"skipped,attr"`
		Time      string      `xml:"time,attr"`
		Timestamp string      `xml:"timestamp,attr"`
		Cases     []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string       `xml:"name,attr"`
		Class   string       `xml:"classname,attr"`
		File    string       `xml:"file,attr,omitempty"`
		Line    int          `xml:"line,attr,omitempty"`
		Time    string       `xml:"time,attr"`
		Failure *junitDefect `xml:"failure,omitempty"`
		Error   *junitDefect `xml:"error,omitempty"`
	}
	junitDefect struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// writeJUnit writes a test that failed for each finding that blocks, and an
// error for all else that does. What passes is one test that passed: a report
// without tests would say that nothing ran.
func writeJUnit(to io.Writer, v Verdict, _ View) error {
	suite := junitSuite{Name: visible("muster gate: " + suiteName(v)), Time: "0", Timestamp: v.At.UTC().Format("2006-01-02T15:04:05")}
	for _, f := range v.shares().blocking {
		suite.Failures++
		suite.Cases = append(suite.Cases, f.junit())
	}
	failed := func(name, message string) {
		suite.Errors++
		suite.Cases = append(suite.Cases, junitCase{
			Name: name, Class: "muster gate", Time: "0",
			Error: &junitDefect{Message: visible(message), Type: "gate", Text: visible(message)},
		})
	}
	for _, r := range v.Reports {
		if len(r.Broken) > 0 {
			failed("report "+visible(r.Name), strings.Join(r.Broken, "; "))
		}
	}
	switch {
	case v.Pass:
		suite.Cases = append(suite.Cases, junitCase{Name: "gate", Class: "muster gate", Time: "0"})
	case len(suite.Cases) == 0:
		failed("gate", v.Reason)
	}
	suite.Tests = len(suite.Cases)
	if _, err := io.WriteString(to, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(to)
	e.Indent("", "  ")
	if err := e.Encode(junitSuites{Tests: suite.Tests, Failures: suite.Failures, Errors: suite.Errors, Suite: suite}); err != nil {
		return err
	}
	_, err := io.WriteString(to, "\n")
	return err
}

// junit is a finding as a test. Its name holds no line: those who compare runs
// go by it.
func (f Finding) junit() junitCase {
	text := printer{view: View{Width: shownWidth}}
	text.finding(f)
	return junitCase{
		Name:  visible(fmt.Sprintf("%s [%s]", f.title(), f.Fingerprint)),
		Class: visible(cmp.Or(f.At.File, f.Tool, "muster gate")),
		File:  visible(f.At.File),
		Line:  max(0, f.At.Line),
		Time:  "0",
		Failure: &junitDefect{
			Message: visible(f.Message),
			Type:    visible(cmp.Or(f.Kind, string(f.Class))),
			Text:    strings.TrimPrefix(text.out.String(), "\n"),
		},
	}
}
