package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/gate"
)

// gateRig is a folder with a repository's files, in which the gate is called.
type gateRig struct {
	*testing.T
	root string
	env  map[string]string
	in   string
}

func newGateRig(t *testing.T) *gateRig {
	t.Helper()
	return &gateRig{T: t, root: t.TempDir(), env: map[string]string{}}
}

func (g *gateRig) file(name, text string) string {
	g.Helper()
	path := filepath.Join(g.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		g.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		g.Fatal(err)
	}
	return path
}

// muster calls `muster gate args`.
func (g *gateRig) muster(args ...string) (code int, out, errs string) {
	g.Helper()
	var o, e bytes.Buffer
	a := &app{
		in: strings.NewReader(g.in), out: &o, err: &e, getenv: func(name string) string { return g.env[name] },
		now: func() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }, zone: time.UTC, width: tableWidth,
	}
	code = run(g.Context(), append([]string{"gate"}, args...), a)
	return code, o.String(), e.String()
}

// check is `muster gate check --root ROOT --json args`, which must say something
// that is JSON.
func (g *gateRig) check(args ...string) (int, gate.Result) {
	g.Helper()
	code, out, errs := g.muster(append([]string{"check", "--json", "--root", g.root}, args...)...)
	var r gate.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		g.Fatalf("exit %d: %v\n%s%s", code, err, out, errs)
	}
	return code, r
}

func (g *gateRig) sample(name string) string { return g.file(name, string(selftestText(name))) }

// TestGateCheck: what is given as reports, and the exit code.
func TestGateCheck(t *testing.T) {
	g := newGateRig(t)
	clean, bad := g.sample("clean.valgrind.xml"), g.sample("bad.valgrind.xml")
	folder := filepath.Dir(g.file("reports/a.xml", string(selftestText("clean.valgrind.xml"))))
	g.file("reports/deep/b.sarif", string(selftestText("clean.sarif")))
	empty := filepath.Join(g.root, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	nothing := g.file("nothing.xml", "")
	tests := []struct {
		name   string
		args   []string
		in     string
		code   int
		reason string
	}{
		{"clean", []string{clean}, "", exitFine, "no findings in 1 report"},
		{"bad", []string{bad}, "", exitFailed, "new findings: 1 error"},
		{"both", []string{clean, bad}, "", exitFailed, "1 error"},
		{"a folder", []string{folder}, "", exitFine, "no findings in 2 reports"},
		{"a pattern", []string{filepath.Join(g.root, "*.valgrind.xml")}, "", exitFailed, "1 error"},
		{"the same twice", []string{clean, clean}, "", exitFine, "in 1 report"},
		{"standard input", []string{"-"}, string(selftestText("bad.sarif")), exitFailed, "1 error"},
		{"nothing on it", []string{"-"}, "", exitFailed, "standard input: the file is empty"},
		{"an empty file", []string{clean, nothing}, "", exitFailed, "the file is empty"},
		{"an empty folder", []string{empty}, "", exitFailed, "the folder is empty"},
		{"a file that is not there", []string{filepath.Join(g.root, "no.xml")}, "", exitFailed, "no such file or directory: no report was written"},
		{"a pattern that fits nothing", []string{filepath.Join(g.root, "*.log")}, "", exitFailed, "no file fits the pattern"},
		{"an error exit", []string{"--exit-status", "3", clean}, "", exitFailed, "status 3, which no finding explains"},
		{"a good exit", []string{"--exit-status", "0", clean}, "", exitFine, "no findings"},
		{"a signal, as a shell tells it", []string{"--exit-status", "139", clean}, "", exitFailed, "SIGSEGV"},
		{"a signal, as Python tells it", []string{"--exit-status=-11", clean}, "", exitFailed, "SIGSEGV"},
		{"the least of them", []string{"--exit-status=-1", clean}, "", exitFailed, "SIGHUP"},
		{"a number that is no signal's", []string{"--exit-status=-1000", clean}, "", exitFailed, "1000"},
		{"a budget", []string{"--budget", "error=1", bad}, "", exitFine, "within the budget"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g.T, g.in = t, tt.in
			code, r := g.check(tt.args...)
			if code != tt.code || !strings.Contains(r.Reason, tt.reason) || (r.Verdict == "pass") != (code == exitFine) {
				t.Errorf("exit %d, %s: %s; want %d, %s", code, r.Verdict, r.Reason, tt.code, tt.reason)
			}
		})
	}
}

// TestGateMisuse: wrong use ends with 2, says what is wrong, and judges nothing.
func TestGateMisuse(t *testing.T) {
	g := newGateRig(t)
	bad := g.sample("bad.valgrind.xml")
	broken := g.file("baseline.yaml", "version: 1\nknown:\n  zzz: {}\n")
	tests := map[string][]string{
		`expected "<report> ..."`:        {"check"},
		"--budget: ":                     {"check", "--budget", "error=many", bad},
		"--accept: needs --reason":       {"check", "--accept", strings.Repeat("0", 32), bad},
		"--reason and --until":           {"check", "--reason", "x", bad},
		"--until: ":                      {"check", "--accept", strings.Repeat("0", 32), "--reason", "x", "--until", "soon", bad},
		"no finding has the fingerprint": {"check", "--accept", strings.Repeat("0", 32), "--reason", "x", "--until", "2026-12-01", bad},
		"baseline.yaml:3":                {"check", "--baseline", broken, bad},
		"--baseline: open":               {"check", "--baseline", filepath.Join(g.root, "none.yaml"), bad},
		"--report: needs --gate":         {"check", "--report", "http://127.0.0.1:1", bad},
		"no token":                       {"check", "--report", "http://127.0.0.1:1", "--gate", "x", bad},
		"--report: it: wants an address": {"check", "--report", "nowhere", "--gate", "x", bad},
		"name the program":               {"run", "--"},
		"--catalogue: needs --service":   {"check", "--catalogue", bad, bad},
		"must be one of":                 {"run", "--tool", "massif", "--", "true"},
		"--keep: ":                       {"run", "--keep", g.root, "--", "true"},
		"needs --artefact":               {"check", "--sign", "x.json", bad},
	}
	for want, args := range tests {
		code, out, errs := g.muster(args...)
		if code != exitMisused || !strings.Contains(errs, want) || out != "" {
			t.Errorf("%q: exit %d\n%s%s", args, code, out, errs)
		}
	}
}

// TestGateBaseline: a finding is accepted until a day, is then listed and does
// not block; the ratchet takes it out when it is gone, and never when the run
// is not complete.
func TestGateBaseline(t *testing.T) {
	g := newGateRig(t)
	bad, clean := g.sample("bad.valgrind.xml"), g.sample("clean.valgrind.xml")
	code, r := g.check(bad)
	if code != exitFailed || !r.Findings[0].New {
		t.Fatalf("exit %d: %+v", code, r)
	}
	place := filepath.Join(g.root, baselinePlace)
	code, r = g.check("--accept", r.Findings[0].Fingerprint, "--reason", "the pool is rewritten in January", "--until", "2027-01-31", bad)
	if code != exitFine || r.Findings[0].New || r.Findings[0].Until != "2027-01-31" {
		t.Fatalf("accepted: exit %d: %+v", code, r)
	}
	if code, r = g.check(bad); code != exitFine || r.Findings[0].New {
		t.Fatalf("and again: exit %d: %+v", code, r)
	}
	cut := g.file("cut.xml", string(selftestText("clean.valgrind.xml")[:500]))
	if code, _, errs := g.muster("check", "--root", g.root, "--update", cut); code != exitFailed || !strings.Contains(errs, "not complete") {
		t.Fatalf("updated by a run that is not complete: exit %d: %s", code, errs)
	}
	if code, r = g.check("--update", bad); code != exitFine || len(r.Findings) != 1 {
		t.Fatalf("updated while it is there: exit %d: %+v", code, r)
	}
	if code, r = g.check("--update", clean); code != exitFine {
		t.Fatalf("updated: exit %d: %+v", code, r)
	}
	text, err := os.ReadFile(place)
	if err != nil || strings.Contains(string(text), "January") {
		t.Errorf("it is still in the baseline: %v\n%s", err, text)
	}
	if code, _ = g.check(bad); code != exitFailed {
		t.Errorf("it came back and passes: exit %d", code)
	}
}

// TestGateOwner: the owner is that of the first frame of our own code, by the
// rules of whoever's CODEOWNERS it is, else the service's team.
func TestGateOwner(t *testing.T) {
	g := newGateRig(t)
	bad := g.sample("bad.valgrind.xml")
	g.file("leaking.c", "\n\n\tchar *p = malloc(4242);\n")
	shop := g.file("shop.yaml", "organization: shop\nusers: {ana: {email: a@b.example}}\nteams: {payments: {members: [ana]}}\npolicies: {p: {steps: [{notify: [user:ana], wait: 1h}]}}\nservices: {checkout: {team: payments, policy: p}}\n")
	owner := func(args ...string) string {
		_, r := g.check(append(args, bad)...)
		return r.Findings[0].Owner
	}
	if got := owner(); got != "" {
		t.Errorf("nobody's: %q", got)
	}
	if got := owner("--service", "checkout", "--catalogue", shop); got != "payments" {
		t.Errorf("the service's team: %q", got)
	}
	g.file("CODEOWNERS", "*.c @shop/c\n[Memory]\nleaking.c @shop/memory\n")
	if got := owner("--service", "checkout", "--catalogue", shop); got != "@shop/c @shop/memory" {
		t.Errorf("by GitLab's rules: %q", got)
	}
	if got := owner("--dialect", "github"); got != "@shop/memory" {
		t.Errorf("by GitHub's rules: %q", got)
	}
	g.file(".github/CODEOWNERS", "*.c @shop/there\n")
	if got := owner(); got != "@shop/there" {
		t.Errorf("by .github/CODEOWNERS: %q", got)
	}
	g.env["GITLAB_CI"] = "true"
	if got := owner(); got != "@shop/c @shop/memory" {
		t.Errorf("in GitLab: %q", got)
	}
}

// TestGateFiles: each output that is asked for is written, and the terminal still
// says what it says.
func TestGateFiles(t *testing.T) {
	g := newGateRig(t)
	bad := g.sample("bad.valgrind.xml")
	args := []string{"check", "--root", g.root}
	for _, name := range []string{"sarif", "junit", "code-quality", "markdown"} {
		args = append(args, "--"+name, filepath.Join(g.root, name+".out"))
	}
	code, out, _ := g.muster(append(args, bad)...)
	if code != exitFailed || !strings.Contains(out, "Leak_DefinitelyLost") || !strings.Contains(out, "lose") {
		t.Errorf("exit %d\n%s", code, out)
	}
	for name, has := range map[string]string{"sarif": `"2.1.0"`, "junit": "<testsuite", "code-quality": `"check_name"`, "markdown": "Leak_DefinitelyLost"} {
		text, err := os.ReadFile(filepath.Join(g.root, name+".out"))
		if err != nil || !strings.Contains(string(text), has) {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
	if code, _, errs := g.muster("check", "--root", g.root, "--sarif", filepath.Join(g.root, "no", "such", "folder"), bad); code != exitFailed || !strings.Contains(errs, "write sarif") {
		t.Errorf("a file that cannot be written: exit %d: %s", code, errs)
	}
}

// TestGateRun runs programs under the real Valgrind: the same way and with the
// same end as a pipeline would.
func TestGateRun(t *testing.T) {
	for _, tool := range []string{"valgrind", "cc", "c++"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("not here: " + tool)
		}
	}
	given := func(name string) string {
		text, err := os.ReadFile(filepath.Join("../../gate/testdata/programs", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	sanitizer := []string{"--tool", "sanitizer"}
	orphan := func(does string) string {
		return "int main(void) { if (!fork()) { setsid(); if (!fork()) { " + does + " } _exit(0); } int s; wait(&s); return 0; }\n"
	}
	const quit = "#include <stdlib.h>\n#include <unistd.h>\n#include <signal.h>\n#include <sys/wait.h>\n"
	tests := []struct {
		name, source string
		flags        []string // of the compiler
		args         []string
		code         int
		reason       string
	}{
		{"clean", cleanC, nil, nil, exitFine, "no findings in 1 report"},
		{"leaking", leakingC, nil, nil, exitFailed, "new findings: 1 error"},
		{"leaking, stripped", leakingC, []string{"-s"}, nil, exitFailed, "new findings: 1 error"},
		{"leaking in a child only", quit + "int main(void) { if (!fork()) { volatile char *p = malloc(7); p[0] = 1; p = 0; exit(0); } int s; wait(&s); return 0; }\n", nil, nil, exitFailed, "new findings: 1 error"},
		{"exit 3, and clean", "int main(void) { return 3; }\n", nil, nil, exitFailed, "status 3, which no finding explains"},
		{"killed", quit + "int main(void) { raise(SIGKILL); return 0; }\n", nil, nil, exitFailed, "killed"},
		{"a child killed", quit + "int main(void) { pid_t c = fork(); if (!c) sleep(600); sleep(1); kill(c, SIGKILL); int s; wait(&s); return 0; }\n", nil, nil, exitFailed, "the file ends within"},
		{"crashing", "int main(void) { *(volatile int *)0 = 1; return 0; }\n", nil, nil, exitFailed, "segmentation fault"},
		{"aborting in a child", quit + "int main(void) { if (!fork()) abort(); int s; wait(&s); return 0; }\n", nil, nil, exitFailed, ""},
		{"static", leakingC, []string{"-static"}, nil, exitFailed, "linked statically"},
		{"too long", quit + "int main(void) { sleep(600); return 0; }\n", nil, []string{"--timeout", "2s"}, exitFailed, "after 2s"},
		{"C++", given("mismatch.cc"), nil, nil, exitFailed, "2 error"},
		{"leaking in another program, that a child becomes", given("fork.c"), nil, nil, exitFailed, "1 error"},
		{"threads that race, for memcheck", given("race.c"), nil, nil, exitFine, "no findings"},
		{"threads that race", given("race.c"), nil, []string{"--tool", "helgrind"}, exitFailed, "new findings"},
		{"threads that race, for the other tool", given("race.c"), nil, []string{"--tool", "drd"}, exitFailed, "new findings"},
		{"ASan, clean", cleanC, []string{"-fsanitize=address"}, sanitizer, exitFine, "no findings"},
		{"ASan, leaking", leakingC, []string{"-fsanitize=address"}, sanitizer, exitFailed, "new findings: 1 error"},
		{"ASan, leaking in a child only", quit + "int main(void) { if (!fork()) { volatile char *p = malloc(7); p[0] = 1; p = 0; exit(0); } int s; wait(&s); return 0; }\n", []string{"-fsanitize=address"}, sanitizer, exitFailed, "new findings: 1 error"},
		{"LSan, leaking", leakingC, []string{"-fsanitize=leak"}, sanitizer, exitFailed, "new findings: 1 error"},
		{"TSan, racing", given("race.c"), []string{"-fsanitize=thread"}, sanitizer, exitFailed, "new findings"},
		{"UBSan, which ends with 0", "int main(int n, char **v) { n += 2147483647; return n == 0; }\n", []string{"-fsanitize=undefined"}, sanitizer, exitFailed, "new findings"},
		{"built without one", cleanC, nil, sanitizer, exitFailed, "not a program that was built with a sanitizer"},
		{"ASan, exit 3", "int main(void) { return 3; }\n", []string{"-fsanitize=address"}, sanitizer, exitFailed, "status 3, which no finding explains"},
		{"leaking in a child that outlives it", quit + orphan("sleep(1); volatile char *p = malloc(7); p[0] = 1; p = 0; exit(0);"), nil, nil, exitFailed, "new findings: 1 error"},
		{"ASan, leaking in a child that outlives it", quit + orphan("sleep(1); volatile char *p = malloc(7); p[0] = 1; p = 0; exit(0);"), []string{"-fsanitize=address"}, sanitizer, exitFailed, "new findings: 1 error"},
		{"ASan, and a child does not end", quit + orphan("sleep(600);"), []string{"-fsanitize=address"}, sanitizer, exitFailed, "ran on when the program had ended"},
		{"clean, and a child ends late", quit + orphan("sleep(1); exit(0);"), nil, nil, exitFine, "no findings"},
		{"with its own arguments", "#include <string.h>\nint main(int n, char **v) { return n != 3 || strcmp(v[1], \"--json\") || strcmp(v[2], \"a b\"); }\n", nil, nil, exitFine, "no findings"},
	}
	for _, tt := range tests { // one after the other: each adopts what outlives its program
		t.Run(tt.name, func(t *testing.T) {
			g := newGateRig(t)
			program := filepath.Join(g.root, "program")
			compile := func(to, source string) {
				compiler, name := "cc", to+".c"
				if strings.Contains(source, "std::") {
					compiler, name = "c++", to+".cc"
				}
				flags := append([]string{"-g", "-O0", "-pthread"}, tt.flags...)
				if out, err := exec.Command(compiler, append(flags, "-o", filepath.Join(g.root, to), g.file(name, source))...).CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
			compile("program", tt.source)
			args := append(append([]string{"run", "--json", "--root", g.root}, tt.args...), "--", program)
			switch tt.name {
			case "with its own arguments":
				args = append(args, "--json", "a b")
			case "leaking in another program, that a child becomes":
				compile("other", given("leak.c"))
				args = append(args, filepath.Join(g.root, "other"))
			}
			code, out, errs := g.muster(args...)
			var r gate.Result
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatalf("exit %d: %v\n%s%s", code, err, out, errs)
			}
			if code != tt.code || !strings.Contains(r.Reason, tt.reason) {
				t.Errorf("exit %d: %s; want %d: %s\n%s", code, r.Reason, tt.code, tt.reason, errs)
			}
			if r.Verdict == "fail" && strings.HasPrefix(tt.name, "leaking") && (r.Findings[0].Class != gate.Leak || r.Findings[0].Bytes == 0) {
				t.Errorf("%+v", r.Findings)
			}
		})
	}
}

// TestGateRunBlinded: what keeps a tool from looking, or from telling, is not
// heeded or fails the gate. It never passes.
func TestGateRunBlinded(t *testing.T) {
	for _, tool := range []string{"valgrind", "cc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("not here: " + tool)
		}
	}
	g := newGateRig(t)
	source := g.file("leaking.c", leakingC)
	plain, asan := filepath.Join(g.root, "plain"), filepath.Join(g.root, "asan")
	for to, flag := range map[string]string{plain: "-O0", asan: "-fsanitize=address"} {
		if out, err := exec.Command("cc", "-g", flag, "-o", to, source).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	hush := g.file("hush.supp", "{\n all\n Memcheck:Leak\n fun:*\n ...\n}\n")
	odd := filepath.Join(g.root, "it's %p of a:b")
	if err := os.Mkdir(odd, 0o755); err != nil {
		t.Fatal(err)
	}
	const script = "\"$0\"; exit 0"
	tests := []struct {
		name, variable, value string
		args                  []string
		reason                string
	}{
		{"suppressed by VALGRIND_OPTS", "VALGRIND_OPTS", "--suppressions=" + hush, []string{"--", plain}, "new findings: 1 error"},
		{"children left out by VALGRIND_OPTS", "VALGRIND_OPTS", "--trace-children-skip=*", []string{"--", "sh", "-c", script, plain}, "new findings: 1 error"},
		{"leaks that are not shown", "", "", []string{"--option=--show-leak-kinds=none", "--option=--errors-for-leak-kinds=none", "--", plain}, "--show-leak-kinds=none"},
		{"leaks that nobody looks for", "ASAN_OPTIONS", "detect_leaks=0", []string{"--tool", "sanitizer", "--", asan}, "ASAN_OPTIONS turns detect_leaks off"},
		{"a folder of odd name", "TMPDIR", odd, []string{"--tool", "sanitizer", "--instrumented", asan, "--", "sh", "-c", script, asan}, "new findings: 1 error"},
		{"a folder of odd name, Valgrind", "TMPDIR", odd, []string{"--", "sh", "-c", script, plain}, "new findings: 1 error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.variable != "" {
				t.Setenv(tt.variable, tt.value)
			}
			code, out, errs := g.muster(append([]string{"run", "--root", g.root}, tt.args...)...)
			if code != exitFailed || !strings.Contains(out, tt.reason) {
				t.Errorf("exit %d\n%s%s", code, out, errs)
			}
		})
	}
}

// TestGateSign: an artefact goes out with a verdict that was signed for it, and
// with no other.
func TestGateSign(t *testing.T) {
	g := newGateRig(t)
	bad, clean := g.sample("bad.valgrind.xml"), g.sample("clean.valgrind.xml")
	shop, other := g.file("shop.tar", "shop"), g.file("other.tar", "other")
	private := filepath.Join(g.root, "gate.key")
	if code, _, errs := g.muster("key", private); code != exitFine {
		t.Fatal(errs)
	}
	if info, err := os.Stat(private); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v", info.Mode(), err)
	}
	if code, _, _ := g.muster("key", private); code != exitMisused {
		t.Errorf("a key was written over: exit %d", code)
	}
	secret, err := os.ReadFile(private)
	if err != nil {
		t.Fatal(err)
	}
	signed, failed := filepath.Join(g.root, "pass.json"), filepath.Join(g.root, "fail.json")
	sign := func(to, report string, want int) {
		t.Helper()
		if code, _, errs := g.muster("check", "--root", g.root, "--suite", "unit", "--commit", "c1", "--artefact", shop, "--sign", to, report); code != want {
			t.Fatalf("exit %d: %s", code, errs)
		}
	}
	if code, _, errs := g.muster("check", "--artefact", shop, "--sign", signed, clean); code != exitMisused || !strings.Contains(errs, gateKey) {
		t.Errorf("signed without a key: exit %d: %s", code, errs)
	}
	g.env[gateKey] = string(secret)
	sign(signed, clean, exitFine)
	sign(failed, bad, exitFailed)

	unsigned := filepath.Join(g.root, "none", "changed.json")
	if code, _, errs := g.muster("check", "--artefact", filepath.Join(g.root, "later.tar"), "--sign", unsigned, clean); code != exitMisused || !strings.Contains(errs, "before it is judged") {
		t.Errorf("an artefact that is not there yet: exit %d: %s", code, errs)
	}
	changing := g.file("changing.tar", "tested")
	if code, _, errs := g.muster("run", "--root", g.root, "--artefact", changing, "--sign", unsigned, "--", "sh", "-c", "echo more >> \"$0\"", changing); code != exitFailed ||
		!strings.Contains(errs, "changed by the run") && !strings.Contains(errs, "valgrind is not installed") {
		t.Errorf("an artefact that the run changed: exit %d: %s", code, errs)
	}
	if _, err := os.Stat(unsigned); err == nil {
		t.Error("what was changed is signed")
	}

	text, err := os.ReadFile(signed)
	if err != nil {
		t.Fatal(err)
	}
	forged := g.file("forged.json", strings.Replace(string(text), `"payload":"`, `"payload":"AAAA`, 1))
	stranger := filepath.Join(g.root, "stranger.key")
	if code, _, errs := g.muster("key", stranger); code != exitFine {
		t.Fatal(errs)
	}
	key := []string{"--key", private + ".pub"}
	tests := []struct {
		name string
		args []string
		code int
		says string
	}{
		{"as signed", append([]string{"--artefact", shop, signed}, key...), exitFine, "shop.tar may be deployed"},
		{"with all that can be asked", append([]string{"--artefact", shop, "--commit", "c1", "--suite", "unit", "--max-age", "1h", signed}, key...), exitFine, "may be deployed"},
		{"another artefact", append([]string{"--artefact", other, signed}, key...), exitFailed, "another artefact"},
		{"a verdict that failed", append([]string{"--artefact", shop, failed}, key...), exitFailed, "did not pass"},
		{"another commit", append([]string{"--artefact", shop, "--commit", "c2", signed}, key...), exitFailed, "another commit"},
		{"a suite that did not run", append([]string{"--artefact", shop, "--suite", "memory", signed}, key...), exitFailed, "nothing is signed"},
		{"forged", append([]string{"--artefact", shop, forged}, key...), exitFailed, "forged.json"},
		{"signed by a stranger", []string{"--artefact", shop, "--key", stranger + ".pub", signed}, exitFailed, "pass.json"},
		{"without a key", []string{"--artefact", shop, signed}, exitMisused, "no key to trust"},
		{"no verdict at all", append([]string{"--artefact", shop, filepath.Join(g.root, "none.json")}, key...), exitFailed, "none.json"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errs := g.muster(append([]string{"verify"}, tt.args...)...)
			if code != tt.code || !strings.Contains(out+errs, tt.says) {
				t.Errorf("exit %d\n%s%s", code, out, errs)
			}
			if strings.Contains(out+errs, "PRIVATE") {
				t.Errorf("it shows a key:\n%s%s", out, errs)
			}
		})
	}
}

// TestGateSelftest: what needs no Valgrind. The rest is tried on the built
// binary, in internal/e2e.
func TestGateSelftest(t *testing.T) {
	g := newGateRig(t)
	code, out, errs := g.muster("selftest", "--no-valgrind")
	if code != exitFine || strings.Count(out, "ok ") != 4 {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}
