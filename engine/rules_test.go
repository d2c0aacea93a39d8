package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/detect"
	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/store"
)

// watched is a configuration with one rule over the log source shop; edits
// replace parts of it.
func watched(edits ...string) string {
	return strings.NewReplacer(edits...).Replace(`
organization: shop
users: {ana: {contacts: {pager: {probe: ana}}}}
connections: {probe: {probe: ''}}
policies: {p: {steps: [{notify: [user:ana], wait: 1h}]}}
services: {checkout: {policy: p}, search: {policy: p}}
logs:
  shop: {format: ndjson, service: checkout}
  other: {format: ndjson, service: search}
rules:
  errors:
    title: Errors
    service: checkout
    source: logs
    ratio: {bad: status >= 500}
    above: 50%
    window: 20s
    min_total: 20
    resolve_after: 1s
    lateness: 0s
    severity: critical
`)
}

// send sends lines of one instant and fails the test if they are not taken.
func (r *running) send(source string, at time.Time, n, bad int) {
	r.t.Helper()
	if _, err := r.Logs(r.t.Context(), r.org, source, lines(at, n, bad, "/checkout")); err != nil {
		r.t.Fatal(err)
	}
}

// counted are all that the database holds of a rule's counts.
func counted(t *testing.T, address, rule string) (bad, total int64) {
	t.Helper()
	return number(t, address, `SELECT COALESCE(sum(bad), 0) FROM windows WHERE rule = $1`, rule), number(t, address, `SELECT COALESCE(sum(total), 0) FROM windows WHERE rule = $1`, rule)
}

// quiet waits until a rule's watermark has passed an instant.
func (r *running) quiet(rule string, at time.Time) {
	r.t.Helper()
	r.wait("the rule has judged it all", 10*time.Second, func() bool {
		for _, s := range r.rules() {
			if s.Rule == rule {
				return s.Watermark.After(at)
			}
		}
		return false
	})
}

func (r *running) rules() []engine.RuleStatus {
	r.t.Helper()
	list, err := r.Rules(r.org)
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

// TestRule fires and resolves a rule over lines that come by HTTP.
func TestRule(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		p := &probe{}
		r := start(t, address, options{channels: []notify.Kind{p.kind()}})
		r.apply(watched("window: 20s", "window: 3s"))

		at := time.Now()
		r.send("shop", at, 19, 19)
		r.send("other", at, 100, 100) // of another service
		r.quiet("errors", at)
		if n := len(r.incidents()); n != 0 {
			t.Fatalf("%d incidents of 19 lines, and at least 20 are wanted", n)
		}
		if bad, total := counted(t, address, "errors"); bad != 19 || total != 19 {
			t.Fatalf("counted %d of %d, want 19 of 19: lines of another service count for nothing", bad, total)
		}

		time.Sleep(3 * time.Second) // they leave the window
		r.send("shop", time.Now(), 40, 21)
		r.wait("the page", 5*time.Second, func() bool { return len(p.pages("ana")) == 1 })
		inc := r.incidents()[0]
		if inc.Severity != incident.Critical || inc.Service != "checkout" || !strings.HasPrefix(inc.Title, "Errors: 52.50 % of 40 requests in 3s are bad, more than 50%") {
			t.Errorf("the incident is %s %s %q", inc.Severity, inc.Service, inc.Title)
		}
		if list := r.rules(); len(list) != 1 || len(list[0].Series) != 1 || list[0].Series[0].State != detect.Firing {
			t.Errorf("the rule says %+v", list)
		}
		r.wait("the end", 10*time.Second, func() bool { return !r.incidents()[0].Open() })
		if got := r.incidents(); len(got) != 1 || got[0].ResolvedBy != "rule:errors" || len(p.pages("ana")) != 1 {
			t.Errorf("%d incidents, resolved by %s; %d pages", len(got), got[0].ResolvedBy, len(p.pages("ana")))
		}

		result, err := r.Logs(t.Context(), r.org, "shop", []byte("{\"time\":\"yesterday\",\"status\":1}\nnot json\n"+string(lines(time.Now(), 1, 0, "/"))))
		if err != nil || result.Lines != 3 || result.Unparsed != 2 || len(result.Errors) != 2 || result.Errors[1].Line != 2 {
			t.Errorf("of lines that are none: %+v, %v", result, err)
		}
	})
}

// TestRuleOverRestarts counts one window before and after a restart, graceful
// or by a kill: nothing is paged for what is counted twice, nothing is missed.
func TestRuleOverRestarts(t *testing.T) {
	t.Parallel()
	for _, kill := range []bool{false, true} {
		t.Run(fmt.Sprintf("kill=%v", kill), func(t *testing.T) {
			onBoth(t, func(t *testing.T, address string) {
				p := &probe{}
				restart := func(r *running) *running {
					if kill {
						r.kill(func() {})
					} else {
						r.end()
					}
					return start(t, address, options{channels: []notify.Kind{p.kind()}})
				}
				r := start(t, address, options{channels: []notify.Kind{p.kind()}})
				r.apply(watched())
				r.send("shop", time.Now(), 12, 12)
				r = restart(r)
				at := time.Now()
				r.send("shop", at, 7, 7)
				r.quiet("errors", at)
				if n := len(r.incidents()); n != 0 {
					t.Fatalf("%d incidents of 19 lines: some were counted twice", n)
				}
				r = restart(r)
				r.send("shop", time.Now(), 1, 1)
				r.wait("the page", 5*time.Second, func() bool { return len(p.pages("ana")) == 1 })
				if bad, total := counted(t, address, "errors"); bad != 20 || total != 20 {
					t.Errorf("counted %d of %d, want 20 of 20", bad, total)
				}

				r = restart(r) // while it fires
				at = time.Now()
				r.send("shop", at, 1, 1)
				r.quiet("errors", at)
				if list := r.rules(); len(list[0].Series) != 1 || list[0].Series[0].State != detect.Firing {
					t.Errorf("after a restart the rule says %+v", list)
				}
				r.send("shop", time.Now(), 100, 0)
				r.wait("the end", 10*time.Second, func() bool { return !r.incidents()[0].Open() })
				if n := len(r.incidents()); n != 1 || len(p.pages("ana")) != 1 {
					t.Errorf("%d incidents, %d pages, want one of each", n, len(p.pages("ana")))
				}
			})
		})
	}
}

// TestTail follows a file that grows and is rotated while engines come and go:
// each line is counted once.
func TestTail(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		p := &probe{}
		path := filepath.Join(t.TempDir(), "access.ndjson")
		tails := []engine.TailFile{{Source: "shop", Path: path}}
		old := lines(time.Now().Add(-time.Hour), 50, 50, "/old")
		if err := os.WriteFile(path, old, 0o644); err != nil {
			t.Fatal(err)
		}
		written := int64(0)
		write := func(n, bad int) {
			f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.Write(lines(time.Now(), n, bad, "/checkout")); err != nil {
				t.Fatal(err)
			}
			written += int64(n)
		}
		all := func(r *running) {
			t.Helper()
			r.wait("every line is counted", 10*time.Second, func() bool { _, total := counted(t, address, "errors"); return total >= written })
		}
		o := options{channels: []notify.Kind{p.kind()}, tails: tails}
		r := start(t, address, o)
		r.apply(watched("min_total: 20", "min_total: 1000"))
		write(10, 10)
		all(r)
		write(7, 7) // perhaps read, perhaps not, when the engine dies
		r.kill(func() {})
		write(5, 5)
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
		write(8, 8)
		r = start(t, address, o)
		write(3, 3)
		all(r)
		r.end()
		r = start(t, address, o)
		write(1, 1)
		all(r)
		if bad, total := counted(t, address, "errors"); bad != written || total != written {
			t.Errorf("counted %d of %d, want %d of %d, and nothing of an hour ago", bad, total, written, written)
		}
		if n := len(r.incidents()); n != 0 {
			t.Errorf("%d incidents", n)
		}
		write(2000, 2000)
		r.wait("the page", 10*time.Second, func() bool { return len(p.pages("ana")) == 1 })
	})
}

// TestFailedCommitsOfCounts takes the table of counts away again and again
// while a file grows and lines come by HTTP. What failed is sent again, as
// shippers do, and read again: each line is counted once.
func TestFailedCommitsOfCounts(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		path := filepath.Join(t.TempDir(), "access.ndjson")
		p := &probe{}
		r := start(t, address, options{channels: []notify.Kind{p.kind()}, tails: []engine.TailFile{{Source: "shop", Path: path}}})
		r.apply(watched("above: 50%", "above: 99%", "window: 20s", "window: 10m"))
		var wg sync.WaitGroup
		wg.Go(func() {
			for range 3 {
				time.Sleep(400 * time.Millisecond)
				sqlOn(t, address, `ALTER TABLE windows RENAME TO away`)
				time.Sleep(300 * time.Millisecond)
				sqlOn(t, address, `ALTER TABLE away RENAME TO windows`)
				time.Sleep(time.Second) // it is tried again after one
			}
		})
		var refused int
		for range 60 {
			appendTo(t, path, lines(time.Now(), 2, 1, "/tail"))
			body := lines(time.Now(), 3, 1, "/http")
			for {
				_, err := r.Logs(t.Context(), r.org, "shop", body)
				if err == nil {
					break
				}
				refused++
				time.Sleep(50 * time.Millisecond)
			}
			time.Sleep(40 * time.Millisecond)
		}
		wg.Wait()
		r.wait("every line is counted", 10*time.Second, func() bool { _, total := counted(t, address, "errors"); return total >= 300 })
		if bad, total := counted(t, address, "errors"); bad != 120 || total != 300 {
			t.Errorf("counted %d of %d, want 120 of 300", bad, total)
		}
		if refused == 0 {
			t.Error("no commit failed")
		}
		t.Logf("%d of the lots were refused", refused)
		r.wait("the tracker agrees", 5*time.Second, func() bool {
			list := r.rules()
			return len(list[0].Series) == 1 && list[0].Series[0].Total == 300
		})
	})
}

// TestServerCrashes crashes PostgreSQL under the engine while a file grows.
// Of a commit whose answer was lost nobody knows whether it holds; the counts
// and the place in the file are in it together, so each line is counted once.
func TestServerCrashes(t *testing.T) {
	t.Parallel()
	cluster, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cluster.Stop() })
	address := cluster.NewDatabase(t)
	path := filepath.Join(t.TempDir(), "access.ndjson")
	p := &probe{}
	r := start(t, address, options{channels: []notify.Kind{p.kind()}, tails: []engine.TailFile{{Source: "shop", Path: path}}})
	r.apply(watched("above: 50%", "above: 99%"))
	done := make(chan struct{})
	written := make(chan int64)
	go func() {
		var n int64
		for {
			select {
			case <-done:
				written <- n
				return
			case <-time.After(5 * time.Millisecond):
			}
			appendTo(t, path, lines(time.Now(), 4, 1, "/tail"))
			n += 4
		}
	}()
	for range 2 {
		time.Sleep(time.Duration(500+rand.IntN(500)) * time.Millisecond)
		if err := cluster.Restart("immediate"); err != nil {
			t.Error(err)
		}
	}
	time.Sleep(500 * time.Millisecond)
	close(done)
	want := <-written
	r.wait("every line is counted", 20*time.Second, func() bool { _, total := counted(t, address, "errors"); return total >= want })
	time.Sleep(300 * time.Millisecond)
	if bad, total := counted(t, address, "errors"); bad != want/4 || total != want {
		t.Errorf("counted %d of %d, want %d of %d", bad, total, want/4, want)
	}
	if !strings.Contains(r.log.String(), "commit the counts of rules") {
		t.Log("no commit of counts was hit by the crashes")
	}
}

func appendTo(t *testing.T, path string, text []byte) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		t.Error(err)
	}
}

// TestEditedRule edits a rule and takes it away. What it had fired is resolved,
// what it had counted is forgotten, also over a restart; a new title changes
// neither.
func TestEditedRule(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		p := &probe{}
		o := options{channels: []notify.Kind{p.kind()}}
		r := start(t, address, o)
		r.apply(watched())
		r.send("shop", time.Now(), 30, 30)
		r.wait("the page", 5*time.Second, func() bool { return len(p.pages("ana")) == 1 })

		r.apply(watched("title: Errors", "title: Mistakes"))
		at := time.Now()
		r.send("shop", at, 1, 1)
		r.quiet("errors", at)
		if got := r.incidents(); len(got) != 1 || !got[0].Open() {
			t.Fatalf("after a new title there are %d incidents, the first %s", len(got), got[0].Status)
		}

		r.apply(watched("status >= 500", "status >= 501"))
		r.wait("what the other question fired ends", 5*time.Second, func() bool { return !r.incidents()[0].Open() })
		r.end()
		r = start(t, address, o)
		at = time.Now()
		r.send("shop", at, 1, 1)
		r.quiet("errors", at)
		if got := r.rules(); len(got[0].Series) != 1 || got[0].Series[0].Total != 1 {
			t.Errorf("the edited rule counts on: %+v, want one line", got)
		}
		r.apply(watched())
		r.send("shop", time.Now(), 30, 30)
		r.wait("it fires again", 5*time.Second, func() bool { return len(r.incidents()) == 2 })
		r.apply(watched("  errors:\n", "  others:\n"))
		r.wait("what the rule that is gone had fired ends", 5*time.Second, func() bool { return !r.incidents()[1].Open() })
		if n := number(t, address, `SELECT count(*) FROM rule_states WHERE rule = 'errors'`); n != 0 {
			t.Errorf("%d states of a rule that is gone", n)
		}
	})
}

// TestRuleGoneWhileDown takes a rule away that fires, and the engine dies
// before it could resolve what the rule had fired: the next one does.
func TestRuleGoneWhileDown(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		p := &probe{}
		o := options{channels: []notify.Kind{p.kind()}}
		r := start(t, address, o)
		r.apply(watched())
		r.send("shop", time.Now(), 30, 30)
		r.wait("the page", 5*time.Second, func() bool { return len(p.pages("ana")) == 1 })
		r.end()
		sqlOn(t, address, `DELETE FROM resources WHERE kind = 'rules' OR kind = 'rule'`, `UPDATE revisions SET number = number + 1`)
		r = start(t, address, o)
		r.wait("it ends", 5*time.Second, func() bool { return !r.incidents()[0].Open() })
		if n := len(r.rules()); n != 0 {
			t.Errorf("%d rules", n)
		}
	})
}

// TestLogsAfterTheEnd: lines that come when nobody counts any more are refused,
// and nobody waits for ever.
func TestLogsAfterTheEnd(t *testing.T) {
	t.Parallel()
	p := &probe{}
	r := start(t, filepath.Join(t.TempDir(), "muster.db"), options{channels: []notify.Kind{p.kind()}})
	r.apply(watched())
	r.end()
	for range 100 { // more than the queue holds
		if _, err := r.Logs(t.Context(), r.org, "shop", lines(time.Now(), 1, 0, "/")); !errors.Is(err, store.ErrBusy) {
			t.Fatalf("error %v, want ErrBusy", err)
		}
	}
}
