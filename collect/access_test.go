package collect_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/musterhq/muster/collect"
	"github.com/musterhq/muster/detect"
)

// show writes a record as one line.
func show(rec *detect.Record) string {
	out := rec.Time.UTC().Format(time.RFC3339Nano)
	for _, f := range rec.Fields {
		out += fmt.Sprintf(" %s=%q", f.Name, f.Value)
	}
	return out
}

func parser(t testing.TB, f collect.Format, fields ...string) *collect.Parser {
	t.Helper()
	p, err := collect.NewParser(f, fields)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const allAccess = "remote_addr user method uri path query protocol status bytes referer user_agent"

func TestAccess(t *testing.T) {
	const when = "[22/Nov/2026:13:17:21 +0100]"
	const instant = "2026-11-22T12:17:21Z"
	tests := []struct{ name, line, want string }{
		{"common", `192.0.2.4 - - ` + when + ` "GET /a HTTP/1.1" 200 17`,
			` method="GET" path="/a" protocol="HTTP/1.1" remote_addr="192.0.2.4" status="200" uri="/a" bytes="17"`},
		{"combined", `2001:db8::1 - ann ` + when + ` "POST /a?b=c HTTP/2.0" 500 0 "https://x/" "curl/8"`,
			` method="POST" path="/a" protocol="HTTP/2.0" query="b=c" referer="https://x/" remote_addr="2001:db8::1" status="500" uri="/a?b=c" user="ann" user_agent="curl/8" bytes="0"`},
		{"dashes", `h - - ` + when + ` "GET / HTTP/1.0" 304 - "-" "-"`,
			` method="GET" path="/" protocol="HTTP/1.0" remote_addr="h" status="304" uri="/"`},
		{"wrapped in quotes", `"h - - ` + when + ` "GET / HTTP/1.1" 200 5 "-" "w3af.org""`,
			` method="GET" path="/" protocol="HTTP/1.1" remote_addr="h" status="200" uri="/" user_agent="w3af.org" bytes="5"`},
		{"escaped quotes", `h - - ` + when + ` "GET /\"x\" HTTP/1.1" 404 5 "a \" 200 1" "b\\"`,
			` method="GET" path="/\"x\"" protocol="HTTP/1.1" referer="a \" 200 1" remote_addr="h" status="404" uri="/\"x\"" user_agent="b\\" bytes="5"`},
		{"hexadecimal escapes", `h - - ` + when + ` "GET /\x22\x5C\xzz HTTP/1.1" 404 5`,
			` method="GET" path="/\"\\\\xzz" protocol="HTTP/1.1" remote_addr="h" status="404" uri="/\"\\\\xzz" bytes="5"`},
		{"unescaped quotes", `h - - ` + when + ` "GET /"x" y HTTP/1.1" 404 5`,
			` method="GET" path="/\"x\" y" protocol="HTTP/1.1" remote_addr="h" status="404" uri="/\"x\" y" bytes="5"`},
		{"backslash at the end, unescaped", `h - - ` + when + ` "GET /\" 404 5`,
			` method="GET" path="/\\" remote_addr="h" status="404" uri="/\\" bytes="5"`},
		{"no request", `h - - ` + when + ` "-" 400 0 "-" "-"`, ` remote_addr="h" status="400" bytes="0"`},
		{"empty request", `h - - ` + when + ` "" 400 0`, ` remote_addr="h" status="400" bytes="0"`},
		{"empty target", `h - - ` + when + ` "GET  HTTP/1.1" 400 300`,
			` method="GET" path="" protocol="HTTP/1.1" remote_addr="h" status="400" uri="" bytes="300"`},
		{"a handshake for a request", `h - - ` + when + ` "\x16\x03\x01 \x02" 400 157`, ` remote_addr="h" status="400" bytes="157"`},
		{"no protocol", `h - - ` + when + ` "GET /a b" 200 1`, ` method="GET" path="/a b" remote_addr="h" status="200" uri="/a b" bytes="1"`},
		{"user with a space and a bracket", `h - a [b ` + when + ` "GET / HTTP/1.1" 401 1`,
			` method="GET" path="/" protocol="HTTP/1.1" remote_addr="h" status="401" uri="/" user="a [b" bytes="1"`},
		{"agent cut off", `h - - ` + when + ` "GET / HTTP/1.1" 200 1 "-" "Mozilla (`,
			` method="GET" path="/" protocol="HTTP/1.1" remote_addr="h" status="200" uri="/" user_agent="Mozilla (" bytes="1"`},
		{"more behind", `h - - ` + when + ` "GET / HTTP/1.1" 200 1 "r" "a" "203.0.113.9" rt=0.1`,
			` method="GET" path="/" protocol="HTTP/1.1" referer="r" remote_addr="h" status="200" uri="/" user_agent="a" bytes="1"`},
		{"nothing behind the status", `h - - ` + when + ` "GET / HTTP/1.1" 200`,
			` method="GET" path="/" protocol="HTTP/1.1" remote_addr="h" status="200" uri="/"`},
	}
	p := parser(t, collect.Format{Kind: collect.Access}, strings.Fields(allAccess)...)
	for _, tt := range tests {
		var rec detect.Record
		for _, end := range []string{"", "\n", "\r\n"} {
			if err := p.Parse([]byte(tt.line+end), &rec); err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			want := map[string]bool{}
			for _, f := range splitFields(tt.want) {
				want[f] = true
			}
			got := map[string]bool{}
			for _, f := range rec.Fields {
				got[fmt.Sprintf("%s=%q", f.Name, f.Value)] = true
			}
			if d := cmp.Diff(want, got); d != "" || rec.Time.UTC().Format(time.RFC3339) != instant {
				t.Errorf("%s: at %v\n%s", tt.name, rec.Time.UTC(), d)
			}
		}
	}
}

// splitFields cuts ` a="b c" d="e"` into its fields.
func splitFields(s string) []string {
	var out []string
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		i := strings.IndexByte(s, '"') + 1
		for ; s[i] != '"'; i++ {
			if s[i] == '\\' {
				i++
			}
		}
		out = append(out, s[:i+1])
		s = s[i+1:]
	}
	return out
}

func TestAccessErrors(t *testing.T) {
	p := parser(t, collect.Format{Kind: collect.Access}, "status")
	for _, tt := range []struct{ line, want string }{
		{"garbage", "offset 0: expected an address"},
		{"\x00\x00\x00", "offset 0: expected an address"},
		{"h - - no time", "expected [day/month"},
		{`h - - [32/Nov/2026:13:17:21 +0000] "GET / HTTP/1.1" 200 1`, "offset 7: no such time"},
		{`h - - [30/Feb/2026:13:17:21 +0000] "GET / HTTP/1.1" 200 1`, "offset 7: no such time"},
		{`h - - [22/Nov/2026:25:17:21 +0000] "GET / HTTP/1.1" 200 1`, "offset 7: no such time"},
		{`h - - [22/Nov/2026:13:17:21 +0000] "GET / HTTP/1.1`, "offset 36: expected a quoted request"},
		{`h - - [22/Nov/2026:13:17:21 +0000] "GET / HTTP/1.1" - 1`, "offset 36: expected a quoted request"},
		{`h - - [22/Nov/2026:13:17:21 +0000] "GET / HTTP/1.1" 2000 1`, "offset 36: expected a quoted request"},
	} {
		var rec detect.Record
		if err := p.Parse([]byte(tt.line), &rec); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.line, err, tt.want)
		}
	}
}

func TestAccessFields(t *testing.T) {
	f := collect.Format{Kind: collect.Access, Fields: map[string]string{"client": "remote_addr"}, Defaults: map[string]string{"service": "shop", "user": "nobody"}}
	var rec detect.Record
	p := parser(t, f, "client", "service", "user", "status", "status", "time")
	if err := p.Parse([]byte(`192.0.2.1 - - [22/Nov/2026:13:17:21 +0000] "GET / HTTP/1.1" 200 1`), &rec); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(`2026-11-22T13:17:21Z client="192.0.2.1" service="shop" status="200" user="nobody"`, show(&rec)); d != "" {
		t.Error(d)
	}
	if err := f.Has([]string{"client", "service", "user", "status", "time"}); err != nil {
		t.Error(err)
	}
	if err := f.Has([]string{"status", "stauts"}); err == nil || !strings.Contains(err.Error(), `"stauts"`) {
		t.Errorf("misspelt field: %v", err)
	}
	p = parser(t, f, "stauts", "bytes")
	if err := p.Parse([]byte(`192.0.2.1 - - [22/Nov/2026:13:17:21 +0000] "GET / HTTP/1.1" 200 1`), &rec); err != nil || len(rec.Fields) != 1 {
		t.Errorf("a field that is not there stops the parser: %v, %v", show(&rec), err)
	}
}

func FuzzAccess(f *testing.F) {
	f.Add([]byte(`"h - a [b [22/Nov/2026:13:17:21 +0100] "GET /\"\x22?q HTTP/1.1" 404 - "a \" 200 1" "b\\""`))
	f.Fuzz(func(t *testing.T, line []byte) {
		p := parser(t, collect.Format{Kind: collect.Access}, strings.Fields(allAccess)...)
		before := bytes.Clone(line)
		var rec detect.Record
		err := p.Parse(line, &rec)
		if !bytes.Equal(before, line) {
			t.Fatal("the line was written to")
		}
		if status, ok := rec.Get("status"); err == nil && (!ok || len(status) != 3) {
			t.Fatalf("%q: status %q", line, status)
		}
	})
}
