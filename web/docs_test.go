package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/store"
)

const apiPage = "../docs/api.md"

var (
	fences   = regexp.MustCompile("(?s)```http\n(.*?)```\n\n```http\n(.*?)```")
	headings = regexp.MustCompile("(?m)^### `(.*)`\n\nRole: (\\w+)\\.")
	uuids    = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)
	hashes   = regexp.MustCompile(`\b[0-9a-f]{64}\b`)
	made     = regexp.MustCompile(`mst_[A-Za-z0-9_-]{20,}`)
	cursors  = regexp.MustCompile(`"next": "[^"]+"`)
	plans    = regexp.MustCompile(`plan is \\"[0-9a-f]{12}\\"`)
	instants = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
)

// TestDocs sends every request of docs/api.md, in order, to a running Muster
// and compares the answers with those that the page shows. The page has every
// route there is, with its role.
func TestDocs(t *testing.T) {
	w := newWorld(t)
	text, err := os.ReadFile(apiPage)
	must(t, err)
	page := newPage(w)

	got := fences.ReplaceAllStringFunc(string(text), func(example string) string {
		request := fences.FindStringSubmatch(example)[1]
		return "```http\n" + request + "```\n\n```http\n" + page.answer(request) + "```"
	})
	if *update {
		must(t, os.WriteFile(apiPage, []byte(got), 0o644))
	} else if diff := cmp.Diff(string(text), got); diff != "" {
		t.Errorf("%s (-says +is; -update writes it anew):\n%s", apiPage, diff)
	}

	var titled, served []string
	for _, m := range headings.FindAllStringSubmatch(string(text), -1) {
		titled = append(titled, m[1]+" "+m[2])
	}
	for _, r := range w.server.routes {
		pattern := r.method + " " + r.path
		served = append(served, pattern+" "+string(r.role))
		if !page.asked[pattern] {
			t.Errorf("no example of %s", pattern)
		}
	}
	slices.Sort(titled)
	slices.Sort(served)
	if diff := cmp.Diff(served, titled); diff != "" {
		t.Errorf("routes and headings (-served +on the page):\n%s", diff)
	}
}

// An apiDoc is what is known while the requests of the page are sent.
type apiDoc struct {
	*world
	asked map[string]bool
	names map[string]string // what stands for an id or a hash on the page, by what it is
	now   time.Time
}

func newPage(w *world) *apiDoc {
	return &apiDoc{world: w, asked: map[string]bool{}, names: map[string]string{}, now: time.Now()}
}

// answer sends a request of the page and returns the answer as the page shows it.
func (p *apiDoc) answer(text string) string {
	p.t.Helper()
	head, body, _ := strings.Cut(p.filled(text), "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	method, path, _ := strings.Cut(lines[0], " ")
	var headers []string
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		if token, ok := strings.CutPrefix(value, "Bearer mst_"); ok {
			value = "Bearer " + p.tokens[token]
		}
		headers = append(headers, name, value)
	}
	p.settle()
	tick()
	r := p.do("", method, path, strings.TrimSuffix(body, "\n"), headers...)
	req, err := http.NewRequest(method, path, nil)
	must(p.t, err)
	_, pattern := p.server.mux.Handler(req)
	p.asked[pattern] = true

	out := fmt.Sprintf("HTTP/1.1 %d %s\n", r.status, http.StatusText(r.status))
	for _, name := range []string{"Content-Type", "ETag", "Www-Authenticate"} {
		if value := r.header.Get(name); value != "" {
			out += name + ": " + value + "\n"
		}
	}
	if shown := p.shown(r); shown != "" {
		out += "\n" + shown + "\n"
	}
	return p.fixed(out)
}

// filled replaces what the page cannot know: {{names}} stand for ids.
func (p *apiDoc) filled(text string) string {
	latest := func(table string) (id string) {
		must(p.t, p.db().QueryRow("SELECT id FROM "+table+" WHERE org = '"+p.org("shop")+"' ORDER BY id DESC LIMIT 1").Scan(&id))
		return id
	}
	for name, value := range map[string]func() string{
		"{{log lines}}":  logLines,
		"{{in an hour}}": func() string { return p.now.Add(time.Hour).UTC().Format(time.RFC3339) },
		"{{alert}}":      func() string { return latest("alerts") },
		"{{event}}": func() string {
			alerts, err := p.store.Alerts(p.t.Context(), p.org("shop"), store.AlertFilter{Limit: 10})
			must(p.t, err)
			return alerts[len(alerts)-1].FirstEvent
		},
		"{{run}}":      func() string { return latest("runs") },
		"{{override}}": func() string { return latest("overrides") },
		"{{defect}}":   func() string { return latest("defects") },
		"{{token}}":    func() string { return latest("tokens") },
	} {
		if strings.Contains(text, name) {
			text = strings.ReplaceAll(text, name, value())
		}
	}
	return text
}

// settle waits until the loops have nothing left to do, so that the next answer
// does not depend on how fast they are.
func (p *apiDoc) settle() {
	for range 2000 {
		var open int
		must(p.t, p.db().QueryRow(`SELECT (SELECT count(*) FROM outbox WHERE state = 'pending' AND due <= $1)
			+ (SELECT count(*) FROM runs WHERE due <= $1) + (SELECT count(*) FROM incidents WHERE due <= $1)`, time.Now().UnixMicro()).Scan(&open))
		if open == 0 {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	p.t.Error("the loops do not come to rest")
}

// shown is a body as the page shows it: JSON with a line for each member and
// element, of other text the beginning.
func (p *apiDoc) shown(r reply) string {
	media := r.header.Get("Content-Type")
	switch {
	case len(r.body) == 0:
		return ""
	case media == "application/json", media == problemType:
		return indented(p.t, r.body)
	case strings.HasPrefix(media, "text/markdown"), media == "application/yaml":
		lines := strings.SplitN(string(r.body), "\n", 5)
		return strings.Join(append(lines[:min(4, len(lines))], "…"), "\n")
	}
	return "…"
}

func indented(t testing.TB, body []byte) string {
	t.Helper()
	var members map[string]json.RawMessage
	must(t, json.Unmarshal(body, &members))
	d := json.NewDecoder(bytes.NewReader(body))
	_, err := d.Token()
	must(t, err)
	var out strings.Builder
	out.WriteString("{\n")
	for d.More() {
		name, err := d.Token()
		must(t, err)
		var value json.RawMessage
		must(t, d.Decode(&value))
		var elements []json.RawMessage
		text := string(value)
		if json.Unmarshal(value, &elements) == nil && len(elements) > 0 && elements[0][0] == '{' {
			text = "[\n"
			for i, e := range elements {
				text += "    " + string(e) + map[bool]string{true: ",\n", false: "\n"}[i < len(elements)-1]
			}
			text += "  ]"
		}
		fmt.Fprintf(&out, "  %q: %s%s\n", name, text, map[bool]string{true: ",", false: ""}[d.More()])
	}
	out.WriteString("}")
	return out.String()
}

// fixed replaces what differs from run to run: ids and hashes by numbers in the
// order of their first appearance, the present by one instant.
func (p *apiDoc) fixed(text string) string {
	numbered := func(form string) func(string) string {
		return func(found string) string {
			if p.names[found] == "" {
				p.names[found] = fmt.Sprintf(form, len(p.names)+1)
			}
			return p.names[found]
		}
	}
	text = cursors.ReplaceAllString(text, `"next": "b3BhcXVl"`)
	text = plans.ReplaceAllString(text, `plan is \"000000000012\"`)
	text = made.ReplaceAllString(text, "mst_shown-this-once")
	text = uuids.ReplaceAllStringFunc(text, numbered("0193512e-7c00-7000-8000-%012d"))
	text = hashes.ReplaceAllStringFunc(text, numbered("%064d"))
	return instants.ReplaceAllStringFunc(text, func(found string) string {
		at, err := time.Parse(time.RFC3339Nano, found)
		must(p.t, err)
		if at.Sub(p.now).Abs() < 25*time.Hour && at.After(time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)) {
			return "2026-11-22T15:04:05.678901Z"
		}
		return found
	})
}
