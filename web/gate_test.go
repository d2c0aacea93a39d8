package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/gate"
)

// leakReport shows a leak, goneReport does not any more.
const (
	leakReport = `{"id":"one","verdict":"fail","suite":"unit","complete":true,"branch":"main","default_branch":true,"commit":"c0ffee",
 "findings":[{"fingerprint":"a","tool":"memcheck","class":"leak","severity":"error","message":"64 bytes <b>lost</b>","function":"cart_new","new":true,"ticket":true}]}`
	goneReport = `{"id":"two","verdict":"pass","suite":"unit","complete":true,"branch":"main","default_branch":true,"commit":"c0ffee2","findings":[]}`
)

// TestReporter: a token of CI may report and nothing else; of the others, an
// admin's alone may.
func TestReporter(t *testing.T) {
	w := newWorld(t)
	got := w.trigger("disk")
	for _, r := range w.server.routes {
		if r.role == nobody || r.role == signature || r.role == routingKey {
			continue
		}
		path := strings.NewReplacer("{id}", got.Incident, "{slug}", "checkout-memory", "{class}", "leak", "{key}", "x", "{source}", "nginx").Replace(r.path)
		status := w.do("reporter", r.method, path, "{}").status
		if refused := status == http.StatusForbidden || status == http.StatusUnauthorized; refused == (r.role == reporter) {
			t.Errorf("%s %s: a reporter is answered %d", r.method, path, status)
		}
	}
	const at = "/api/v1/gates/checkout-memory/reports"
	for token, want := range map[string]int{"viewer": 403, "responder": 403, "integration": 403, "": 401, "bank": 404, "admin": 200} {
		w.ask(want, nil, token, "POST", at, leakReport)
	}
}

// TestReports sends reports that are none, too much, and as large as they may be.
func TestReports(t *testing.T) {
	w := newWorld(t)
	const at = "/api/v1/gates/checkout-memory/reports"
	rows := w.rows()
	before := rows(t)
	finding := `{"fingerprint":"a","class":"leak","severity":"error","new":true,"ticket":true}`
	for _, tt := range []struct {
		body         string
		status       int
		pointer      string
		line, column int
	}{
		{`{"verdict":`, 400, "", 1, 11},
		{"{\"verdict\":\n 7}", 400, "/verdict", 2, 2},
		{`{"verdict":"fail","suite":"unit","at":"yesterday"}`, 400, "", 1, 1},
		{`{}`, 422, "/verdict", 1, 1},
		{`{"verdict":"maybe"}`, 422, "/verdict", 1, 12},
		{`{"verdict":"fail"}`, 422, "/suite", 1, 1},
		{`{"verdict":"fail","suite":"a\u0000b"}`, 422, "/suite", 1, 27},
		{"{\"verdict\":\"fail\",\"suite\":\"unit\",\"findings\":[" + finding + ",\n{\"class\":\"leak\"}]}", 422, "/findings/1/fingerprint", 2, 1},
		{`{"verdict":"fail","suite":"unit","findings":[` + strings.Replace(finding, "leak", "leek", 1) + `]}`, 422, "/findings/0/class", 1, 73},
		{`{"verdict":"fail","suite":"unit","findings":[` + strings.Replace(finding, `"error"`, `"dire"`, 1) + `]}`, 422, "/findings/0/severity", 1, 91},
		{`{"verdict":"fail","suite":"unit","findings":[` + strings.Repeat(finding+",", 10_000) + finding + `]}`, 422, "/findings", 1, 45},
		{`{"verdict":"fail","suite":"unit","findings":[` + strings.Repeat(" ", 33<<20) + `]}`, 413, "", 1, 1},
	} {
		p := w.ask(tt.status, nil, "reporter", "POST", at, tt.body).problem(t)
		if len(p.Errors) != 1 || p.Errors[0].Pointer != tt.pointer || p.Errors[0].Line != tt.line || p.Errors[0].Column != tt.column {
			t.Errorf("%.80q: %+v, want %s at %d:%d", tt.body, p, tt.pointer, tt.line, tt.column)
		}
	}
	w.ask(400, nil, "reporter", "POST", at, "").problem(t)
	after := rows(t)
	for table := range before {
		if before[table] != after[table] {
			t.Errorf("%s: %d rows, then %d", table, before[table], after[table])
		}
	}

	var all strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&all, `{"fingerprint":"f%05d","class":"leak","severity":"error","file":"src/a.c","line":%d,"new":true,"ticket":true,"unknown":[1,{}],"stack":["%s","main"]},`, i, i, strings.Repeat("frame ", 100))
	}
	var got engine.Reported
	w.ask(200, &got, "reporter", "POST", at, `{"verdict":"fail","suite":"big","findings":[`+strings.TrimSuffix(all.String(), ",")+`]}`)
	if got.New != 10_000 || got.Waiting != 9950 || len(got.Defects) != 200 {
		t.Errorf("%d new, %d wait for a ticket, %d named", got.New, got.Waiting, len(got.Defects))
	}
	var page struct {
		Defects []gate.Defect
		Next    string
	}
	w.ask(200, &page, "viewer", "GET", "/api/v1/defects?limit=200", "")
	first := page.Defects[0].ID
	w.ask(200, &page, "viewer", "GET", "/api/v1/defects?limit=200&after="+page.Next, "")
	if len(page.Defects) != 200 || page.Defects[0].ID == first {
		t.Errorf("the second page has %d defects and begins with %s", len(page.Defects), page.Defects[0].ID)
	}
}

// TestHandbook: a page names what was mended here, whatever it is called.
func TestHandbook(t *testing.T) {
	w := newWorld(t)
	w.ask(200, nil, "reporter", "POST", "/api/v1/gates/checkout-memory/reports", leakReport)
	page := string(w.ask(200, nil, "viewer", "GET", "/api/v1/knowledge/leak", "").body)
	if !strings.Contains(page, "## Mended here\n\nNone yet.\n") {
		t.Errorf("before anything was mended: %s", page[max(0, len(page)-200):])
	}
	w.ask(200, nil, "reporter", "POST", "/api/v1/gates/checkout-memory/reports", goneReport)
	r := w.ask(200, nil, "viewer", "GET", "/api/v1/knowledge/leak", "")
	if page = string(r.body); !strings.Contains(page, `leak in cart\_new: 64 bytes \<b\>lost\</b\>, gone with commit c0ffee2 (`) || r.header.Get("Content-Type") != "text/markdown; charset=utf-8" {
		t.Errorf("after: %s", page[max(0, len(page)-200):])
	}
	w.ask(404, nil, "viewer", "GET", "/api/v1/knowledge/leek", "")
	w.ask(404, nil, "viewer", "GET", "/api/v1/knowledge/..%2Fknowledge", "")
	var list struct{ Pages []KnowledgePage }
	w.ask(200, &list, "viewer", "GET", "/api/v1/knowledge", "")
	if len(list.Pages) != len(gate.Classes) {
		t.Errorf("%d pages of %d classes", len(list.Pages), len(gate.Classes))
	}
}
