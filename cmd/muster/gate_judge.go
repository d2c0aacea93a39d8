package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/musterhq/muster/gate"
)

// conclude judges, writes what was asked for, and fails if the gate does. What
// fails after the verdict, such as the report to the server, changes it in no
// way; what was to be written and is not fails the gate: nobody could see it.
func (j *judging) conclude(ctx context.Context, reports []gate.Report, exit *gate.Exit) error {
	v := j.verdict(ctx, reports, exit)
	kept := j.keepBaseline(ctx, &v, reports, exit)
	if kept != nil && !errors.Is(kept, errIncomplete) {
		return kept
	}
	if err := j.write(v); err != nil {
		return err
	}
	if j.signer != nil {
		if err := j.signer.sign(v, j.baseline); err != nil {
			return err
		}
	}
	j.reportFlags.report(ctx, j.app, j.checkout.Root, v.Result())
	if kept == nil && !v.Pass {
		return errReported
	}
	return kept
}

// errIncomplete says that a run cannot take anything out of the baseline.
var errIncomplete = errors.New("--update: the run is not complete, so what it does not show may be there still; nothing was taken out")

func (j *judging) verdict(ctx context.Context, reports []gate.Report, exit *gate.Exit) gate.Verdict {
	tree := gate.NewTree("", nil, nil)
	if slices.ContainsFunc(reports, func(r gate.Report) bool { return len(r.Findings) > 0 }) {
		files, err := j.checkout.Files(ctx)
		if err != nil {
			fmt.Fprintf(j.app.err, "muster gate: %s: names are made without the sources\n", clean(err.Error()))
		}
		tree = gate.NewTree(filepath.ToSlash(j.checkout.Root), files, j.checkout.Read)
	}
	c := gate.Case{
		Suite: j.suite(), Reports: reports, Exit: exit, Baseline: j.baseline, Budget: j.budget, Tree: tree,
		Owners: j.owners.of, Fallback: j.owners.fallback, Tickets: j.ticketsFor, Now: j.app.now().UTC(),
	}
	if j.JSON || j.signer != nil || j.Report != "" {
		b := j.build()
		c.Source = gate.Source{Commit: b.Commit, Branch: b.Branch, Default: b.Default, Pipeline: b.Pipeline, Project: b.Project}
	}
	return gate.Judge(c)
}

// keepBaseline does what --accept and --update say, and judges again by the
// baseline that comes of it.
func (j *judging) keepBaseline(ctx context.Context, v *gate.Verdict, reports []gate.Report, exit *gate.Exit) error {
	if len(j.Accept) == 0 && !j.Update {
		return nil
	}
	next, removed := j.baseline, 0
	for _, fingerprint := range j.Accept {
		i := slices.IndexFunc(v.Findings, func(f gate.Finding) bool { return f.Fingerprint == fingerprint })
		if i < 0 {
			return misused("--accept: no finding has the fingerprint %q", fingerprint)
		}
		var err error
		if next, err = next.Accept(v.Findings[i], j.Reason, j.until, j.app.now().UTC()); err != nil {
			return usageError{err}
		}
	}
	if j.Update {
		if !v.Complete {
			return errIncomplete
		}
		next, removed = next.Without(v.Gone), len(v.Gone)
	}
	if err := writeWhole(j.file, next.Text()); err != nil {
		return fmt.Errorf("write the baseline: %w", err)
	}
	fmt.Fprintf(j.app.err, "%s: %d accepted, %d taken out\n", clean(j.file), len(j.Accept), removed)
	j.baseline = next
	*v = j.verdict(ctx, reports, exit)
	return nil
}

// write shows the verdict, and writes the files that were asked for.
func (j *judging) write(v gate.Verdict) error {
	for _, file := range []struct{ name, format string }{
		{j.SARIF, "sarif"}, {j.JUnit, "junit"}, {j.CodeQuality, "codequality"}, {j.Markdown, "markdown"},
	} {
		if file.name == "" {
			continue
		}
		f, err := os.Create(file.name)
		if err != nil {
			return fmt.Errorf("write %s: %w", file.format, err)
		}
		err = output(file.format).Write(f, v, gate.View{})
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", file.format, err)
		}
	}
	if j.JSON {
		return j.app.printJSON(v.Result())
	}
	return output("text").Write(j.app.out, v, gate.View{Colour: j.app.colour, Width: j.app.width})
}

func output(name string) gate.Output {
	i := slices.IndexFunc(gate.Outputs, func(o gate.Output) bool { return o.Name == name })
	return gate.Outputs[i]
}

// writeWhole writes a file so that nobody ever sees half of it.
func writeWhole(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".muster-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	return err
}
