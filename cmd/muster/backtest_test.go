package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/musterhq/muster/collect"
	"github.com/musterhq/muster/detect"
)

// logs returns the folder of recorded logs, which stands beside the repository.
func logs(t *testing.T) string {
	dir := filepath.Join("..", "..", "..", "shared", "samples", "web-access-logs")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("samples absent: %v", err)
	}
	return dir
}

func rule(t testing.TB, slug string, window time.Duration) detect.Rule {
	t.Helper()
	bad, err := detect.ParseCondition("status >= 500")
	if err != nil {
		t.Fatal(err)
	}
	above, err := detect.ParseFraction("0.5%")
	if err != nil {
		t.Fatal(err)
	}
	return detect.Rule{Slug: slug, Bad: bad, Above: above, Window: window}
}

// backtest runs rules over files and returns what --json prints.
func backtest(t testing.TB, f collect.Format, files []string, rules ...detect.Rule) []detect.Interval {
	t.Helper()
	var out, errs bytes.Buffer
	if err := runBacktest(t.Context(), rules, f, files, backtestOptions{JSON: true, Stdout: &out, Stderr: &errs}); err != nil {
		t.Fatal(err)
	}
	if errs.Len() > 0 {
		t.Errorf("unparsed lines: %s", &errs)
	}
	var got []detect.Interval
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, &out)
	}
	return got
}

// What follows is an oracle: it shares no code with detect and collect. It
// reads lines with regular expressions, counts anew for every second, and
// compares fractions of any size.

type hit struct {
	at  int64
	bad bool
}

func oracleHits(t *testing.T, file string) []hit {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var in io.Reader = f
	if strings.HasSuffix(file, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	entry := regexp.MustCompile(`\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] ".*?" (\d{3}) (?:\d+|-)(?: |"|$)`)
	object := regexp.MustCompile(`^\{"time":"([^"]+)".*?"status":(\d{3}),`)
	var hits []hit
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		text, layout := lines.Text(), "02/Jan/2006:15:04:05 -0700"
		m := entry.FindStringSubmatch(text)
		if text[0] == '{' {
			m, layout = object.FindStringSubmatch(text), time.RFC3339
		}
		if m == nil {
			t.Fatalf("the oracle does not read %q", text)
		}
		at, err := time.Parse(layout, m[1])
		if err != nil {
			t.Fatal(err)
		}
		status, _ := strconv.Atoi(m[2])
		hits = append(hits, hit{at.Unix(), status >= 500})
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return hits
}

func oracle(hits []hit, window, resolve int64, above *big.Rat) []detect.Interval {
	type count struct{ bad, total int64 }
	first, last := int64(1<<62), int64(0)
	for _, h := range hits {
		first, last = min(first, h.at), max(last, h.at)
	}
	counts := make([]count, last-first+1)
	for _, h := range hits {
		c := &counts[h.at-first]
		c.total++
		if h.bad {
			c.bad++
		}
	}
	var out []detect.Interval
	var open *detect.Interval
	quietSince := int64(-1)
	for t := first; t <= last; t++ {
		var bad, total int64
		for s := max(first, t-window+1); s <= t; s++ {
			bad += counts[s-first].bad
			total += counts[s-first].total
		}
		hot := bad > 0 && new(big.Rat).SetFrac64(bad, total).Cmp(above) > 0
		if hot && open == nil {
			open = &detect.Interval{From: time.Unix(t, 0).UTC()}
		}
		if hot {
			quietSince = -1
			if open.Total == 0 || new(big.Rat).SetFrac64(bad, total).Cmp(new(big.Rat).SetFrac64(open.Bad, open.Total)) > 0 {
				open.Bad, open.Total, open.Peak = bad, total, float64(bad)/float64(total)
			}
		}
		if !hot && open != nil {
			if quietSince < 0 {
				quietSince = t
			}
			if t-quietSince >= resolve {
				end := time.Unix(t, 0).UTC()
				open.To = &end
				out = append(out, *open)
				open, quietSince = nil, -1
			}
		}
	}
	if open != nil {
		out = append(out, *open)
	}
	return out
}

// TestBacktestAgainstOracle: on every recorded access log, for three windows,
// the intervals are those of the oracle, to the second and the count.
func TestBacktestAgainstOracle(t *testing.T) {
	dir := logs(t)
	found := 0
	for _, name := range []string{
		"nginx-simA-access.log.gz", "nginx-simA-access.json.log.gz", "elastic-apache_logs.log.gz",
		"nasa-http-19950701-10k.log.gz", "ocatak-acunetix.log.gz", "ocatak-w3af.log",
	} {
		hits := oracleHits(t, filepath.Join(dir, name))
		var rules []detect.Rule
		want := []detect.Interval{}
		for _, window := range []time.Duration{30 * time.Second, time.Minute, 5 * time.Minute} {
			r := rule(t, window.String(), window)
			rules = append(rules, r)
			for _, i := range oracle(hits, int64(window/time.Second), 60, big.NewRat(5, 1000)) {
				i.Rule = r.Slug
				want = append(want, i)
			}
		}
		f := collect.Format{}
		if strings.Contains(name, ".json.") {
			f.Fields = map[string]string{"path": "uri"}
		}
		got := backtest(t, f, []string{filepath.Join(dir, name)}, rules...)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s:\n%s", name, d)
		}
		t.Logf("%s: %d records, %d intervals agree", name, len(hits), len(want))
		found += len(want)
	}
	if found < 20 {
		t.Errorf("only %d intervals in all: the comparison proves little", found)
	}
}

// TestBacktestFindsFaults: the labels of a recorded run say when it was broken.
func TestBacktestFindsFaults(t *testing.T) {
	dir := logs(t)
	var labels struct {
		Windows []struct {
			From, To time.Time
			Kind     string
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "nginx-simA-labels.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &labels); err != nil {
		t.Fatal(err)
	}
	windows := labels.Windows
	scan := windows[2]
	faults := windows[:2]
	if scan.Kind != "scan404" || len(windows) != 3 {
		t.Fatalf("labels are not as expected: %+v", windows)
	}
	files := []string{filepath.Join(dir, "nginx-simA-access.log.gz")}

	got := backtest(t, collect.Format{}, files, rule(t, "r", time.Minute))
	if len(got) != len(faults) {
		t.Fatalf("60 s: %d intervals, want one for each of %d faults: %+v", len(got), len(faults), got)
	}
	for i, fault := range faults {
		// It fires when 0.5 % of a minute are bad, within seconds, and goes on
		// until the minute after the fault has passed.
		if d := got[i].From.Sub(fault.From); d < 0 || d > 20*time.Second {
			t.Errorf("fault %s at %v found after %v", fault.Kind, fault.From, d)
		}
		if to := got[i].To; to != nil && (to.Before(fault.To) || to.Sub(fault.To) > 2*time.Minute+5*time.Second) {
			t.Errorf("fault %s until %v ends at %v", fault.Kind, fault.To, to)
		}
	}
	if got[0].To == nil || got[1].To != nil {
		t.Errorf("only the second fault's minute of quiet is cut off by the end of the log: %+v", got)
	}

	got = backtest(t, collect.Format{}, files, rule(t, "r", 5*time.Minute))
	if len(got) != 1 || got[0].From.Before(faults[0].From) || got[0].From.Sub(faults[0].From) > time.Minute || got[0].To != nil {
		t.Errorf("5 min: %+v, want one interval for both faults", got)
	}

	// The scanner's 404s are no outage: without the faults' 5xx there is none,
	// and a rule that counts 404s sees the scan very well.
	quiet := rule(t, "r", time.Minute)
	quiet.Where, _ = detect.ParseCondition(`not path =~ "^/api/(checkout|search)"`)
	if got := backtest(t, collect.Format{}, files, quiet); len(got) != 0 {
		t.Errorf("apart from the faults: %+v, want none", got)
	}
	noise := rule(t, "r", time.Minute)
	noise.Bad, _ = detect.ParseCondition("status == 404")
	noise.Above = 0.2
	got = backtest(t, collect.Format{}, files, noise)
	if len(got) != 1 || got[0].From.Before(scan.From) || got[0].From.After(scan.To) {
		t.Errorf("404s: %+v, want one interval for the scan", got)
	}
}

// TestBacktestOrder: lines and files in any order, plain or gzip, are one log.
func TestBacktestOrder(t *testing.T) {
	var lines []string
	for s := range 600 {
		status := 200
		if s >= 200 && s < 260 && s%3 == 0 {
			status = 502
		}
		at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).Add(time.Duration(s) * time.Second)
		lines = append(lines, fmt.Sprintf(`192.0.2.1 - - [%s] "GET /%d HTTP/1.1" %d 1`, at.Format("02/Jan/2006:15:04:05 -0700"), s%2, status))
	}
	dir := t.TempDir()
	write := func(name string, lines []string, z bool) string {
		var b bytes.Buffer
		if z {
			w := gzip.NewWriter(&b)
			io.WriteString(w, strings.Join(lines, "\n"))
			w.Close()
		} else {
			b.WriteString(strings.Join(lines, "\n"))
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	r := rule(t, "r", 30*time.Second)
	r.By = []string{"path"}
	want := backtest(t, collect.Format{}, []string{write("all", lines, false)}, r)
	if len(want) != 2 || want[0].Group != "path=/1" || want[1].Group != "path=/0" {
		t.Fatalf("%+v", want)
	}
	parts := []string{write("c", lines[400:], true), write("a", lines[:230], false), write("b", lines[230:400], false)}
	if d := cmp.Diff(want, backtest(t, collect.Format{}, parts, r)); d != "" {
		t.Errorf("three files out of order:\n%s", d)
	}
	slices.Reverse(lines)
	if d := cmp.Diff(want, backtest(t, collect.Format{}, []string{write("backwards", lines, true)}, r)); d != "" {
		t.Errorf("backwards:\n%s", d)
	}
}

func TestBacktestOutput(t *testing.T) {
	const entry = `192.0.2.1 - - [22/Nov/2026:12:00:%02d +0000] "GET / HTTP/1.1" %d 1` + "\n"
	log := fmt.Sprintf(entry, 1, 200) + "torn \x1b[2J line\n" + fmt.Sprintf(entry, 2, 500) + fmt.Sprintf(entry, 3, 200)
	run := func(log string, opt backtestOptions) (string, string, error) {
		var out, errs bytes.Buffer
		opt.Stdin, opt.Stdout, opt.Stderr = strings.NewReader(log), &out, &errs
		err := runBacktest(t.Context(), []detect.Rule{rule(t, "r", time.Minute)}, collect.Format{}, []string{"-"}, opt)
		return out.String(), errs.String(), err
	}

	out, errs, err := run(log, backtestOptions{})
	want := "RULE  GROUP  FROM                  TO            PEAK    BAD  TOTAL\n" +
		"r     -      2026-11-22T12:00:02Z  still firing  50.00%  1    2\n" +
		"1 interval in 3 records from 2026-11-22T12:00:01Z to 2026-11-22T12:00:03Z\n"
	if d := cmp.Diff(want, out); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	wantErrs := "-: 1 of 4 lines does not parse and was not counted\n" +
		"-:2: offset 5: expected [day/month/year:hour:minute:second zone]: \"torn \\x1b[2J line\"\n"
	if d := cmp.Diff(wantErrs, errs); d != "" {
		t.Error(d)
	}

	out, errs, err = run(log, backtestOptions{JSON: true, Terminal: true})
	if err != nil || !json.Valid([]byte(out)) || errs != wantErrs {
		t.Errorf("%v, %s, %s", err, out, errs)
	}
	out, _, err = run(fmt.Sprintf(entry, 1, 200), backtestOptions{JSON: true})
	if err != nil || out != "[]\n" {
		t.Errorf("%v, %q, want an empty array", err, out)
	}
	out, _, err = run(log, backtestOptions{Terminal: true, Width: 60})
	if err != nil || !strings.Contains(out, "threshold 0.5%") || !strings.Contains(out, "█") {
		t.Errorf("%v, no chart in\n%s", err, out)
	}
	for _, nothing := range []string{"", "\n", "torn\n"} {
		if _, _, err = run(nothing, backtestOptions{}); err == nil {
			t.Errorf("%q gave no error", nothing)
		}
	}
	if _, errs, err = run(`{"status":500}`+"\n", backtestOptions{}); err == nil || !strings.Contains(errs, "no time in") {
		t.Errorf("lines without a time: %v, %s", err, errs)
	}
}

func TestBacktestErrors(t *testing.T) {
	run := func(rules []detect.Rule, f collect.Format, files ...string) error {
		return runBacktest(t.Context(), rules, f, files, backtestOptions{Stdin: strings.NewReader("x"), Stdout: io.Discard, Stderr: io.Discard})
	}
	r := rule(t, "r", time.Minute)
	if err := run([]detect.Rule{r}, collect.Format{}, "no/such.log"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := run(nil, collect.Format{}, "-"); err == nil {
		t.Error("no rules, no error")
	}
	if err := run([]detect.Rule{r}, collect.Format{}); err == nil {
		t.Error("no files, no error")
	}
	r.By = []string{"srevice"}
	if err := run([]detect.Rule{r}, collect.Format{Kind: collect.Access}, "-"); err == nil || !strings.Contains(err.Error(), `"srevice"`) {
		t.Errorf("a field that the log cannot have: %v", err)
	}
	r.Window = 0
	if err := run([]detect.Rule{r}, collect.Format{}, "-"); err == nil || !strings.Contains(err.Error(), "window") {
		t.Errorf("a rule that makes no sense: %v", err)
	}
}

// TestBacktestBar: the bar fills up to the size of the files and leaves no trace.
func TestBacktestBar(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(file, make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	var w bytes.Buffer
	p := newProgress([]string{file}, backtestOptions{Terminal: true, Stderr: &w, Width: 80})
	p.add(500)
	if got := w.String(); !strings.Contains(got, " 50 %") || strings.Count(got, "█") != 20 {
		t.Errorf("%q", got)
	}
	p.clear()
	if got := w.String(); !strings.HasSuffix(got, "\r") {
		t.Errorf("%q", got)
	}
}
