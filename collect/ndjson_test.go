package collect_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/musterhq/muster/collect"
	"github.com/musterhq/muster/detect"
)

func TestNDJSON(t *testing.T) {
	fields := map[string]string{"path": "uri", "status": "http.response.status_code", "agent": "ua"}
	p := parser(t, collect.Format{Kind: collect.NDJSON, Fields: fields, Defaults: map[string]string{"service": "shop"}}, "path", "status", "agent", "service")
	const at = `"time":"2026-11-22T13:20:00+00:00"`
	const T = "2026-11-22T13:20:00Z"
	tests := []struct{ line, want string }{
		{`{` + at + `}`, T + ` service="shop"`},
		{` { ` + at + ` , "uri" : "/a?b" , "http" : { "response" : { "x" : [1,{"y":"]}"}] , "status_code" : 500 } } } `, T + ` path="/a" service="shop" status="500"`},
		{`{` + at + `,"http.response.status_code":501}`, T + ` service="shop" status="501"`},
		{`{` + at + `,"http.response":{"status_code":"502"}}`, T + ` service="shop" status="502"`},
		{`{` + at + `,"http":{"response.status_code":503}}`, T + ` service="shop" status="503"`},
		{`{` + at + `,"http":{"status_code":1},"response":{"status_code":2},"status_code":3}`, T + ` service="shop"`},
		{`{` + at + `,"uri":"/1","uri":"/2"}`, T + ` path="/2" service="shop"`},
		{`{` + at + `,"uri":"/1","uri":null}`, T + ` service="shop"`},
		{`{` + at + `,"http":{"response":{"status_code":1}},"http":{"response":{}}}`, T + ` service="shop"`},
		{`{` + at + `,"http":{"response":{"status_code":1}},"http":7}`, T + ` service="shop"`},
		{`{` + at + `,"\u0075ri":"\/a\"b\\\n\u00e9\ud83d\ude00\ud83d","ua":"\\"}`, T + ` agent="\\" path="/a\"b\\\né😀�" service="shop"`},
		{`{` + at + `,"uri":["/a"],"ua":true,"service":""}`, T + ` agent="true" service=""`},
		{`{` + at + `,"nested":{"uri":"/no","time":"no"},"list":[{"uri":"/no"}],"text":"\"uri\":\"/no\""}`, T + ` service="shop"`},
		{`{"time":1795353600}`, `2026-11-22T13:20:00Z service="shop"`},
		{`{"time":"1795353600.250"}`, `2026-11-22T13:20:00.25Z service="shop"`},
		{`{"@timestamp":"2026-11-22T13:20:00.123456789Z"}`, `2026-11-22T13:20:00.123456789Z service="shop"`},
		{`{"msec":1795353600.001,"ts":null}`, `2026-11-22T13:20:00.001Z service="shop"`},
		{`{"ts":1,"time":1795353600}`, `2026-11-22T13:20:00Z service="shop"`},
	}
	for _, tt := range tests {
		var rec detect.Record
		if err := p.Parse([]byte(tt.line), &rec); err != nil {
			t.Errorf("%s: %v", tt.line, err)
			continue
		}
		if d := cmp.Diff(tt.want, show(&rec)); d != "" {
			t.Errorf("%s\n%s", tt.line, d)
		}
	}
}

func TestNDJSONErrors(t *testing.T) {
	p := parser(t, collect.Format{Kind: collect.NDJSON}, "status")
	for _, tt := range []struct{ line, want string }{
		{``, "offset 0: expected {"},
		{`[]`, "offset 0: expected {"},
		{`{"time":1795353600`, "offset 18: expected , or }"},
		{`{"time":1795353600,}`, "offset 19: expected a key"},
		{`{"time":1795353600} x`, "offset 20: expected nothing"},
		{`{"time" 1}`, "offset 8: expected :"},
		{`{"time":}`, "offset 8: expected a value"},
		{`{"time":nul}`, "offset 8: expected a value"},
		{`{"time":1x}`, "offset 8: expected a number"},
		{`{"time":"179535`, "offset 8: this quote is never closed"},
		{`{"a":[1 2]}`, "offset 8: expected , or ]"},
		{`{"status":500}`, "no time in time, @timestamp"},
		{`{"time":"2026-11-22T13:20:00"}`, "field time: expected RFC 3339 with a zone"},
		{`{"time":` + strings.Repeat("[", 500) + `}`, "nested too deeply"},
		{strings.Repeat(`{"a":`, 500) + `}`, "nested too deeply"},
	} {
		var rec detect.Record
		if err := p.Parse([]byte(tt.line), &rec); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60s: %v, want %q", tt.line, err, tt.want)
		}
	}
}

// FuzzNDJSON: of whatever encoding/json reads as an object, the same values
// are found.
func FuzzNDJSON(f *testing.F) {
	f.Add([]byte(`{"time":1,"s":"\u00e9\"","o":{"p":5e-1,"p":{"q":[{}]}},"s":true}`))
	f.Add([]byte(`{"time":1,"o":{"p":"x"},"o":null,"\u006f":{"p":"\ud83d\ude00"}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if bytes.ContainsAny(line, "\n\r") || bytes.Count(line, []byte("[")) > 100 || bytes.Count(line, []byte("{")) > 100 {
			return
		}
		p := parser(t, collect.Format{Kind: collect.NDJSON, Defaults: map[string]string{}}, "s", "o.p")
		line = append(bytes.TrimRight(line, " \t}"), `,"time":1795353600}`...)
		var rec detect.Record
		err := p.Parse(line, &rec)
		var want map[string]json.RawMessage
		if json.Unmarshal(line, &want) != nil || want == nil {
			return // what is not JSON may be read or refused
		}
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		compare(t, line, &rec, "s", want["s"])
		if strings.Contains(string(line), "o.p") || strings.Contains(string(line), `\`) {
			return // the flat form may win
		}
		var inside map[string]json.RawMessage
		json.Unmarshal(want["o"], &inside)
		compare(t, line, &rec, "o.p", inside["p"])
	})
}

func compare(t *testing.T, line []byte, rec *detect.Record, name string, raw json.RawMessage) {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	d.Decode(&v)
	got, ok := rec.Get(name)
	switch v.(type) {
	case string, json.Number, bool:
		if want := fmt.Sprint(v); !ok || strings.ToValidUTF8(string(got), "�") != strings.ToValidUTF8(want, "�") {
			t.Fatalf("%s: %s is %q, want %q", line, name, got, want)
		}
	default:
		if ok {
			t.Fatalf("%s: %s is %q, want none", line, name, got)
		}
	}
}
