package gate_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/gate"
)

// leaky leaks in three places: twice in one function, and once below another. %s
// are what is edited.
const leaky = `#include <stdlib.h>
#include <string.h>
%[1]s
char *kept[8];

static char *name(int n) {
%[2]s	char *p = malloc(10 + n);
	char *q = malloc(20 + n);
	memset(p, 0, 10);
	return q ? NULL : p;
}

static void grow(int depth) {
	if (depth > 0) {
		grow(depth - 1);
		return;
	}
	char *p = calloc(3, 100);
	p[0] = 1;
}

int main(int argc, char **argv) {
%[3]s	grow(%[4]d);
	name(argc);
	return argv == NULL;
}
`

// TestRebuilt: the leaks of a program keep their fingerprints when code above
// them is edited, the program is built in another folder, its allocations happen
// in another order, and it calls itself more often.
func TestRebuilt(t *testing.T) {
	t.Parallel()
	first := leaks(t, "checkout", fmt.Sprintf(leaky, "", "", "", 1), true)
	if len(first) != 3 {
		t.Fatalf("found %d leaks, want 3: %v", len(first), first)
	}
	above := "\nstatic int unused(void) {\n\treturn 1;\n}\n"
	for name, again := range map[string][]string{
		"the same":               leaks(t, "checkout", fmt.Sprintf(leaky, "", "", "", 1), true),
		"edited above":           leaks(t, "checkout", fmt.Sprintf(leaky, above, "\tkept[0] = 0;\n\n", "\tkept[1] = 0;\n", 1), true),
		"another folder":         leaks(t, "elsewhere/and/deeper", fmt.Sprintf(leaky, above, "", "", 1), true),
		"another order":          leaks(t, "checkout", fmt.Sprintf(leaky, "", "", "\tkept[2] = malloc(1);\n\tfree(kept[2]);\n\tname(2);\n", 1), true),
		"it calls itself deeper": leaks(t, "checkout", fmt.Sprintf(leaky, "", "", "", 4), true),
	} {
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("%s: (-before +after)\n%s", name, diff)
		}
	}
	// Without the source, the order within the function tells the two apart; a
	// line between them changes nothing.
	blind := leaks(t, "checkout", fmt.Sprintf(leaky, "", "", "", 1), false)
	if diff := cmp.Diff(blind, leaks(t, "elsewhere", fmt.Sprintf(leaky, above, "\tkept[0] = 0;\n", "", 1), false)); diff != "" || len(blind) != 3 {
		t.Errorf("without source: (-before +after)\n%s%v", diff, blind)
	}
	// What changes the defect's own line or its function's name is another defect.
	edited := leaks(t, "checkout", strings.Replace(fmt.Sprintf(leaky, "", "", "", 1), "malloc(20 + n)", "malloc(21 + n)", 1), true)
	if kept := slices.DeleteFunc(slices.Clone(edited), func(f string) bool { return !slices.Contains(first, f) }); len(kept) != 2 {
		t.Errorf("an edited line: %d of the three are as before: %v, %v", len(kept), first, edited)
	}
}

// leaks builds and runs a program under Valgrind and returns the fingerprints of
// what it leaks, sorted.
func leaks(t *testing.T, folder, source string, sourceAtHand bool) []string {
	t.Helper()
	needs(t, "valgrind")
	root := filepath.Join(t.TempDir(), folder)
	if err := os.MkdirAll(filepath.Join(root, "src"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "src", "leaky.c")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	program, report := filepath.Join(root, "leaky"), filepath.Join(root, "report.xml")
	for _, command := range [][]string{
		{"cc", "-g", "-O0", "-o", program, file},
		{"valgrind", "-q", "--leak-check=full", "--num-callers=40", "--xml=yes", "--xml-file=" + report, program},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command[0], err, out)
		}
	}
	f, err := os.Open(report)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gate.Read("report.xml", f)
	if err != nil {
		t.Fatal(err)
	}
	read := func(string) ([]byte, error) { return []byte(source), nil }
	if !sourceAtHand {
		read = nil
	}
	v := gate.Judge(gate.Case{Reports: []gate.Report{r}, Tree: gate.NewTree(root, []string{"src/leaky.c"}, read)})
	var out []string
	for _, finding := range v.Findings {
		if finding.At.File != "src/leaky.c" {
			t.Errorf("a leak in %q", finding.At.File)
		}
		out = append(out, finding.Fingerprint)
	}
	slices.Sort(out)
	return out
}

// needs skips a test where a program is missing that CI installs.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skip("not here: " + p)
		}
	}
}
