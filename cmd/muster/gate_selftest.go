package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/gate"
	"github.com/musterhq/muster/internal/checkout"
	"github.com/musterhq/muster/internal/id"
)

type gateSelftestCmd struct {
	jsonFlag
	Valgrind bool `default:"true" negatable:"" help:"Make a real leak and find it under Valgrind. --no-valgrind is for machines that only judge reports."`
	reportFlags
}

func (gateSelftestCmd) Help() string {
	return `Makes a program that leaks, with the compiler of this machine or with Python, and must fail on it;
then judges reports that are known to be bad, clean and cut off. Run it weekly, and report it:
the server alerts when it stays away.

  muster gate selftest --report https://muster.example.com --gate checkout-memory`
}

func (c gateSelftestCmd) Run(ctx context.Context, a *app) error {
	if err := c.reportFlags.check(a); err != nil {
		return err
	}
	r := gate.Selftest{ID: id.New(a.now()), Good: true, At: a.now().UTC(), Detail: "muster " + version}
	add := func(checks ...gate.SelftestCheck) {
		for _, check := range checks {
			r.Checks = append(r.Checks, check)
			r.Good = r.Good && check.Good
			if !c.JSON {
				fmt.Fprintln(a.out, checkLine(check, a.colour))
			}
		}
	}
	if c.Valgrind {
		add(leakChecks(ctx)...)
	}
	add(knownReports()...)
	add(cutReports(), signedVerdicts())
	if c.JSON {
		if err := a.printJSON(r); err != nil {
			return err
		}
	}
	at, err := checkout.At(".")
	if err != nil {
		return err
	}
	if c.Report != "" {
		b := at.Build(ctx, a.getenv)
		r.Source = gate.Source{Commit: b.Commit, Branch: b.Branch, Default: b.Default, Pipeline: b.Pipeline, Project: b.Project}
	}
	c.reportFlags.tell(ctx, a, at.Root, "selftests", r.ID, r)
	if !r.Good {
		if !c.JSON {
			fmt.Fprintln(a.out, "this gate cannot be trusted")
		}
		return errReported
	}
	return nil
}

func checkLine(c gate.SelftestCheck, colour bool) string {
	word, paint := "ok  ", "\x1b[32m"
	if !c.Good {
		word, paint = "FAIL", "\x1b[31m"
	}
	if colour {
		word = paint + word + "\x1b[0m"
	}
	return word + "  " + c.Name + ": " + clean(c.Detail)
}

// leaking and clean are one program, which leaks 4242 bytes or does not.
const (
	leakBytes   = 4242
	leakingC    = "#include <stdlib.h>\n\nstatic char *lose(void) { return malloc(4242); }\n\nint main(void) {\n\tchar *p = lose();\n\tp[0] = 1;\n\tp = NULL;\n\treturn p != NULL;\n}\n"
	cleanC      = "#include <stdlib.h>\n\nint main(void) {\n\tchar *p = malloc(4242);\n\tp[0] = 1;\n\tfree(p);\n\treturn 0;\n}\n"
	leakingPy   = "import ctypes\nm = ctypes.CDLL(None).malloc\nm.restype = ctypes.c_void_p\nm(4242)\n"
	leakTimeout = 5 * time.Minute
)

// leakChecks run this very program's gate on a program that leaks, which must
// fail, and on one that does not, which must pass.
func leakChecks(ctx context.Context) []gate.SelftestCheck {
	fail := func(format string, args ...any) []gate.SelftestCheck {
		return []gate.SelftestCheck{{Name: "a real leak", Detail: fmt.Sprintf(format, args...)}}
	}
	if _, err := exec.LookPath("valgrind"); err != nil {
		return fail("valgrind is not installed; --no-valgrind leaves this out on machines that only judge reports")
	}
	ctx, stop := context.WithTimeout(ctx, leakTimeout)
	defer stop()
	folder, err := os.MkdirTemp("", "muster-selftest-")
	if err != nil {
		return fail("%s", err)
	}
	defer os.RemoveAll(folder)
	compiler := firstOf("cc", "gcc", "clang")
	if compiler == "" {
		python := firstOf("python3", "python")
		if python == "" {
			return fail("there is no C compiler and no Python to make a leak with")
		}
		return []gate.SelftestCheck{leakFound(ctx, folder, "a real leak, in Python", python, "-c", leakingPy)}
	}
	for name, text := range map[string]string{"leaking": leakingC, "clean": cleanC} {
		source := filepath.Join(folder, name+".c")
		if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
			return fail("%s", err)
		}
		if out, err := exec.CommandContext(ctx, compiler, "-g", "-O0", "-o", filepath.Join(folder, name), source).CombinedOutput(); err != nil {
			return fail("%s: %s %s", compiler, err, bytes.TrimSpace(out))
		}
	}
	return []gate.SelftestCheck{
		leakFound(ctx, folder, "a real leak", filepath.Join(folder, "leaking")),
		cleanPasses(ctx, folder, "a clean program", filepath.Join(folder, "clean")),
	}
}

func firstOf(names ...string) string {
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			return name
		}
	}
	return ""
}

// gateRun is `muster gate run --json -- command`, by this program.
func gateRun(ctx context.Context, folder string, command ...string) (r gate.Result, code int, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, 0, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"gate", "run", "--json", "--root", folder, "--"}, command...)...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MUSTER_") }), "PYTHONMALLOC=malloc")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return r, 0, err
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, 0, fmt.Errorf("no verdict: %s", bytes.TrimSpace(said.Bytes()))
	}
	return r, cmd.ProcessState.ExitCode(), nil
}

func leakFound(ctx context.Context, folder, name string, command ...string) gate.SelftestCheck {
	r, code, err := gateRun(ctx, folder, command...)
	leaked := slices.ContainsFunc(r.Findings, func(f gate.ResultFinding) bool { return f.Class == gate.Leak && f.Bytes == leakBytes && f.New })
	switch {
	case err != nil:
		return gate.SelftestCheck{Name: name, Detail: err.Error()}
	case !leaked:
		return gate.SelftestCheck{Name: name, Detail: fmt.Sprintf("the leak of %d bytes was not found: %s", leakBytes, r.Reason)}
	case code != exitFailed || r.Verdict != "fail":
		return gate.SelftestCheck{Name: name, Detail: fmt.Sprintf("was found, and passed: exit code %d, verdict %s", code, r.Verdict)}
	}
	return gate.SelftestCheck{Name: name, Good: true, Detail: fmt.Sprintf("%d bytes lost, found, and stopped", leakBytes)}
}

func cleanPasses(ctx context.Context, folder, name string, command ...string) gate.SelftestCheck {
	r, code, err := gateRun(ctx, folder, command...)
	switch {
	case err != nil:
		return gate.SelftestCheck{Name: name, Detail: err.Error()}
	case code != exitFine || r.Verdict != "pass":
		return gate.SelftestCheck{Name: name, Detail: "was stopped: " + r.Reason}
	}
	return gate.SelftestCheck{Name: name, Good: true, Detail: "passed"}
}

// selftestReports are reports of each format: bad.* must fail with findings,
// clean.* must pass, and cut.* must fail because they end too soon.
//
//go:embed selftest
var selftestReports embed.FS

const selftestFolder = "selftest"

func selftestNames() []string {
	entries, err := fs.ReadDir(selftestReports, selftestFolder)
	if err != nil {
		panic(err) // it is in the binary
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func selftestText(name string) []byte {
	text, err := selftestReports.ReadFile(path.Join(selftestFolder, name))
	if err != nil {
		panic(err)
	}
	return text
}

// judgeAlone judges one report with nothing known and nothing allowed.
func judgeAlone(name string, text []byte) gate.Verdict {
	r, err := gate.Read(name, bytes.NewReader(text))
	if err != nil {
		r.Break("%s", err)
	}
	return gate.Judge(gate.Case{Suite: "selftest", Reports: []gate.Report{r}, Budget: gate.DefaultBudget(), Now: time.Unix(0, 0).UTC()})
}

func knownReports() []gate.SelftestCheck {
	bad, cleanOnes := gate.SelftestCheck{Name: "known bad reports", Good: true}, gate.SelftestCheck{Name: "known clean reports", Good: true}
	var bads, cleans []string
	for _, name := range selftestNames() {
		v := judgeAlone(name, selftestText(name))
		switch what, _, _ := strings.Cut(name, "."); {
		case what == "clean" && v.Pass:
			cleans = append(cleans, name)
		case what == "clean":
			cleanOnes.Good, cleanOnes.Detail = false, name+" was stopped: "+v.Reason
		case !v.Pass && len(v.Findings) > 0 && len(v.Reports[0].Broken) == 0:
			bads = append(bads, name)
		default:
			bad.Good, bad.Detail = false, name+" was not judged by what it tells: "+v.Reason
		}
	}
	if bad.Good {
		bad.Detail = plural(len(bads), "report") + " stopped"
	}
	if cleanOnes.Good {
		cleanOnes.Detail = plural(len(cleans), "report") + " passed"
	}
	return []gate.SelftestCheck{bad, cleanOnes}
}

// cutReports cuts a clean report of Valgrind at every byte before its end: as a
// process that is killed, or a disk that is full, leaves it.
func cutReports() gate.SelftestCheck {
	c := gate.SelftestCheck{Name: "reports that are cut off"}
	const name = "clean.valgrind.xml"
	whole := bytes.TrimSpace(selftestText(name))
	for n := range whole {
		if v := judgeAlone(name, whole[:n]); v.Pass {
			c.Detail = fmt.Sprintf("the first %d of %d bytes passed", n, len(whole))
			return c
		}
	}
	c.Good, c.Detail = true, fmt.Sprintf("%d ways to cut one, all stopped", len(whole))
	return c
}

// signedVerdicts signs one with a key made for it, and changes each of its bytes.
func signedVerdicts() gate.SelftestCheck {
	c := gate.SelftestCheck{Name: "signed verdicts"}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		c.Detail = err.Error()
		return c
	}
	v := judgeAlone("clean.valgrind.xml", selftestText("clean.valgrind.xml"))
	signed, err := gate.Sign(private, v.Statement("selftest", strings.Repeat("0", 64), "", version))
	if err != nil {
		c.Detail = err.Error()
		return c
	}
	want, err := gate.Open(signed, []ed25519.PublicKey{public})
	if err != nil {
		c.Detail = err.Error()
		return c
	}
	for i := range signed {
		changed := bytes.Clone(signed)
		changed[i] ^= 1
		if s, err := gate.Open(changed, []ed25519.PublicKey{public}); err == nil && !reflect.DeepEqual(s, want) {
			c.Detail = fmt.Sprintf("one with byte %d changed is taken for another", i)
			return c
		}
	}
	c.Good, c.Detail = true, fmt.Sprintf("%d ways to change one, all refused", len(signed))
	return c
}
