package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/musterhq/muster/internal/jsonscan"
	"pgregory.net/rapid"
)

var usual = jsonscan.Limits{Depth: 32, Names: 10_000, Values: 500_000}

func TestScanErrors(t *testing.T) {
	tests := []struct {
		name, text   string
		line, column int
		pointer      string
		detail       string
	}{
		{"empty", "", 1, 1, "", "empty"},
		{"white space", " \n\t ", 2, 3, "", "empty"},
		{"only a mark", "\xef\xbb\xbf", 1, 2, "", "ends before a value"},
		{"word", "nul", 1, 1, "", `'n', want a value`},
		{"two values", "{}\n{}", 2, 1, "", "nothing after the value"},
		{"trailing comma", `{"a":[1,2,]}`, 1, 11, "/a/2", "want a value"},
		{"missing comma", "{\"a\":1\n \"b\":2}", 2, 2, "", `want ',' or '}'`},
		{"single quotes", `{'a':1}`, 1, 2, "", "double quotes"},
		{"no colon", `{"a" 1}`, 1, 6, "", "':'"},
		{"within", `{"a":{"b":[0,{"c~/d":tru}]}}`, 1, 22, "/a/b/1/c~0~1d", "want a value"},
		{"open string", `{"a":"xyz`, 1, 10, "/a", "ends within a string"},
		{"open object", `{"a":1`, 1, 7, "", "within an object"},
		{"open array", `[[1`, 1, 4, "/0", "within an array"},
		{"raw line feed", "{\"a\":\"é\n\"}", 1, 8, "/a", "U+000A"},
		{"escape", `["\q"]`, 1, 3, "/0", "unknown escape"},
		{"hex", `["\u12g4"]`, 1, 3, "/0", "four hexadecimal"},
		{"cut escape", `["\u12`, 1, 3, "/0", "within an escape"},
		{"zero", `[012]`, 1, 3, "", `want ',' or ']'`},
		{"point", `[1.]`, 1, 4, "/0", "after its point"},
		{"exponent", `[1e+]`, 1, 5, "/0", "exponent"},
		{"minus", `[-]`, 1, 3, "/0", "digit"},
		{"bad byte", "[\xff]", 1, 2, "/0", "byte 0xff"},
		{"deep", strings.Repeat("[", 33), 1, 33, strings.Repeat("/0", 32), "more than 32 deep"},
		{"gzip", "\x1f\x8b\x08", 1, 1, "", "gzip"},
		{"UTF-16", "\xff\xfe{\x00", 1, 1, "", "UTF-16"},
		{"XML", "<a/>", 1, 1, "", "XML"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := jsonscan.Scan([]byte(tt.text), usual)
			var e *jsonscan.Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v, want an *Error", err)
			}
			if e.Line != tt.line || e.Column != tt.column || e.Pointer != tt.pointer || !strings.Contains(e.Detail, tt.detail) {
				t.Errorf("got %d:%d %q %q, want %d:%d %q …%s…", e.Line, e.Column, e.Pointer, e.Detail, tt.line, tt.column, tt.pointer, tt.detail)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	lim := jsonscan.Limits{Bytes: 30, Depth: 2, Names: 3, Values: 6}
	tests := []struct {
		text string
		ok   bool
	}{
		{strings.Repeat(" ", 29) + "1", true},
		{strings.Repeat(" ", 30) + "1", false},
		{`[[1]]`, true},
		{`[[[]]]`, false},
		{`{"a":1,"b":1,"c":1}`, true},
		{`{"a":1,"b":1,"c":1,"d":1}`, false},
		{`{"a":1,"a":1,"a":1,"a":1}`, false},
		{`[1,2,3,4,5]`, true},
		{`[1,2,3,4,5,6]`, false},
		{`[[],[],[],[],[]]`, true},
		{`[[],[],[],[],[],[]]`, false},
	}
	for _, tt := range tests {
		if _, err := jsonscan.Scan([]byte(tt.text), lim); (err == nil) != tt.ok {
			t.Errorf("%s: error %v, want none: %v", tt.text, err, tt.ok)
		}
	}
}

func TestWarnings(t *testing.T) {
	long := strings.Repeat("n", 100)
	tests := []struct {
		name, text string
		want       []string // pointers
	}{
		{"nothing odd", `{"a":{"b":1},"c":{"b":1}}`, nil},
		{"duplicate", `{"a":1,"b":[{"x":1,"y":2,"x":3}]}`, []string{"/b/0/x"}},
		{"written otherwise", `{"ab":1,"\u0061b":2}`, []string{"/ab"}},
		{"three times", `{"a":1,"a":1,"a":1}`, []string{"/a", "/a"}},
		{"bad UTF-8", "{\"a\":[\"x\",\"\xff\"]}", []string{"/a/1"}},
		{"bad name", "{\"\xff\":1}", []string{"/\uFFFD"}},
		{"lone surrogate", `["\ud800","\udc00x","\ud83d\ude00"]`, []string{"/0", "/1"}},
		{"mark", "\xef\xbb\xbf{}", []string{""}},
		{"long names are cut", `{"` + long + `":1,"` + long + `":1}`, []string{"/" + long[:64] + "…"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := jsonscan.Scan([]byte(tt.text), usual)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range doc.Warnings() {
				got = append(got, w.Pointer)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestManyNames finds the one duplicate among any number of names, on either
// side of the size from which a map is used.
func TestManyNames(t *testing.T) {
	for n := 1; n < 60; n++ {
		for twin := range n {
			var text strings.Builder
			for i := range n {
				fmt.Fprintf(&text, `,"k%d":%d`, i, i)
			}
			plain := "{" + text.String()[1:] + "}"
			twice := fmt.Sprintf(`{%s,"k%d":-1}`, text.String()[1:], twin)
			for text, want := range map[string]int{plain: 0, twice: 1} {
				doc, err := jsonscan.Scan([]byte(text), usual)
				if err != nil {
					t.Fatal(err)
				}
				if got := len(doc.Warnings()); got != want {
					t.Fatalf("%s: %d warnings, want %d", text, got, want)
				}
			}
		}
	}
}

func TestWarningsAreBounded(t *testing.T) {
	text := "{" + strings.Repeat(`"a":0,`, 9000) + `"a":0}`
	doc, err := jsonscan.Scan([]byte(text), usual)
	if err != nil {
		t.Fatal(err)
	}
	w := doc.Warnings()
	if len(w) != 17 || !strings.HasPrefix(w[16].Detail, "8984 more") {
		t.Errorf("%d warnings, the last %+v", len(w), w[len(w)-1])
	}
}

func TestFindAndAt(t *testing.T) {
	text := []byte("{\"a\": [10, {\"b/c\": true}],\n \"a~\": null, \"\": \"ü\", \"x\": {}}")
	doc, err := jsonscan.Scan(text, usual)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		pointer, raw string
		line, column int
	}{
		{"/a/0", "10", 1, 8},
		{"/a/1/b~1c", "true", 1, 20},
		{"/a~0", "null", 2, 8},
		{"/", `"ü"`, 2, 18},
		{"/x", `{}`, 2, 28},
	}
	for _, tt := range tests {
		v := doc.Find(tt.pointer)
		line, column := v.Position()
		if string(v.Raw()) != tt.raw || line != tt.line || column != tt.column || v.Pointer() != tt.pointer {
			t.Errorf("%s: %s at %d:%d, pointer %s; want %s at %d:%d", tt.pointer, v.Raw(), line, column, v.Pointer(), tt.raw, tt.line, tt.column)
		}
		if got := doc.At(v.Offset()); got != v {
			t.Errorf("%s: At its offset is %s", tt.pointer, got.Pointer())
		}
	}
	for offset, want := range map[int]string{
		0: "", 1: "/a", 4: "/a", 6: "/a", 7: "/a/0", 8: "/a/0", 9: "/a", 22: "/a/1/b~1c", 23: "/a/1", 24: "/a", 25: "",
		28: "/a~0", len(text) - 1: "", len(text) + 9: "",
	} {
		if got := doc.At(offset).Pointer(); got != want {
			t.Errorf("offset %d (%q…) leads to %q, want %q", offset, text[min(offset, len(text)-1)], got, want)
		}
	}
	for _, nowhere := range []string{"/b", "/a/2", "/a/01", "/a/-", "/a/0/0", "/x/y"} {
		if v := doc.Find(nowhere); v.Kind() != jsonscan.None {
			t.Errorf("%s leads to %s", nowhere, v.Raw())
		}
	}
	if got := doc.At(bytes.Index(text, []byte("b/c"))).Pointer(); got != "/a/1/b~1c" {
		t.Errorf("a name leads to %q", got)
	}
}

func same(s string) string { return s }

func TestAppendClean(t *testing.T) {
	tests := []struct{ text, want string }{
		{`{"a":[1,true,null,"x"]}`, `{"a":[1,true,null,"x"]}`},
		{` { "a" : [ 1 , {} , [ ] ] } `, `{"a":[1,{},[]]}`},
		{`{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`},
		{`[{"a":1,"a":3}]`, `[{"a":3}]`},
		{`["\u00e9\u0041\"\\\n"]`, `["éA\"\\\n"]`},
		{"[\"\xff\"]", "[\"\uFFFD\"]"},
		{`[1e400,-0.0]`, `[1e400,-0.0]`},
		{`"\u0000 \u001f"`, `"\u0000 \u001f"`},
	}
	for _, tt := range tests {
		doc, err := jsonscan.Scan([]byte(tt.text), usual)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(doc.Root().AppendClean(nil, same)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.text, got, tt.want)
		}
	}
	doc, _ := jsonscan.Scan([]byte(`{"a\u0000":1,"a":"\u0000b\u007f","c":"`+"\x7f"+`"}`), usual)
	strip := func(s string) string { return strings.NewReplacer("\x00", "", "\x7f", "").Replace(s) }
	if got, want := string(doc.Root().AppendClean(nil, strip)), `{"a":"b","c":""}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// agree compares the scanner with encoding/json, which is slower and knows no
// positions, but is right.
func agree(t interface{ Fatalf(string, ...any) }, text []byte) {
	doc, err := jsonscan.Scan(text, jsonscan.Limits{Depth: 9000})
	plain := bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if valid := json.Valid(plain); valid != (err == nil) {
		t.Fatalf("%q: valid %v, but error %v", text, valid, err)
	}
	if err != nil {
		var e *jsonscan.Error
		if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 || e.Detail == "" || e.Offset > len(text) {
			t.Fatalf("%q: error without a place: %#v", text, err)
		}
		return
	}
	var want, got any
	if err := json.Unmarshal(plain, &want); err != nil {
		return // a number that no float holds
	}
	clean := doc.Root().AppendClean(nil, same)
	if err := json.Unmarshal(clean, &got); err != nil {
		t.Fatalf("%q: cleaned to %q: %v", text, clean, err)
	}
	if !cmp.Equal(want, got) {
		t.Fatalf("%q: cleaned to %q: %s", text, clean, cmp.Diff(want, got))
	}
	again, err := jsonscan.Scan(clean, jsonscan.Limits{})
	if err != nil || len(again.Warnings()) > 0 {
		t.Fatalf("%q: cleaned to %q: %v", text, clean, err)
	}
	if twice := again.Root().AppendClean(nil, same); !bytes.Equal(twice, clean) {
		t.Fatalf("%q: cleaned to %q, then to %q", text, clean, twice)
	}
	walk(t, doc, doc.Root())
}

// walk checks that every value's pointer leads back to it, but for duplicates.
func walk(t interface{ Fatalf(string, ...any) }, doc *jsonscan.Doc, v jsonscan.Value) {
	if len(v.Raw()) < 200 && len(doc.Warnings()) == 0 && len(v.Pointer()) < 60 {
		if got := doc.Find(v.Pointer()); got != v {
			t.Fatalf("%s leads to %q, not %q", v.Pointer(), got.Raw(), v.Raw())
		}
	}
	for e := range v.Elements() {
		walk(t, doc, e)
	}
	for _, m := range v.Members() {
		walk(t, doc, m)
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{
		``, `null`, `{"a":[1,-2.5e+3,true,"\u00e9\ud83d\ude00\ud800"]}`, `[[[]]]`, `{"a":1,"a":{"b":2}}`, "\xef\xbb\xbf1",
		"[\"\xe2\x28\xa1 and more\"]", `[01]`, `{"a":1}x`, "[\"\x00\"]", `{"\u0061":1,"a":2}`, `["` + strings.Repeat("ü", 20) + `\`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) { agree(t, text) })
}

// TestAgreesWithEncodingJSON scans made-up values, whole and damaged.
func TestAgreesWithEncodingJSON(t *testing.T) {
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		leaf := []*rapid.Generator[any]{
			rapid.Just(any(nil)), rapid.Bool().AsAny(), rapid.String().AsAny(), rapid.Int().AsAny(), rapid.Float64().AsAny(),
		}
		if depth > 0 {
			leaf = append(leaf,
				rapid.Custom(func(t *rapid.T) any { return rapid.SliceOfN(value(depth-1), 0, 5).Draw(t, "array") }),
				rapid.Custom(func(t *rapid.T) any { return rapid.MapOfN(rapid.String(), value(depth-1), 0, 5).Draw(t, "object") }))
		}
		return rapid.OneOf(leaf...)
	}
	rapid.Check(t, func(t *rapid.T) {
		text, err := json.Marshal(value(3).Draw(t, "value"))
		if err != nil {
			t.Skip("not JSON")
		}
		if rapid.Bool().Draw(t, "indent") {
			var b bytes.Buffer
			_ = json.Indent(&b, text, "", " ")
			text = b.Bytes()
		}
		agree(t, text)
		damage := bytes.Clone(text)
		for range rapid.IntRange(1, 3).Draw(t, "damages") {
			at := rapid.IntRange(0, len(damage)-1).Draw(t, "at")
			damage[at] = rapid.SampledFrom([]byte("\"\\{}[],:0e-. \n\x00\x7f\x80\xffut")).Draw(t, "byte")
		}
		agree(t, damage)
		agree(t, damage[:rapid.IntRange(0, len(damage)).Draw(t, "cut")])
	})
}

// hostile texts must take time in proportion to their length only.
func TestHostileTextsAreCheap(t *testing.T) {
	many := func(s string, n int) string { return strings.Repeat(s, n) }
	tests := []struct {
		name, text string
		ok         bool
	}{
		{"10 MB string", `"` + many("x", 10<<20) + `"`, true},
		{"10 MB of bad UTF-8", `"` + many("\xff", 10<<20) + `"`, true},
		{"10 MB of escapes", `"` + many(`\u0000`, 10<<20/6) + `"`, true},
		{"10 MB open string", `["` + many("x", 10<<20), false},
		{"10 MB of spaces", many(" ", 10<<20), false},
		{"10 MB number", many("9", 10<<20), true},
		{"1e6 open brackets", many("[", 1e6), false},
		{"1e6 nested objects", many(`{"a":`, 1e6), false},
		{"1e6 duplicates", `{` + many(`"a":1,`, 1e6) + `"a":1}`, false},
		{"duplicates within limits", `[` + many(`{`+many(`"a":1,`, 5000)+`"a":1},`, 50) + `0]`, true},
		{"coded duplicates", `[` + many(`{`+many(`"\u0061":1,`, 5000)+`"a":1},`, 50) + `0]`, true},
		{"two dozen long coded names", `{` + many(`"`+many(`\u0061`, 60_000)+`":1,`, 23) + `"b":1}`, true},
		{"long names of one length", `{` + many(`"`+many(`a`, 400_000)+`":1,`, 23) + `"b":1}`, true},
		{"many small objects", `[` + many(`{"a":1,"b":2,"a":3},`, 100_000) + `0]`, true},
		{"too many values", `[` + many(`0,`, 5e6) + `0]`, false},
		{"many lines", many("\n", 10<<20) + "x", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := []byte(tt.text)
			begin := time.Now()
			doc, err := jsonscan.Scan(text, usual)
			if (err == nil) != tt.ok {
				t.Errorf("error %.200v, want none: %v", err, tt.ok)
			}
			if doc != nil {
				doc.Warnings()
			}
			if err != nil && len(err.Error()) > 4096 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			// It takes 60 ms at most on a quiet machine; a quadratic way takes minutes.
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("took %v", took)
			} else {
				t.Log(took)
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	one := `{"action":"trigger","key":"checkout/disk/web-1","title":"Disk is 97 % full on web-1","severity":"critical","source":"web-1.example.com","service":"checkout","environment":"production","time":"2026-11-22T13:11:35.579088Z","labels":{"alertname":"DiskFull","instance":"web-1","mountpoint":"/var","team":"payments"},"details":{"free":"3%","inodes":0.75,"note":"growing by 1 GB an hour"}}`
	for name, text := range map[string]string{
		"event":   one,
		"batch64": "[" + strings.Repeat(one+",", 63) + one + "]",
		"string":  `"` + strings.Repeat("plain text ", 10_000) + `"`,
		"unicode": `"` + strings.Repeat("日本語の文章 ünï ", 5_000) + `"`,
	} {
		b.Run(name, func(b *testing.B) {
			data := []byte(text)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := jsonscan.Scan(data, usual); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
