package gate

import (
	"strings"
	"testing"
)

// TestRefuseFiles: files that people give by mistake are named, and the reason says
// what to give instead.
func TestRefuseFiles(t *testing.T) {
	for _, tt := range []struct{ name, head, want string }{
		{"gzip", "\x1f\x8b\x08\x00", "gzip: unpack it"},
		{"zstd", "\x28\xb5\x2f\xfd\x04", "zstd: unpack it"},
		{"zip", "PK\x03\x04\x14", "a zip archive"},
		{"ELF", "\x7fELF\x02\x01\x01", "a program"},
		{"PNG", "\x89PNG\r\n\x1a\n\x00", "a PNG image"},
		{"PDF", "%PDF-1.7\n%\xe2\xe3", "a PDF document"},
		{"UTF-16", "\xff\xfeo\x00k\x00", "UTF-16, as PowerShell's > writes it"},
		{"binary", "ab\x00\x01\x02\x03\x04\xff\xfe cd", "binary"},
		{"zeros", strings.Repeat("\x00", 100), "binary"},
		{"SARIF 2.2", `{"version":"2.2","runs":[]}`, "SARIF 2.2, which is a draft; version 2.1.0 is read"},
		{"SARIF 2.2, another order", `{"runs":[{"tool":{}}],"version":"2.2"}`, "SARIF 2.2, which is a draft"},
		{"SARIF 2.0", `{"$schema":"http://json.schemastore.org/sarif-2.0.0","version":"2.0.0-csd.2.beta","runs":[]}`, "SARIF 2.0.0-csd.2.beta; version 2.1.0 is read, and Sarif.Multitool"},
		{"SARIF 1.0", `{"version":"1.0.0","runs":[]}`, "SARIF 1.0.0;"},
		{"ESLint", `[{"filePath":"/a.js","messages":[],"errorCount":0}]`, "ESLint's own JSON: write SARIF"},
		{"GitLab Code Quality", `[{"description":"x","check_name":"y","fingerprint":"z"}]`, "GitLab Code Quality"},
		{"CycloneDX", `{"bomFormat":"CycloneDX","specVersion":"1.5"}`, "CycloneDX"},
		{"npm audit", `{"auditReportVersion":2,"vulnerabilities":{}}`, "npm audit"},
		{"Trivy", `{"SchemaVersion":2,"ArtifactName":"x","Results":[]}`, "Trivy's own JSON: write SARIF (--format sarif)"},
		{"go vet", "# example.com/shop\n{\n\t\"example.com/shop\": {\n\t\t\"printf\": [\n\t\t\t{\n\t\t\t\t\"posn\": \"/a.go:1:2\"\n\t\t\t}\n\t\t]\n\t}\n}\n", "go vet -json"},
		{"go vet that is clean", "{}\n# example.com/shop/p4\n{}\n", "go vet -json"},
		{"other JSON", `{"a":1}`, "JSON of a sort that is not known"},
		{"other JSON, cut off", `{"a":`, "JSON that is cut off"},
		{"Valgrind's text", "==1== Memcheck, a memory error detector\n==1== Command: ./a\n", "Valgrind's report as text"},
		{"heaptrack_print", "reading file \"heaptrack.shop.77.zst\" - please wait, this might take some time...\nDebuggee command was: ./shop\nfinished reading file, now analyzing data:\n\nMOST CALLS TO ALLOCATION FUNCTIONS\n", "a profile of heaptrack"},
		{"suppressions", "{\n   name\n   Memcheck:Leak\n   fun:malloc\n}\n", "suppressions for Valgrind"},
	} {
		r := readString(t, tt.head)
		if r.Format != "" || len(r.Broken) != 1 || !strings.Contains(r.Broken[0], tt.want) {
			t.Errorf("%s: format %q, broken %q, want %q", tt.name, r.Format, r.Broken, tt.want)
		}
	}
}

// TestRefuseNoLog: what a program writes before a report is no reason to refuse
// the log.
func TestRefuseNoLog(t *testing.T) {
	for name, before := range map[string]string{
		"lines of JSON":      "{\"level\":\"info\",\"msg\":\"on\"}\n{\"level\":\"info\",\"msg\":\"off\"}\n",
		"a bracket":          "[==========] Running 3 tests from 1 test suite.\n",
		"a brace":            "{ begin of something\n",
		"some rubbish":       "sent: \x00\x01\x02 to the printer, which did not print it; nobody knows why that would be\n",
		"Latin 1":            "k\xf6nnte sein, oder auch nicht\n",
		"nothing for 100 KB": strings.Repeat("\n", 100<<10),
	} {
		if r := readString(t, before+asanReport(1)); r.Total != 1 || len(r.Broken) > 0 {
			t.Errorf("%s: %d findings, broken %q", name, r.Total, r.Broken)
		}
	}
}
