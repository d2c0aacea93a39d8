package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The yardsticks do the bare work that the others cannot go without, on the
// same machine in the same minute: a figure says little where the machine's
// speed swings, its ratio to a yardstick says more.

// BenchmarkSync writes a page of 4 KiB at the end of a file and has it put on
// the disk. One op is a page.
func BenchmarkSync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "file"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := bytes.Repeat([]byte("p"), 4<<10)
	for b.Loop() {
		if _, err := f.Write(page); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/sync")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkGrep counts lines of the log of BenchmarkBacktest that hold a string:
// "grep" as the program of that name does, "go" by a search for bytes on one
// core. One op is the log.
func BenchmarkGrep(b *testing.B) {
	log := benchLog(b)
	report := func(b *testing.B) {
		b.ReportMetric(float64(benchLines*b.N)/b.Elapsed().Seconds(), "lines/s")
		b.ReportMetric(0, "ns/op")
	}
	b.Run("grep", func(b *testing.B) {
		grep, err := exec.LookPath("grep")
		if err != nil {
			b.Skip("not here: grep")
		}
		for b.Loop() {
			if out, err := exec.Command(grep, "-c", `"status":5`, log).Output(); err != nil {
				b.Fatalf("grep: %v: %s", err, out)
			}
		}
		report(b)
	})
	b.Run("go", func(b *testing.B) {
		for b.Loop() {
			text, err := os.ReadFile(log)
			if err != nil {
				b.Fatal(err)
			}
			lines, found := 0, 0
			for line := range bytes.Lines(text) {
				lines++
				if bytes.Contains(line, []byte(`"status":5`)) {
					found++
				}
			}
			if lines != benchLines || found == 0 {
				b.Fatalf("%d lines, %d found", lines, found)
			}
		}
		report(b)
	})
}
