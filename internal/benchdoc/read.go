package main

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// results are the figures of one run: by benchmark, as in "Intake/sqlite/single",
// and unit.
type results map[string]map[string]float64

// measured is a line of a benchmark: name, processors, rounds, figures. The
// format is golang.org/design/14313-benchmark-format.
var measured = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(.*)$`)

// read adds what `go test -bench` printed.
func (r results) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		m := measured.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		fields := strings.Fields(m[2])
		figures := map[string]float64{}
		for i := 0; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return fmt.Errorf("benchmark %s: %q is no number", m[1], fields[i])
			}
			figures[fields[i+1]] = value
		}
		r[m[1]] = figures
	}
	return lines.Err()
}
