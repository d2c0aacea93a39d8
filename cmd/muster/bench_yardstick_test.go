package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// BenchmarkRows inserts rows of about 330 bytes into one table with one index,
// by one connection: as many a commit as an intake has events there, about.
// No HTTP, nothing parsed, nothing decided. One op is a commit.
func BenchmarkRows(b *testing.B) {
	eachDatabase(b, func(b *testing.B, database string) {
		for _, rows := range []int{8, 512} {
			b.Run(fmt.Sprint(rows), func(b *testing.B) { benchmarkRows(b, database, rows) })
		}
	})
}

func benchmarkRows(b *testing.B, database string, rows int) {
	driver, address := "pgx", benchDatabase(b, database)
	if database == "sqlite" {
		driver, address = "sqlite", "file:"+address+"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=wal_autocheckpoint(4000)"
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(`CREATE TABLE rows (id TEXT PRIMARY KEY, body TEXT NOT NULL)`); err != nil {
		b.Fatal(err)
	}
	const most = 64 // rows a statement
	var values strings.Builder
	for i := range min(rows, most) {
		if i > 0 {
			values.WriteByte(',')
		}
		fmt.Fprintf(&values, "($%d,$%d)", 2*i+1, 2*i+2)
	}
	insert, err := db.Prepare("INSERT INTO rows (id, body) VALUES " + values.String())
	if err != nil {
		b.Fatal(err)
	}
	defer insert.Close()

	body := strings.Repeat("x", 330-36)
	args := make([]any, 2*min(rows, most))
	n := 0
	for b.Loop() {
		tx, err := db.Begin()
		if err != nil {
			b.Fatal(err)
		}
		in := tx.Stmt(insert)
		for range max(1, rows/most) {
			for i := 0; i < len(args); i += 2 {
				n++
				args[i], args[i+1] = fmt.Sprintf("%020d-%015d", n, n*7919%1e9), body
			}
			if _, err := in.Exec(args...); err != nil {
				b.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
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
