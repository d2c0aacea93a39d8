package muster_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTrackRecord: each test that docs/track-record.md says can be run is there,
// in the package that the command names. Subtests are not looked for.
func TestTrackRecord(t *testing.T) {
	page, err := os.ReadFile("docs/track-record.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile("`go test (?:-race )?\\./(\\S+) -run ([^`]+)`").FindAllStringSubmatch(string(page), -1)
	if len(commands) < 20 {
		t.Fatalf("%d commands were found in the page", len(commands))
	}
	for _, c := range commands {
		files, err := filepath.Glob(filepath.Join(c[1], "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s: the package has no tests (%v)", c[0], err)
			continue
		}
		var text strings.Builder
		for _, name := range files {
			body, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			text.Write(body)
		}
		for name := range strings.SplitSeq(strings.Trim(c[2], "'"), `\|`) {
			name, _, _ = strings.Cut(name, "/")
			found, err := regexp.MatchString(`(?m)^func \w*`+strings.TrimSuffix(name, "$"), text.String())
			if err != nil || !found {
				t.Errorf("%s: there is no test %s (%v)", c[0], name, err)
			}
		}
	}
}
