package gate

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/musterhq/muster/internal/xmlscan"
)

// refuseXML says what XML it is that is no report, and "" of what is no XML.
func refuseXML(head []byte) string {
	head = bytes.TrimLeft(head, " \t\r\n")
	if !bytes.HasPrefix(head, []byte("<")) {
		return ""
	}
	for _, begin := range []string{"<!doctype html", "<html"} { // which is seldom good XML
		if len(head) >= len(begin) && bytes.EqualFold(head[:len(begin)], []byte(begin)) {
			return "the file is a page of HTML"
		}
	}
	x := xmlscan.New(bytes.NewReader(head))
	root, err := x.Root()
	switch {
	case errors.Is(err, xmlscan.ErrTruncated):
		return "the file begins as XML and ends before its first element: what wrote it was killed"
	case err != nil:
		return fmt.Sprintf("the file looks like XML, and is none: %v", err)
	}
	if root == "coverage" && x.Attr("line-rate") != "" {
		return "the file is Cobertura's coverage: it says what ran, not what is wrong"
	}
	if what := xmlReports[root]; what != "" {
		return "the file is " + what
	}
	return fmt.Sprintf("the file is XML of some other sort, with the element <%s> outermost", clip(root))
}

// xmlReports are files that are taken for reports, by their outermost element.
var xmlReports = map[string]string{
	"test-run":        "a report of NUnit 3, which writes JUnit's format with a transform: --result=report.xml;transform=nunit3-junit.xslt",
	"test-results":    "a report of NUnit 2, which has no option for JUnit's format",
	"test-suite":      "a part of a report of NUnit",
	"assemblies":      "a report of xUnit.net, which writes JUnit's format with -junit",
	"assembly":        "a report of xUnit.net 1, which has no option for JUnit's format",
	"TestRun":         "a TRX report of MSTest; the logger JunitXml.TestLogger writes JUnit's format",
	"testng-results":  "a report of TestNG, which writes JUnit's format beside it",
	"robot":           "a report of Robot Framework, which writes JUnit's format with --xunit",
	"Site":            "a report of CTest for CDash; ctest --output-junit writes JUnit's format",
	"checkstyle":      "a report in Checkstyle's format; analysers that write it mostly write SARIF, too",
	"results":         "a report of Cppcheck, which writes SARIF with --output-format=sarif",
	"pmd":             "a report of PMD, which writes SARIF with --format sarif",
	"pmd-cpd":         "a report of PMD's copy detector",
	"BugCollection":   "a report of SpotBugs, which writes SARIF with -sarif",
	"issues":          "a report of Android's lint, which writes SARIF, too",
	"coverage":        "a report of coverage: it says what ran, not what is wrong",
	"report":          "a report such as JaCoCo's, of coverage: it says what ran, not what is wrong",
	"CoverageSession": "OpenCover's coverage: it says what ran, not what is wrong",
	"svg":             "a drawing",
}
