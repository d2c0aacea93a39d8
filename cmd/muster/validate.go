package main

import (
	"errors"
	"fmt"

	"github.com/musterhq/muster/config"
)

type validateCmd struct {
	Paths []string `arg:"" name:"path" help:"Files, or directories of *.yaml files; - is standard input. Together they are one configuration."`
}

func (validateCmd) Help() string {
	return `All mistakes are shown, one a line, as file:line:column: path: what is wrong.

  muster validate config/
  muster validate team.yaml rules.yaml`
}

func (c validateCmd) Run(a *app) error {
	files, err := readFiles(c.Paths, a.in)
	if err != nil {
		return err
	}
	doc, err := config.Parse(files, kinds())
	if err == nil {
		err = doc.Check(kinds())
	}
	if problems := (config.Errors{}); errors.As(err, &problems) {
		for _, p := range problems {
			fmt.Fprintln(a.err, clean(p.Error()))
		}
		return errReported
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s: no mistakes\n", plural(len(files), "file"))
	return err
}

// plural is 1 file, 2 files.
func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
