package main

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Whatever a title holds, a table stays within its width, keeps a line a row,
// and sends nothing to the terminal but what is printed.
func TestTableHoldsHostileText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringOfN(rapid.RuneFrom([]rune("a \t\n\x1b[31m\x07\u009b\u202e\u2066\U0001F600日本e\u0301")), 0, 300, -1))
		cells := rapid.IntRange(1, 6).Draw(t, "columns")
		width := rapid.IntRange(70, 120).Draw(t, "width")
		table := &table{}
		for range cells {
			table.head = append(table.head, "HEAD")
		}
		rows := rapid.IntRange(0, 5).Draw(t, "rows")
		for range rows {
			var row []any
			for range cells {
				row = append(row, text.Draw(t, "text"))
			}
			table.add(row...)
		}
		var out strings.Builder
		if err := table.write(&out, width, false); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(out.String(), "\n"); got != rows+1 {
			t.Fatalf("%d lines for %d rows:\n%q", got, rows, out.String())
		}
		for line := range strings.Lines(out.String()) {
			line = strings.TrimSuffix(line, "\n")
			if n := columns(line); n > width {
				t.Fatalf("%d columns, want %d at most: %q", n, width, line)
			}
			if i := strings.IndexFunc(line, func(r rune) bool { return unicode.Is(unicode.C, r) }); i >= 0 {
				t.Fatalf("%q reaches the terminal", line[i:])
			}
		}
	})
}

func TestTable(t *testing.T) {
	table := &table{head: []string{"NUMBER", "STATUS", "TITLE"}}
	table.add(7, status("triggered"), "a title that is by far too long for the line")
	table.add(12, status("resolved"), "")
	tests := []struct {
		width  int
		colour bool
		want   string
	}{
		{100, false, "NUMBER  STATUS     TITLE\n7       triggered  a title that is by far too long for the line\n12      resolved   -\n"},
		{40, false, "NUMBER  STATUS     TITLE\n7       triggered  a title that is by f…\n12      resolved   -\n"},
		{40, true, "\x1b[2mNUMBER\x1b[0m  \x1b[2mSTATUS\x1b[0m     \x1b[2mTITLE\x1b[0m\n7       \x1b[31mtriggered\x1b[0m  a title that is by f…\n12      \x1b[32mresolved\x1b[0m   -\n"},
	}
	for _, tt := range tests {
		var out strings.Builder
		if err := table.write(&out, tt.width, tt.colour); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, out.String()); diff != "" {
			t.Errorf("width %d, colour %v (-want +got):\n%s", tt.width, tt.colour, diff)
		}
	}
}

func TestPrintJSONEscapesWhatTerminalsObey(t *testing.T) {
	var out strings.Builder
	a := &app{out: &out}
	if err := a.printJSON("a\u009b31m\x7f\x1b <b> ü"); err != nil {
		t.Fatal(err)
	}
	if want := `"a\u009b31m\u007f\u001b <b> ü"` + "\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestInstant(t *testing.T) {
	madrid, err := time.LoadLocation("Europe/Madrid")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 15, 30, 0, 0, time.UTC)
	a := &app{now: func() time.Time { return now }, zone: madrid}
	tests := []struct{ text, want string }{
		{"now", "2026-11-22T15:30:00Z"},
		{"+2h", "2026-11-22T17:30:00Z"},
		{"+1d12h", "2026-11-24T03:30:00Z"},
		{"2026-12-24T18:00:00+01:00", "2026-12-24T17:00:00Z"},
		{"2026-12-24 18:00", "2026-12-24T17:00:00Z"},
		{"2026-07-24 18:00:30", "2026-07-24T16:00:30Z"},
		{"23:15", "2026-11-22T22:15:00Z"},
		{"2027-03-28 02:30", ""}, // left out in spring
		{"2026-02-30 10:00", ""},
		{"24:00", ""},
		{"2h", ""},
		{"+2", ""},
		{"", ""},
	}
	for _, tt := range tests {
		got, err := a.instant("--at", tt.text)
		if tt.want == "" {
			if err == nil || !strings.HasPrefix(err.Error(), "--at: ") {
				t.Errorf("%q: %v, error %v; want an error that names the flag", tt.text, got, err)
			}
			continue
		}
		if err != nil || got.UTC().Format(time.RFC3339) != tt.want {
			t.Errorf("%q: %v, error %v; want %s", tt.text, got.UTC(), err, tt.want)
		}
	}
}

func TestWhenShowsTheOffset(t *testing.T) {
	zone := time.FixedZone("", -(3*3600 + 1800))
	a := &app{zone: zone}
	if got := a.when(time.Date(2026, 11, 22, 15, 4, 5, 0, time.UTC)); got != "2026-11-22 11:34:05 -0330" {
		t.Errorf("got %q", got)
	}
	if got := a.when(time.Time{}); got != "-" {
		t.Errorf("never is %q", got)
	}
}
