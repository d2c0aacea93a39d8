package collect_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/musterhq/muster/collect"
	"github.com/musterhq/muster/detect"
)

// line returns an NDJSON line of about 300 bytes.
func line(i int) string {
	return fmt.Sprintf(`{"time":"2026-11-22T13:%02d:%02d+00:00","remote_addr":"192.0.2.%d","method":"GET","uri":"/api/orders/%d","status":%d,"bytes":%d,"rt":0.006,"urt":"0.006","us":"200","ua":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Safari/537.36"}`+"\n",
		i/60000%60, i/1000%60, i%250, i, 200+i%5*100, i%9000)
}

// read counts a log by status.
func read(t testing.TB, in io.Reader, f collect.Format) (map[string]int64, collect.Stats, error) {
	var parts []map[string]int64
	st, err := collect.Read(t.Context(), in, f, []string{"status"}, func() func(*detect.Record) {
		part := map[string]int64{}
		parts = append(parts, part)
		return func(rec *detect.Record) {
			status, _ := rec.Get("status")
			part[string(status)]++
		}
	})
	sum := map[string]int64{}
	for _, part := range parts {
		for k, n := range part {
			sum[k] += n
		}
	}
	return sum, st, err
}

// TestReadInBlocks: blocks read at the same time add up, lines keep their
// numbers, and how the reader delivers does not matter.
func TestReadInBlocks(t *testing.T) {
	var log strings.Builder
	for i := range 20000 {
		switch i {
		case 0, 7000, 13333:
			fmt.Fprintf(&log, "bad line %d\n", i+1)
		case 5000:
			log.WriteString("\n   \n\r\n")
		case 9000:
			log.WriteString(`{"long":"` + strings.Repeat("x", 3<<20) + `"}` + "\n")
		default:
			log.WriteString(line(i))
		}
	}
	text := strings.TrimSuffix(log.String(), "\n") // the last line lacks its newline
	for name, in := range map[string]io.Reader{
		"whole":    strings.NewReader(text),
		"halves":   iotest.HalfReader(strings.NewReader(text)),
		"late EOF": iotest.DataErrReader(strings.NewReader(text)),
		"small":    &small{strings.NewReader(text)},
	} {
		got, st, err := read(t, in, collect.Format{})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]int64{"200": 3996, "300": 4000, "400": 4000, "500": 3999, "600": 4000}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s:\n%s", name, d)
		}
		var where []int64
		for _, u := range st.Samples {
			where = append(where, u.Line)
		}
		if d := cmp.Diff([]int64{1, 7003, 9003, 13336}, where); d != "" || st.Unparsed != 4 || st.Parsed != 19995 {
			t.Errorf("%s: %d parsed, %d not, at\n%s", name, st.Parsed, st.Unparsed, d)
		}
	}
}

// small delivers odd pieces.
type small struct{ io.Reader }

func (s *small) Read(b []byte) (int, error) { return s.Reader.Read(b[:min(len(b), 4093)]) }

func TestReadErrors(t *testing.T) {
	_, st, err := read(t, io.MultiReader(strings.NewReader(line(1)), iotest.ErrReader(io.ErrUnexpectedEOF)), collect.Format{})
	if !errors.Is(err, io.ErrUnexpectedEOF) || st.Parsed != 1 {
		t.Errorf("reader that fails: %v, %d parsed", err, st.Parsed)
	}
	if _, _, err = read(t, strings.NewReader("hello\nworld\n"), collect.Format{}); err == nil || !strings.Contains(err.Error(), `"hello"`) {
		t.Errorf("unknown format: %v", err)
	}
	if _, st, err = read(t, strings.NewReader(""), collect.Format{}); err != nil || st.Parsed != 0 {
		t.Errorf("empty: %v, %+v", err, st)
	}
	if _, _, err = read(t, strings.NewReader("x"), collect.Format{Kind: "xml"}); err == nil || !strings.Contains(err.Error(), `"xml"`) {
		t.Errorf("bad kind: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = collect.Read(ctx, strings.NewReader(line(1)), collect.Format{}, nil, func() func(*detect.Record) { return func(*detect.Record) {} })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestRecognize(t *testing.T) {
	const entry = `h - - [22/Nov/2026:13:17:21 +0100] "GET / HTTP/1.1" 200 1` + "\n"
	for _, tt := range []struct{ first, want string }{
		{entry, collect.Access},
		{line(1), collect.NDJSON},
		{"\n\ntorn line\n" + entry, collect.Access},
		{"-- started --\n" + line(1), collect.NDJSON},
		{`"h - - [22/Nov/2026:13:17:21 +0100] "GET / HTTP/1.1" 200 1"`, collect.Access},
	} {
		if f, err := collect.Recognize(collect.Format{}, []byte(tt.first)); err != nil || f.Kind != tt.want {
			t.Errorf("%q: %q, %v; want %s", tt.first, f.Kind, err, tt.want)
		}
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	var z bytes.Buffer
	for _, part := range []string{"one\n", "two\n"} { // as appended by a rotating program
		w := gzip.NewWriter(&z)
		io.WriteString(w, part)
		w.Close()
	}
	for name, content := range map[string][]byte{"plain": []byte("one\ntwo\n"), "gzip": z.Bytes(), "empty": nil} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		seen := 0
		for _, path := range []string{file, "-"} {
			in, err := collect.Open(path, bytes.NewReader(content), func(n int) { seen += n })
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(in)
			if want := map[bool]string{true: "", false: "one\ntwo\n"}[content == nil]; err != nil || string(got) != want {
				t.Errorf("%s from %s: %q, %v", name, path, got, err)
			}
			in.Close()
		}
		if seen != 2*len(content) {
			t.Errorf("%s: progress of %d bytes, want %d", name, seen, 2*len(content))
		}
	}
	if _, err := collect.Open(filepath.Join(dir, "none"), nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	in, err := collect.Open("-", bytes.NewReader(z.Bytes()[:20]), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := read(t, in, collect.Format{}); err == nil {
		t.Error("a cut gzip file is read as if whole")
	}
}

func BenchmarkReadNDJSON(b *testing.B) {
	var log bytes.Buffer
	const lines = 200_000
	for i := range lines {
		log.WriteString(line(i))
	}
	benchmarkRead(b, log.Bytes(), lines, collect.Format{Kind: collect.NDJSON, Fields: map[string]string{"path": "uri"}})
}

func BenchmarkReadAccess(b *testing.B) {
	var log bytes.Buffer
	const lines = 200_000
	for i := range lines {
		fmt.Fprintf(&log, `192.0.2.%d - - [22/Nov/2026:13:%02d:%02d +0000] "GET /api/orders/%d HTTP/1.1" %d %d "-" "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Safari/537.36"`+"\n",
			i%250, i/60000%60, i/1000%60, i, 200+i%5*100, i%9000)
	}
	benchmarkRead(b, log.Bytes(), lines, collect.Format{Kind: collect.Access})
}

// benchmarkRead counts for a rule, as a backtest does.
func benchmarkRead(b *testing.B, log []byte, lines int, f collect.Format) {
	bad, err := detect.ParseCondition(`status >= 500`)
	if err != nil {
		b.Fatal(err)
	}
	where, err := detect.ParseCondition(`path != "/health"`)
	if err != nil {
		b.Fatal(err)
	}
	rule := detect.Rule{Bad: bad, Where: where}
	b.SetBytes(int64(len(log)))
	var n atomic.Int64
	for b.Loop() {
		var counters []*detect.Counter
		st, err := collect.Read(b.Context(), bytes.NewReader(log), f, rule.Fields(), func() func(*detect.Record) {
			c := detect.NewCounter(rule)
			counters = append(counters, c)
			return c.Observe
		})
		if err != nil || st.Unparsed > 0 {
			b.Fatal(err, st)
		}
		for _, c := range counters[1:] {
			counters[0].Merge(c)
		}
		n.Add(st.Parsed)
	}
	b.ReportMetric(float64(n.Load())/b.Elapsed().Seconds(), "lines/s")
}
