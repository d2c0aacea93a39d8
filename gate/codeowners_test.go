package gate

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// owned writes the ownerships of a path in one line: owners, and behind them
// what differs from an unnamed section that one must approve.
func owned(c Codeowners, path string) string {
	var out []string
	for _, o := range c.Of(path) {
		s := strings.Join(o.Owners, " ")
		if s == "" {
			s = "nobody"
		}
		if o.Section != "" {
			s = o.Section + ": " + s
		}
		if o.Optional {
			s = "^" + s
		}
		if o.Approvals != 1 {
			s += fmt.Sprintf(" (%d)", o.Approvals)
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

type ownersTest struct {
	name, file string
	want       map[string]string // by path
	problems   []string          // line: how it begins
}

func testOwners(t *testing.T, d Dialect, tests []ownersTest) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, problems := ParseCodeowners(d, []byte(tt.file))
			for path, want := range tt.want {
				if got := owned(c, path); got != want {
					t.Errorf("%s: %q, want %q", path, got, want)
				}
			}
			var said []string
			for _, p := range problems {
				said = append(said, fmt.Sprintf("%d: %s", p.Line, p.Why))
			}
			for i, want := range tt.problems {
				if i >= len(said) || !strings.HasPrefix(said[i], want) {
					t.Errorf("problems %q, want one that begins %q", said, want)
				}
			}
			if len(said) != len(tt.problems) {
				t.Errorf("problems %q, want %d", said, len(tt.problems))
			}
		})
	}
}

func TestCodeownersGitHub(t *testing.T) {
	testOwners(t, GitHub, []ownersTest{
		{"the last match wins", "* @all\n*.go @go\n/cmd/ @cmd\n*.md @docs\n",
			map[string]string{"a.c": "@all", "x/a.go": "@go", "cmd/a.go": "@cmd", "cmd/x/a.go": "@cmd", "cmd/a.md": "@docs"}, nil},
		{"a star does not cross a slash", "docs/* @d\n",
			map[string]string{"docs/a.md": "@d", "docs/a/b.md": "", "x/docs/a.md": ""}, nil},
		{"a star in the middle", "/src/*/main.c @m\n/lib/*.d @l\n",
			map[string]string{"src/a/main.c": "@m", "src/main.c": "", "src/a/b/main.c": "", "lib/x.d": "@l", "lib/x.d/file": "@l", "lib/.d": "@l"}, nil},
		{"a folder anywhere", "apps/ @a\n",
			map[string]string{"apps/x": "@a", "y/apps/z/x": "@a", "apps": "", "y/apps": "", "apps2/x": ""}, nil},
		{"a folder of the root", "/apps/ @a\n", map[string]string{"apps/x": "@a", "y/apps/x": ""}, nil},
		{"a name is a file or a folder", "logs @l\n/build @b\n",
			map[string]string{"logs": "@l", "x/logs": "@l", "x/logs/a": "@l", "build": "@b", "build/a/b": "@b", "x/build": ""}, nil},
		{"a slash in the middle binds to the root", "src/lib @s\nweb/ui/ @w\n",
			map[string]string{"src/lib": "@s", "src/lib/a": "@s", "x/src/lib": "", "web/ui/a": "@w", "x/web/ui/a": "", "web/ui": ""}, nil},
		{"two stars", "**/logs @l\n/a/** @a\n/b/**/z @b\n",
			map[string]string{"logs/x": "@l", "x/y/logs/z": "@l", "a/x/y": "@a", "a": "", "b/z": "@b", "b/x/y/z": "@b", "b/x": ""}, nil},
		{"two stars alone are all", "** @a\n", map[string]string{"x": "@a", "x/y/z": "@a"}, nil},
		{"two stars within a name are one", "/a**b @x\n", map[string]string{"ab": "@x", "axxb": "@x", "a/b": "", "a/x/b": ""}, nil},
		{"folders below two stars", "/a/**/ @x\n", map[string]string{"a/b/c": "@x", "a/b": ""}, nil},
		{"a question mark is one character", "fil?.c @x\n", map[string]string{"file.c": "@x", "filé.c": "@x", "fil.c": "", "fil/.c": ""}, nil},
		{"files with a dot in front", "* @x\n", map[string]string{".a": "@x", ".b/.c": "@x"}, nil},
		{"only of the root", "/* @x\n", map[string]string{"a": "@x", "a/b": ""}, nil},
		{"no owners: nobody's", "/apps/ @a\n/apps/web\n", map[string]string{"apps/x": "@a", "apps/web/y": "nobody", "apps/web": "nobody"}, nil},
		{"upper case is another", "README @x\n", map[string]string{"README": "@x", "readme": ""}, nil},
		{"comments and spaces", "# all\n\n  *.js\t@a   # and @b\n*.c @c #@d\r\n", map[string]string{"x.js": "@a", "x.c": "@c"}, nil},
		{"people, teams, addresses", "* @a-b @Org/team.x_y ann@example.com @emu_corp\n", map[string]string{"x": "@a-b @Org/team.x_y ann@example.com @emu_corp"}, nil},
		{"a space with a backslash", "my\\ docs/ @x\n", map[string]string{"my docs/a": "@x", "my/a": ""}, nil},
		{"a byte order mark", "\ufeff* @x\n", map[string]string{"a": "@x"}, nil},
		{"bad lines are skipped", "* @all\n!*.go @x\n\\#a @x\n[ab].c @x\n*.h bob\n*.h @a @\n*.h @o/t/u\n/ @x\n*.rs @rs\n",
			map[string]string{"a.go": "@all", "#a": "@all", "a.c": "@all", "b.h": "@all", "a.rs": "@rs"},
			[]string{"2: ! does", `3: a pattern cannot begin with \#`, "4: [ ] is no range", `5: "bob" is no owner`, `6: "@" is no owner`, `7: "@o/t/u" is no owner`, "8: the pattern matches nothing"}},
		{"sections are unknown", "[Docs] @x\n", map[string]string{"Docs": ""}, []string{"1: [ ] is no range"}},
	})
}

func TestCodeownersGitLab(t *testing.T) {
	testOwners(t, GitLab, []ownersTest{
		{"the last match wins", "*.md @a\nterms.md @b\n", map[string]string{"terms.md": "@b", "x/terms.md": "@b", "y.md": "@a"}, nil},
		{"of equal patterns too", "*.md @a\nterms.md @b\n*.md @c\n", map[string]string{"terms.md": "@c"}, nil},
		{"every section counts", "* @admin\n[R]\nREADME.md @u1 @u2\ninternal/README.md @u4\n[S]\nREADME.md @u3\n",
			map[string]string{"README.md": "@admin; R: @u1 @u2; S: @u3", "internal/README.md": "@admin; R: @u4; S: @u3", "x": "@admin"}, nil},
		{"sections of one name are one", "[Docs]\ndocs/ @a\n[Db]\ndb/ @b\n[DOCS]\nREADME @c\ndocs/x @d\n",
			map[string]string{"docs/y": "Docs: @a", "docs/x": "Docs: @d", "README": "Docs: @c", "db/README": "Docs: @c; Db: @b"}, nil},
		{"default owners", "[Docs] @d\ndocs/\nREADME @r\n[Other]\nx @o\n",
			map[string]string{"docs/a": "Docs: @d", "README": "Docs: @r", "x": "Other: @o"}, nil},
		{"approvals", "[A][2] @a\na\n^[B][3] @b\nb\n[C][0] @c\nc\n[D][x] @d\nd\n[E][] @e\ne\n",
			map[string]string{"a": "A: @a (2)", "b": "^B: @b (3)", "c": "C: @c", "d": "D: @d", "e": "E: @e"},
			[]string{`5: "0" is no number`, `7: "x" is no number`, `9: "" is no number`}},
		{"optional only if all headings say so", "^[A] @a\na\n[a] @b\nb\n^[B] @b\nc\n^[b] @c\nd\n[C] @c\ne\n^[c] @d\nf\n",
			map[string]string{"a": "A: @a", "b": "A: @b", "c": "^B: @b", "d": "^B: @c", "e": "C: @c", "f": "C: @d"}, nil},
		{"a heading that cannot be read is a rule", "* @g\n\n[Section name\ndocs/ @d\n", map[string]string{"docs/a": "@d", "x": "@g"},
			[]string{"3: the heading of a section is [name]", `3: "name" is no owner`, "3: the rule has no owner"}},
		{"a heading without a name", "[A] @a\n[] @x\ny\n", map[string]string{"y": "A: @a"}, []string{"2: the heading"}},
		{"a name matches the file alone", "docs @a\n/etc @b\n", map[string]string{"docs": "@a", "x/docs": "@a", "docs/a": "", "etc": "@b", "etc/x": ""}, nil},
		{"folders", "docs/ @a\n/lib/ @b\n", map[string]string{"docs/a/b": "@a", "x/docs/a": "@a", "docs": "", "lib/a": "@b", "x/lib/a": ""}, nil},
		{"a slash in the middle binds to nothing", "internal/README @a\n", map[string]string{"internal/README": "@a", "x/internal/README": "@a"}, nil},
		{"stars", "/docs/* @a\n/docs/**/*.md @b\n/src/** @c\n/a/*/b @d\n**/x.rb @e\n",
			map[string]string{"docs/a": "@a", "docs/a/b": "", "docs/a.md": "@b", "docs/a/b.md": "@b", "src/a": "@c", "src/a/b": "", "a/x/b": "@d", "a/b": "", "x.rb": "@e", "y/z/x.rb": "@e"}, nil},
		{"a star is everything", "* @a\n", map[string]string{"x": "@a", "x/.y/z": "@a"}, nil},
		{"only of the root", "/* @a\n", map[string]string{"x": "@a", "x/y": ""}, nil},
		{"brackets", "/[a-c]x @a\n/[!a-c]y @b\n/[^a]z @c\n/[]w @d\n/[ab @e\n/[\\]]v @f\n/x[b-a] @g\n/y[a/b] @h\n/z\\/z @i\n",
			map[string]string{"bx": "@a", "dx": "", "dy": "@b", "ay": "", "bz": "@c", "az": "", "]w": "", "w": "", "[ab": "", "a": "", "]v": "@f", "xa": "@g", "xb": "@g", "yb": "@h", "y/": "", "ya/b]": "", "z/z": "@i"}, nil},
		{"braces are themselves", "{a,b} @x\n", map[string]string{"{a,b}": "@x", "a": ""}, nil},
		{"escapes", "\\#a @h\npath\\ with\\ spaces/*.md @s\n\\*b @t\n",
			map[string]string{"#a": "@h", "path with spaces/a.md": "@s", "x/path with spaces/a.md": "@s", "*b": "@t", "xb": ""}, nil},
		{"owners of every sort", "* @u @g/sub/deeper @@maintainer @@Developers a.b@example.com @u\n", map[string]string{"x": "@u @g/sub/deeper @@maintainer @@Developers a.b@example.com"}, nil},
		{"bad owners are left out", "/path @g no @u @@guest\n", map[string]string{"path": "@g @u"}, []string{`1: "no" is no owner`, `1: "@@guest" is no owner`}},
		{"owners in a comment count", "/a @x # not @y\n", map[string]string{"a": "@x @y"}, []string{"1: there are no comments", `1: "not" is no owner`}},
		{"no owner", "* @a\n/x\n", map[string]string{"x": "nobody", "y": "@a"}, []string{"2: the rule has no owner"}},
		{"bad owners are no reason for the default", "[A] @a\nx bob\n", map[string]string{"x": "A: nobody"}, []string{`2: "bob"`, "2: the rule has no owner"}},
		{"exclusions", "* @a\n!*.rb\n/special/*.rb @r\n[R]\n*.rb @t\n!/config/**/*.rb\n/config/routes.rb @o\n",
			map[string]string{"a.c": "@a", "a.rb": "R: @t", "special/a.rb": "R: @t", "config/routes.rb": "", "config/x/a.rb": "", "config/a.c": "@a"}, nil},
		{"an exclusion of nothing", "! @a\n", map[string]string{"a": ""}, []string{"1: ! stands without"}},
		{"upper case is another", "README @x\n", map[string]string{"readme": ""}, nil},
	})
}

func TestCodeownersPlaces(t *testing.T) {
	want := map[Dialect]string{
		GitHub: ".github/CODEOWNERS CODEOWNERS docs/CODEOWNERS",
		GitLab: "CODEOWNERS docs/CODEOWNERS .gitlab/CODEOWNERS",
	}
	for d, w := range want {
		if got := strings.Join(CodeownersPlaces(d), " "); got != w {
			t.Errorf("%s: %s", d, got)
		}
	}
}

func TestCodeownersSize(t *testing.T) {
	text := []byte("* @a\n" + strings.Repeat("#", maxGitHubOwners-5))
	if c, problems := ParseCodeowners(GitHub, text); owned(c, "x") != "@a" || problems != nil {
		t.Errorf("3 MB: %q, %v", owned(c, "x"), problems)
	}
	text = append(text, '#')
	if c, problems := ParseCodeowners(GitHub, text); owned(c, "x") != "" || len(problems) != 1 || problems[0].Line != 0 {
		t.Errorf("more than 3 MB on GitHub: %q, %v", owned(c, "x"), problems)
	}
	if c, _ := ParseCodeowners(GitLab, text); owned(c, "x") != "@a" {
		t.Error("GitLab knows no such bound")
	}
}

func TestOwnersOnce(t *testing.T) {
	c, _ := ParseCodeowners(GitLab, []byte("* @a @b\n[S]\n* @b @c\n"))
	if diff := cmp.Diff([]string{"@a", "@b", "@c"}, c.Owners("./x")); diff != "" {
		t.Error(diff)
	}
	if c.Owners("") != nil || (Codeowners{}).Owners("x") != nil {
		t.Error("owners out of nothing")
	}
}

// slowPattern says by a regular expression, made another way than the compiled
// pattern, what a pattern matches.
func slowPattern(d Dialect, written string) *regexp.Regexp {
	name := func(s string) string {
		var b strings.Builder
		for _, c := range s {
			switch c {
			case '*':
				b.WriteString("[^/]*")
			case '?':
				b.WriteString("[^/]")
			default:
				b.WriteString(regexp.QuoteMeta(string(c)))
			}
		}
		return b.String()
	}
	path := written
	before, after := "", ""
	switch d {
	case GitHub:
		trimmed, folder := strings.CutSuffix(path, "/")
		if !strings.Contains(trimmed, "/") {
			before = "(.*/)?"
		}
		path = strings.TrimPrefix(trimmed, "/")
		switch {
		case folder:
			after = "/.+"
		case path != "*" && !strings.HasSuffix(path, "/*"):
			after = "(/.*)?"
		}
		if path == "**" {
			path, before = "*", "(.*/)?"
		} else if in, ok := strings.CutSuffix(path, "/**"); ok {
			path = in + "/**/*" // at any depth below
		}
	case GitLab:
		if !strings.HasPrefix(path, "/") {
			path = "/**/" + path
		}
		if strings.HasSuffix(path, "/") {
			path += "**/*"
		}
		path = path[1:]
	}
	var b strings.Builder
	b.WriteString(`^` + before)
	names := strings.Split(path, "/")
	for i, n := range names {
		switch {
		case n == "**" && i < len(names)-1:
			b.WriteString("(.*/)?")
			continue
		default:
			b.WriteString(name(n))
		}
		if i < len(names)-1 {
			b.WriteString("/")
		}
	}
	b.WriteString(after + `$`)
	return regexp.MustCompile(b.String())
}

// TestPatternsAgainstSlowMatcher draws many rules, and asks for the last one
// that matches by the index and by trying all.
func TestPatternsAgainstSlowMatcher(t *testing.T) {
	for _, d := range []Dialect{GitHub, GitLab} {
		t.Run(string(d), func(t *testing.T) {
			part := rapid.StringMatching(`(a|b|\.c|\*|\?|a\*|\*\.c|\*b\?|\*\*|a\*\*)`)
			matched := 0
			rapid.Check(t, func(t *rapid.T) {
				var rules []string
				for range rapid.IntRange(1, 6).Draw(t, "rules") {
					rule := strings.Join(rapid.SliceOfN(part, 1, 4).Draw(t, "parts"), "/")
					if rapid.Bool().Draw(t, "rooted") {
						rule = "/" + rule
					}
					if rapid.Bool().Draw(t, "folder") {
						rule += "/"
					}
					rules = append(rules, rule)
				}
				path := strings.Join(rapid.SliceOfN(rapid.StringMatching(`[ab]{1,3}|[ab]?\.c`), 1, 5).Draw(t, "path"), "/")
				c, _ := ParseCodeowners(d, []byte(strings.Join(rules, " @x\n")+" @x\n"))
				want := 0
				for i, rule := range rules {
					if slowPattern(d, rule).MatchString(path) {
						want = i + 1
					}
				}
				got := 0
				for _, o := range c.Of(path) {
					got = o.Line
				}
				if got != want {
					t.Fatalf("%s: line %d of %q, want %d", path, got, rules, want)
				}
				if got > 0 {
					matched++
				}
			})
			if matched == 0 {
				t.Error("nothing ever matched")
			}
		})
	}
}

// manyOwners is a file of n rules as large repositories have them, and paths.
func manyOwners(n int) (file []byte, paths []string) {
	var b strings.Builder
	b.WriteString("* @all\n")
	for i := 1; i < n; i++ {
		switch i % 10 {
		case 0:
			fmt.Fprintf(&b, "*.e%d @x%d\n", i, i)
		case 1:
			fmt.Fprintf(&b, "folder%d/ @x%d\n", i, i)
		case 2:
			fmt.Fprintf(&b, "/services/*/s%d.go @x%d\n", i, i)
		default:
			fmt.Fprintf(&b, "/services/s%d/part%d/ @x%d\n", i%100, i, i)
		}
		paths = append(paths, fmt.Sprintf("services/s%d/part%d/inner/file%d.go", i%100, i, i))
	}
	return []byte(b.String()), paths
}

func BenchmarkCodeowners(b *testing.B) {
	file, paths := manyOwners(10_000)
	for _, d := range []Dialect{GitHub, GitLab} {
		b.Run(string(d)+"/parse", func(b *testing.B) {
			for b.Loop() {
				ParseCodeowners(d, file)
			}
		})
		b.Run(string(d)+"/10000paths", func(b *testing.B) {
			c, _ := ParseCodeowners(d, file)
			for b.Loop() {
				for _, p := range paths {
					if len(c.Of(p)) == 0 {
						b.Fatal("nobody owns " + p)
					}
				}
			}
		})
	}
}

func FuzzCodeowners(f *testing.F) {
	f.Add("* @a\n[A][2] @b\n!x\n/a/**/[b-c]? @d # e\n", "a/b/c")
	f.Fuzz(func(t *testing.T, file, path string) {
		for _, d := range []Dialect{GitHub, GitLab} {
			c, problems := ParseCodeowners(d, []byte(file))
			lines := strings.Count(file, "\n") + 1
			for _, o := range c.Of(path) {
				if o.Line < 1 || o.Line > lines || o.Approvals < 1 {
					t.Errorf("%s: %+v", d, o)
				}
			}
			for _, p := range problems {
				if p.Line < 0 || p.Line > lines || p.Why == "" {
					t.Errorf("%s: %+v", d, p)
				}
			}
		}
	})
}
