// Command benchdoc runs the benchmarks for `make bench`, `make bench-peers` and
// `make bench-growth`, several times over, and makes tables of them: medians,
// ranges, and ratios to the yardsticks of the same run. With -doc it puts the
// tables into a page, between two marks, and drawings beside it.
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
	"path/filepath"
	"runtime"
)

func main() {
	name := flag.String("suite", "bench", "which benchmarks: bench, peers or growth")
	runs := flag.Int("runs", 0, "how often all of them are run (0: as often as the suite asks for)")
	benchtime := flag.String("benchtime", "2s", "of each benchmark of the whole server")
	doc := flag.String("doc", "", "`file` whose tables are written anew")
	flag.Parse()
	s, err := suiteOf(*name)
	if err == nil {
		if *runs != 0 {
			s.runs = *runs
		}
		err = s.run(os.Stdout, *benchtime, *doc)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchdoc:", err)
		os.Exit(1)
	}
}

// A suite is what is measured together.
type suite struct {
	name   string
	runs   int
	parts  func(benchtime string) [][]string // arguments of go test, one list a call
	render func(runs []results, cores int) ([]byte, error)
	draw   func(runs []results) ([]byte, error) // nil: nothing is drawn
}

var suites = []suite{
	{
		name: "bench", runs: 3, render: render,
		parts: func(benchtime string) [][]string {
			return [][]string{
				{"-bench=.", "-skip=Alertmanager|Growth", "-benchtime=" + benchtime, "./cmd/muster"},
				// The parsers' benchmarks are small: a fraction of a second tells as much.
				{"-bench=.", "-benchtime=300ms", "./event", "./detect", "./collect", "./gate"},
				{"-bench=Audit", "-benchtime=1x", "./engine"},
			}
		},
	},
	{
		name: "peers", runs: 5, render: renderPeers,
		parts: func(benchtime string) [][]string {
			return [][]string{{"-bench=Intake|Alertmanager", "-benchtime=" + benchtime, "./cmd/muster"}}
		},
	},
	{
		name: "growth", runs: 1, render: renderGrowth, draw: drawGrowth,
		parts: func(string) [][]string {
			return [][]string{{"-bench=Growth", "-benchtime=1x", "./cmd/muster"}}
		},
	},
}

func suiteOf(name string) (suite, error) {
	for _, s := range suites {
		if s.name == name {
			return s, nil
		}
	}
	return suite{}, fmt.Errorf("-suite %s: there is none; want bench, peers or growth", name)
}

// run runs the benchmarks with the whole list before the next round, so that a
// machine that is slow for a while is slow for a round and not for a benchmark.
func (s suite) run(out io.Writer, benchtime, doc string) error {
	if s.runs < 1 {
		return errors.New("-runs: want at least one")
	}
	var all []results
	for i := range s.runs {
		fmt.Fprintf(out, "run %d of %d\n", i+1, s.runs)
		round := results{}
		for _, part := range s.parts(benchtime) {
			var text bytes.Buffer
			cmd := exec.Command("go", append([]string{"test", "-run=^$", "-timeout=60m"}, part...)...)
			cmd.Env = append(os.Environ(), "MUSTER_LONG=1")
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
	tables, err := s.render(all, runtime.NumCPU())
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
	if page, err = s.replace(page, tables); err != nil {
		return fmt.Errorf("%s: %w", doc, err)
	}
	if s.draw != nil {
		drawing, err := s.draw(all)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(doc), "img", s.name+".svg"), drawing, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(doc, page, 0o644)
}

// marks are the lines between which the suite's tables stand.
func (s suite) marks() (begin, end string) {
	return "<!-- tables: benchdoc -suite " + s.name + " -->\n", "<!-- end of tables: " + s.name + " -->\n"
}

func (s suite) replace(page, tables []byte) ([]byte, error) {
	begin, end := s.marks()
	before, rest, ok := bytes.Cut(page, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		return nil, fmt.Errorf("the lines %q and %q are not there", begin[:len(begin)-1], end[:len(end)-1])
	}
	return bytes.Join([][]byte{before, []byte(begin), tables, []byte(end), after}, nil), nil
}
