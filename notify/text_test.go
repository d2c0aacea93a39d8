package notify

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"a\r\nb\rc\u2028d\u0085e\nf\tg":    "a\nb\nc\nd\ne\nf\tg",
		"\u202egnp.exe\u200b\ufeff\u2066x": "gnp.exex",
		"\x00\x1b[31m\x7f\u0090":           "[31m",
		"\xff\xfeok":                       "\uFFFDok",
		"👩\u200d💻 é 日本":                    "👩\u200d💻 é 日本",
		"\U000E0041tag":                    "tag",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := line(" a \r\n\tb\u2029c ", 10); got != "a b c" {
		t.Errorf("line: %q", got)
	}
}

func TestLink(t *testing.T) {
	for in, want := range map[string]string{
		"https://h.example/a?b=1&c": "https://h.example/a?b=1&c", " http://h/ ": "http://h/",
		"javascript:alert(1)": "", "data:text/html,x": "", "//h/x": "", "https:///x": "", "https://bank.example@evil.example/": "",
		"": "", "https://h/\x00": "", "https://h/a b>|": "https://h/a%20b%3E%7C",
	} {
		if got := link(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		most := rapid.IntRange(1, 20).Draw(t, "most")
		got := cut(s, most)
		n := utf8.RuneCountInString(got)
		switch whole := utf8.RuneCountInString(s) <= most; {
		case whole && got != s:
			t.Fatalf("%q became %q", s, got)
		case !whole && (n > most || !strings.HasSuffix(got, "…")):
			t.Fatalf("%q, %d: %q", s, most, got)
		}
	})
}

func TestEscapeSlack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOf(rapid.SampledFrom([]rune("&<>aé\U0001F525;"))).Draw(t, "s")
		most := rapid.IntRange(1, 30).Draw(t, "most")
		got := escapeSlack(s, most)
		if strings.ContainsAny(got, "<>") || utf8.RuneCountInString(got) > most {
			t.Fatalf("%q, %d: %q", s, most, got)
		}
		back := strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(got)
		if head := strings.TrimSuffix(back, "…"); !strings.HasPrefix(s, head) {
			t.Fatalf("%q, %d: %q is not how it begins: an escape was cut", s, most, back)
		}
	})
}
