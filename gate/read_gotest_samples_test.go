package gate

import "testing"

func TestGoTestJSONSamples(t *testing.T) {
	readSamples(t, "go-test-json", []sample{
		{file: "PROVENANCE.md", format: text.Name, broken: "that proves nothing", why: "a table for people"},
		{file: "golang-json.ndjson", format: "go test -json", total: 5, tests: 11, skipped: 1, why: "TestFailing, two that caught their panics and failed, two of TestCases; TestCases failed by them"},
	})
}
