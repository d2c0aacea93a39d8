package gate

import "testing"

func TestJUnitSamples(t *testing.T) {
	const j = "junit"
	const xunit = "xUnit.net"
	readSamples(t, "junit-xml", []sample{
		{file: "PROVENANCE.md", broken: " ", why: "a table of the files"},
		{file: "xml__empty.xml", broken: "empty", why: "0 bytes"},
		{file: "xml__non-xml.xml", broken: " ", why: "a sentence"},
		{file: "junit-xml__non-junit.xml", broken: "<suites>", why: "looks like JUnit, with elements of other names"},

		{file: "nunit__mstest__clicketyclackety.xml", broken: "NUnit", why: "a test-suite of NUnit 3 that lies in no test-run"},
		{file: "nunit__mstest__pickles.xml", broken: "NUnit 2", why: "test-results"},
		{file: "nunit__mstest__timewarpinc.xml", broken: "NUnit 3", why: "test-run"},
		{file: "xunit__mstest__fixie.xml", broken: xunit, why: "assemblies"},
		{file: "xunit__mstest__jenkinsci__testcase1.xml", broken: xunit, why: "assemblies"},
		{file: "xunit__mstest__jenkinsci__testcase2.xml", broken: xunit, why: "assemblies"},
		{file: "xunit__mstest__jenkinsci__testcase3.xml", broken: xunit, why: "assemblies"},
		{file: "xunit__mstest__jenkinsci__testcase4.xml", broken: xunit, why: "assemblies"},
		{file: "xunit__mstest__jenkinsci__testcase5.xml", broken: xunit, why: "assemblies"},
		{file: "xunit__mstest__jenkinsci__testcase6.xml", broken: xunit, why: "assemblies"},
		{file: "xunit__mstest__pickles.xml", broken: "xUnit.net 1", why: "assembly, outermost"},

		{file: "junit-xml__bazel__suite-logs.xml", format: j, total: 1, tests: 1, why: "an error with an attribute and no text"},
		{file: "junit-xml__empty-system-out-err.xml", format: j, tests: 1, why: "testsuite outermost"},
		{file: "junit-xml__jest__jest-junit.xml", format: j, tests: 2, why: "of Jest; empty class names"},
		{file: "junit-xml__junit.multiresult.xml", format: j, total: 3, tests: 3, skipped: 1, why: "skipped, failed and in error at once is failed"},
		{file: "junit-xml__minimal-attributes.xml", format: j, total: 2, tests: 3, skipped: 1, why: "one passes, one is skipped, two go wrong"},
		{file: "junit-xml__mocha__latex-utensils.xml", format: j, tests: 109, why: "testsuite outermost"},
		{file: "junit-xml__no-attributes.xml", format: j, total: 2, tests: 3, skipped: 1, why: "tests without names are tests"},
		{file: "junit-xml__no-cases-but-tests.xml", format: j, broken: "no test case", why: "six tests and a failure in attributes, none in elements"},
		{file: "junit-xml__no-cases.xml", format: j, broken: "no test case", why: "nothing ran"},
		{file: "junit-xml__pytest__corrupt-xml.xml", format: j, tests: 1, broken: "line 11", why: "ends in the second test"},
		{file: "junit-xml__pytest__junit.fail.xml", format: j, total: 1, tests: 4, skipped: 1, why: "one assertion"},
		{file: "junit-xml__pytest__junit.gloo.elastic.spark.tf.xml", format: j, tests: 20, skipped: 2, why: "all on one line"},
		{file: "junit-xml__pytest__junit.gloo.elastic.spark.torch.xml", format: j, tests: 22, why: "all pass"},
		{file: "junit-xml__pytest__junit.gloo.elastic.xml", format: j, tests: 10, skipped: 4, why: "14 cases"},
		{file: "junit-xml__pytest__junit.gloo.standalone.xml", format: j, tests: 80, skipped: 17, why: "97 cases"},
		{file: "junit-xml__pytest__junit.gloo.static.xml", format: j, tests: 12, skipped: 12, why: "24 cases"},
		{file: "junit-xml__pytest__junit.mpi.integration.xml", format: j, tests: 3, why: "all pass"},
		{file: "junit-xml__pytest__junit.mpi.standalone.xml", format: j, tests: 96, skipped: 1, why: "97 cases"},
		{file: "junit-xml__pytest__junit.mpi.static.xml", format: j, tests: 24, why: "all pass"},
		{file: "junit-xml__pytest__junit.spark.integration.1.xml", format: j, tests: 33, skipped: 2, why: "35 cases"},
		{file: "junit-xml__pytest__junit.spark.integration.2.xml", format: j, tests: 33, skipped: 2, why: "35 cases"},
		{file: "junit-xml__scalatest__TEST-uk.co.gresearch.spark.diff.DiffOptionsSuite.xml", format: j, tests: 5, why: "properties of a page's length"},
		{file: "junit-xml__testsuite-in-testsuite.xml", format: j, tests: 5, why: "suites three deep; the attributes of the outer count those within again"},
		{file: "junit-xml__testsuite-root.xml", format: j, tests: 5, why: "the same with a testsuite outermost"},
		{file: "junit-xml__tst__disabled.xml", format: j, total: 20, tests: 26, skipped: 5, why: "19 failures, an error, and five with status disabled and no element"},
		{file: "junit-xml__unsupported-unicode.xml", format: j, total: 4, tests: 5, skipped: 2, why: "characters beyond the basic plane"},
		{file: "junit-xml__with-xml-entities.xml", format: j, total: 2, tests: 2, skipped: 2, why: "references in attributes and text"},
		{file: "junit-xml__xunit__xunit.xml", format: j, tests: 2, why: "xUnit.net's JUnit: a byte order mark, properties, and 173 tests in an attribute that are two"},
	})
}
