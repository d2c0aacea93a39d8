package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxSecret is more than any token or key has, in bytes.
const maxSecret = 64 << 10

// A resolver turns the references of a configuration, env:NAME and file:/path,
// into what they stand for. Who may apply a configuration could send what a
// reference stands for anywhere; so the server's own secrets are kept from it.
type resolver struct {
	getenv    func(string) string
	forbidden []string // files that are never read, such as the key
	dirs      []string // files are read only below these; none: anywhere
}

// ownVariables hold the secrets of Muster itself.
func ownVariables() []string {
	return []string{"MUSTER_SECRET_KEY", "MUSTER_ADMIN_TOKEN", "MUSTER_DATABASE", "MUSTER_TOKEN", "MUSTER_KEY", gateKey, "PGPASSWORD"}
}

// resolve returns the value behind a reference. Its error names the reference
// and never the value.
func (r resolver) resolve(reference string) (string, error) {
	kind, name, _ := strings.Cut(reference, ":")
	var value string
	var err error
	switch kind {
	case "env":
		value, err = r.variable(name)
	case "file":
		value, err = r.file(name)
	default:
		err = errors.New("wants env:NAME or file:/path")
	}
	if err == nil && value == "" {
		err = errors.New("is empty")
	}
	if err != nil {
		return "", fmt.Errorf("reference %s: %w", reference, err)
	}
	return value, nil
}

func (r resolver) variable(name string) (string, error) {
	if slices.Contains(ownVariables(), name) {
		return "", errors.New("is the server's own secret and not for configurations")
	}
	value := r.getenv(name)
	if value == "" {
		return "", errors.New("the server's environment has no such variable, or an empty one")
	}
	return value, nil
}

// file returns what a file holds, without the end of its last line, which
// editors and echo add.
func (r resolver) file(name string) (string, error) {
	path, err := filepath.EvalSymlinks(name)
	if err != nil {
		return "", plainError(err)
	}
	if len(r.dirs) > 0 && !slices.ContainsFunc(r.dirs, func(dir string) bool { return within(dir, path) }) {
		return "", errors.New("lies outside of the folders given by --secrets-dir")
	}
	// Looked at before it is opened: opening a pipe would wait for its writer.
	info, err := os.Stat(path)
	if err != nil {
		return "", plainError(err)
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("is not a regular file")
	}
	for _, no := range r.forbidden {
		if other, err := os.Stat(no); err == nil && os.SameFile(info, other) {
			return "", errors.New("is the server's own file and not for configurations")
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return "", plainError(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", plainError(err)
	}
	if len(text) > maxSecret {
		return "", fmt.Errorf("is larger than %d bytes", maxSecret)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}

// within tells whether path lies below dir, both without links.
func within(dir, path string) bool {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// plainError leaves out the operation and the path, which the reader knows.
func plainError(err error) error {
	if e := (*os.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}
