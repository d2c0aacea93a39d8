package main

import "github.com/musterhq/muster/templates"

type gateTemplateCmd struct{}

func (gateTemplateCmd) Help() string {
	return `Commit it to your project and include it, or include it from where Muster's repository is.

  muster gate template > .gitlab/muster-gate.yml`
}

func (gateTemplateCmd) Run(a *app) error {
	_, err := a.out.Write(templates.Gate)
	return err
}
