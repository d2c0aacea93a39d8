package gate

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// someday is a day, UTC.
func someday(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

// print32 is the fingerprint that begins with the digits.
func print32(digits string) string { return digits + strings.Repeat("0", 32-len(digits)) }

func TestAccept(t *testing.T) {
	f := Finding{
		Fingerprint: print32("3f"), Kind: "Leak_DefinitelyLost", Class: Leak,
		At: Frame{Function: "parse", File: "src/parse.c", Line: 7}, Owners: []string{"@ann", "@core"},
	}
	today := time.Date(2026, 11, 22, 23, 59, 0, 0, time.FixedZone("", -5*3600)) // the 23rd, UTC
	tests := []struct {
		name, reason, until string
		err                 string
	}{
		{"in a month", "mended upstream", "2026-12-23", ""},
		{"today is the last day", "mended upstream", "2026-11-23", ""},
		{"a year", "mended upstream", "2027-11-23", ""},
		{"yesterday", "mended upstream", "2026-11-22", "in the past"},
		{"a year and a day", "mended upstream", "2027-11-24", "at most 2027-11-23"},
		{"without a reason", " \n", "2026-12-23", "reason is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := Baseline{}
			got, err := before.Accept(f, tt.reason, someday(tt.until), today)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			want := Baseline{f.Fingerprint: {
				Fingerprint: f.Fingerprint, Kind: "Leak_DefinitelyLost", Where: "parse (src/parse.c)", Owner: "@ann @core",
				Since: someday("2026-11-23"), Until: someday(tt.until), Reason: "mended upstream",
			}}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("error %v (-want +got)\n%s", err, diff)
			}
			if len(before) != 0 {
				t.Error("Accept changed the baseline that it was asked of")
			}
		})
	}
	if _, err := (Baseline{}).Accept(Finding{}, "r", someday("2026-12-01"), today); err == nil {
		t.Error("a finding without a fingerprint was accepted")
	}
}

// TestAcceptAgain accepts for longer: the age stays true.
func TestAcceptAgain(t *testing.T) {
	f := Finding{Fingerprint: print32("a"), Kind: "race"}
	b, err := Baseline(nil).Accept(f, "first", someday("2026-02-01"), someday("2026-01-01"))
	if err != nil {
		t.Fatal(err)
	}
	b, err = b.Accept(f, "still", someday("2026-09-01"), someday("2026-08-01"))
	if err != nil {
		t.Fatal(err)
	}
	if k := b[f.Fingerprint]; dayText(k.Since) != "2026-01-01" || dayText(k.Until) != "2026-09-01" || k.Reason != "still" {
		t.Errorf("%+v", k)
	}
}

func TestWithoutOnlyRemoves(t *testing.T) {
	b := Baseline{print32("a"): {Fingerprint: print32("a")}, print32("b"): {Fingerprint: print32("b")}}
	got := b.Without([]Known{{Fingerprint: print32("b")}, {Fingerprint: print32("c")}})
	if diff := cmp.Diff(Baseline{print32("a"): b[print32("a")]}, got); diff != "" || len(b) != 2 {
		t.Errorf("%d left in the old one (-want +got)\n%s", len(b), diff)
	}
}

func TestParseBaselineMistakes(t *testing.T) {
	entry := "  " + print32("3") + ":\n    kind: leak\n    since: 2026-11-22\n    until: 2026-12-22\n    reason: r\n"
	good := "version: 1\nknown:\n" + entry
	replace := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	tests := []struct {
		name, text string
		want       string
	}{
		{"version missing", "known:\n", "b.yaml:1:1: version is missing"},
		{"version 2", "version: 2\nknown:\n", "b.yaml:1:10: version: this muster reads version 1"},
		{"unknown field at the top", good + "knowns:\n", "b.yaml:8:1: \"knowns\" is unknown"},
		{"unknown field", replace("kind", "knid"), "b.yaml:4:5: known." + print32("3") + ": \"knid\" is unknown"},
		{"kind missing", replace("    kind: leak\n", ""), ".kind is missing"},
		{"reason missing", replace("    reason: r\n", ""), ".reason is missing"},
		{"reason empty", replace("reason: r", "reason: ''"), ".reason wants text"},
		{"reason null", replace("reason: r", "reason:"), ".reason wants text"},
		{"reason a list", replace("reason: r", "reason: [r]"), ".reason wants text"},
		{"not a day", replace("2026-12-22", "2026-13-22"), "b.yaml:6:12: known." + print32("3") + ".until: \"2026-13-22\" is no day"},
		{"tomorrow", replace("2026-12-22", "tomorrow"), "is no day"},
		{"ends before it began", replace("2026-12-22", "2026-11-21"), "2026-11-21 is before since, 2026-11-22"},
		{"fingerprint twice", good + entry, "stands twice; the first is in line 3"},
		{"field twice", replace("    reason: r\n", "    reason: r\n    reason: s\n"), "b.yaml:8:5: known." + print32("3") + ": reason stands twice"},
		{"no fingerprint", replace(print32("3"), "3"), "b.yaml:3:3: known: \"3\" is no fingerprint"},
		{"a list", "version: 1\nknown: [a]\n", "b.yaml:2:8: known: wants keys and values"},
		{"an alias", "version: 1\nknown: {" + print32("3") + ": &a {kind: k, since: 2026-01-01, reason: r}, " + print32("4") + ": *a}\n", "wants keys and values"},
		{"conflict", "version: 1\nknown:\n<<<<<<< HEAD\n" + entry + "=======\n>>>>>>> other\n", "b.yaml:3:1: a merge left its conflict here"},
		{"no YAML", "version: 1\nknown: [\n", "is not YAML"},
		{"two documents", good + "---\n" + good, "a second document"},
		{"not UTF-8", "version: 1\n# \xff\n", "b.yaml:2: is not UTF-8"},
		{"plain text", "hello\n", "wants keys and values"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseBaseline("b.yaml", []byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if got != nil {
				t.Error("a baseline with mistakes was given")
			}
		})
	}
	if b, err := ParseBaseline("b.yaml", []byte(good)); err != nil || len(b) != 1 {
		t.Errorf("the good one: %d entries, %v", len(b), err)
	}
	for _, empty := range []string{"", "\n", "# nothing\n", "version: 1\n", "version: 1\nknown: {}\n"} {
		if b, err := ParseBaseline("b.yaml", []byte(empty)); err != nil || b == nil || len(b) != 0 {
			t.Errorf("%q: %v, %v", empty, b, err)
		}
	}
	many := "version: 1\nknown:\n" + strings.Repeat("  x: y\n", 1000)
	if _, err := ParseBaseline("b.yaml", []byte(many)); strings.Count(err.Error(), "\n") != maxMistakes {
		t.Errorf("%d lines of mistakes", strings.Count(err.Error(), "\n"))
	}
}

func drawBaseline(t *rapid.T) Baseline {
	text := rapid.StringOfN(rapid.Rune(), 1, 20, -1).Filter(func(s string) bool { return strings.TrimSpace(s) != "" })
	days := rapid.IntRange(0, 3000)
	b := Baseline{}
	for range rapid.IntRange(0, 8).Draw(t, "entries") {
		k := Known{
			Fingerprint: rapid.StringMatching(`[0-9a-f]{32}`).Draw(t, "fingerprint"),
			Kind:        text.Draw(t, "kind"),
			Reason:      text.Draw(t, "reason"),
			Since:       someday("2026-01-01").AddDate(0, 0, days.Draw(t, "since")),
		}
		if rapid.Bool().Draw(t, "more") {
			k.Where, k.Owner = text.Draw(t, "where"), text.Draw(t, "owner")
			k.Until = k.Since.AddDate(0, 0, days.Draw(t, "until"))
		}
		b[k.Fingerprint] = k
	}
	return b
}

func TestBaselineRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBaseline(t)
		text := b.Text()
		got, err := ParseBaseline("b.yaml", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(b, got); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
		if again := got.Text(); string(again) != string(text) {
			t.Fatalf("written anew, it is\n%s\nand was\n%s", again, text)
		}
	})
}

// TestBranchesMerge lets git itself merge two branches that accept findings.
func TestBranchesMerge(t *testing.T) {
	known := func(digits string) Baseline {
		return Baseline{print32(digits): {Fingerprint: print32(digits), Kind: "leak", Where: "f (a.c)", Owner: "@ann", Since: someday("2026-11-22"), Until: someday("2026-12-22"), Reason: "r"}}
	}
	several := Baseline{}
	for i := range 40 {
		maps.Copy(several, known(fmt.Sprintf("%02x", i*6)))
	}
	tests := []struct {
		name            string
		base            Baseline
		ours, theirs    Baseline
		goneHere, clash bool
	}{
		{name: "into an empty one", ours: known("3a"), theirs: known("4a")},
		{name: "into a full one", base: several, ours: known("25"), theirs: known("cc1")},
		{name: "with one entry between", base: known("3b"), ours: known("3a"), theirs: known("3c")},
		{name: "one adds and one removes", base: several, ours: known("25"), theirs: known("cc1"), goneHere: true},
		{name: "into the same place", ours: known("3a"), theirs: known("3b"), clash: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base := tt.base.clone()
			ours, theirs := base.clone(), base.clone()
			maps.Copy(ours, tt.ours)
			maps.Copy(theirs, tt.theirs)
			want := ours.clone()
			maps.Copy(want, tt.theirs)
			if tt.goneHere {
				gone := []Known{{Fingerprint: print32("60")}}
				ours, want = ours.Without(gone), want.Without(gone)
			}
			text, clean := gitMerge(t, base.Text(), ours.Text(), theirs.Text())
			got, err := ParseBaseline("b.yaml", text)
			if tt.clash {
				if clean || err == nil || !strings.Contains(err.Error(), "a merge left its conflict") {
					t.Errorf("clean %v, error %v; want a conflict that is named", clean, err)
				}
				return
			}
			if !clean || err != nil {
				t.Fatalf("clean %v, error %v\n%s", clean, err, text)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if string(text) != string(want.Text()) {
				t.Error("what git merged is not as it would be written")
			}
		})
	}
}

// gitMerge commits a file on two branches and merges them.
func gitMerge(t *testing.T, base, ours, theirs []byte) (merged []byte, clean bool) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("not here: git")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "baseline.yaml")
	git := func(args ...string) error {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("git %v: %w: %s", args, err, out)
		}
		return nil
	}
	commit := func(text []byte, before ...[]string) {
		for _, args := range before {
			if err := git(args...); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"add", "-A"}, {"commit", "-q", "--allow-empty", "-m", "x"}} {
			if err := git(args...); err != nil {
				t.Fatal(err)
			}
		}
	}
	commit(base, []string{"init", "-q", "-b", "main"})
	commit(theirs, []string{"checkout", "-q", "-b", "theirs"})
	commit(ours, []string{"checkout", "-q", "main"})
	err := git("merge", "-q", "--no-edit", "theirs")
	merged, readErr := os.ReadFile(file)
	if readErr != nil {
		t.Fatal(readErr)
	}
	return merged, err == nil
}

func FuzzBaseline(f *testing.F) {
	f.Add([]byte("version: 1\nknown:\n  " + print32("3") + ": {kind: k, since: 2026-01-01, reason: r}\n"))
	f.Add(Baseline{}.Text())
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := ParseBaseline("b.yaml", text)
		if err != nil {
			return
		}
		again, err := ParseBaseline("b.yaml", b.Text())
		if err != nil {
			t.Fatalf("%v\n%s", err, b.Text())
		}
		if diff := cmp.Diff(b, again); diff != "" {
			t.Fatalf("(-first +again)\n%s", diff)
		}
	})
}
