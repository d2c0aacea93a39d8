package web

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/incident"
)

func TestCommands(t *testing.T) {
	w := newWorld(t)
	got := w.trigger("disk")
	at := "/api/v1/incidents/" + got.Incident

	var inc incident.Incident
	seen := w.ask(200, &inc, "viewer", "GET", at, "").header.Get("ETag")
	if seen != etag(inc.Version) || inc.Number != 1 || inc.Status != incident.Triggered {
		t.Fatalf("ETag %s of %+v", seen, inc)
	}
	var same incident.Incident
	w.ask(200, &same, "viewer", "GET", "/api/v1/incidents/1", "")
	if diff := cmp.Diff(inc, same); diff != "" {
		t.Errorf("by id and by number (-id +number):\n%s", diff)
	}

	if p := w.ask(412, nil, "responder", "POST", at+"/acknowledge", "", "If-Match", `"999"`).problem(t); !strings.Contains(p.Detail, "version") {
		t.Errorf("412 says %q", p.Detail)
	}
	r := w.ask(200, &inc, "responder", "POST", at+"/acknowledge", `{"reason":"on it"}`, "If-Match", seen)
	if inc.Status != incident.Acknowledged || inc.AckedBy != "user:ana" {
		t.Errorf("acknowledged: %+v", inc)
	}
	if now := w.ask(200, nil, "viewer", "GET", at, "").header.Get("ETag"); now != r.header.Get("ETag") || now == seen {
		t.Errorf("ETag %s after the answer's %s and %s before", now, r.header.Get("ETag"), seen)
	}
	if p := w.ask(409, nil, "other", "POST", at+"/acknowledge", "").problem(t); p.Detail != "already acknowledged by user:ana" {
		t.Errorf("409 says %q", p.Detail)
	}
	w.ask(200, &inc, "other", "POST", at+"/notes", `{"text":"replaced the disk"}`)
	w.ask(200, &inc, "other", "POST", at+"/escalate", "")
	w.ask(200, &inc, "responder", "POST", at+"/reassign", `{"targets":["user:bob"]}`)
	w.ask(200, &inc, "responder", "POST", at+"/snooze", `{"for":"45m"}`)
	if inc.Status != incident.Snoozed {
		t.Errorf("snoozed: %+v", inc)
	}
	w.ask(200, &inc, "responder", "POST", at+"/resolve", `{"reason":"done"}`)
	if inc.Status != incident.Resolved || inc.ResolvedBy != "user:ana" {
		t.Errorf("resolved: %+v", inc)
	}
	if p := w.ask(409, nil, "responder", "POST", at+"/resolve", "").problem(t); !strings.Contains(p.Detail, "already resolved by user:ana at ") {
		t.Errorf("409 says %q", p.Detail)
	}

	var timeline struct{ Entries []incident.Entry }
	w.ask(200, &timeline, "viewer", "GET", at+"/timeline", "")
	actors := map[incident.Kind]incident.Cause{}
	for _, e := range timeline.Entries {
		actors[e.Kind] = e.Cause
	}
	if got, want := actors[incident.Noted], (incident.Cause{Actor: "token:bot", Origin: "api"}); got != want {
		t.Errorf("the note is by %+v, want %+v", got, want)
	}
}

// TestProblems keeps what is said about requests that cannot be done.
func TestProblems(t *testing.T) {
	w := newWorld(t)
	w.trigger("disk")
	const at = "/api/v1/incidents/1"
	var out strings.Builder
	for _, c := range []struct{ name, token, method, path, body, header string }{
		{"not JSON", "responder", "POST", at + "/notes", "{\"text\":\n  disk}", ""},
		{"ends early", "responder", "POST", at + "/notes", `{"text":"disk`, ""},
		{"a name twice", "responder", "POST", at + "/notes", `{"text":"a",` + "\n" + `"text":"b"}`, ""},
		{"an unknown member", "responder", "POST", at + "/notes", "{\"text\":\"a\",\n \"txt\":\"b\"}", ""},
		{"a wrong type", "responder", "POST", at + "/reassign", "{\n\"targets\":[\"user:bob\",\n 7]}", ""},
		{"nothing where something is needed", "responder", "POST", at + "/notes", "", ""},
		{"a missing member", "responder", "POST", at + "/notes", `{}`, ""},
		{"an empty list", "responder", "POST", at + "/reassign", `{"targets":[]}`, ""},
		{"nobody there", "responder", "POST", at + "/reassign", `{ "targets":["user:zoe"]}`, ""},
		{"neither until nor for", "responder", "POST", at + "/snooze", `{}`, ""},
		{"the past", "responder", "POST", at + "/snooze", `{"reason":"x", "until":"2020-01-01T00:00:00Z"}`, ""},
		{"no duration", "responder", "POST", at + "/snooze", `{"for":"a while"}`, ""},
		{"no JSON by its type", "responder", "POST", at + "/notes", `text=disk`, "Content-Type: application/x-www-form-urlencoded"},
		{"a strange ETag", "responder", "POST", at + "/resolve", ``, "If-Match: 12"},
		{"a bad idempotency key", "responder", "POST", at + "/resolve", ``, "Idempotency-Key: a b"},
		{"a number out of range", "viewer", "GET", "/api/v1/incidents?limit=0", "", ""},
		{"a word that is none", "viewer", "GET", "/api/v1/incidents?status=opened", "", ""},
		{"an unknown parameter", "viewer", "GET", "/api/v1/incidents?stauts=triggered", "", ""},
		{"no cursor", "viewer", "GET", "/api/v1/incidents?after=xyz", "", ""},
		{"no instant", "viewer", "GET", "/api/v1/oncall?at=tomorrow", "", ""},
		{"nothing there", "viewer", "GET", "/api/v1/incidents/99", "", ""},
		{"nothing there, by id", "viewer", "GET", "/api/v1/alerts/none", "", ""},
		{"no such path", "viewer", "GET", "/api/v1/incident", "", ""},
		{"no such method", "viewer", "PUT", at, "", ""},
		{"no token", "", "GET", at, "", ""},
		{"too low a role", "viewer", "POST", at + "/resolve", "", ""},
		{"an unknown key", "", "POST", "/intake/events/wrong", `{}`, ""},
		{"no event", "", "POST", "/intake/events/key-of-own-0123456789", "{\"title\": \"Disk\",\n \"action\": 7}", ""},
		{"a configuration with mistakes", "admin", "POST", "/api/v1/config/validate", "organization: shop\nteams:\n  a: {members: [ana]}\npolices: {}\n", "Content-Type: application/yaml"},
		{"a configuration of others", "admin", "POST", "/api/v1/config/apply", "organization: bank\n", "Content-Type: application/yaml"},
		{"no configuration", "admin", "POST", "/api/v1/config/apply", "", ""},
		{"no files", "admin", "POST", "/api/v1/config/apply", `{"files":[]}`, ""},
		{"files of a wrong type", "admin", "POST", "/api/v1/config/apply", `{"files":[{"name":"a.yaml","body":7}]}`, ""},
	} {
		var headers []string
		if name, value, ok := strings.Cut(c.header, ": "); ok {
			headers = []string{name, value}
		}
		r := w.do(c.token, c.method, c.path, c.body, headers...)
		r.problem(t)
		if r.status < 400 || r.status >= 500 {
			t.Errorf("%s: status %d", c.name, r.status)
		}
		fmt.Fprintf(&out, "# %s\n%s %s %q\n%d %s\n", c.name, c.method, c.path, c.body, r.status, r.body)
	}
	golden(t, "problems.txt", []byte(out.String()))
}

func TestIdempotency(t *testing.T) {
	w := newWorld(t)
	w.trigger("disk")
	const notes = "/api/v1/incidents/1/notes"
	count := func() (n int) {
		var timeline struct{ Entries []incident.Entry }
		w.ask(200, &timeline, "viewer", "GET", "/api/v1/incidents/1/timeline", "")
		for _, e := range timeline.Entries {
			if e.Kind == incident.Noted {
				n++
			}
		}
		return n
	}

	first := w.ask(200, nil, "responder", "POST", notes, `{"text":"a"}`, "Idempotency-Key", "k1")
	again := w.ask(200, nil, "responder", "POST", notes, `{"text":"a"}`, "Idempotency-Key", "k1")
	if string(first.body) != string(again.body) || first.header.Get("ETag") != again.header.Get("ETag") || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("first %s %v\nagain %s %v", first.body, first.header, again.body, again.header)
	}
	if n := count(); n != 1 {
		t.Errorf("%d notes of one key", n)
	}
	w.ask(422, nil, "responder", "POST", notes, `{"text":"b"}`, "Idempotency-Key", "k1").problem(t)
	w.ask(422, nil, "responder", "POST", "/api/v1/incidents/1/resolve", `{"text":"a"}`, "Idempotency-Key", "k1").problem(t)
	w.ask(200, nil, "other", "POST", notes, `{"text":"b"}`, "Idempotency-Key", "k1") // of another caller
	if n := count(); n != 2 {
		t.Errorf("%d notes, want 2", n)
	}

	// What was refused did nothing, and may be asked for again.
	w.ask(412, nil, "responder", "POST", notes, `{"text":"c"}`, "Idempotency-Key", "k2", "If-Match", `"999"`)
	w.ask(200, nil, "responder", "POST", notes, `{"text":"c"}`, "Idempotency-Key", "k2")

	var done sync.WaitGroup
	statuses := make(chan int, 20)
	for range 20 {
		done.Go(func() { statuses <- w.do("responder", "POST", notes, `{"text":"d"}`, "Idempotency-Key", "k3").status })
	}
	done.Wait()
	close(statuses)
	for status := range statuses {
		if status != 200 && status != 409 {
			t.Errorf("status %d of twenty at once", status)
		}
	}
	if n := count(); n != 4 {
		t.Errorf("%d notes after twenty at once, want 4", n)
	}

	// A token is told once, and its text is not kept.
	var made, replayed Token
	w.ask(201, &made, "admin", "POST", "/api/v1/tokens", `{"name":"bob","role":"viewer"}`, "Idempotency-Key", "k4")
	w.ask(201, &replayed, "admin", "POST", "/api/v1/tokens", `{"name":"bob","role":"viewer"}`, "Idempotency-Key", "k4")
	if made.Token == "" || replayed.Token != "" || made.ID != replayed.ID {
		t.Errorf("made %+v, replayed %+v", made, replayed)
	}
	var kept int
	must(t, w.db().QueryRow("SELECT count(*) FROM idempotency WHERE body LIKE '%"+made.Token+"%'").Scan(&kept))
	if kept != 0 {
		t.Error("the token's text is in the database")
	}
}
