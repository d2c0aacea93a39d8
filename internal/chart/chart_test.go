package chart_test

import (
	"bytes"
	"encoding/xml"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/musterhq/muster/internal/chart"
)

var update = flag.Bool("update", false, "write the golden files")

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func after(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }

// outage rises from nothing to 3 % and falls again, with a pause in the log.
func outage() chart.Series {
	s := chart.Series{
		Title:     "checkout-5xx service=checkout",
		Threshold: 0.005,
		Shaded:    []chart.Span{{From: after(200), To: after(460)}},
		Marks:     []chart.Mark{{At: after(200), Label: "fires"}, {At: after(260), Label: "rollback of v1.4.2"}, {At: after(460), Label: "ends"}},
	}
	for t := 0; t <= 600; t += 5 {
		if t > 500 && t < 560 {
			continue
		}
		ratio := 0.0
		if t > 180 && t < 440 {
			ratio = 0.03 * math.Sin(math.Pi*float64(t-180)/260)
		}
		s.Points = append(s.Points, chart.Point{At: after(t), Ratio: ratio})
	}
	return s
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (go test ./internal/chart -update writes it anew):\n%s", file, d)
	}
}

func TestGolden(t *testing.T) {
	golden(t, "outage.svg", chart.SVG(outage(), 720, 240))
	golden(t, "outage.txt", []byte(chart.Text(outage(), 76, 8)))
	golden(t, "empty.svg", chart.SVG(chart.Series{Title: "nothing", Threshold: 0.01}, 320, 120))
	golden(t, "empty.txt", []byte(chart.Text(chart.Series{Title: "nothing", Threshold: 0.01}, 40, 3)))
}

// wellFormed fails unless b is one element of XML, and returns its text.
func wellFormed(t *testing.T, b []byte) string {
	t.Helper()
	var text strings.Builder
	depth, roots := 0, 0
	for d := xml.NewDecoder(bytes.NewReader(b)); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, b)
		}
		switch v := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
			for _, a := range v.Attr {
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") || strings.HasPrefix(strings.ToLower(a.Name.Local), "on") {
					t.Errorf("attribute %s=%q", a.Name.Local, a.Value)
				}
			}
			if v.Name.Local == "script" || v.Name.Local == "foreignObject" {
				t.Errorf("element %s", v.Name.Local)
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			text.Write(v)
		}
	}
	if roots != 1 {
		t.Errorf("%d roots", roots)
	}
	return text.String()
}

// TestHostileTexts: whatever a title or label says, it stays a text.
func TestHostileTexts(t *testing.T) {
	for _, evil := range []string{
		`</text><script>alert(1)</script>`, `" onload="x`, `]]>`, "&amp;&lt;", "\x00\x1b[2J\r\n\u202e\u2028", "```\n# out", "\xff\xfe", strings.Repeat("é", 10000),
	} {
		s := outage()
		s.Title = evil
		s.Marks = []chart.Mark{{At: after(100), Label: evil}}
		b := chart.SVG(s, 720, 240)
		wellFormed(t, b)
		if len(b) > 20_000 {
			t.Errorf("%.20q: %d bytes", evil, len(b))
		}
		text := chart.Text(s, 76, 8)
		for _, r := range text {
			if r != '\n' && !unicode.IsPrint(r) || r == '`' {
				t.Errorf("%.20q: the text holds %q", evil, r)
			}
		}
		if n := strings.Count(text, "\n"); n != 12 { // title, eight rows, axis, threshold, mark
			t.Errorf("%.20q: %d lines in\n%s", evil, n, text)
		}
	}
}

// TestOddSeries: nothing makes a chart that is not one.
func TestOddSeries(t *testing.T) {
	at := func(ratios ...float64) chart.Series {
		s := chart.Series{Threshold: 0.5}
		for i, r := range ratios {
			s.Points = append(s.Points, chart.Point{At: after(i), Ratio: r})
		}
		return s
	}
	years := at(0.1, 0.2)
	years.Points[0].At = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	unsorted := outage()
	unsorted.Points[0], unsorted.Points[50] = unsorted.Points[50], unsorted.Points[0]
	for name, s := range map[string]chart.Series{
		"zero":       {},
		"one":        at(0.3),
		"all zero":   at(0, 0, 0),
		"no number":  at(math.NaN(), math.Inf(1), -1, 0.2),
		"all":        at(1, 1, 1),
		"tiny":       {Points: at(1e-9, 2e-9).Points, Threshold: 1e-9},
		"two years":  years,
		"unsorted":   unsorted,
		"huge":       {Points: []chart.Point{{noon, 1e300}, {after(1), 2}}, Threshold: 1e-300},
		"shade only": {Shaded: []chart.Span{{From: noon}}, Marks: []chart.Mark{{noon, "x"}}},
	} {
		for _, size := range [][2]int{{720, 240}, {0, 0}, {161, 101}, {-5, 3000}} {
			wellFormed(t, chart.SVG(s, size[0], size[1]))
			for _, line := range strings.Split(chart.Text(s, size[0]/10, size[1]/30), "\n") {
				if n := utf8.RuneCountInString(line); n > max(30, size[0]/10)+20 {
					t.Errorf("%s: a line of %d runes: %s", name, n, line)
				}
			}
		}
	}
	if a, b := chart.SVG(unsorted, 720, 240), chart.SVG(outage(), 720, 240); !bytes.Equal(a, b) {
		t.Error("the order of the points matters")
	}
}

func TestLabels(t *testing.T) {
	text := wellFormed(t, chart.SVG(outage(), 720, 240))
	for _, want := range []string{"0%", "3%", "12:00 UTC", "12:10", "threshold 0.5%", "rollback of v1.4.2", "checkout-5xx"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %q", want, text)
		}
	}
}
