package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestPanicIsAProblem(t *testing.T) {
	w := newWorld(t)
	w.server.mux.HandleFunc("GET /boom", func(http.ResponseWriter, *http.Request) { panic("boom") })
	w.server.mux.HandleFunc("GET /late", func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(http.StatusOK)
		fmt.Fprint(rw, "half")
		rw.(*seen).Unwrap().(http.Flusher).Flush()
		panic("late boom")
	})
	w.ask(500, nil, "", "GET", "/boom", "").problem(t)
	if resp, err := http.Get(w.url + "/late"); err == nil {
		defer resp.Body.Close()
		if _, err := resp.Body.Read(make([]byte, 100)); err == nil {
			_, err = resp.Body.Read(make([]byte, 100))
			if err == nil || strings.Contains(err.Error(), "EOF") && !strings.Contains(err.Error(), "unexpected") {
				t.Errorf("the end of half an answer looks like that of a whole one: %v", err)
			}
		}
	}
	log := w.log.String()
	if strings.Contains(log, "late boom") {
		t.Error("what the panic said is in the log")
	}
	for _, want := range []string{"handler panicked", "guard_test.go", "GET /boom"} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in the log", want)
		}
	}
	w.ask(200, nil, "", "GET", "/healthz", "")
}

// TestUnavailable asks while the loops have ended: a 503 with Retry-After, and
// in PagerDuty's form where PagerDuty's senders ask.
func TestUnavailable(t *testing.T) {
	w := newWorld(t)
	w.trigger("disk")
	w.stop()
	for path, body := range map[string]string{
		"/intake/events/key-of-own-0123456789": `{"key":"x","title":"x"}`,
		"/v2/enqueue":                          mouths()[2].valid,
		"/api/v1/incidents/1/acknowledge":      "",
	} {
		r := w.do("responder", "POST", path, body)
		if r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
			t.Errorf("%s: status %d, Retry-After %q: %s", path, r.status, r.header.Get("Retry-After"), r.body)
		}
	}
	w.ask(503, nil, "", "GET", "/readyz", "").problem(t)
	w.ask(200, nil, "", "GET", "/healthz", "")
	w.ask(200, nil, "viewer", "GET", "/api/v1/incidents/1", "")
}

// TestHeaders checks what every answer has, and that nothing invites other
// origins.
func TestHeaders(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/healthz", "/metrics", "/api/v1/openapi.json", "/api/v1/incidents", "/nothing", "/intake/events/x"} {
		r := w.do("viewer", "GET", path, "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox", "Access-Control-Allow-Origin": "",
		} {
			if got := r.header.Get(name); got != want {
				t.Errorf("%s: %s: %q, want %q", path, name, got, want)
			}
		}
	}
	if r := w.do("", "OPTIONS", "/api/v1/incidents", "", "Origin", "https://evil.example"); r.status != http.StatusMethodNotAllowed {
		t.Errorf("OPTIONS: status %d", r.status)
	}
}

// TestNoKeysInLogs uses every place a key can stand in, and looks at the log
// and the metrics.
func TestNoKeysInLogs(t *testing.T) {
	w := newWorld(t)
	const key = "key-of-own-0123456789"
	w.ask(202, nil, "", "POST", "/intake/events/"+key, `{"key":"a","title":"a"}`)
	w.ask(202, nil, "", "POST", "/intake/events", `{"key":"a","title":"a"}`, "Authorization", "Bearer "+key)
	w.ask(202, nil, "", "POST", "/intake/events", `{"key":"a","title":"a"}`, "X-Muster-Key", key)
	w.ask(202, nil, "", "POST", "/intake/events", `{"key":"a","title":"a"}`, "Authorization", "Basic bXVzdGVyOmtleS1vZi1vd24tMDEyMzQ1Njc4OQ==")
	w.ask(202, nil, "admin", "POST", "/intake/events", `{"key":"b","title":"b"}`)
	w.ask(202, nil, "integration", "POST", "/intake/events", `{"key":"b","title":"b"}`)
	w.ask(401, nil, "", "POST", "/intake/events/guess-0123456789", `{"key":"b","title":"b"}`)
	w.ask(400, nil, "", "POST", "/intake/events/"+key, `{`)
	w.ask(405, nil, "", "GET", "/intake/events/"+key, ``)
	w.ask(404, nil, "", "POST", "/intake/events/"+key+"/more", ``)
	metrics := string(w.ask(200, nil, "", "GET", "/metrics", "").body)
	for name, text := range map[string]string{"log": w.log.String(), "metrics": metrics} {
		for _, secret := range []string{key, "guess-0123456789", "mst_", "bXVzdGVy"} {
			if strings.Contains(text, secret) {
				t.Errorf("the %s hold %q", name, secret)
			}
		}
	}
	if !strings.Contains(metrics, `muster_http_request_seconds_count{route="POST /intake/events/{key}",status="202"} 1`) {
		t.Errorf("no count of the route in\n%s", metrics)
	}
	if log := w.log.String(); strings.Count(log, "msg=request") < 10 || !strings.Contains(log, `route="POST /intake/events/{key}" status=202`) {
		t.Errorf("no access log in\n%s", log)
	}
}

// TestUnknownKeysLookAlike compares the answers to no key, a wrong one and one
// that is nearly right.
func TestUnknownKeysLookAlike(t *testing.T) {
	w := newWorld(t)
	first := w.do("", "POST", "/intake/events", "")
	for _, path := range []string{"/intake/events/wrong", "/intake/events/key-of-own-012345678", "/intake/alertmanager/%00", "/intake/logs/none/wrong", "/intake/logs/nginx"} {
		r := w.do("", "POST", path, `{"key":"a"}`)
		r.header.Del("Date")
		first.header.Del("Date")
		if r.status != first.status || string(r.body) != string(first.body) || fmt.Sprint(r.header) != fmt.Sprint(first.header) {
			t.Errorf("%s: %d %s %v, want %d %s %v", path, r.status, r.body, r.header, first.status, first.body, first.header)
		}
	}
}

func TestServerHasLimits(t *testing.T) {
	s := Server(http.NotFoundHandler())
	for name, d := range map[string]time.Duration{"ReadHeaderTimeout": s.ReadHeaderTimeout, "ReadTimeout": s.ReadTimeout, "WriteTimeout": s.WriteTimeout, "IdleTimeout": s.IdleTimeout} {
		if d <= 0 || d > 5*time.Minute {
			t.Errorf("%s: %v", name, d)
		}
	}
	if s.MaxHeaderBytes <= 0 || s.MaxHeaderBytes > 1<<20 {
		t.Errorf("MaxHeaderBytes: %d", s.MaxHeaderBytes)
	}
}

// TestComplaints checks what is kept of what an integration gets wrong, how
// much of it, and that clean events leave nothing.
func TestComplaints(t *testing.T) {
	w := newWorld(t)
	at := time.Unix(1_800_000_000, 0)
	w.server.now = func() time.Time { return at }
	list := func(of string) []Complaint {
		var out struct{ Complaints []Complaint }
		w.ask(200, &out, "viewer", "GET", "/api/v1/integrations/"+of+"/complaints", "")
		return out.Complaints
	}
	w.trigger("clean")
	for range 5 {
		w.ask(400, nil, "", "POST", "/intake/events/key-of-own-0123456789", `{"title": disk}`)
		w.ask(202, nil, "", "POST", "/intake/events/key-of-own-0123456789", `{"title":"no key"}`)
	}
	got := list("own")
	if len(got) != 2 {
		t.Fatalf("%d complaints in one second, want one refused and one warning: %+v", len(got), got)
	}
	for _, c := range got {
		if c.Kind == refused && (c.Body != `{"title": disk}` || !strings.Contains(c.Detail, "line 1, column 11, /title")) {
			t.Errorf("%+v", c)
		}
	}
	at = at.Add(time.Second)
	w.ask(400, nil, "", "POST", "/intake/events/key-of-own-0123456789", `{`)
	if got = list("own"); len(got) != 3 || !strings.Contains(got[0].Detail, "and 4 more") {
		t.Errorf("a second later: %+v", got)
	}

	// A body is kept with its routing key, and shown to admins alone with it.
	body := `{"routing_key":"key-of-pagerduty-012345","event_action":"page"}`
	w.ask(400, nil, "", "POST", "/v2/enqueue", body)
	w.ask(400, nil, "", "POST", "/v2/enqueue", `{"routing_key":"unknown-0123456789","event_action":"page"}`)
	if got = list("pagerduty"); len(got) != 1 || strings.Contains(got[0].Body, "012345") || !strings.Contains(got[0].Body, "page") {
		t.Errorf("to a viewer: %+v", got)
	}
	if r := w.ask(200, nil, "admin", "GET", "/api/v1/integrations/pagerduty/complaints", ""); !strings.Contains(string(r.body), "key-of-pagerduty-012345") {
		t.Errorf("to an admin: %s", r.body)
	}
}

func TestMasked(t *testing.T) {
	for in, want := range map[string]string{
		`{"routing_key":"abc","x":1}`:           `{"routing_key":"********","x":1}`,
		`{"routing_key" : "a\"bc", "x":1}`:      `{"routing_key" : "********", "x":1}`,
		`{"routing\u005fkey":"abc","x":"abcd"}`: `{"routing\u005fkey":"********","x":"abcd"}`,
		`{"routing_key":"abc`:                   `{"routing_key":"********`,
		`{"service_key":"abc"}`:                 `{"service_key":"********"}`,
		`{"x":{"routing_key":"abc"}}`:           `{"x":{"routing_key":"********"}}`,
		`routing_key=abc`:                       `routing_key=abc`,
	} {
		if got := string(masked([]byte(in))); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// TestLogBodiesWait checks that an organization that fills its slots holds up
// no other.
func TestLogBodiesWait(t *testing.T) {
	w := newWorld(t)
	for range maxLogBodies {
		free, err := w.server.logBodies.take(t.Context(), w.org("shop"))
		must(t, err)
		defer free()
	}
	r := w.ask(202, nil, "", "POST", "/intake/logs/nginx/key-of-the-bank-012345", logLines())
	if !strings.Contains(string(r.body), `"lines":21`) {
		t.Errorf("%s", r.body)
	}
}
