package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/musterhq/muster/gate"
	"github.com/musterhq/muster/internal/checkout"
)

// gateFlags are those of everything that judges.
type gateFlags struct {
	jsonFlag
	Suite string `env:"MUSTER_SUITE" placeholder:"NAME" help:"What runs: defects are told apart by it. Default: the name of the CI job, or tests."`
	Root  string `type:"existingdir" default:"." placeholder:"FOLDER" help:"Of the sources: the repository around it is ours, and all else is not."`

	Baseline string   `group:"What passes" placeholder:"FILE" help:"Findings to live with. Default: .muster/baseline.yaml of the repository, if it is there."`
	Budget   string   `group:"What passes" placeholder:"SEVERITY=N,…" help:"How many new findings may pass. Default: critical=0,error=0,warning=0,info=any."`
	Accept   []string `group:"What passes" sep:"none" placeholder:"FINGERPRINT" help:"Add a finding to the baseline; needs --reason and --until."`
	Reason   string   `group:"What passes" placeholder:"TEXT" help:"Why it may stay."`
	Until    string   `group:"What passes" placeholder:"DATE" help:"Its last day, YYYY-MM-DD."`
	Update   bool     `group:"What passes" help:"Take out of the baseline what this run, if it is complete, no longer shows. Nothing is added."`

	ownerFlags
	buildFlags

	TicketsFor []string `group:"Server told" enum:"junit,sarif,go-test" placeholder:"FORMAT" help:"Ask for tickets of what these find, too: junit, sarif, go-test."`

	SARIF       string `group:"What is written" name:"sarif" placeholder:"FILE" help:"Write SARIF 2.1.0."`
	JUnit       string `group:"What is written" name:"junit" placeholder:"FILE" help:"Write JUnit XML."`
	CodeQuality string `group:"What is written" placeholder:"FILE" help:"Write GitLab's Code Quality report."`
	Markdown    string `group:"What is written" placeholder:"FILE" help:"Write a comment for a merge request."`

	signFlags
	reportFlags
}

// buildFlags say what is being built, where neither the CI system nor git does:
// in a hook, which works on no checkout.
type buildFlags struct {
	Commit        string `group:"What is judged" placeholder:"SHA" help:"What is judged. Default: what the CI system or git says, as for the branch."`
	Branch        string `group:"What is judged" placeholder:"NAME" help:"The branch that it is of."`
	DefaultBranch string `group:"What is judged" env:"MUSTER_DEFAULT_BRANCH" placeholder:"NAME" help:"The branch whose complete runs close tickets."`
}

func (f buildFlags) over(b checkout.Build) checkout.Build {
	b.Commit, b.Branch = cmp.Or(f.Commit, b.Commit), cmp.Or(f.Branch, b.Branch)
	if f.DefaultBranch != "" {
		b.Default = b.Branch == f.DefaultBranch
	}
	return b
}

// baselinePlace is where a repository keeps its baseline.
const baselinePlace = ".muster/baseline.yaml"

// A judging is a gate that is ready to judge: what the flags say was read.
type judging struct {
	gateFlags
	app      *app
	checkout checkout.Checkout
	build    func() checkout.Build // asked when it is needed: it asks git
	baseline gate.Baseline
	file     string // of the baseline
	budget   gate.Budget
	until    time.Time
	owners   owners
	signer   *signer
}

// judge reads all that a verdict rests on but the reports. What is wrong with
// it is wrong use.
func (f gateFlags) judge(ctx context.Context, a *app) (*judging, error) {
	j := &judging{gateFlags: f, app: a, budget: gate.DefaultBudget()}
	var err error
	if j.checkout, err = checkout.At(f.Root); err != nil {
		return nil, misused("--root: %w", err)
	}
	var build *checkout.Build
	j.build = func() checkout.Build {
		if build == nil {
			b := f.buildFlags.over(j.checkout.Build(ctx, a.getenv))
			build = &b
		}
		return *build
	}
	if f.Budget != "" {
		if j.budget, err = gate.ParseBudget(f.Budget); err != nil {
			return nil, misused("--budget: %w", err)
		}
	}
	if err := j.readBaseline(); err != nil {
		return nil, usageError{err}
	}
	if err := j.readAccept(); err != nil {
		return nil, err
	}
	if j.owners, err = f.ownerFlags.read(j.checkout.Root, a); err != nil {
		return nil, err
	}
	if j.signer, err = f.signFlags.signer(a); err != nil {
		return nil, err
	}
	return j, f.reportFlags.check(a)
}

func (j *judging) readBaseline() error {
	j.file = j.Baseline
	if j.file == "" {
		j.file = filepath.Join(j.checkout.Root, baselinePlace)
	}
	text, err := os.ReadFile(j.file)
	if errors.Is(err, fs.ErrNotExist) && (j.Baseline == "" || len(j.Accept) > 0) {
		j.baseline = gate.Baseline{}
		return nil
	}
	if err != nil {
		return fmt.Errorf("--baseline: %w", err)
	}
	j.baseline, err = gate.ParseBaseline(j.file, text)
	return err
}

func (j *judging) readAccept() error {
	if len(j.Accept) == 0 {
		if j.Reason != "" || j.Until != "" {
			return misused("--reason and --until belong to --accept")
		}
		return nil
	}
	if j.Reason == "" || j.Until == "" {
		return misused("--accept: needs --reason, why it may stay, and --until, its last day")
	}
	var err error
	if j.until, err = time.Parse(time.DateOnly, j.Until); err != nil {
		return misused("--until: %q is no day such as 2027-01-31", j.Until)
	}
	return nil
}

// suite is the name of what runs.
func (j *judging) suite() string {
	if j.Suite != "" {
		return j.Suite
	}
	for _, name := range []string{"CI_JOB_NAME", "GITHUB_JOB", "JOB_BASE_NAME"} {
		if s := j.app.getenv(name); s != "" {
			return s
		}
	}
	return "tests"
}

// ticketsFor says which findings are to have a ticket: defects always, and what
// test runners and analysers say where it is asked for.
func (j *judging) ticketsFor(f gate.Finding) bool {
	switch f.Class {
	case gate.StaticAnalysis:
		return slices.Contains(j.TicketsFor, "sarif")
	case gate.TestFailure:
		return slices.Contains(j.TicketsFor, f.Tool)
	}
	return true
}
