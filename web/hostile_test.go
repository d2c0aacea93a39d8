package web

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A mouth is a way in, with a body that it takes.
type mouth struct {
	path, kind, valid string
	form              func(t *testing.T, r reply) // of a refusal
}

func mouths() []mouth {
	const pd = `{"routing_key":"key-of-pagerduty-012345","event_action":"trigger","dedup_key":"%s","payload":{"summary":"Disk full","source":"db1","severity":"critical","custom_details":{"free":"1 %%"}}}`
	return []mouth{
		{"/intake/events/key-of-own-0123456789", "muster", `{"key":"disk","title":"Disk full","severity":"critical","labels":{"host":"db1"},"details":{"free":"1 %"}}`, problemForm},
		{"/intake/alertmanager/key-of-prometheus-0123", "alertmanager",
			`{"version":"4","status":"firing","groupKey":"{}:{}","alerts":[{"status":"firing","labels":{"alertname":"Disk","severity":"critical"},"annotations":{"summary":"Disk full"},"startsAt":"2026-11-22T10:00:00Z","endsAt":"0001-01-01T00:00:00Z","fingerprint":"00f1e2d3c4b5a697"}]}`, problemForm},
		{"/v2/enqueue", "pagerduty", fmt.Sprintf(pd, "disk"), pagerDutyForm},
		{"/v2/change/enqueue", "change", `{"routing_key":"key-of-pagerduty-012345","payload":{"summary":"Deployed 1.2","source":"ci"}}`, pagerDutyForm},
		{"/intake/logs/nginx/key-of-prometheus-0123", "logs", `{"time":"2026-11-22T10:00:00Z","status":200,"path":"/"}` + "\n", problemForm},
	}
}

// problemForm checks that a refusal names what is wrong, and where.
func problemForm(t *testing.T, r reply) {
	p := r.problem(t)
	if len(p.Errors) == 0 {
		t.Errorf("no errors in %s", r.body)
	}
	for _, e := range p.Errors {
		if e.Detail == "" || e.Line < 1 && e.Parameter == "" || e.Line > 0 && e.Column < 1 {
			t.Errorf("no detail or place in %+v", e)
		}
	}
}

// pagerDutyForm does so for PagerDuty's form.
func pagerDutyForm(t *testing.T, r reply) {
	var p PagerDutyRefused
	if err := json.Unmarshal(r.body, &p); err != nil {
		t.Errorf("%v: %.200s", err, r.body)
		return
	}
	if p.Status != "invalid event" || p.Message != "Event object is invalid" || len(p.Errors) == 0 || len(p.Problems) != len(p.Errors) {
		t.Errorf("%.500s", r.body)
	}
	for _, e := range p.Problems {
		if e.Detail == "" || e.Line < 1 && e.Parameter == "" && e.Pointer == "" {
			t.Errorf("no detail or place in %+v", e)
		}
	}
}

// What must become of a hostile body at an intake of JSON.
type fate int

const (
	either  fate = iota
	refuses      // it cannot be decoded
	takes        // it is odd, and must not be lost
)

type hostile struct {
	name, body string
	fate       fate
}

// hostiles makes hostile bodies, most of them of a valid one.
func hostiles(valid string) []hostile {
	inside := func(member string) string { return strings.Replace(valid, "{", "{"+member+",", 1) }
	list := []hostile{
		{"empty", "", refuses},
		{"blank", " \n\t ", refuses},
		{"not json", "disk full on db1", refuses},
		{"html", "<html><body>502 Bad Gateway</body></html>", refuses},
		{"xml bomb", `<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>`, refuses},
		{"form", "payload=%7B%7D", refuses},
		{"nul", "\x00", refuses},
		{"all nul", strings.Repeat("\x00", 4096), refuses},
		{"binary", "\xff\xfe\xfd\x80\x81", refuses},
		{"utf16", "\xff\xfe{\x00}\x00", refuses},
		{"brace", "{", refuses},
		{"bracket", "[", refuses},
		{"quote", `"`, refuses},
		{"two values", valid + valid, refuses},
		{"trailing comma", strings.TrimSuffix(strings.TrimSpace(valid), "}") + ",}", refuses},
		{"trailing text", valid + "x", refuses},
		{"single quotes", strings.ReplaceAll(valid, `"`, `'`), refuses},
		{"comment", "// comment\n" + valid, refuses},
		{"bare newline in a string", inside("\"x\":\"a\nb\""), refuses},
		{"bare control in a string", inside("\"x\":\"a\x01b\""), refuses},
		{"bad escape", inside(`"x":"\q"`), refuses},
		{"bad unicode escape", inside(`"x":"\u12"`), refuses},
		{"nan", inside(`"x":NaN`), refuses},
		{"infinity", inside(`"x":-Infinity`), refuses},
		{"hexadecimal", inside(`"x":0x10`), refuses},
		{"leading zero", inside(`"x":007`), refuses},
		{"plus", inside(`"x":+1`), refuses},
		{"true in capitals", inside(`"x":True`), refuses},
		{"deep arrays", strings.Repeat("[", 100_000), refuses},
		{"deep arrays, closed", strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), refuses},
		{"deep objects", strings.Repeat(`{"a":`, 50_000) + "1" + strings.Repeat("}", 50_000), refuses},
		{"deep within", inside(`"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000)), refuses},
		{"null", "null", refuses},
		{"true", "true", refuses},
		{"number", "42", refuses},
		{"string", `"disk full"`, refuses},
		{"array of null", "[null]", refuses},
		{"array of numbers", "[1,2,3]", refuses},
		{"no members", "{}", refuses},
		{"10 MB string", inside(`"x":"` + strings.Repeat("a", 10<<20) + `"`), refuses},
		{"many names", inside(names(20_000)), refuses},
		{"many values", inside(`"x":[` + strings.Repeat("1,", 600_000) + `1]`), refuses},

		{"huge number", inside(`"x":1e999999`), takes},
		{"long number", inside(`"x":` + strings.Repeat("9", 5000)), takes},
		{"negative zero", inside(`"x":-0.0`), takes},
		{"duplicate names", inside(`"x":1,"x":2`), takes},
		{"bad utf-8", inside("\"x\":\"a\xff\xc0\xafb\""), takes},
		{"unpaired surrogate", inside(`"x":"\ud800"`), takes},
		{"escaped nul", inside(`"x":"\u0000\u0007\u001b[31m"`), takes},
		{"controls in the title", strings.ReplaceAll(valid, "Disk full", `Disk\u0000\u001b[31m full\r\nBcc: x`), takes},
		{"bidi in the title", strings.ReplaceAll(valid, "Disk full", "Disk \u202efull\u2066"), takes},
		{"markup in the title", strings.ReplaceAll(valid, "Disk full", `<script>alert(1)</script> <!channel> {{.}}`), takes},
		{"byte order mark", "\xef\xbb\xbf" + valid, takes},
		{"unknown severity", strings.ReplaceAll(valid, `"critical"`, `"page!"`), takes},
		{"empty severity", strings.ReplaceAll(valid, `"critical"`, `""`), takes},
		{"long title", strings.ReplaceAll(valid, "Disk full", strings.Repeat("D", 5000)), takes},
		{"unknown members", inside(`"__proto__":{"x":1},"constructor":null,"$ref":"x"`), takes},
	}
	for i := 1; i < 8; i++ {
		list = append(list, hostile{fmt.Sprintf("truncated %d/8", i), valid[:len(valid)*i/8], refuses})
	}
	for _, value := range []string{"null", "true", "-1", "1e400", `""`, `"\u0000"`, "[]", "{}", `[[{}]]`, `{"a":{"b":[]}}`} {
		for _, old := range []string{`"Disk full"`, `"critical"`, `"disk"`, `"trigger"`, `"firing"`, `"00f1e2d3c4b5a697"`, `{"host":"db1"}`, `{"free":"1 %"}`, `"2026-11-22T10:00:00Z"`} {
			if strings.Contains(valid, old) {
				list = append(list, hostile{old + " is " + value, strings.ReplaceAll(valid, old, value), either})
			}
		}
	}
	return list
}

func names(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"n%d":1,`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// An encoding is a way to send a body.
type encoding struct {
	name   string
	encode func(string) string
}

func encodings() []encoding {
	pack := func(make func(io.Writer) io.WriteCloser) func(string) string {
		return func(body string) string {
			var out bytes.Buffer
			w := make(&out)
			io.WriteString(w, body)
			w.Close()
			return out.String()
		}
	}
	return []encoding{
		{"", func(body string) string { return body }},
		{"gzip", pack(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })},
		{"deflate", pack(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })},
		{"deflate", pack(func(w io.Writer) io.WriteCloser { f, _ := flate.NewWriter(w, flate.BestSpeed); return f })},
	}
}

// TestHostileIntakes sends every hostile body to every intake in every
// encoding: a refusal names the place and leaves no row, an acceptance can be
// read as it was sent, and nothing is a 5xx.
func TestHostileIntakes(t *testing.T) {
	w := newWorld(t)
	rows := w.rows()
	var took []time.Duration
	for _, m := range mouths() {
		for _, h := range hostiles(m.valid) {
			for i, e := range encodings() {
				if i > 1 && (h.fate == either || len(h.body) > 1<<20) {
					continue // two encodings will do for what does not depend on them
				}
				t.Run(fmt.Sprintf("%s/%s/%d%s", m.kind, h.name, i, e.name), func(t *testing.T) {
					before := rows(t)
					begun := time.Now()
					r := w.sendRaw(t, m.path, e.name, e.encode(h.body))
					took = append(took, time.Since(begun))
					switch {
					case r.status >= 500, r.status < 200, r.status >= 300 && r.status < 400:
						t.Fatalf("status %d: %.300s", r.status, r.body)
					case r.status >= 400:
						if h.fate == takes {
							t.Errorf("refused what is only odd: %d %.300s", r.status, r.body)
						}
						m.form(t, r)
						if diff := cmp.Diff(before, rows(t)); diff != "" {
							t.Errorf("a refused body left rows (-before +after):\n%s", diff)
						}
					default:
						if h.fate == refuses && m.kind != "logs" {
							t.Errorf("accepted what cannot be decoded: %d %.300s", r.status, r.body)
						}
						w.readable(t, m.kind, r, h)
					}
				})
			}
		}
	}
	slices.Sort(took)
	t.Logf("%d hostile requests; p50 %v, p99 %v, most %v", len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
	if log := w.log.String(); strings.Contains(log, "panic") {
		t.Errorf("a panic in the log: %.2000s", log[strings.Index(log, "panic"):])
	}
	for _, key := range []string{"key-of-own", "key-of-prometheus", "key-of-pagerduty", "mst_"} {
		if strings.Contains(w.log.String(), key) {
			t.Errorf("the log holds a key: %s…", key)
		}
	}
}

func (w *world) sendRaw(t *testing.T, path, encoding, body string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+path, strings.NewReader(body))
	must(t, err)
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	if len(body)%2 == 1 {
		req.ContentLength = -1 // chunked
	}
	req.Header.Set("X-Routing-Key", "key-of-pagerduty-012345")
	return w.send(req)
}

// readable checks that what was accepted can be read as it was sent.
func (w *world) readable(t *testing.T, kind string, r reply, h hostile) {
	t.Helper()
	if got := r.header.Get("Content-Length"); got != fmt.Sprint(len(r.body)) {
		t.Errorf("content length %q of %d bytes", got, len(r.body))
	}
	switch kind {
	case "muster", "alertmanager":
		var a IntakeAnswer
		must(t, json.Unmarshal(r.body, &a))
		if a.Events == nil || a.Warnings == nil {
			t.Errorf("a list is null: %s", r.body)
		}
		if len(a.Warnings) == 0 && slices.Contains([]string{"duplicate names", "bad utf-8", "unknown severity", "byte order mark"}, h.name) {
			t.Errorf("no warning about %s: %s", h.name, r.body)
		}
		for _, e := range a.Events {
			w.same(t, e.Event, h.body)
		}
	case "pagerduty", "change":
		var a PagerDutyAccepted
		must(t, json.Unmarshal(r.body, &a))
		if r.status != http.StatusAccepted || a.Status != "success" || a.DedupKey == "" {
			t.Errorf("%d %s", r.status, r.body)
		}
		w.same(t, w.newest(t), h.body)
	case "logs":
		var a LogAnswer
		must(t, json.Unmarshal(r.body, &a))
		if a.Unparsed > 0 && len(a.Errors) == 0 {
			t.Errorf("nothing said about %d lines: %s", a.Unparsed, r.body)
		}
	}
}

// newest returns the id of the last event that was kept, for answers that do
// not name it: PagerDuty's. One request at a time makes segments of one event.
func (w *world) newest(t *testing.T) (id string) {
	t.Helper()
	must(t, w.db().QueryRowContext(t.Context(), "SELECT id FROM segments WHERE count = 1 ORDER BY at DESC, id DESC LIMIT 1").Scan(&id))
	return id
}

// same reads an event and compares its body with what was sent.
func (w *world) same(t *testing.T, id, sent string) {
	t.Helper()
	var e RawEvent
	w.ask(http.StatusOK, &e, "admin", "GET", "/api/v1/events/"+id, "")
	got := e.Body
	if e.BodyBase64 != nil {
		got = string(e.BodyBase64)
	}
	if got != sent {
		t.Errorf("event %s: body %.100q, want %.100q", id, got, sent)
	}
}

// db returns a reader of the database beside Muster's own.
func (w *world) db() *sql.DB {
	if w.reader == nil {
		var err error
		w.reader, err = sql.Open("sqlite", "file:"+w.path+"?mode=ro")
		must(w.t, err)
		w.t.Cleanup(func() { w.reader.Close() })
	}
	return w.reader
}

// rows returns what counts the rows of all tables but that of complaints.
func (w *world) rows() func(t *testing.T) map[string]int {
	db := w.db()
	var each []string
	for _, table := range []string{"alerts", "incidents", "timeline", "segments", "outbox", "messages", "runs", "windows", "rule_states",
		"resources", "revisions", "overrides", "tokens", "idempotency", "postmortems", "gate_runs", "defects", "selftests"} {
		each = append(each, "SELECT '"+table+"', count(*) FROM "+table)
	}
	text := strings.Join(each, " UNION ALL ")
	return func(t *testing.T) map[string]int {
		t.Helper()
		counts := map[string]int{}
		found, err := db.QueryContext(t.Context(), text)
		must(t, err)
		defer found.Close()
		for found.Next() {
			var table string
			var n int
			must(t, found.Scan(&table, &n))
			counts[table] = n
		}
		must(t, found.Err())
		return counts
	}
}

// TestBombs sends what is small and becomes large.
func TestBombs(t *testing.T) {
	w := newWorld(t)
	rows := w.rows()
	before := rows(t)
	pack := encodings()
	zeros := strings.Repeat("0", 64<<20)
	for _, m := range mouths() {
		for _, e := range pack[1:] {
			r := w.sendRaw(t, m.path, e.name, e.encode(zeros))
			if r.status != http.StatusRequestEntityTooLarge {
				t.Errorf("%s, %s bomb: status %d: %.200s", m.kind, e.name, r.status, r.body)
			}
			m.form(t, r)
		}
		for _, bad := range []struct{ encoding, body string }{
			{"gzip", "\x1f\x8b\x08\x00 this is no gzip"},
			{"gzip", m.valid},
			{"gzip", pack[1].encode(m.valid)[:30]},
			{"gzip", pack[1].encode(m.valid) + "trailing"},
			{"deflate", "\x78\x9c\xff\xff\xff"},
			{"br", m.valid},
			{"gzip, gzip", pack[1].encode(pack[1].encode(m.valid))},
			{"zstd", "x"},
		} {
			r := w.sendRaw(t, m.path, bad.encoding, bad.body)
			want := http.StatusUnsupportedMediaType
			if bad.encoding == "gzip" || bad.encoding == "deflate" {
				want = http.StatusBadRequest
			}
			if r.status != want {
				t.Errorf("%s, %s %.20q: status %d: %.200s", m.kind, bad.encoding, bad.body, r.status, r.body)
			}
			m.form(t, r)
		}
	}
	if diff := cmp.Diff(before, rows(t)); diff != "" {
		t.Errorf("bombs left rows (-before +after):\n%s", diff)
	}
}
