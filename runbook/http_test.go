package runbook_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/runbook"
)

// A seen is a request as the receiver of the http step got it.
type seen struct{ Method, URI, Body, ContentType string }

// hook is a receiver that remembers, and an Env for it.
func hook(t *testing.T, status int) (runbook.Env, *[]seen) {
	t.Helper()
	var got []seen
	address := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, seen{r.Method, r.RequestURI, string(body), r.Header.Get("Content-Type")})
		w.WriteHeader(status)
	})
	s := newShop(t)
	env := s.env
	env.Connection, env.Params = nil, config.Settings{"url": address}
	env.Incident.Title = "5 % \"down\" &\n<!channel> {{incident.id}}"
	return env, &got
}

func TestHTTP(t *testing.T) {
	const title = `5%20%25%20%22down%22%20%26%0A%3C%21channel%3E%20%7B%7Bincident.id%7D%7D`
	tests := []struct {
		name   string
		params config.Settings
		want   seen
	}{
		{"a bare POST", config.Settings{"url": "/x"}, seen{"POST", "/x", "", ""}},
		{"GET", config.Settings{"url": "/x", "method": "get"}, seen{"GET", "/x", "", ""}},
		{"in the path", config.Settings{"url": "/i/{{incident.title}}/x"}, seen{"POST", "/i/" + title + "/x", "", ""}},
		{"in the query", config.Settings{"url": "/i?t={{ incident.title }}&id={{incident.id}}"}, seen{"POST", "/i?t=" + title + "&id=i1", "", ""}},
		{"in JSON", config.Settings{"url": "/", "body": `{"t": "{{incident.title}}", "s": "{{target.service}}"}`},
			seen{"POST", "/", `{"t": "5 % \"down\" \u0026\n\u003c!channel\u003e {{incident.id}}", "s": "checkout"}`, "application/json"}},
		{"in a form", config.Settings{"url": "/", "headers.Content-Type": "application/x-www-form-urlencoded", "body": "t={{incident.title}}"},
			seen{"POST", "/", "t=" + title, "application/x-www-form-urlencoded"}},
		{"in text", config.Settings{"url": "/", "body": "t: {{incident.title}}"}, seen{"POST", "/", `t: 5 % "down" & <!channel> {{incident.id}}`, "text/plain; charset=utf-8"}},
		{"no placeholders in XML", config.Settings{"url": "/", "headers.Content-Type": "application/xml", "body": "<a/>"}, seen{"POST", "/", "<a/>", "application/xml"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env, got := hook(t, 200)
			tt.params["url"] = env.Params["url"] + tt.params["url"]
			env.Params = tt.params
			plan, err := runbook.HTTP.Plan(t.Context(), env)
			if err != nil {
				t.Fatal(err)
			}
			res, err := runbook.HTTP.Apply(t.Context(), env, plan)
			if err != nil || res.Outcome != runbook.OutcomeDone || res.Detail != "status 200" {
				t.Errorf("%+v, %v", res, err)
			}
			if diff := cmp.Diff([]seen{tt.want}, *got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestHTTPRefusesWhatIsWrong(t *testing.T) {
	tests := []struct {
		name   string
		params config.Settings
		want   string
	}{
		{"no url", config.Settings{}, "url: it begins neither"},
		{"a file", config.Settings{"url": "file:///etc/passwd"}, "url: it begins neither"},
		{"no host", config.Settings{"url": "https:///x"}, "url: it names no host"},
		{"nonsense", config.Settings{"url": "https://a b/s3cret-path"}, "url: it is not a URL"},
		{"host from outside", config.Settings{"url": "https://{{incident.title}}/x"}, "url: position 9: a placeholder may not stand in the host"},
		{"password from outside", config.Settings{"url": "https://u:{{incident.title}}@h/x"}, "url: "},
		{"unknown placeholder", config.Settings{"url": "https://h/{{incident.secret}}"}, `url: position 11: there is no placeholder "incident.secret"; there are incident.id`},
		{"open placeholder", config.Settings{"url": "https://h/{{incident.id"}, "url: position 11: {{ without }}"},
		{"method", config.Settings{"url": "https://h", "method": "CONNECT"}, `method: "CONNECT" is none of`},
		{"placeholder in a header", config.Settings{"url": "https://h", "headers.X-T": "{{incident.title}}"}, "headers.X-T: placeholders are not"},
		{"two headers in one", config.Settings{"url": "https://h", "headers.X-T": "a\r\nX-U: b"}, "headers.X-T: a header has one line"},
		{"a header's name", config.Settings{"url": "https://h", "headers.X T": "a"}, "headers.X T: it is not the name"},
		{"a body with GET", config.Settings{"url": "https://h", "method": "GET", "body": "x"}, "body: GET has none"},
		{"broken JSON", config.Settings{"url": "https://h", "body": `{"t": {{incident.title}}}`}, "body: it is not JSON"},
		{"placeholder in XML", config.Settings{"url": "https://h", "headers.Content-Type": "application/xml", "body": "<a>{{incident.id}}</a>"}, `body: placeholders cannot be escaped for content of type "application/xml"`},
		{"status", config.Settings{"url": "https://h", "expect": "2yy"}, `expect: "2yy" is not a status`},
		{"status range", config.Settings{"url": "https://h", "expect": "204-200"}, "expect:"},
		{"no status", config.Settings{"url": "https://h", "expect": ", ,"}, "expect:"},
		{"idempotent", config.Settings{"url": "https://h", "idempotent": "perhaps"}, `idempotent: "perhaps"`},
	}
	for _, tt := range tests {
		env := runbook.Env{Params: tt.params, Incident: runbook.Incident{ID: "i1", Title: "a title"}}
		plan, err := runbook.HTTP.Plan(t.Context(), env)
		if !errors.Is(err, wire.ErrRefused) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %+v, %v; want %q", tt.name, plan, err, tt.want)
		}
	}
}

func TestHTTPExpects(t *testing.T) {
	for _, tt := range []struct {
		expect  string
		status  int
		outcome string
	}{
		{"", 204, runbook.OutcomeDone}, {"200,404", 404, runbook.OutcomeDone}, {"200-299, 5xx", 503, runbook.OutcomeDone}, {"302", 302, runbook.OutcomeDone},
		{"200", 204, runbook.OutcomeFailed}, {"200", 404, runbook.OutcomeRefused}, {"", 500, runbook.OutcomeUnknown},
	} {
		env, _ := hook(t, tt.status)
		env.Params["expect"] = tt.expect
		plan, err := runbook.HTTP.Plan(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := runbook.HTTP.Apply(t.Context(), env, plan); err != nil || got.Outcome != tt.outcome {
			t.Errorf("expected %q, came %d: %+v, %v; want %s", tt.expect, tt.status, got, err, tt.outcome)
		}
	}
}

// TestHTTPIsHeldToItsPlan changes what would be sent between plan and apply.
func TestHTTPIsHeldToItsPlan(t *testing.T) {
	env, got := hook(t, 200)
	env.Params["body"] = `{"t": "{{incident.title}}"}`
	plan, err := runbook.HTTP.Plan(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	env.Incident.Title = "another title"
	if res, err := runbook.HTTP.Apply(t.Context(), env, plan); err != nil || res.Outcome != runbook.OutcomeRefused {
		t.Errorf("%+v, %v", res, err)
	}
	if len(*got) != 0 {
		t.Errorf("it sent %+v", *got)
	}
}

// TestHTTPAfterACrash: only what changes nothing is asked again.
func TestHTTPAfterACrash(t *testing.T) {
	for _, tt := range []struct {
		params     config.Settings
		repeatable bool
		outcome    string
		sent       int
	}{
		{config.Settings{"method": "POST"}, false, runbook.OutcomeUnknown, 0},
		{config.Settings{"method": "POST", "idempotent": "true"}, true, runbook.OutcomeUnknown, 0},
		{config.Settings{"method": "PUT"}, true, runbook.OutcomeUnknown, 0},
		{config.Settings{"method": "PUT", "idempotent": "false"}, false, runbook.OutcomeUnknown, 0},
		{config.Settings{"method": "GET"}, true, runbook.OutcomeDone, 1},
		{config.Settings{"method": "GET", "idempotent": "false"}, false, runbook.OutcomeUnknown, 0},
		{config.Settings{"method": "HEAD"}, true, runbook.OutcomeDone, 1},
	} {
		env, got := hook(t, 200)
		tt.params["url"] = env.Params["url"]
		env.Params = tt.params
		if r := runbook.HTTP.Repeatable(tt.params); r != tt.repeatable {
			t.Errorf("%v: repeatable %v", tt.params, r)
		}
		plan, err := runbook.HTTP.Plan(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		if res, err := runbook.HTTP.Look(t.Context(), env, plan, runbook.Result{}); err != nil || res.Outcome != tt.outcome || len(*got) != tt.sent {
			t.Errorf("%v: %+v, %v, %d sent", tt.params, res, err, len(*got))
		}
	}
}

// FuzzHTTPPlan feeds hostile titles and templates: whatever they are, the host
// is that of the template, JSON stays JSON with the same shape, and no header is
// split.
func FuzzHTTPPlan(f *testing.F) {
	f.Add("x\"}, {\"a\": \"", "https://h.example/{{incident.title}}?q={{incident.title}}")
	f.Add("@evil/..//\\", "https://h.example/{{incident.title}}")
	f.Add("\xff\u2028", "https://h.example/a/../{{incident.title}}#x")
	f.Add("", "https://{{incident.title}}@h.example")
	f.Fuzz(func(t *testing.T, title, address string) {
		var sent *http.Request
		var body []byte
		env := runbook.Env{
			Params:   config.Settings{"url": address, "body": `{"a": "{{incident.title}}", "b": ["{{incident.title}}"]}`},
			Incident: runbook.Incident{ID: "i1", Title: title},
			Wire: wire.New(wire.Options{Now: noonClock, Transport: trip(func(r *http.Request) (*http.Response, error) {
				sent = r
				body, _ = io.ReadAll(r.Body)
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
			})}),
		}
		plain := env
		plain.Incident.Title = "plain"
		plan, err := runbook.HTTP.Plan(context.Background(), env)
		if err != nil {
			return
		}
		if got, err := runbook.HTTP.Apply(context.Background(), env, plan); err != nil || got.Outcome != runbook.OutcomeDone {
			return // an address that the wire refuses
		}
		var in struct {
			A string
			B []string
		}
		if err := json.Unmarshal(body, &in); err != nil || len(in.B) != 1 || in.A != in.B[0] || utf8.ValidString(title) && in.A != title {
			t.Fatalf("body %s, %v", body, err)
		}
		host, path := sent.URL.Host, sent.URL.EscapedPath()
		plan, err = runbook.HTTP.Plan(context.Background(), plain)
		if err != nil {
			t.Fatalf("planned with %q, but not with a plain title: %v", title, err)
		}
		if _, err := runbook.HTTP.Apply(context.Background(), plain, plan); err != nil {
			return
		}
		if sent.URL.Host != host || strings.Count(sent.URL.EscapedPath(), "/") != strings.Count(path, "/") {
			t.Fatalf("the title %q turns %s%s into %s%s", title, sent.URL.Host, sent.URL.EscapedPath(), host, path)
		}
	})
}
