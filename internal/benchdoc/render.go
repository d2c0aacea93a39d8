package main

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// render makes the tables of all runs.
func render(runs []results, cores int) ([]byte, error) {
	t := &tables{runs: runs}
	fmt.Fprintf(&t.out, "%d cores, which the load generator shares; %d runs. To write 4 KiB and have them on the disk took %s µs.\n\n", cores, len(runs), t.figure("Sync", "µs/sync"))
	t.intake()
	t.pages()
	t.logs()
	t.events()
	t.reports()
	t.audit()
	return t.out.Bytes(), t.err
}

type tables struct {
	runs []results
	out  bytes.Buffer
	err  error // the first figure that is missing
}

func (t *tables) intake() {
	t.head("Durable intake", "events/s", "p50 ms", "p99 ms", "events a commit", "CPU µs an event", "bare commits, events/s", "of them")
	for _, work := range intakes {
		for _, db := range databases {
			bench, yardstick := "Intake/"+db.name+"/"+work.name, "Commits/"+db.name+"/"+work.name
			t.row(work.what+", "+db.title,
				t.figure(bench, "events/s"), t.figure(bench, "p50-ms"), t.figure(bench, "p99-ms"),
				t.median(bench, "events/commit"), t.median(bench, "cpu-µs/event"),
				t.median(yardstick, "events/s"), t.ratio(bench, "events/s", yardstick, "events/s"))
		}
	}
	t.out.WriteByte('\n')
}

func (t *tables) pages() {
	t.head("From an event to its page on the wire", "p50 ms", "p99 ms", "others a second")
	for _, work := range []struct{ name, what string }{
		{"quiet", "nothing else goes on"},
		{"busy1", "while up to 5,000 other events a second come in, one a request"},
		{"busy64", "the same, 64 a request"},
	} {
		for _, db := range databases {
			bench := "Page/" + db.name + "/" + work.name
			others := "none"
			if work.name != "quiet" {
				others = t.median(bench, "other-events/s")
			}
			t.row(work.what+", "+db.title, t.figure(bench, "p50-ms"), t.figure(bench, "p99-ms"), others)
		}
	}
	t.out.WriteByte('\n')
}

func (t *tables) logs() {
	t.head("A log of about 310 bytes a line", "lines/s", "of `grep -c`")
	for _, work := range []struct{ bench, what string }{
		{"Backtest", "backtest of a rule over NDJSON, all cores"},
		{"Grep/go", "bare search for bytes in Go, one core"},
		{"Grep/grep", "`grep -c`, one core"},
	} {
		t.row(work.what, t.figure(work.bench, "lines/s"), t.ratio(work.bench, "lines/s", "Grep/grep", "lines/s"))
	}
	t.out.WriteByte('\n')
}

func (t *tables) events() {
	t.head("Reading what senders send, one core", "µs an event")
	for _, kind := range []string{"muster", "alertmanager"} {
		for _, n := range []string{"1", "64"} {
			bench := "Read/" + kind + "/" + n
			t.row(kind+", "+n+" a body", t.scaled(bench, "ns/event", 1e-3))
		}
	}
	t.row("a record observed by a rule", t.scaled("Observe", "ns/op", 1e-3))
}

func (t *tables) reports() {
	t.out.WriteByte('\n')
	t.head("`muster gate check`, from start to end", "ms", "peak MB")
	for _, work := range []struct{ name, what string }{
		{"small", "a report of Valgrind of one leak"},
		{"large", "one of 100 MB, each leak another"},
		{"nothing", "a process that does nothing"},
	} {
		bench := "Gate/" + work.name
		peak := "" // of a short process it is that of the process it was forked from
		if work.name == "large" {
			peak = t.median(bench, "peak-MB")
		}
		t.row(work.what, t.figure(bench, "ms/run"), peak)
	}
	t.out.WriteByte('\n')
	t.head("Reading what test runs leave behind, one core", "MB/s")
	t.row("Valgrind's XML, a report of 100 MB", t.figure("ReadValgrind", "MB/s"))
}

func (t *tables) audit() {
	t.out.WriteByte('\n')
	t.head("The auditor at 50,000 open incidents", "% of a core", "CPU ms a look", "CPU ms a stride of the walks", "seconds for all rows")
	for _, db := range databases {
		bench := "Audit/" + db.name
		t.row(db.title, t.figure(bench, "%core"), t.figure(bench, "cpu-ms/look"), t.figure(bench, "cpu-ms/stride"), t.figure(bench, "round-s"))
	}
}

// intakes are the loads of the intake.
var intakes = []struct{ name, what string }{
	{"single", "one event a request"},
	{"batch64", "64 events a request"},
	{"storm64", "64 a request, that repeat 200 keys"},
}

// renderPeers makes the table that compares with others.
func renderPeers(runs []results, cores int) ([]byte, error) {
	t := &tables{runs: runs}
	fmt.Fprintf(&t.out, "%d cores, which the load generator shares; %d runs, each of which measures all in turn.\n\n", cores, len(runs))
	t.head("Intake, 16 connections", "events/s", "p50 ms", "p99 ms", "of Alertmanager")
	for _, work := range intakes {
		peer := "Alertmanager/" + work.name
		t.row(work.what+", Alertmanager, in memory", t.figure(peer, "events/s"), t.figure(peer, "p50-ms"), t.figure(peer, "p99-ms"), "100 %")
		for _, db := range databases {
			bench := "Intake/" + db.name + "/" + work.name
			t.row(work.what+", Muster on "+db.title+", on disk", t.figure(bench, "events/s"), t.figure(bench, "p50-ms"), t.figure(bench, "p99-ms"), t.ratio(bench, "events/s", peer, "events/s"))
		}
	}
	return t.out.Bytes(), t.err
}

var databases = []struct{ name, title string }{{"sqlite", "SQLite"}, {"postgres", "PostgreSQL"}}

func (t *tables) head(columns ...string) {
	t.row(columns...)
	t.out.WriteString("|---|" + strings.Repeat("---:|", len(columns)-1) + "\n")
}

func (t *tables) row(cells ...string) {
	t.out.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// values are those of all runs, sorted.
func (t *tables) values(bench, unit string) []float64 {
	var all []float64
	for _, r := range t.runs {
		v, ok := r[bench][unit]
		if !ok && t.err == nil {
			t.err = fmt.Errorf("no %s of Benchmark%s was printed", unit, bench)
		}
		all = append(all, v)
	}
	slices.Sort(all)
	return all
}

// figure is the median, and the range where there is one.
func (t *tables) figure(bench, unit string) string { return t.scaled(bench, unit, 1) }

func (t *tables) scaled(bench, unit string, by float64) string {
	all := t.values(bench, unit)
	for i := range all {
		all[i] *= by
	}
	low, high := number(all[0]), number(all[len(all)-1])
	if low == high {
		return low
	}
	return fmt.Sprintf("**%s** (%s–%s)", number(median(all)), low, high)
}

func (t *tables) median(bench, unit string) string { return number(median(t.values(bench, unit))) }

// ratio is the median of the ratios of the runs: what a machine does to one run
// it does to both.
func (t *tables) ratio(bench, unit, yardstick, ofUnit string) string {
	t.values(bench, unit)
	t.values(yardstick, ofUnit)
	var all []float64
	for _, r := range t.runs {
		all = append(all, r[bench][unit]/r[yardstick][ofUnit])
	}
	slices.Sort(all)
	return strconv.FormatFloat(100*median(all), 'f', 0, 64) + " %"
}

// median of sorted values.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// number writes a figure with two or three digits that mean something.
func number(v float64) string {
	switch {
	case v >= 1000:
		digits := int(math.Pow(10, math.Floor(math.Log10(v))-2))
		return thousands(int(math.Round(v/float64(digits))) * digits)
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
