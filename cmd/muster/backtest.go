package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/musterhq/muster/collect"
	"github.com/musterhq/muster/detect"
	"github.com/musterhq/muster/internal/chart"
)

// backtestOptions say where the output of a backtest goes and what it looks like.
type backtestOptions struct {
	JSON           bool      // print an array of detect.Interval instead of a table
	Stdin          io.Reader // for the file "-"; nil: os.Stdin
	Stdout, Stderr io.Writer
	Terminal       bool // show progress, and a chart under the table
	Width          int  // columns of the terminal; 0 means 80
}

// runBacktest tells when rules would have fired on recorded logs. The files are
// one log, in any order, plain or gzip. It is an error if no line parses.
func runBacktest(ctx context.Context, rules []detect.Rule, format collect.Format, files []string, opt backtestOptions) error {
	if len(rules) == 0 {
		return errors.New("backtest: no rules")
	}
	for _, r := range rules {
		if err := r.Validate(); err != nil {
			return fmt.Errorf("backtest: rule %s: %w", r.Slug, err)
		}
	}
	if len(files) == 0 {
		return errors.New("backtest: no log files; - is standard input")
	}
	if opt.Stdin == nil {
		opt.Stdin = os.Stdin
	}
	if opt.Width <= 0 {
		opt.Width = 80
	}
	counters := countersOf(rules)
	progress := newProgress(files, opt)
	var parsed, unparsed int64
	for _, file := range files {
		st, err := countFile(ctx, file, format, counters, progress.add, opt.Stdin)
		progress.clear()
		if err != nil {
			return fmt.Errorf("backtest %s: %w", file, err)
		}
		parsed += st.Parsed
		unparsed += st.Unparsed
		reportUnparsed(opt.Stderr, file, st)
	}
	if parsed == 0 {
		return fmt.Errorf("backtest: no line of %s parses, of %d; is the format right?", strings.Join(files, ", "), unparsed)
	}

	intervals := []detect.Interval{}
	for _, c := range counters {
		intervals = append(intervals, c.Intervals()...)
	}
	if opt.JSON {
		out := json.NewEncoder(opt.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(intervals)
	}
	if err := printIntervals(opt.Stdout, intervals); err != nil {
		return err
	}
	first, last := counters[0].Span()
	fmt.Fprintf(opt.Stdout, "%s in %d records from %s to %s\n",
		count(int64(len(intervals)), "interval", "intervals"), parsed, first.Format(time.RFC3339), last.Format(time.RFC3339))
	if opt.Terminal {
		for i, c := range counters {
			drawRule(opt, rules[i], c)
		}
	}
	return nil
}

func countersOf(rules []detect.Rule) []*detect.Counter {
	counters := make([]*detect.Counter, len(rules))
	for i, r := range rules {
		counters[i] = detect.NewCounter(r)
	}
	return counters
}

// countFile adds one file's records to the counters.
func countFile(ctx context.Context, file string, format collect.Format, counters []*detect.Counter, progress func(int), stdin io.Reader) (collect.Stats, error) {
	in, err := collect.Open(file, stdin, progress)
	if err != nil {
		return collect.Stats{}, err
	}
	defer in.Close()
	var rules []detect.Rule
	var fields []string
	for _, c := range counters {
		rules = append(rules, c.Rule())
		fields = append(fields, c.Rule().Fields()...)
	}
	var parts [][]*detect.Counter
	st, err := collect.Read(ctx, in, format, fields, func() func(*detect.Record) {
		part := countersOf(rules)
		parts = append(parts, part)
		return func(rec *detect.Record) {
			for _, c := range part {
				c.Observe(rec)
			}
		}
	})
	for _, part := range parts {
		for i, c := range part {
			counters[i].Merge(c)
		}
	}
	return st, err
}

func reportUnparsed(w io.Writer, file string, st collect.Stats) {
	if st.Unparsed == 0 {
		return
	}
	verb := "do not parse and were not counted"
	if st.Unparsed == 1 {
		verb = "does not parse and was not counted"
	}
	fmt.Fprintf(w, "%s: %d of %s %s\n", file, st.Unparsed, count(st.Parsed+st.Unparsed, "line", "lines"), verb)
	for _, u := range st.Samples {
		fmt.Fprintf(w, "%s:%d: %s: %s\n", file, u.Line, u.Reason, u.Text)
	}
	if more := st.Unparsed - int64(len(st.Samples)); more > 0 {
		fmt.Fprintf(w, "%s: and %d more\n", file, more)
	}
}

func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func printIntervals(w io.Writer, intervals []detect.Interval) error {
	if len(intervals) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RULE\tGROUP\tFROM\tTO\tPEAK\tBAD\tTOTAL")
	for _, i := range intervals {
		to := "still firing"
		if i.To != nil {
			to = i.To.Format(time.RFC3339)
		}
		group := i.Group
		if group == "" {
			group = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%.2f%%\t%d\t%d\n", i.Rule, group, i.From.Format(time.RFC3339), to, 100*i.Peak, i.Bad, i.Total)
	}
	return t.Flush()
}

// drawRule draws the series of a rule that had the highest peak, or its only one.
func drawRule(opt backtestOptions, rule detect.Rule, c *detect.Counter) {
	intervals, groups := c.Intervals(), c.Groups()
	var group string
	switch {
	case len(intervals) > 0:
		group = slices.MaxFunc(intervals, func(a, b detect.Interval) int {
			return cmp.Compare(a.Peak, b.Peak)
		}).Group
	case len(groups) == 1:
		group = groups[0]
	default:
		return
	}
	s := chart.Series{Title: strings.TrimSpace(rule.Slug + " " + group), Threshold: rule.Above}
	first, last := c.Span()
	for _, p := range c.Curve(group, first, last, 4*opt.Width) {
		s.Points = append(s.Points, chart.Point{At: p.At, Ratio: float64(p.Bad) / float64(p.Total)})
	}
	for _, i := range intervals {
		if i.Group != group {
			continue
		}
		s.Marks = append(s.Marks, chart.Mark{At: i.From, Label: "fires"})
		if i.To != nil {
			s.Marks = append(s.Marks, chart.Mark{At: *i.To, Label: "ends"})
		}
	}
	const few = 12
	if len(s.Marks) > few {
		s.Marks = s.Marks[:few]
	}
	fmt.Fprintf(opt.Stdout, "\n%s", chart.Text(s, opt.Width, 6))
}

// A progress bar on standard error tells how much of the files was read.
type progress struct {
	w           io.Writer // nil: no bar
	width       int
	read, total int64
	drawn       time.Time
}

func newProgress(files []string, opt backtestOptions) *progress {
	p := &progress{width: max(10, min(40, opt.Width-20))}
	if opt.Terminal {
		p.w = opt.Stderr
	}
	for _, f := range files {
		if info, err := os.Stat(f); err == nil && f != "-" {
			p.total += info.Size()
		}
	}
	return p
}

func (p *progress) add(n int) {
	p.read += int64(n)
	if p.w == nil || p.total == 0 || time.Since(p.drawn) < 100*time.Millisecond {
		return
	}
	p.drawn = time.Now()
	done := min(1, float64(p.read)/float64(p.total))
	full := int(done * float64(p.width))
	fmt.Fprintf(p.w, "\r%s%s %3.0f %%", strings.Repeat("█", full), strings.Repeat("░", p.width-full), 100*done)
}

// clear makes room for other output.
func (p *progress) clear() {
	if p.w != nil && !p.drawn.IsZero() {
		fmt.Fprintf(p.w, "\r%*s\r", p.width+6, "")
		p.drawn = time.Time{}
	}
}
