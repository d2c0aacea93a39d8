package gate

import "testing"

func TestGuessDialect(t *testing.T) {
	for text, want := range map[string]Dialect{
		"":                               GitHub,
		"* @shop/all\n":                  GitHub,
		"# [Docs]\n* @shop/all\n":        GitHub,
		"[Docs]\n*.md @shop/writers\n":   GitLab,
		"^[Docs][2] @shop/writers\n":     GitLab,
		"* @@maintainers\n":              GitLab,
		"[a-z].c @shop/all\n":            GitLab, // which GitHub would not read either
		"/src/ @shop/all # see @@team\n": GitLab, // a comment at the end is none to GitLab
	} {
		if got := GuessDialect([]byte(text)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
