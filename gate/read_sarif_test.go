package gate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inRun is a file with one run, whose members are given.
func inRun(members string) string {
	return `{"version":"2.1.0","runs":[{` + members + `}]}`
}

const scanner = `"tool":{"driver":{"name":"scan","rules":[
 {"id":"R1","defaultConfiguration":{"level":"error"},"messageStrings":{"m":{"text":"{0} is {1}, {{not}} {2}"}}},
 {"id":"R2","guid":"00AA","shortDescription":{"text":"short"}},
 {"id":"R3","defaultConfiguration":{"level":"note"}}],
 "globalMessageStrings":{"g":{"text":"global {0}"}},
 "notifications":[{"id":"N1","defaultConfiguration":{"level":"error"}}]},
 "extensions":[{"name":"pack","guid":"00bb","rules":[{"id":"X1","defaultConfiguration":{"level":"error"},"fullDescription":{"text":"full"}}]}]},`

func TestSARIF(t *testing.T) {
	result := func(members string) string { return inRun(scanner + `"results":[{` + members + `}]`) }
	tests := []struct {
		name string
		file string
		want []string
	}{
		{"level of the result", result(`"ruleId":"R1","level":"note","message":{"text":"x"}`), []string{"info R1 : x"}},
		{"level of the rule", result(`"ruleId":"R1","message":{"text":"x"}`), []string{"error R1 : x"}},
		{"level of the rule by index", result(`"ruleIndex":2,"message":{"text":"x"}`), []string{"info R3 : x"}},
		{"level of the rule by GUID", result(`"rule":{"guid":"00aa"},"message":{"text":"x"}`), []string{"warning R2 : x"}},
		{"level of the rule of an extension", result(`"rule":{"index":0,"toolComponent":{"index":0}},"message":{"text":"x"}`), []string{"error X1 : x"}},
		{"level of the rule of an extension by GUID", result(`"ruleId":"X1","rule":{"index":0,"toolComponent":{"guid":"00BB"}},"message":{"text":"x"}`), []string{"error X1 : x"}},
		{"level of the rule above", result(`"ruleId":"R1/sub","message":{"text":"x"}`), []string{"error R1/sub : x"}},
		{"level of no rule", result(`"message":{"text":"x"}`), []string{"warning no rule : x"}},
		{"level nobody knows", result(`"level":"fatal","message":{"text":"x"}`), []string{"error no rule : x"}},
		{"level none", result(`"level":"none","message":{"text":"x"}`), []string{"info no rule : x"}},
		{"level of a review", result(`"ruleId":"R1","kind":"review","message":{"text":"x"}`), []string{"info R1 : x"}},
		{"level of an invocation", inRun(scanner + `"invocations":[{"executionSuccessful":true,"ruleConfigurationOverrides":[{"descriptor":{"index":0},"configuration":{"level":"note"}}]}],"results":[{"ruleId":"R1","message":{"text":"x"}},{"ruleId":"R2","message":{"text":"y"}}]`),
			[]string{"info R1 : x", "warning R2 : y"}},
		{"level of another invocation", inRun(scanner + `"invocations":[{"ruleConfigurationOverrides":[{"descriptor":{"id":"R1"},"configuration":{"level":"note"}}]},{}],"results":[{"ruleId":"R1","message":{"text":"x"},"provenance":{"invocationIndex":1}}]`),
			[]string{"error R1 : x"}},
		{"rules after results", inRun(`"results":[{"ruleId":"R1","message":{"id":"m","arguments":["a","b"]}}],` + strings.TrimSuffix(scanner, ",")), []string{"error R1 : a is b, {not} {2}"}},
		{"a message of all rules", result(`"ruleId":"R2","message":{"id":"g","arguments":["a"]}`), []string{"warning R2 : global a"}},
		{"a message that is not there", result(`"ruleId":"R2","message":{"id":"nope"}`), []string{"warning R2 : short"}},
		{"a message in an extension", result(`"rule":{"index":0,"toolComponent":{"index":0}},"message":{}`), []string{"error X1 : full"}},
		{"a message with a link", result(`"message":{"text":"tainted [here](1) and \\[there\\], a[1](2)"}`), []string{"warning no rule : tainted here and [there], a1"}},
		{"a message of lines", result(`"message":{"text":"one\n  two"}`), []string{"warning no rule : one two"}},
		{"kinds that are no findings", inRun(scanner + `"results":[{"kind":"pass","message":{"text":"x"}},{"kind":"notApplicable","message":{"text":"x"}},{"kind":"informational","message":{"text":"x"}},{"kind":"fail","ruleId":"R1","message":{"text":"x"}}]`), []string{"error R1 : x"}},
		{"suppressed", inRun(scanner + `"results":[{"message":{"text":"a"},"suppressions":[{"kind":"inSource"}]},{"message":{"text":"b"},"suppressions":[{"kind":"external","status":"accepted"}]},
			{"message":{"text":"c"},"suppressions":[{"status":"rejected"}]},{"message":{"text":"d"},"suppressions":[{"status":"accepted"},{"status":"underReview"}]},{"message":{"text":"e"},"suppressions":[]}]`),
			[]string{"warning no rule : c", "warning no rule : d", "warning no rule : e", "suppressed: 2"}},
		{"gone since", result(`"baselineState":"absent","message":{"text":"x"}`), nil},
		{"null results", inRun(scanner + `"results":null`), []string{"broken: /runs/0/results: missing: scan was run without a scan, or failed"}},
		{"an error in between", inRun(scanner + `"invocations":[{"executionSuccessful":true,"toolExecutionNotifications":[{"level":"error","message":{"text":"out of memory"}}]}],"results":[]`),
			[]string{"broken: /runs/0/invocations/0/toolExecutionNotifications/0: out of memory"}},
		{"an error by its descriptor", inRun(scanner + `"invocations":[{"toolConfigurationNotifications":[{"descriptor":{"id":"N1"},"message":{"text":"bad rule"}}]}],"results":[]`),
			[]string{"broken: /runs/0/invocations/0/toolConfigurationNotifications/0: bad rule"}},
		{"not started", inRun(scanner + `"invocations":[{"processStartFailureMessage":"no such file"}],"results":[]`), []string{"broken: /runs/0/invocations/0/processStartFailureMessage: no such file"}},
		{"parts elsewhere", inRun(scanner + `"externalPropertyFileReferences":{"results":[{"location":{"uri":"r.sarif"}}]},"results":[]`),
			[]string{"broken: /runs/0/externalPropertyFileReferences: parts of the run lie in other files, which are not read"}},
		{"parts within", `{"version":"2.1.0","inlineExternalProperties":[{"results":[{}]}],"runs":[{"results":[]}]}`, []string{"broken: /inlineExternalProperties: not read; results may be in there"}},
		{"two runs", `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"a"}},"results":[]},{"tool":{"driver":{"name":"b"}}}]}`, []string{"broken: /runs/1/results: missing: b was run without a scan, or failed"}},
		{"no version", `{"runs":[{"results":[]}]}`, []string{"broken: /version: missing; SARIF 2.1.0 is read"}},
		{"no runs", `{"version":"2.1.0","$schema":"https://json.schemastore.org/sarif-2.1.0.json"}`, []string{"broken: /runs: missing"}},
		{"another version, late", `{"runs":[` + strings.Repeat(" ", sniffed) + `],"version":"2.2"}`, []string{`broken: /version: "2.2"; SARIF 2.1.0 is read`, "broken: /runs: empty: no tool has run"}},
		{"a byte order mark", "\ufeff" + result(`"message":{"text":"x"}`), []string{"warning no rule : x"}},
		{"cut off", strings.TrimSuffix(result(`"message":{"text":"x"}`), "]}"), []string{"warning no rule : x", "broken: the file is cut off: it ends at byte 610, within the JSON"}},
		{"junk behind", result(`"message":{"text":"x"}`) + "{}", []string{"warning no rule : x", "broken: something follows the JSON (at byte 613)"}},
		{"a number for a text", result(`"ruleId":7,"message":{"text":"x"}`), []string{"broken: byte 619: ruleId is a number"}},
		{"an object for an array", `{"version":"2.1.0","runs":{}}`, []string{"broken: { instead of [ (at byte 27)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := readString(t, tt.file)
			if r.Format != sarifFormat.Name {
				t.Errorf("format %q", r.Format)
			}
			var got []string
			for _, f := range r.Findings {
				got = append(got, fmt.Sprintf("%s %s %s: %s", f.Severity, f.Kind, f.At.File, f.Message))
			}
			for _, line := range tell(r) {
				if strings.HasPrefix(line, "broken: ") || strings.HasPrefix(line, "suppressed: ") {
					got = append(got, line)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestSARIFPlaces: where a result is, and by what name it is known again.
func TestSARIFPlaces(t *testing.T) {
	const bases = `"originalUriBaseIds":{"ROOT":{"uri":"file:///build/my%20shop"},"SRC":{"uri":"src/","uriBaseId":"ROOT"},"LOOSE":{},"A":{"uri":"a/","uriBaseId":"B"},"B":{"uri":"b/","uriBaseId":"A"}},
		"artifacts":[{"location":{"uri":"first.c"}},{"location":{"uri":"second.c","uriBaseId":"SRC"},"contents":{"text":"int x;"}}],
		"logicalLocations":[{"fullyQualifiedName":"shop::Cart::add","name":"add"}],`
	tests := []struct {
		members string
		want    Frame
		key     string
	}{
		{`"locations":[]`, Frame{}, ""},
		{`"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a%20b.c"},"region":{"startLine":7,"startColumn":3}}}]`, Frame{File: "a b.c", Line: 7, Column: 3}, ""},
		{`"locations":[{"physicalLocation":{"artifactLocation":{"uri":"file:///C:/dev/a.c"}}}]`, Frame{File: "C:/dev/a.c"}, ""},
		{`"locations":[{"physicalLocation":{"artifactLocation":{"uri":"file://host/dev/a.c"}}}]`, Frame{File: "/dev/a.c"}, ""},
		{`"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a.c","uriBaseId":"SRC"}}}]`, Frame{File: "/build/my shop/src/a.c"}, ""},
		{`"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a.c","uriBaseId":"LOOSE"}}}]`, Frame{File: "a.c"}, ""},
		{`"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a.c","uriBaseId":"%SRCROOT%"}}}]`, Frame{File: "a.c"}, ""},
		{`"locations":[{"physicalLocation":{"artifactLocation":{"index":1}}}]`, Frame{File: "/build/my shop/src/second.c"}, ""},
		{`"locations":[{"physicalLocation":{"artifactLocation":{"index":9}}}],"analysisTarget":{"uri":"t.c"}`, Frame{File: "t.c"}, ""},
		{`"locations":[{"physicalLocation":{"artifactLocation":{"uri":"c","uriBaseId":"A"}}}]`, Frame{File: "b/a/b/a/b/a/b/a/c"}, ""},
		{`"locations":[{"logicalLocations":[{"index":0}]}]`, Frame{Function: "shop::Cart::add"}, ""},
		{`"fingerprints":{"b/v2":"2","a/v1":"1"},"partialFingerprints":{"c":"3"}`, Frame{}, "a/v1:1"},
		{`"partialFingerprints":{"a":"1","primaryLocationLineHash":"39fa:1"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a.c"}}}]`, Frame{File: "a.c"}, "primaryLocationLineHash:39fa:1 in a.c"},
	}
	for _, tt := range tests {
		r := readString(t, inRun(bases+`"results":[{"message":{"text":"x"},`+tt.members+`}]`))
		if len(r.Findings) != 1 || len(r.Broken) > 0 {
			t.Fatalf("%s: %+v", tt.members, r)
		}
		if diff := cmp.Diff(tt.want, r.Findings[0].At); diff != "" || r.Findings[0].Key != tt.key {
			t.Errorf("%s: key %q, want %q; -want +got:\n%s", tt.members, r.Findings[0].Key, tt.key, diff)
		}
	}
}
