package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/collect"
	"github.com/musterhq/muster/detect"
)

// benchLines is how long the log of a backtest is: about 120 MB.
const benchLines = 400_000

// benchLog writes the log of a busy service, of about 310 bytes a line, 1,000
// lines a second, and returns its path.
func benchLog(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "requests.ndjson")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	begun := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for i := range benchLines {
		status := 200
		if i%97 == 0 || (i > benchLines/2 && i < benchLines*6/10 && i%20 == 0) {
			status = 503
		}
		fmt.Fprintf(w, `{"time":"%s","remote_addr":"192.0.2.%d","service":"checkout","method":"GET","uri":"/api/orders/%d","status":%d,"bytes":%d,"request_time":0.006,"user_agent":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Safari/537.36","zone":"eu-%d"}`+"\n",
			begun.Add(time.Duration(i)*time.Millisecond).Format("2006-01-02T15:04:05.000Z07:00"), i%250, i, status, i%9000, i%3)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// BenchmarkBacktest runs `muster backtest` on a log: more than 0.5 % of requests
// answered 5xx in five minutes, by service. One op is the log.
func BenchmarkBacktest(b *testing.B) {
	log := benchLog(b)
	bad, err := detect.ParseCondition("status >= 500")
	if err != nil {
		b.Fatal(err)
	}
	rule := detect.Rule{Slug: "checkout-5xx", Bad: bad, Above: 0.005, Window: 5 * time.Minute, MinTotal: 200, By: []string{"service"}}
	for b.Loop() {
		var said strings.Builder
		err := runBacktest(b.Context(), []detect.Rule{rule}, collect.Format{Kind: collect.NDJSON}, []string{log},
			backtestOptions{Stdout: &said, Stderr: os.Stderr})
		if err != nil || !strings.Contains(said.String(), fmt.Sprintf("1 interval in %d records", benchLines)) {
			b.Fatalf("%v\n%s", err, &said)
		}
	}
	b.ReportMetric(float64(benchLines*b.N)/b.Elapsed().Seconds(), "lines/s")
	b.ReportMetric(0, "ns/op")
}
