package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/musterhq/muster/gate"
)

type gateCheckCmd struct {
	gateFlags
	Reports    []string `arg:"" name:"report" optional:"" help:"Files, folders (all files within, at any depth), patterns, or - for standard input."`
	ExitStatus *int     `placeholder:"N" help:"How the program ended that wrote them: $?. One other than 0 that no finding explains fails the gate."`
}

func (gateCheckCmd) Help() string {
	return `Reads Valgrind's XML, what the sanitizers and go test print, SARIF and JUnit; the content says which.

  muster gate check valgrind.*.xml
  go test ./... > tests.log; muster gate check --exit-status $? tests.log
  go test -race -json ./... | muster gate check -`
}

func (c gateCheckCmd) Run(ctx context.Context, a *app) error {
	j, err := c.judge(ctx, a)
	if err != nil {
		return err
	}
	if len(c.Reports) == 0 {
		return misused("expected \"<report> ...\": name what is to be judged; - is standard input")
	}
	reports, err := readReports(c.Reports, a)
	if err != nil {
		return err
	}
	var exit *gate.Exit
	if c.ExitStatus != nil {
		exit = exitOf(*c.ExitStatus)
	}
	return j.conclude(ctx, reports, exit)
}

// exitOf is what a shell's status says: 128 and more is a signal's number. Python
// tells a signal as its number below 0.
func exitOf(status int) *gate.Exit {
	if status < 0 {
		return &gate.Exit{Code: -1, Signal: signalName(-status)}
	}
	if status > 128 && status < 160 {
		return &gate.Exit{Code: -1, Signal: signalName(status - 128)}
	}
	return &gate.Exit{Code: status}
}

// readReports reads what paths name. What cannot be found or read is a report,
// too, which says so: the gate must not pass without it.
func readReports(paths []string, a *app) ([]gate.Report, error) {
	var out []gate.Report
	lost := func(name, why string) {
		r := gate.Report{Name: name}
		r.Break("%s", why)
		out = append(out, r)
	}
	seen := map[string]bool{}
	for _, path := range paths {
		if path == "-" {
			r, err := gate.Read("standard input", a.in)
			if err != nil {
				return nil, err
			}
			out = append(out, r)
			continue
		}
		names, err := reportFiles(path)
		if err != nil {
			lost(path, err.Error())
			continue
		}
		for _, name := range names {
			if seen[name] { // two patterns may name one file
				continue
			}
			seen[name] = true
			r, err := readReport(name, name)
			if err != nil {
				lost(name, reason(err))
				continue
			}
			out = append(out, r)
		}
	}
	return out, nil
}

// reason is an error without the path, which stands before it already.
func reason(err error) string {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

func readReport(path, name string) (gate.Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return gate.Report{}, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() && info.Mode()&fs.ModeNamedPipe == 0 {
		return gate.Report{}, errors.New("it is no file")
	}
	return gate.Read(name, f)
}

// reportFiles are the files that a path names, sorted.
func reportFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		names, wrong := filepath.Glob(path)
		switch {
		case wrong != nil:
			return nil, fmt.Errorf("the pattern is wrong: %w", wrong)
		case len(names) > 0:
			return names, nil
		case strings.ContainsAny(path, "*?["):
			return nil, errors.New("no file fits the pattern: no report was written")
		}
		return nil, fmt.Errorf("%s: no report was written", reason(err))
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var names []string
	err = filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return nil, errors.New(reason(err))
	}
	if len(names) == 0 {
		return nil, errors.New("the folder is empty: no report was written")
	}
	slices.Sort(names)
	return names, nil
}
