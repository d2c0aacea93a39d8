package gate

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A docBlock is an example of a page: ```word word … ```.
type docBlock struct {
	kind, text string
	line       int
}

func page(t *testing.T, name string) (text string, blocks []docBlock) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	text = string(raw)
	for _, at := range regexp.MustCompile("(?ms)^```([^\n]+)\n(.*?)^```$").FindAllStringSubmatchIndex(text, -1) {
		blocks = append(blocks, docBlock{text[at[2]:at[3]], text[at[4]:at[5]], 1 + strings.Count(text[:at[0]], "\n")})
	}
	return text, blocks
}

// examplesOf calls f for each block of a kind, with the block behind it, and fails if
// there are not n.
func examplesOf(t *testing.T, blocks []docBlock, kind string, n int, f func(b, next docBlock)) {
	t.Helper()
	for i, b := range blocks {
		if b.kind == kind {
			n--
			f(b, append(blocks[i+1:], docBlock{})[0])
		}
	}
	if n != 0 {
		t.Errorf("%d examples more or less of %q than there are", n, kind)
	}
}

func TestDocsBaseline(t *testing.T) {
	text, blocks := page(t, "gate-baseline.md")
	examplesOf(t, blocks, "yaml baseline", 1, func(b, _ docBlock) {
		baseline, err := ParseBaseline("baseline.yaml", []byte(b.text))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b.text, string(baseline.Text())); diff != "" {
			t.Errorf("line %d: it is written otherwise (-page +code)\n%s", b.line, diff)
		}
		for _, field := range regexp.MustCompile(`(?m)^    (\w+):`).FindAllStringSubmatch(b.text, -1) {
			if !strings.Contains(text, "| `"+field[1]+"` |") {
				t.Errorf("the table lacks %s", field[1])
			}
		}
	})
	examplesOf(t, blocks, "yaml mistake", 2, func(b, next docBlock) {
		_, err := ParseBaseline("baseline.yaml", []byte(b.text))
		if diff := cmp.Diff(next.text, fmt.Sprint(err)+"\n"); diff != "" {
			t.Errorf("line %d: (-page +code)\n%s", b.line, diff)
		}
	})
	rows := regexp.MustCompile("(?m)^\\| (?:`([^`]*)` )?\\| `(critical=[^`]*)` \\|$").FindAllStringSubmatch(text, -1)
	for _, row := range rows {
		if got, err := ParseBudget(row[1]); err != nil || got.String() != row[2] {
			t.Errorf("%q is %s, %v; the page says %s", row[1], got, err, row[2])
		}
	}
	if len(rows) != 3 {
		t.Errorf("%d budgets", len(rows))
	}
}

func TestDocsOwners(t *testing.T) {
	text, blocks := page(t, "gate-owners.md")
	for _, d := range []Dialect{GitHub, GitLab} {
		if places := "`" + strings.Join(CodeownersPlaces(d), "`, `") + "`"; !strings.Contains(text, places) {
			t.Errorf("the page lacks %s", places)
		}
		examplesOf(t, blocks, "codeowners "+string(d), 1, func(b, next docBlock) {
			c, problems := ParseCodeowners(d, []byte(b.text))
			if len(problems) > 0 {
				t.Errorf("line %d: %v", b.line, problems)
			}
			for line := range strings.Lines(next.text) {
				path, want, ok := strings.Cut(strings.TrimSpace(line), ": ")
				if got := owned(c, path); !ok || got != want {
					t.Errorf("%s: %s: %q, the page says %q", d, path, got, want)
				}
			}
			if next.kind != "owners" || strings.Count(next.text, "\n") < 5 {
				t.Errorf("line %d: no owners behind it", b.line)
			}
		})
	}
	// What the table says of patterns.
	for _, row := range []struct{ pattern, path, hub, lab string }{
		{"docs", "x/docs", "@a", "@a"}, {"docs", "x/docs/a", "@a", ""},
		{"docs/", "x/docs/y/a", "@a", "@a"},
		{"src/lib/", "x/src/lib/a", "", "@a"}, {"src/lib/", "src/lib/a", "@a", "@a"},
		{"docs/*", "docs/a", "@a", "@a"}, {"docs/*", "docs/x/a", "", ""}, {"docs/*", "x/docs/a", "", "@a"},
		{"/docs/**", "docs/x/a", "@a", ""}, {"/docs/**", "docs/a", "@a", "@a"},
		{"x[a-c]", "xb", "", "@a"}, {`\#x`, "#x", "", "@a"},
	} {
		for d, want := range map[Dialect]string{GitHub: row.hub, GitLab: row.lab} {
			c, _ := ParseCodeowners(d, []byte(row.pattern+" @a\n"))
			if got := owned(c, row.path); got != want {
				t.Errorf("%s: %s of %s: %q, want %q", d, row.path, row.pattern, got, want)
			}
		}
	}
}

func TestDocsOutputs(t *testing.T) {
	text, blocks := page(t, "gate-outputs.md")
	for _, o := range Outputs {
		if !strings.Contains(text, fmt.Sprintf("| `%s` | %s |", o.Name, o.Help)) || !strings.Contains(text, "\n## "+o.Name+"\n") {
			t.Errorf("the page lacks %s", o.Name)
		}
	}
	for _, s := range Severities {
		v := examples()["clean"]
		v.Findings = []Finding{{Severity: s, Kind: "k", Standing: New, Fingerprint: print32("1")}}
		var log struct {
			Runs []struct{ Results []struct{ Level string } }
		}
		var issues []qualityIssue
		if json.Unmarshal(written(t, "sarif", v, View{}), &log) != nil || json.Unmarshal(written(t, "codequality", v, View{}), &issues) != nil {
			t.Fatal("no JSON")
		}
		if row := fmt.Sprintf("| `%s` | `%s` | `%s` |", s, log.Runs[0].Results[0].Level, issues[0].Severity); !strings.Contains(text, row) {
			t.Errorf("the page lacks %s", row)
		}
	}
	for _, bound := range []string{
		fmt.Sprintf("that block, %d are shown in full", shownFindings), fmt.Sprintf("up to %d,000 findings", listedFindings/1000),
		fmt.Sprintf("up to %d findings", shownRows), fmt.Sprintf("details of up to %d", shownDetails), fmt.Sprintf("below %d,000 bytes", maxComment/1000),
	} {
		if !strings.Contains(text, bound) {
			t.Errorf("the page does not say %q", bound)
		}
	}
	examplesOf(t, blocks, "text output", 1, func(b, _ docBlock) {
		found := exampleFindings()
		v := Verdict{
			Reason: "new findings: 1 critical", Suite: "unit", Findings: []Finding{found[0], found[4]}, Budget: DefaultBudget(), At: noon,
			Source: Source{Project: "shop/parser", Branch: "main", Commit: "8d0f2b6c1e"},
		}
		if diff := cmp.Diff(b.text, string(written(t, "text", v, View{}))); diff != "" {
			t.Errorf("line %d: (-page +code)\n%s", b.line, diff)
		}
	})
}

func TestDocsSignature(t *testing.T) {
	text, blocks := page(t, "gate-signature.md")
	if !strings.Contains(text, "`"+payloadType+"`") || !strings.Contains(text, fmt.Sprintf("more than %s in the future", skew)) {
		t.Error("the page lacks the payload's type or how far a clock may be ahead")
	}
	examplesOf(t, blocks, "json statement", 1, func(b, _ docBlock) {
		payload, err := exampleStatement().payload()
		if err != nil {
			t.Fatal(err)
		}
		var page, code any
		if json.Unmarshal([]byte(b.text), &page) != nil || json.Unmarshal(payload, &code) != nil {
			t.Fatal("no JSON")
		}
		if diff := cmp.Diff(page, code); diff != "" {
			t.Errorf("line %d: (-page +code)\n%s", b.line, diff)
		}
	})
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("not here: openssl")
	}
	dir := t.TempDir()
	run := func(b, _ docBlock) {
		cmd := exec.Command("sh", "-eu", "-c", b.text)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("line %d: %v: %s", b.line, err, out)
		}
	}
	examplesOf(t, blocks, "sh keys", 1, run)
	pem, err := os.ReadFile(filepath.Join(dir, "gate.key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParsePrivateKey(pem)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "verdict.json"), mustSign(t, key, exampleStatement()), 0o600); err != nil {
		t.Fatal(err)
	}
	examplesOf(t, blocks, "sh check", 1, run)
}
