package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/musterhq/muster/config"
)

// maxFile is more than config reads of one file, so that it can say that the
// file is too large.
const maxFile = 2 << 20

// readFiles reads configuration files; of a directory all *.yaml and *.yml
// within, at any depth, but for hidden ones. "-" is standard input. A path that
// cannot be read, and a directory without such files, is wrong use.
func readFiles(paths []string, stdin io.Reader) ([]config.File, error) {
	var out []config.File
	for _, path := range paths {
		names := []string{path}
		if path != "-" {
			var err error
			if names, err = filesOf(path); err != nil {
				return nil, usageError{err}
			}
		}
		for _, name := range names {
			body, err := readFile(name, stdin)
			if err != nil {
				return nil, usageError{err}
			}
			if name == "-" {
				name = "standard input"
			}
			out = append(out, config.File{Name: name, Body: body})
		}
	}
	return out, nil
}

func readFile(name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(stdin, maxFile))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return body, nil
}

func filesOf(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var names []string
	err = filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := name != path && strings.HasPrefix(entry.Name(), ".")
		switch ending := filepath.Ext(name); {
		case hidden && entry.IsDir():
			return fs.SkipDir
		case !hidden && !entry.IsDir() && (ending == ".yaml" || ending == ".yml"):
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: there is no file *.yaml or *.yml in it", path)
	}
	slices.Sort(names)
	return names, nil
}
