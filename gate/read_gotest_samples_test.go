package gate

import "testing"

func TestGoTestJSONSamples(t *testing.T) {
	checkSamples(t, "go-test-json", []sampleWant{
		{"PROVENANCE.md", text.Name, 0, "that proves nothing", "a table for people"},
		{"golang-json.ndjson", "go test -json", 5, "", "TestFailing, two that caught their panics and failed, two of TestCases; TestCases failed by them"},
	})
}
