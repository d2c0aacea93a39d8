package event_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/musterhq/muster/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

// read reads a body as the directory it lies in says.
func read(kind string, body []byte) ([]event.Event, error) {
	if kind == "change" {
		return event.ReadChange(nil, body)
	}
	return event.Read(kind, http.Header{}, body)
}

// TestGolden compares what is made of testdata/KIND/NAME.json with NAME.golden.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/*/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatal("no bodies", err)
	}
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := golden(read(filepath.Base(filepath.Dir(path)), body))
			file := strings.TrimSuffix(path, ".json") + ".golden"
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func golden(events []event.Event, err error) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err != nil {
		b.WriteString("refused: " + err.Error() + "\n")
		return b.Bytes()
	}
	_ = enc.Encode(events)
	return b.Bytes()
}

// TestEverySourceHasItsFiles compares the list of sources with the directory.
func TestEverySourceHasItsFiles(t *testing.T) {
	want := map[string]bool{"change": true}
	for _, s := range event.Sources {
		want[s.Name] = true
		if _, err := os.Stat(s.Name + ".go"); err != nil {
			t.Error(err)
		}
	}
	dirs, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, d := range dirs {
		if d.Name() != "fuzz" && d.Name() != "rapid" { // what failing tests leave
			got[d.Name()] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// goldenBodies returns the bodies of all golden tests.
func goldenBodies(t testing.TB) [][]byte {
	paths, _ := filepath.Glob("testdata/*/*.json")
	var bodies [][]byte
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	return bodies
}
