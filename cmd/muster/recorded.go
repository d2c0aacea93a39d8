package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/musterhq/muster/collect"
	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/detect"
)

// backtestCmd runs rules of a configuration on recorded logs.
type backtestCmd struct {
	jsonFlag
	Config []string          `name:"file" short:"f" required:"" sep:"none" placeholder:"PATH" help:"Configuration with the rules, a file or a directory. May be repeated."`
	Rule   []string          `sep:"none" placeholder:"SLUG" help:"Only this rule. May be repeated. Default: all of one log source."`
	Format string            `placeholder:"FORMAT" help:"Of the log: auto, access or ndjson. Default: that of the rules' log source in the configuration."`
	Field  map[string]string `mapsep:"none" placeholder:"OURS=THEIRS" help:"A field of the rules is called otherwise in the log. May be repeated."`
	Logs   []string          `arg:"" name:"log" help:"Log files of one source, plain or gzip, in any order; - is standard input."`
}

func (backtestCmd) Help() string {
	return `Tells when rules would have fired, before they wake anybody.

  muster backtest -f rules.yaml /var/log/nginx/access.log*
  muster backtest -f config/ --rule checkout-5xx --field service=upstream --json requests.ndjson`
}

func (c backtestCmd) Run(ctx context.Context, a *app) error {
	doc, err := c.read(a)
	if err != nil {
		return err
	}
	slugs := c.Rule
	if len(slugs) == 0 {
		slugs = slices.Sorted(maps.Keys(doc.Rules))
	}
	if len(slugs) == 0 {
		return misused("--file: there are no rules in %s", strings.Join(c.Config, ", "))
	}
	var rules []detect.Rule
	for _, slug := range slugs {
		rule, err := doc.DetectRule(slug)
		if err != nil {
			return usageError{fmt.Errorf("--rule: %w", err)}
		}
		rules = append(rules, rule)
	}
	format, err := c.format(doc, slugs)
	if err != nil {
		return err
	}
	return runBacktest(ctx, rules, format, c.Logs, backtestOptions{
		JSON: c.JSON, Stdin: a.in, Stdout: a.out, Stderr: a.err, Terminal: a.terminal && !c.JSON, Width: a.width,
	})
}

// read reads the configuration. What its rules refer to need not be there.
func (c backtestCmd) read(a *app) (config.Doc, error) {
	files, err := readFiles(c.Config, a.in)
	if err != nil {
		return config.Doc{}, err
	}
	doc, err := config.Parse(files, kinds())
	if problems := (config.Errors{}); errors.As(err, &problems) {
		for _, p := range problems {
			fmt.Fprintln(a.err, clean(p.Error()))
		}
		return doc, errReported
	}
	return doc, err
}

// format is how the log is read: as the log source of the rules says, if it is
// in the configuration, and as the flags say before that.
func (c backtestCmd) format(doc config.Doc, slugs []string) (collect.Format, error) {
	sources := map[string]bool{}
	for _, slug := range slugs {
		if _, source, ok := strings.Cut(doc.Rules[slug].Source, ":"); ok {
			sources[source] = true
		}
	}
	var log config.Log
	if len(sources) > 1 {
		return collect.Format{}, misused("--rule: the rules look at several log sources (%s); name those of one", strings.Join(slices.Sorted(maps.Keys(sources)), ", "))
	}
	for source := range sources {
		log = doc.Logs[source]
	}
	format := collect.Format{Kind: log.Format, Fields: maps.Clone(log.Fields), Defaults: log.Defaults}
	if c.Format != "" {
		format.Kind = c.Format
	}
	for ours, theirs := range c.Field {
		if format.Fields == nil {
			format.Fields = map[string]string{}
		}
		format.Fields[ours] = theirs
	}
	if err := format.Validate(); err != nil {
		return format, usageError{err}
	}
	return format, nil
}
