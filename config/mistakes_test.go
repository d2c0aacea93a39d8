package config_test

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/musterhq/muster/config"
)

// TestMistakes reads testdata/mistakes.txt: each case is a file that is added
// to shop.yaml, and what is said of it.
func TestMistakes(t *testing.T) {
	body, err := os.ReadFile(filepath.Join("testdata", "mistakes.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cases := strings.Split(string(body), "=== ")[1:]
	for _, c := range cases {
		title, text, _ := strings.Cut(c, "\n")
		text, _, _ = strings.Cut(text, "--- says\n")
		var problems config.Errors
		t.Run(title, func(t *testing.T) {
			problems = mistakes(t, text)
		})
		out.WriteString("=== " + title + "\n" + text + "--- says\n")
		for _, p := range problems {
			out.WriteString(p.Error() + "\n")
		}
	}
	if len(cases) < 25 {
		t.Errorf("only %d cases", len(cases))
	}
	golden(t, "mistakes.txt", out.String())
}

// mistakes returns what is wrong with a file beside shop.yaml.
func mistakes(t *testing.T, text string) config.Errors {
	d, err := config.Parse([]config.File{{Name: "shop.yaml", Body: shop(t)}, {Name: "bad.yaml", Body: []byte(text)}}, kinds())
	if err == nil {
		err = d.Check(kinds())
	}
	var problems config.Errors
	if !errors.As(err, &problems) {
		t.Fatalf("%v, want Errors", err)
	}
	for _, p := range problems {
		if p.File == "" || p.Line == 0 || p.Detail == "" {
			t.Errorf("a problem without its place: %#v", p)
		}
		if strings.Contains(p.Error(), "canary") {
			t.Errorf("a secret is shown: %v", p)
		}
	}
	if !slices.IsSortedFunc(problems, func(a, b config.Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column)
	}) {
		t.Errorf("the problems are not in the order of the file:\n%v", problems)
	}
	return problems
}
