package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// refuseJSON says what JSON that is no report is. A log may begin with a bracket
// or with an object, too: what is one JSON text, or begins one that goes on beyond
// the head, is refused.
func refuseJSON(head []byte) string {
	if s := refuseVet(head); s != "" {
		return s
	}
	trimmed := bytes.TrimSpace(head)
	if len(trimmed) == 0 || trimmed[0] != '{' && trimmed[0] != '[' {
		return ""
	}
	dec := json.NewDecoder(bytes.NewReader(head))
	var all json.RawMessage
	err := dec.Decode(&all)
	isCut := errors.Is(err, io.ErrUnexpectedEOF)
	switch {
	case err == nil:
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			return "" // lines of JSON: a program's log
		}
	case !isCut:
		return ""
	}
	for _, k := range jsonFiles {
		if containsAll(head, k.names) {
			return k.is
		}
	}
	if isCut && len(head) < sniffed-3 {
		return "the file is JSON that is cut off, of a sort that is not known"
	}
	return "the file is JSON of a sort that is not known"
}

// jsonFiles are the files that tools write as JSON, by names of members that only
// they have.
var jsonFiles = []struct {
	names []string
	is    string
}{
	{[]string{`"filePath"`, `"messages"`, `"errorCount"`}, "the file is ESLint's own JSON: write SARIF (-f @microsoft/eslint-formatter-sarif)"},
	{[]string{`"check_name"`, `"fingerprint"`}, "the file is GitLab Code Quality, which has lost what the analyser knew: give the analyser's SARIF"},
	{[]string{`"bomFormat"`}, "the file is a CycloneDX list of components: give the scanner's SARIF"},
	{[]string{`"SPDXID"`}, "the file is an SPDX list of components: give the scanner's SARIF"},
	{[]string{`"auditReportVersion"`}, "the file is of npm audit: it has no SARIF; a scanner of packages has (trivy fs --format sarif)"},
	{[]string{`"ArtifactName"`, `"Results"`}, "the file is Trivy's own JSON: write SARIF (--format sarif)"},
	{[]string{`"Issues"`, `"FromLinter"`}, "the file is golangci-lint's own JSON: write SARIF (--output.sarif.path)"},
	{[]string{`"Golang errors"`}, "the file is gosec's own JSON: write SARIF (-fmt sarif)"},
	{[]string{`"vulnerabilities"`, `"scan"`}, "the file is a GitLab security report: give the scanner's SARIF"},
	{[]string{`"check_id"`, `"extra"`}, "the file is Semgrep's own JSON: write SARIF (--sarif)"},
	{[]string{`"numTotalTests"`}, "the file is Jest's own JSON: write JUnit XML (jest-junit)"},
	{[]string{`"testsuites"`, `"testsuite"`}, "the file is GoogleTest's JSON: write JUnit XML (--gtest_output=xml)"},
}

func containsAll(head []byte, names []string) bool {
	for _, n := range names {
		if !bytes.Contains(head, []byte(n)) {
			return false
		}
	}
	return true
}

// refuseVet knows go vet -json: an object for each package between comments, and
// what did not compile in plain words. It ends with 0 whatever it finds.
func refuseVet(head []byte) string {
	if trimmed := bytes.TrimSpace(head); !bytes.HasPrefix(trimmed, []byte("{}\n")) && !bytes.Contains(head, []byte(`"posn":`)) {
		return ""
	}
	for line := range bytes.Lines(head) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && !bytes.HasPrefix(line, []byte("#")) && !bytes.ContainsAny(line[:1], "{}[]\"") && !bytes.HasPrefix(line, []byte("vet: ")) {
			return ""
		}
	}
	return "the file is of go vet -json, which says nothing of what did not compile: run go vet within go test, or give the SARIF of golangci-lint or staticcheck (-f sarif)"
}
