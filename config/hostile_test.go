package config_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/config"
)

// TestHostile: files made to cost or to crash end soon, with a problem that
// says where and why.
func TestHostile(t *testing.T) {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 12; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	many := func(n int, line string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, line, i)
		}
		return b.String()
	}
	tests := []struct{ name, body, want string }{
		{"alias bomb", bomb, "to more than 1000000 values, with its aliases written out"},
		{"deep flow", strings.Repeat("[", 9000), "is not YAML"},
		{"deep and closed", "users: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "nested deeper than 20 levels"},
		{"deep keys", strings.Repeat("{a: ", 30) + strings.Repeat("}", 30), "nested deeper than 20 levels"},
		{"long key", "users: {" + strings.Repeat("k", 300) + ": {}}", "the key is longer than 256 bytes"},
		{"long name", "teams: {ops: {name: " + strings.Repeat("k", 600) + "}}", "longer than 500 characters"},
		{"long setting", "connections: {c: {gitlab: https://x.example, token: env:T, tags: [" + strings.Repeat("k", 70_000) + "]}}", "longer than 65536 bytes"},
		{"large file", "#" + strings.Repeat(" ", 1<<20), "is larger than 1048576 bytes"},
		{"problems without end", "teams:\n" + many(5000, "  t%d: {members: [X]}\n"), "and 4000 problems more"},
		{"documents without end", strings.Repeat("---\n{}\n", 20_000), "has more than 1000 YAML documents"},
		{"not UTF-8", "users: {ana: {name: \xff}}", "test.yaml:1:21: is not UTF-8 text"},
		{"UTF-16", "\xff\xfeu\x00s\x00", "is not UTF-8 text"},
		{"NUL", "users: {ana: {name: \"\\0\"}}", "users.ana.name: has the invisible character U+0000"},
		{"key that is a mapping", "? {a: b}\n: c", "a key is one word of text"},
		{"key that is an alias", "users: {&k ana: {}, *k : {}}", "users.ana: the key stands twice"},
		{"alias in its own list", "users: {ana: {notify: &n {high: [*n]}}}", "an alias (*) stands inside of what it stands for"},
		{"strange key", "users: {\"a\\nb\": {}}", `users["a\nb"]: wants a slug`},
		{"a list of everything", "- users\n- teams", "wants a mapping of keys to values, has a list"},
		{"step too many", "policies: {p: {steps: [" + strings.Repeat("{notify: [user:a], wait: 1m},", 51) + "]}}", "has 51 steps; at most 50"},
		{"layer too many", "schedules: {s: {timezone: UTC, layers: [" + strings.Repeat("{users: [a]},", 51) + "]}}", "has 51 layers; at most 50"},
		{"duration beyond time", "policies: {p: {steps: [{notify: [user:a], wait: 99999999999999999999d}]}}", "which is too long"},
		{"duration beyond time in sum", "policies: {p: {steps: [{notify: [user:a], wait: 106751d999999h}]}}", "which is too long"},
		{"year", "schedules: {s: {timezone: UTC, layers: [{users: [a], start: 9999-01-01}]}}", "wants a year from 1970 to 2200"},
		{"zone that is a path", "schedules: {s: {timezone: ../../etc/passwd, layers: [{users: [a]}]}}", "there is no \"../../etc/passwd\""},
		{"stored key in a file", "connections: {c: {gitlab: https://x.example, token: t, $secrets: []}}", "$secrets: unknown key"},
		{"stored key in a contact", "users: {u: {contacts: {c: {sms: \"+1\", $secret: \"true\"}}}}", "$secret: unknown key"},
		{"dotted setting", "connections: {c: {gitlab: https://x.example, token: t, headers.X: y}}", "headers.X: unknown key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			_, err := config.Parse([]config.File{{Name: "test.yaml", Body: []byte(tt.body)}}, kinds())
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			var problems config.Errors
			if !errors.As(err, &problems) || !strings.Contains(err.Error(), tt.want) {
				text := fmt.Sprint(err)
				t.Errorf("%.500s\nwant %s", text, tt.want)
			}
			if len(problems) > 1001 {
				t.Errorf("%d problems", len(problems))
			}
			for _, p := range problems {
				if len(p.Error()) > 1000 {
					t.Errorf("a problem of %d bytes: %.200s", len(p.Error()), p.Error())
				}
			}
		})
	}
}

func TestTooMuch(t *testing.T) {
	var files []config.File
	for i := range 12 {
		files = append(files, config.File{Name: fmt.Sprintf("%02d.yaml", i), Body: bytes.Repeat([]byte("# x\n"), 1<<18)})
	}
	if _, err := config.Parse(files, kinds()); err == nil || err.Error() != "08.yaml: brings the configuration to more than 8388608 bytes" {
		t.Errorf("%v", err)
	}
	if _, err := config.Parse(make([]config.File, 1001), kinds()); err == nil || !strings.Contains(err.Error(), "1000 files") {
		t.Errorf("%v", err)
	}
}

// TestSeveral: several files, several documents and none of them are one
// configuration, in any order.
func TestSeveral(t *testing.T) {
	a := "organization: shop\nusers: {ana: {email: ana@shop.example}}\n---\nteams: {ops: {members: [ana]}}\n---\n# nothing\n"
	b := "\ufefforganization: shop\nusers:\nteams: {}\n...\n---\nusers: {bob: }\n"
	want := parse(t, "organization: shop\nusers: {ana: {email: ana@shop.example}, bob: {}}\nteams: {ops: {members: [ana]}}")
	for _, files := range [][]config.File{
		{{Name: "a", Body: []byte(a)}, {Name: "b", Body: []byte(b)}, {Name: "c"}},
		{{Name: "b", Body: []byte(b)}, {Name: "c"}, {Name: "a", Body: []byte(a)}},
	} {
		got, err := config.Parse(files, kinds())
		if err != nil {
			t.Fatal(err)
		}
		if diff := same(want, got); diff != "" {
			t.Error(diff)
		}
	}
	_, err := config.Parse([]config.File{{Name: "a", Body: []byte(a + "---\nusers: {ana: {}}\n")}}, kinds())
	if err == nil || err.Error() != "a:8:9: users.ana: is already defined in a:2:9" {
		t.Errorf("%v", err)
	}
}

// TestAliases: an alias may stand for a whole value, and its problems are told
// where the value stands.
func TestAliases(t *testing.T) {
	d := parse(t, "teams: {a: {members: &m [ana, bob]}, b: {members: *m}}")
	if got := d.Teams["b"].Members; len(got) != 2 || got[1] != "bob" {
		t.Errorf("%v", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(shop(f))
	f.Add([]byte("users: &a {x: *a}"))
	f.Add([]byte("schedules: {s: {timezone: UTC, layers: [{users: [a], handoff: \"Mon 09:00\", only: [\"Fri-Mon 1:00-24:00\"]}]}}"))
	f.Add([]byte("connections: {g: {gitlab: https://x.example, token: \"***\", headers: {a: b}, tags: [a]}}\n---\norganization: x"))
	f.Add([]byte("rules: {r: {service: s, ratio: {bad: \"a == 1\"}, above: 1%, window: 1m}}"))
	k := kinds()
	f.Fuzz(func(t *testing.T, body []byte) {
		start := time.Now()
		d, err := config.Parse([]config.File{{Name: "fuzz.yaml", Body: body}}, k)
		if took := time.Since(start); took > 5*time.Second {
			t.Fatalf("took %v", took)
		}
		if err != nil {
			var problems config.Errors
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("%v is not Errors", err)
			}
			return
		}
		_ = d.Check(k)
		for slug := range d.Schedules {
			if _, err := d.Schedule(slug); err != nil {
				t.Fatalf("schedule %s: %v", slug, err)
			}
		}
		for slug := range d.Rules {
			if _, err := d.DetectRule(slug); err != nil {
				t.Fatalf("rule %s: %v", slug, err)
			}
		}
		out, err := d.YAML()
		if err != nil {
			t.Fatal(err)
		}
		back, err := config.Parse([]config.File{{Name: "export.yaml", Body: out}}, k)
		if err != nil {
			t.Fatalf("the export does not parse: %v\n%s", err, out)
		}
		if back, err = back.KeepSecrets(d); err != nil && !bytes.Contains(body, []byte("***")) {
			t.Fatal(err)
		} else if err == nil && same(d, back) != "" {
			t.Fatalf("%s\n%s", same(d, back), out)
		}
		stored, err := config.FromResources(d.Organization, d.Resources())
		if err != nil {
			t.Fatal(err)
		}
		if diff := same(d, stored); diff != "" {
			t.Fatal(diff)
		}
	})
}
