package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/pgtest"
)

// TestLostCommit loses the answers to commits that went through. Senders are
// told to try again and do; what they sent is one alert, one incident and one
// page, and a receipt that was stored is no reason to page again.
func TestLostCommit(t *testing.T) {
	t.Parallel()
	pager := newPager(t, 200*time.Millisecond)
	dsn := pgtest.DSN(t)
	g := newGate(t, dsn)
	s := serve(t, "muster", g.DSN, "--config", write(t, t.TempDir(), "shop.yaml", shop(pager.URL, 1)))

	const events = 10
	var due []string
	for n := range events {
		key := fmt.Sprintf("lost-%d-", n)
		body := fmt.Appendf(nil, `{"title":"disk %d full","key":%q,"service":"s0","severity":"critical"}`, n, key)
		g.lose(key)
		if got, err := s.send(ownKey, body); err == nil {
			t.Fatalf("event %d: its commit had no answer, and it was answered %+v", n, got)
		}
		var got accepted
		err := eventually(10*time.Second, func() (err error) { got, err = s.send(ownKey, body); return err })
		if err != nil {
			t.Fatalf("event %d: %v", n, err)
		}
		due = append(due, got.Incident)
	}
	// The receipts of the last pages: their commits have no answer either.
	for n, tried := 0, 0; n < 2 && tried < 5; tried++ {
		before := len(pager.Requests())
		got, err := s.send(ownKey, fmt.Appendf(nil, `{"title":"disk full","key":"receipt-%d","service":"s0","severity":"critical"}`, tried))
		if err != nil {
			t.Fatal(err)
		}
		due = append(due, got.Incident)
		err = eventually(20*time.Second, func() error {
			for _, p := range pager.Requests()[before:] {
				if p.Header.Get("Idempotency-Key") != "" && len(p.ID) > len(got.Incident) && p.ID[:len(got.Incident)] == got.Incident {
					g.lose(p.ID) // the pager answers a while later
					n++
					return nil
				}
			}
			return fmt.Errorf("incident %s was not paged", got.Incident)
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(400 * time.Millisecond)
	}
	if n := g.losses(); n != events+2 {
		t.Errorf("%d answers to commits were lost, want %d", n, events+2)
	}

	alerts, err := s.alerts()
	if err != nil {
		t.Fatal(err)
	}
	incidents, err := s.incidents()
	if err != nil {
		t.Fatal(err)
	}
	if len(alerts) != len(due) || len(incidents) != len(due) {
		t.Errorf("%d alerts and %d incidents for %d problems", len(alerts), len(incidents), len(due))
	}
	err = eventually(45*time.Second, func() error {
		if wrong := judge(due, pager.pages(), nil); len(wrong) > 0 {
			return fmt.Errorf("%v", wrong)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	// No page is on its way, nor will one go out again.
	var waiting int
	err = eventually(10*time.Second, func() error {
		if err := open(t, dsn).QueryRow(`SELECT count(*) FROM outbox WHERE kind = 'page' AND state <> 'sent'`).Scan(&waiting); err != nil || waiting > 0 {
			return fmt.Errorf("%d pages wait: %w", waiting, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if n := len(pager.pages()); n != len(due) {
		t.Errorf("%d pages for %d incidents", n, len(due))
	}
	s.stop(t)
}

// TestLostCommitOfClaims loses the answer to the commit of a claim: the page
// leaves soon all the same, not at the end of a lease that nobody holds.
func TestLostCommitOfClaims(t *testing.T) {
	t.Parallel()
	pager := newPager(t, 0)
	dsn := pgtest.DSN(t)
	g := newGate(t, dsn)
	s := serve(t, "muster", g.DSN, "--config", write(t, t.TempDir(), "shop.yaml", shop(pager.URL, 1)))
	db := open(t, dsn)
	var due []string
	for n := range 3 {
		g.loseNth("hook0", 2) // the first is that of the event itself
		got, err := s.send(ownKey, fmt.Appendf(nil, `{"title":"disk full","key":"claim-%d","service":"s0"}`, n))
		if err != nil {
			t.Fatal(err)
		}
		due = append(due, got.Incident)
		err = eventually(15*time.Second, func() error {
			var sent int // and their receipts stored: no commit of theirs is mistaken for the next one
			err := db.QueryRow(`SELECT count(*) FROM outbox WHERE kind = 'page' AND state = 'sent'`).Scan(&sent)
			if err != nil || sent <= n {
				return fmt.Errorf("%d pages, want %d: %v", sent, n+1, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var most int
	if err := db.QueryRow(`SELECT max(attempt) FROM outbox`).Scan(&most); err != nil || most != 2 || g.losses() != 3 {
		t.Errorf("%d answers were lost, and pages were claimed %d times (%v); want 3, and 2", g.losses(), most, err)
	}
	pages := pager.pages()
	if len(pages) != len(due) {
		t.Errorf("%d pages for %d incidents", len(pages), len(due))
	}
	for _, p := range pages {
		if !slices.Contains(due, p.incident) || p.wrong != "" {
			t.Errorf("page %+v", p)
		}
	}
	s.stop(t)
}

// TestLostCommitOfLines loses the answers to commits of counts: the lines that
// are sent again, the very same, are counted once.
func TestLostCommitOfLines(t *testing.T) {
	t.Parallel()
	g := newGate(t, pgtest.DSN(t))
	s := serve(t, "muster", g.DSN, "--config", write(t, t.TempDir(), "shop.yaml", shop("http://127.0.0.1:9", 1)+`
rules:
  errors: {service: s0, source: logs, ratio: {bad: status >= 500}, above: 99%, window: 10m, by: [path], severity: critical}
`))
	const lots = 4 // after each, the rules pause for a second
	for n := range lots {
		path := fmt.Sprintf("/lost-%d-", n)
		body := fmt.Appendf(nil, `{"time":%q,"status":503,"path":%q}`+"\n", time.Now().UTC().Format(time.RFC3339Nano), path)
		g.lose(path)
		if err := (api{s.base, ownKey}).post("/intake/logs/web", body, nil); err == nil {
			t.Fatalf("lot %d: its commit had no answer, and it was answered 2xx", n)
		}
		err := eventually(20*time.Second, func() error { return api{s.base, ownKey}.post("/intake/logs/web", body, nil) })
		if err != nil {
			t.Fatalf("lot %d: %v", n, err)
		}
	}
	if n := g.losses(); n != lots {
		t.Errorf("%d answers to commits were lost, want %d", n, lots)
	}
	if n := total(t, s, "errors"); n != lots {
		t.Errorf("%d lines are counted, want %d", n, lots)
	}
	s.stop(t)
}

// TestLostCommitOfCommands loses the answer to the commit of a command: with its
// Idempotency-Key it is not carried out again.
func TestLostCommitOfCommands(t *testing.T) {
	t.Parallel()
	g := newGate(t, pgtest.DSN(t))
	s := serve(t, "muster", g.DSN, "--config", write(t, t.TempDir(), "shop.yaml", shop("http://127.0.0.1:9", 1)))
	got, err := s.send(ownKey, []byte(`{"title":"disk full","key":"disk","service":"s0"}`))
	if err != nil {
		t.Fatal(err)
	}
	const text = "the disk was swapped"
	note := func() (status int, answer string) {
		req, err := http.NewRequest(http.MethodPost, s.base+"/api/v1/incidents/"+got.Incident+"/notes", strings.NewReader(`{"text":"`+text+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"Authorization": "Bearer " + adminToken, "Content-Type": "application/json", "Idempotency-Key": "n1"} {
			req.Header.Set(name, value)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	g.lose(text)
	if status, answer := note(); status != http.StatusServiceUnavailable {
		t.Errorf("its commit had no answer: %d %s, want 503", status, answer)
	}
	for range 2 {
		if status, answer := note(); status != http.StatusConflict || !strings.Contains(answer, "carried out") {
			t.Errorf("again: %d %s, want 409 that says that it was carried out", status, answer)
		}
	}
	var timeline json.RawMessage
	if err := s.get("/api/v1/incidents/"+got.Incident+"/timeline", &timeline); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(timeline), text); n != 1 || g.losses() != 1 {
		t.Errorf("%d notes and %d lost answers, want 1 and 1: %s", n, g.losses(), timeline)
	}
	s.stop(t)
}
