package ticket

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestMarkdown(t *testing.T) {
	j := joiner
	tests := []struct{ name, in, want string }{
		{"plain", "Checkout fails", "Checkout fails"},
		{"lines", "one\ntwo\n\nthree\n", "one\\\ntwo\n\nthree"},
		{"windows lines", "one\r\ntwo\rthree", "one\\\ntwo\\\nthree"},
		{"quick action", "/close", `\/close`},
		{"quick action, indented", "x\n   /close", "x\\\n\\/close"},
		{"a path in a line", "see /var/log", "see /var/log"},
		{"quick action behind a strange line end", "x\u2028/close\u0085/reopen", "x\\\n\\/close\\\n\\/reopen"},
		{"mention", "ask @ana and @all.", `ask \@` + j + `ana and \@` + j + `all.`},
		{"address", "mail ana@shop.example", "mail ana@shop.example"},
		{"references", "#1 !2 &3 ~bug %v1 $4 ^alert", `\#` + j + `1 \!` + j + `2 \&` + j + `3 \~` + j + `bug \%` + j + `v1 \$` + j + `4 \^` + j + `alert`},
		{"label in quotes", `~"a b"`, `\~` + j + `"a b"`},
		{"share", "0.5 % > 100%", `0.5 \% \> 100\%`},
		{"html", "<script>alert(1)</script><!-- muster:i2 -->", `\<script\>alert(1)\</script\>\<\!` + j + `-- muster:i2 --\>`},
		{"entity", "&lt;b&gt;", `\&` + j + `lt;b\&` + j + `gt;`},
		{"picture and link", "![x](http://evil/x.png) [ok](http://evil)", `\!\[x\](http://evil/x.png) \[ok\](http://evil)`},
		{"address of a page", "see https://muster.example/i/1?a=b_c#d now", "see <https://muster.example/i/1?a=b_c#d> now"},
		{"not a page", "javascript:alert(1) https://a<b", `javascript:alert(1) https://a\<b`},
		{"list, heading, rule, fence", "- a\n# b\n---\n```\n1. c\n2) d\n+ e\n* f\n=== \n~~~\n> g", "\\- a\\\n\\# b\\\n\\---\\\n\\`\\`\\`\\\n1\\. c\\\n2\\) d\\\n\\+ e\\\n\\* f\\\n\\===\\\n\\~\\~\\~\\\n\\> g"},
		{"table", "a | b", `a \| b`},
		{"backslash", `C:\x`, `C:\\x`},
		{"hidden and turned", "a\u202eb\u200bc\x00d\x1b[31m\ufeff", `abcd\[31m`},
		{"not UTF-8", "a\xffb", "a\uFFFDb"},
		{"nothing", " \n ", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := markdown(tt.in); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
	if got := markdown(strings.Repeat("ä", maxBody+1)); utf8.RuneCountInString(got) != maxBody || !strings.HasSuffix(got, "ä…") {
		t.Errorf("a long text has %d characters", utf8.RuneCountInString(got))
	}
}

func TestTitle(t *testing.T) {
	for in, want := range map[string]string{
		"Checkout fails":          "Checkout fails",
		" two\n\tlines ":          "two lines",
		"/close":                  "/close", // no quick action in a title
		"@ana: #12 is at 5 %":     "@" + joiner + "ana: #" + joiner + "12 is at 5 %",
		"ana@shop.example <b>":    "ana@shop.example <b>", // GitLab escapes titles itself
		"":                        "incident without a title",
		"\u202e\x00":              "incident without a title",
		strings.Repeat("x", 300):  strings.Repeat("x", 254) + "…",
		strings.Repeat("@x", 200): "@" + joiner + "x" + strings.Repeat("@x", 125) + "@…",
	} {
		if got := title(in); got != want {
			t.Errorf("%q\ngot  %q\nwant %q", in, got, want)
		}
	}
}

func TestCheckKey(t *testing.T) {
	for _, key := range []string{"i1", "0192f0c1-7d3e-7b3a-9f51-0242ac120002", "leak:checkout/worker.c:fill_4", "a.b_c"} {
		if err := checkKey(key); err != nil {
			t.Error(err)
		}
	}
	for _, key := range []string{"", "a b", "a-->b", "a--b", "-a", "a-", "a\nb", "a<b", "ä", strings.Repeat("a", 201)} {
		if checkKey(key) == nil {
			t.Errorf("key %q was taken", key)
		}
	}
}

var (
	mentions = regexp.MustCompile(`(?:^|[^0-9A-Za-z_])@[0-9A-Za-z_]`)
	signs    = regexp.MustCompile(`[#!&~%$^]["0-9A-Za-z_]`)
	escaped  = regexp.MustCompile(`\\([!-/:-@\[-` + "`" + `{-~])`)
)

// FuzzMarkdown feeds hostile text: whatever it is, GitLab must take none of it
// for a command, and people must read what it says.
func FuzzMarkdown(f *testing.F) {
	for _, s := range []string{"/close", "a\r/close", "@all", "\\@ana", "<!-- muster:x -->", "https://x.example/@ana", "1. a", "&amp;", "a\u2028/close", "<https://x>", "https://a/%40ana ~x", "n^\\\nx"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := markdown(s)
		var read []string
		for line := range strings.SplitSeq(got, "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "/") {
				t.Fatalf("a quick action: %q", got)
			}
			if end := len(line) - len(strings.TrimRight(line, "\\")); end%2 == 1 { // the line break; an escaped backslash has two
				line = line[:len(line)-1]
			}
			var words []string
			for w := range strings.SplitSeq(line, " ") {
				if inner, ok := strings.CutPrefix(w, "<"); ok {
					inner, closed := strings.CutSuffix(inner, ">")
					if !closed || !link.MatchString(inner) {
						t.Fatalf("raw HTML: %q", w)
					}
					words = append(words, inner)
					continue
				}
				if mentions.MatchString(w) || signs.MatchString(w) {
					t.Fatalf("a mention or reference: %q", w)
				}
				bare := strings.NewReplacer(`\\`, "", `\<`, "", `\>`, "", "\\`", "", `\[`, "", `\]`, "", `\*`, "", `\_`, "", `\|`, "").Replace(w)
				if strings.ContainsAny(bare, "<>`[]*_|") {
					t.Fatalf("markup: %q", w)
				}
				words = append(words, escaped.ReplaceAllString(strings.ReplaceAll(w, joiner, ""), "$1"))
			}
			read = append(read, strings.Join(words, " "))
		}
		for _, r := range got {
			if r != '\n' && r != '\u2060' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
				t.Fatalf("%U in %q", r, got)
			}
		}
		if utf8.RuneCountInString(s) > maxBody {
			return
		}
		var want []string
		for line := range strings.SplitSeq(strings.TrimSpace(clean(s)), "\n") {
			want = append(want, strings.TrimSpace(line))
		}
		if a, b := strings.Join(read, "\n"), strings.Join(want, "\n"); a != b {
			t.Fatalf("people read %q, and not %q", a, b)
		}

		one := title(s)
		if one == "" || strings.ContainsAny(one, "\n\r") || utf8.RuneCountInString(one) > maxTitle || mentions.MatchString(one) {
			t.Fatalf("title %q", one)
		}
	})
}
