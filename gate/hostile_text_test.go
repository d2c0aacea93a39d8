package gate

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// TestHostileLogs reads text and JSON that nobody would write in good faith.
func TestHostileLogs(t *testing.T) {
	const sarifBegin = `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[`
	tests := []struct {
		name string
		from io.Reader
		want string // in a reason
	}{
		{"a line of 20 MB", repeated("abcdefgh", 20<<20/8), "that proves nothing"},
		{"a report at the end of a line of 5 MB", io.MultiReader(repeated("abcdefgh", 5<<20/8), strings.NewReader(strings.Split(asanReport(1), "SUMMARY")[0])), "has no SUMMARY"},
		{"an event of 5 MB", io.MultiReader(strings.NewReader(events("run TestA")+`{"Action":"output","Package":"p","Output":"`), repeated("abcdefgh", 5<<20/8), strings.NewReader("\"}\n")), "more than 1048576 bytes"},
		{"lines without end", repeated(`{"Action":"output","Package":"p","Output":"`+strings.Repeat("a", 1000)+`"}`+"\n", 32<<10), "lines without an end"},
		{"tests without end", counting(`{"Action":"run","Package":"p","Test":"Test%d"}`+"\n", maxTests+1), "more than 10000 tests"},
		{"packages without end", counting(`{"Action":"start","Package":"p%d"}`+"\n", maxTests+1), "more than 10000 packages"},
		{"tests of a text without end", counting("=== RUN   Test%d\n", maxTests+1), "more than 10000 tests"},
		{"deep JSON", repeated("[", 1<<20), "that proves nothing"},
		{"deep SARIF", io.MultiReader(strings.NewReader(`{"$schema":"sarif-2.1.0.json","x":`), repeated("[", 1<<20)), "more than 1000 arrays"},
		{"deep result", io.MultiReader(strings.NewReader(sarifBegin+`{"x":`), repeated(`{"x":`, 1<<18)), "depth"},
		{"deep tool", io.MultiReader(strings.NewReader(`{"version":"2.1.0","runs":[{"tool":{"x":`), repeated("[", 1<<20)), "more than 1000 arrays"},
		{"long value", io.MultiReader(strings.NewReader(sarifBegin+`{"message":{"text":"`), repeated("abcdefgh", 20<<20/8)), "more than 8 MB"},
		{"long name", io.MultiReader(strings.NewReader(`{"$schema":"sarif-2.1.0.json","`), repeated("abcdefgh", 20<<20/8)), "more than 8 MB"},
		{"many rules", io.MultiReader(strings.NewReader(`{"version":"2.1.0","runs":[{"tool":{"driver":{"rules":[{}`), repeated(`,{"id":"`+strings.Repeat("r", 1000)+`"}`, 100<<10)), "more than 64 MB"},
		{"many artifacts", io.MultiReader(strings.NewReader(`{"version":"2.1.0","runs":[{"artifacts":[{}`), repeated(`,{}`, 1<<20)), "more than 64 MB"},
		{"many bases", io.MultiReader(strings.NewReader(`{"version":"2.1.0","runs":[{"originalUriBaseIds":{"a":{}`), repeated(`,"a":{}`, 4<<20)), "more than 8 MB"},
		{"a suppression of everything", strings.NewReader("Suppressions used:\n      99999999999999999999 9 f\n"), ""},
		{"a leak of everything", strings.NewReader("==1==ERROR: LeakSanitizer: detected memory leaks\nDirect leak of 99999999999999999999 byte(s) in 9 object(s) allocated from:\n"), "has no SUMMARY"},
	}
	before := heap()
	for _, tt := range tests {
		r, err := Read(tt.name, tt.from)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if reasons := strings.Join(r.Broken, "\n"); !strings.Contains(reasons, tt.want) {
			t.Errorf("%s: broken: %q, want %q", tt.name, reasons, tt.want)
		}
		for _, f := range r.Findings {
			if f.Bytes < 0 || f.Blocks < 0 {
				t.Errorf("%s: %+v", tt.name, f)
			}
		}
	}
	if kept := heap(); kept > before+16<<20 {
		t.Errorf("%d MB are kept", (kept-before)>>20)
	}
}

// TestMemoryText reads logs and results that are larger than what may be kept of
// them, and looks at the heap meanwhile.
func TestMemoryText(t *testing.T) {
	n := 1
	if os.Getenv("MUSTER_LONG") != "" {
		n = 200
	}
	goRaces := strings.ReplaceAll(goRaceReport, "%", "%%")
	goRaces = strings.Replace(goRaces, "add()", "add%d()", 1)
	leaks := "==1==ERROR: LeakSanitizer: detected memory leaks\nDirect leak of 8 byte(s) in 1 object(s) allocated from:\n    #0 0x1 in f%d a.c:3\n"
	for _, tt := range []struct {
		name  string
		begin string
		each  string // with a number in it
		total int
	}{
		{"races", "", goRaces, 10_500 * n},
		{"leaks", "", leaks + "SUMMARY: AddressSanitizer: 8 byte(s) leaked in 1 allocation(s).\n", 10_500 * n},
		{"undefined", "", strings.Repeat("x", 200) + "/a%d.c:3:5: runtime error: division by zero\n", 10_500 * n},
		{"long lines", "", strings.Replace(goRaces, "  example.com", strings.Repeat(" ", 100_000)+"example.com", 1), 150 * n},
		{"failed tests", "", "--- FAIL: TestSum (0.00s)\n    a_test.go:7: no\nFAIL\nFAIL\texample.com/shop%d\t0.010s\n", 10_500 * n},
		{"failed tests as JSON", "", strings.ReplaceAll(events("run TestA", "output TestA     a_test.go:7: no\n", "fail TestA", "end fail"), "shop", "shop%[1]d"), 10_500 * n},
		{"SARIF", `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[{"kind":"pass"}`, `,{"ruleId":"R1","message":{"text":"message %d"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a.c"},"region":{"startLine":7}}}]}` + "\n", 10_500 * n},
	} {
		before := heap()
		var most uint64
		lines := counting(tt.each, tt.total)
		lines.(*generator).look = func(int) { most = max(most, heap()) }
		end := ""
		if tt.begin != "" {
			end = "]}]}"
		}
		r, err := Read(tt.name, io.MultiReader(strings.NewReader(tt.begin), lines, strings.NewReader(end)))
		if err != nil || len(r.Broken) > 0 || r.Total != tt.total || len(r.Findings) != min(tt.total, maxFindings) {
			t.Errorf("%s: %d findings, %d kept, want %d: %q, %v", tt.name, r.Total, len(r.Findings), tt.total, r.Broken, err)
		}
		if most -= min(most, before); most > uint64(12+n/4)<<20 {
			t.Errorf("%s: %d MB are kept of %d MB", tt.name, most>>20, r.Size>>20)
		}
		t.Logf("%s: %d MB, %d MB of them at most in the heap", tt.name, r.Size>>20, most>>20)
	}
}

// counting is a text n times, each with its number in it.
func counting(text string, n int) io.Reader {
	number := 0
	g := &generator{size: 1 << 62}
	g.fill = func(g *generator) {
		for range 10 {
			if number == n {
				g.size = 0
				return
			}
			fmt.Fprintf(&g.buf, text, number)
			number++
		}
	}
	return g
}
