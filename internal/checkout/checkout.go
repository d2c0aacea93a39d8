// Package checkout tells what a pipeline works on: the repository around a
// folder, its files, and the commit, branch and pipeline that are being built.
// It asks git and the variables that GitLab CI, GitHub Actions and Jenkins set,
// and knows nothing of reports and verdicts.
package checkout

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A Checkout is a folder with the files of a repository.
type Checkout struct {
	Root string // absolute, without links
	git  bool   // git knows it
}

// maxFiles bounds what is listed of a folder that git does not know.
const maxFiles = 200_000

// At finds the repository that a folder lies in. A folder that git does not know
// is taken as it is.
func At(folder string) (Checkout, error) {
	abs, err := filepath.Abs(folder)
	if err != nil {
		return Checkout{}, err
	}
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return Checkout{}, err
	}
	for at := abs; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil {
			return Checkout{Root: at, git: true}, nil
		}
		if at == filepath.Dir(at) {
			return Checkout{Root: abs}, nil
		}
	}
}

// Files lists what lies in the checkout, as paths within it with slashes, but
// for what git is told to ignore. Without git, all but hidden folders.
func (c Checkout) Files(ctx context.Context) ([]string, error) {
	if c.git {
		if out, err := c.run(ctx, "ls-files", "-z", "--cached", "--others", "--exclude-standard"); err == nil {
			files := strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")
			return slices.DeleteFunc(files, func(f string) bool { return f == "" }), nil
		}
	}
	var files []string
	err := filepath.WalkDir(c.Root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // a folder that may not be read has none of our sources
		case entry.IsDir() && name != c.Root && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case entry.IsDir():
			return nil
		case len(files) == maxFiles:
			return fs.SkipAll
		}
		within, err := filepath.Rel(c.Root, name)
		if err == nil {
			files = append(files, filepath.ToSlash(within))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the files of %s: %w", c.Root, err)
	}
	return files, nil
}

// maxSource bounds a source file that is looked into, in bytes.
const maxSource = 8 << 20

// Read returns a file of the checkout, and nothing from outside of it, wherever
// a link leads.
func (c Checkout) Read(within string) ([]byte, error) {
	root, err := os.OpenRoot(c.Root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(filepath.FromSlash(within))
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file", within)
	case info.Size() > maxSource:
		return nil, fmt.Errorf("%s has more than %d bytes", within, maxSource)
	}
	return root.ReadFile(filepath.FromSlash(within))
}

// run asks git. A hook's git is told by variables which repository it serves;
// that is not the one asked about here.
func (c Checkout) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", c.Root, "-c", "safe.directory=*"}, args...)...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "GIT_") && !strings.HasPrefix(v, "GIT_CONFIG")
	})
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(said.String()))
	}
	return string(out), nil
}
