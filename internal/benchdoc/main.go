// Command benchdoc runs the benchmarks for `make bench`, several times over,
// and makes tables of them: medians, ranges, and ratios to the yardsticks of the
// same run. With -doc it puts the tables into a page, between two marks.
//
// It knows the output of `go test -bench` and the names of our benchmarks. It
// knows nothing about how they measure.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
)

func main() {
	runs := flag.Int("runs", 3, "how often all benchmarks are run")
	benchtime := flag.String("benchtime", "2s", "of each benchmark of the whole server")
	doc := flag.String("doc", "", "`file` whose tables are written anew")
	flag.Parse()
	if err := run(os.Stdout, *runs, *benchtime, *doc); err != nil {
		fmt.Fprintln(os.Stderr, "benchdoc:", err)
		os.Exit(1)
	}
}

// parts are what one run consists of. The parsers' benchmarks are small: a
// fraction of a second tells as much.
func parts(benchtime string) [][]string {
	return [][]string{
		{"-benchtime=" + benchtime, "./cmd/muster"},
		{"-benchtime=300ms", "./event", "./detect", "./collect"},
	}
}

// run runs the benchmarks with the whole list before the next round, so that a
// machine that is slow for a while is slow for a round and not for a benchmark.
func run(out io.Writer, runs int, benchtime, doc string) error {
	if runs < 1 {
		return errors.New("-runs: want at least one")
	}
	var all []results
	for i := range runs {
		fmt.Fprintf(out, "run %d of %d\n", i+1, runs)
		round := results{}
		for _, part := range parts(benchtime) {
			var text bytes.Buffer
			cmd := exec.Command("go", append([]string{"test", "-run=^$", "-bench=.", "-timeout=15m"}, part...)...)
			cmd.Stdout, cmd.Stderr = io.MultiWriter(out, &text), os.Stderr
			if err := cmd.Run(); err != nil {
				return fmt.Errorf("go test %v: %w", part, err)
			}
			if err := round.read(&text); err != nil {
				return err
			}
		}
		all = append(all, round)
	}
	tables, err := render(all, runtime.NumCPU())
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s", tables)
	if doc == "" {
		return nil
	}
	page, err := os.ReadFile(doc)
	if err != nil {
		return err
	}
	if page, err = replace(page, tables); err != nil {
		return fmt.Errorf("%s: %w", doc, err)
	}
	return os.WriteFile(doc, page, 0o644)
}

// The marks between which the tables stand.
const (
	begin = "<!-- tables: make bench-docs -->\n"
	end   = "<!-- end of tables -->\n"
)

func replace(page, tables []byte) ([]byte, error) {
	before, rest, ok := bytes.Cut(page, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		return nil, fmt.Errorf("the lines %q and %q are not there", begin[:len(begin)-1], end[:len(end)-1])
	}
	return bytes.Join([][]byte{before, []byte(begin), tables, []byte(end), after}, nil), nil
}
