package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestResolver(t *testing.T) {
	dir := t.TempDir()
	inside, outside := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	for _, d := range []string{inside, outside} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	token, key, far := write("in/token", "geheim\r\n"), write("in/muster.key", "geheim"), write("out/token", "geheim")
	write("in/empty", "\n")
	write("in/large", strings.Repeat("geheim", 20_000))
	if err := os.Symlink(far, filepath.Join(inside, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(key, filepath.Join(inside, "hard")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(inside, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"GITLAB_TOKEN": "geheim", "MUSTER_SECRET_KEY": "geheim", "PGPASSWORD": "geheim"}
	r := resolver{getenv: func(name string) string { return env[name] }, forbidden: []string{key}, dirs: []string{inside}}

	tests := []struct{ reference, wrong string }{
		{"env:GITLAB_TOKEN", ""},
		{"env:NO_SUCH", "no such variable"},
		{"env:MUSTER_SECRET_KEY", "the server's own secret"},
		{"env:PGPASSWORD", "the server's own secret"},
		{"file:" + token, ""},
		{"file:" + key, "the server's own file"},
		{"file:" + filepath.Join(inside, "hard"), "the server's own file"},
		{"file:" + far, "lies outside"},
		{"file:" + inside + "/../out/token", "lies outside"},
		{"file:" + filepath.Join(inside, "link"), "lies outside"},
		{"file:" + filepath.Join(inside, "pipe"), "not a regular file"},
		{"file:" + inside, "not a regular file"},
		{"file:" + filepath.Join(inside, "empty"), "is empty"},
		{"file:" + filepath.Join(inside, "large"), "larger than"},
		{"file:" + filepath.Join(inside, "none"), "no such file"},
		{"vault:x", "wants env:NAME or file:/path"},
	}
	for _, tt := range tests {
		got, err := r.resolve(tt.reference)
		switch {
		case tt.wrong == "" && (err != nil || got != "geheim"):
			t.Errorf("%s: %q, error %v", tt.reference, got, err)
		case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong) || got != ""):
			t.Errorf("%s: %q, error %v; want %q", tt.reference, got, err, tt.wrong)
		case err != nil && strings.Contains(err.Error(), "geheim"):
			t.Errorf("%s: the error shows the secret: %v", tt.reference, err)
		}
	}
}

// Of two that make the key at a time one wins, and both have the same.
func TestMakeKeyNeverReplaces(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := makeKey(file); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := makeKey(file); err == nil {
		t.Error("a key was made where there is one")
	}
	after, err := os.ReadFile(file)
	if err != nil || string(after) != string(before) {
		t.Errorf("the key has changed (%v)", err)
	}
	if left, _ := filepath.Glob(file + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
