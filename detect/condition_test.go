package detect_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/musterhq/muster/detect"
	"pgregory.net/rapid"
)

func record(at time.Time, fields ...string) *detect.Record {
	rec := &detect.Record{Time: at}
	for i := 0; i < len(fields); i += 2 {
		rec.Add(fields[i], []byte(fields[i+1]))
	}
	return rec
}

func condition(t testing.TB, text string) detect.Condition {
	t.Helper()
	c, err := detect.ParseCondition(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c
}

func TestConditionMatch(t *testing.T) {
	rec := record(time.Time{}, "status", "500", "path", "/api/cart", "rt", "0.250", "host", `a"b\c`, "empty", "", "neg", "-3")
	tests := []struct {
		text string
		want bool
	}{
		{`status >= 500`, true},
		{`status>=500`, true},
		{`status > 500`, false},
		{`status < 500.5`, true},
		{`status <= 499`, false},
		{`status == 500`, true},
		{`status == 500.0`, true},
		{`status == "500"`, true},
		{`status == "500.0"`, false},
		{`status != 500`, false},
		{`rt == 0.25`, true},
		{`neg < -2`, true},
		{`path =~ "^/api/"`, true},
		{`path =~ api`, true},
		{`path !~ '^/api'`, false},
		{`path == /api/cart`, true},
		{`path != "/api"`, true},
		{`path > 3`, false},
		{`path == 3`, false},
		{`path != 3`, true},
		{`host == "a\"b\\c"`, true},
		{`host == 'a"b\c'`, true},
		{`host =~ "\\\\"`, true},
		{`empty == ""`, true},
		{`missing == ""`, false},
		{`missing != ""`, true},
		{`missing !~ x`, true},
		{`missing < 5`, false},
		{`not missing < 5`, true},
		{`status >= 500 and path =~ "^/api/"`, true},
		{`status >= 500 and not path =~ "^/api/"`, false},
		{`status < 500 or path == x or rt > 0.2`, true},
		{`status == 500 or status == 1 and path == no`, true}, // and binds closer
		{`(status == 500 or status == 1) and path == no`, false},
		{`not status == 1 and path == no`, false}, // not binds closest
		{`not (status == 1 and path == no)`, true},
		{`NOT status == 1 AND rt < 1`, true},
		{`not not status == 500`, true},
		{`"status" == 500`, true},
	}
	for _, tt := range tests {
		c := condition(t, tt.text)
		if got := c.Match(rec); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.text, got, tt.want)
		}
		again := condition(t, c.String())
		if again.Match(rec) != tt.want || !again.Equal(c) {
			t.Errorf("%s: written as %s, which reads as %s", tt.text, c, again)
		}
	}
	if !(detect.Condition{}).Match(rec) {
		t.Error("the zero condition is not true")
	}
}

func TestConditionErrors(t *testing.T) {
	tests := []struct {
		text   string
		offset int
		detail string
	}{
		{``, 0, "name of a field"},
		{`status`, 6, "expected one of == "},
		{`status = 500`, 7, "'=' has no meaning"},
		{`status >=`, 9, "expected a value"},
		{`status >= "500"`, 10, "expected a number"},
		{`status >= and`, 10, "expected a value"},
		{`status == 500 path == x`, 14, "expected and, or"},
		{`(status == 500`, 14, "expected and, or, or )"},
		{`status == 500)`, 13, "expected and, or, or the end"},
		{`path =~ "a(b"`, 8, "missing closing )"},
		{`path == "x`, 8, "never closed"},
		{`status >= 500 and`, 17, "name of a field"},
		{`a == "x" && b == "y"`, 9, "no meaning here"},
		{`and == 3`, 0, "name of a field"},
		{"a == \xff", 5, "not UTF-8"},
		{strings.Repeat("not ", 100) + "a == b", 65 * 4, "deeper"},
		{strings.Repeat("(", 100000), 8192, "at most"},
	}
	for _, tt := range tests {
		_, err := detect.ParseCondition(tt.text)
		var at *detect.SyntaxError
		if !errors.As(err, &at) || at.Offset != tt.offset || !strings.Contains(at.Detail, tt.detail) {
			t.Errorf("%.40q: %v, want offset %d and %q", tt.text, err, tt.offset, tt.detail)
		}
	}
}

func TestConditionFieldsAndJSON(t *testing.T) {
	c := condition(t, `b > 1 and (a == x or not b < 3) and http.status != 4`)
	if diff := cmp.Diff([]string{"a", "b", "http.status"}, c.Fields()); diff != "" {
		t.Error(diff)
	}
	text, err := json.Marshal(struct{ C, Zero detect.Condition }{C: c})
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ C, Zero detect.Condition }
	if err := json.Unmarshal(text, &got); err != nil || !got.C.Equal(c) || !got.Zero.IsZero() {
		t.Errorf("%s read as %v and %v, %v", text, got.C, got.Zero, err)
	}
}

// genCondition writes conditions, with needless and needed parentheses.
func genCondition(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if depth > 0 {
			a, b := genCondition(depth-1), genCondition(depth-1)
			switch rapid.IntRange(0, 5).Draw(t, "shape") {
			case 0:
				return a.Draw(t, "l") + " and " + b.Draw(t, "r")
			case 1:
				return a.Draw(t, "l") + " or " + b.Draw(t, "r")
			case 2:
				return "not " + a.Draw(t, "of")
			case 3:
				return "(" + a.Draw(t, "in") + ")"
			}
		}
		return rapid.SampledFrom([]string{"a == 1", "a != x", "b > 0", "b =~ '^[xy]'", `c !~ "\.$"`, `c == "\\"`, "b <= 1"}).Draw(t, "leaf")
	})
}

// TestConditionRoundTrip: what String writes means the same.
func TestConditionRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := genCondition(4).Draw(rt, "condition")
		c, err := detect.ParseCondition(text)
		if err != nil {
			rt.Fatalf("%s: %v", text, err)
		}
		again, err := detect.ParseCondition(c.String())
		if err != nil || again.String() != c.String() {
			rt.Fatalf("%s written as %s reads as %s, %v", text, c, again, err)
		}
		for _, v := range []string{"", "0", "1", "x", "y.", `\`} {
			for _, w := range []string{"1", "x", "."} {
				rec := record(time.Time{}, "a", v, "b", w, "c", v)
				if c.Match(rec) != again.Match(rec) {
					rt.Fatalf("%s and %s differ on %q %q", text, c, v, w)
				}
			}
		}
	})
}

func FuzzParseCondition(f *testing.F) {
	for _, s := range []string{`status >= 500 and not (path =~ "^/a\d" or x != 'y')`, `a == 1e300`, `"b c" == "\""`, `a==b or`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := detect.ParseCondition(text)
		if err != nil {
			var at *detect.SyntaxError
			if !errors.As(err, &at) || at.Offset < 0 || at.Offset > len(text) {
				t.Fatalf("%q: error %v", text, err)
			}
			return
		}
		c.Match(record(time.Time{}, "status", "500", "a", text))
		if len(c.String()) > 8192 {
			return
		}
		again, err := detect.ParseCondition(c.String())
		if err != nil || again.String() != c.String() {
			t.Fatalf("%q written as %q reads as %q, %v", text, c, again, err)
		}
	})
}
