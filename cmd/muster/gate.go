package main

type gateCmd struct {
	Check    gateCheckCmd    `cmd:"" help:"Judge reports that exist."`
	Run      gateRunCmd      `cmd:"" help:"Run a program under Valgrind or with its sanitizers, and judge what it leaves."`
	Verify   gateVerifyCmd   `cmd:"" help:"Refuse an artefact that no signed verdict lets pass."`
	Selftest gateSelftestCmd `cmd:"" help:"Prove that this machine's gate lets no leak pass."`
	Key      gateKeyCmd      `cmd:"" help:"Make the pair of keys that verdicts are signed with."`
	Template gateTemplateCmd `cmd:"" help:"Print the template for GitLab CI."`
}

func (gateCmd) Help() string {
	return `A gate fails closed: a report that is missing, empty or cut off fails it, and so does a
program that ends badly and leaves no finding. Exit codes: 0 pass, 1 fail, 2 wrong use.

  muster gate run -- ./tests --fast
  muster gate check build/reports --sarif muster.sarif`
}
