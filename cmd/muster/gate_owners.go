package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/gate"
)

// ownerFlags say who owns a finding.
type ownerFlags struct {
	Codeowners string   `group:"Owners" placeholder:"FILE" help:"Who owns which file. Default: where GitLab or GitHub looks for it."`
	Dialect    string   `group:"Owners" enum:"auto,github,gitlab" default:"auto" help:"Whose rules CODEOWNERS follows: github, gitlab, or auto: by the file's place, the CI system, and its sections."`
	Service    string   `group:"Owners" placeholder:"SLUG" help:"The service that is built: its team owns what has no owner."`
	Catalogue  []string `group:"Owners" sep:"none" placeholder:"PATH" help:"Muster's configuration files, which say whose --service is. The server looks by itself."`
}

// owners say whose a file is.
type owners struct {
	of       func(path string) []string
	fallback []string
}

func (f ownerFlags) read(root string, a *app) (owners, error) {
	var o owners
	name, dialect := f.find(root, a)
	if name != "" {
		text, err := os.ReadFile(name)
		if err != nil {
			return o, misused("--codeowners: %w", err)
		}
		if dialect == "" {
			dialect = gate.GuessDialect(text)
		}
		rules, problems := gate.ParseCodeowners(dialect, text)
		for _, p := range problems {
			fmt.Fprintf(a.err, "%s:%d: %s\n", clean(name), p.Line, clean(p.Why))
		}
		o.of = rules.Owners
	}
	if f.Service == "" {
		if len(f.Catalogue) > 0 {
			return o, misused("--catalogue: needs --service")
		}
		return o, nil
	}
	if len(f.Catalogue) == 0 {
		return o, nil
	}
	files, err := readFiles(f.Catalogue, a.in)
	if err != nil {
		return o, err
	}
	doc, err := config.Parse(files, kinds())
	if err != nil {
		return o, misused("--catalogue: %w", err)
	}
	service, ok := doc.Services[f.Service]
	switch {
	case !ok:
		return o, misused("--service: the catalogue has no service %q", f.Service)
	case service.Team != "":
		o.fallback = []string{service.Team}
	}
	return o, nil
}

// find returns the file and whose rules it follows; "" where that is not known
// but by its text.
func (f ownerFlags) find(root string, a *app) (name string, dialect gate.Dialect) {
	switch {
	case f.Dialect != "auto":
		dialect = gate.Dialect(f.Dialect)
	case a.getenv("GITLAB_CI") != "":
		dialect = gate.GitLab
	case a.getenv("GITHUB_ACTIONS") != "":
		dialect = gate.GitHub
	}
	if f.Codeowners != "" {
		return f.Codeowners, dialect
	}
	dialects := []gate.Dialect{gate.GitHub, gate.GitLab}
	if dialect != "" {
		dialects = []gate.Dialect{dialect}
	}
	for _, d := range dialects {
		for _, place := range gate.CodeownersPlaces(d) {
			name := filepath.Join(root, filepath.FromSlash(place))
			if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if dialect == "" && (place == ".github/CODEOWNERS" || place == ".gitlab/CODEOWNERS") {
				dialect = d // a place that only one of them knows
			}
			return name, dialect
		}
	}
	return "", dialect
}
