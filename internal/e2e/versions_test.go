package e2e

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/store"
)

// versionBefore is the commit of the version before this one, of schema 2.
const versionBefore = "19500ad"

// previous builds the version before this one from the history. Where there is
// none, as in a shallow clone, the present one stands in for it: then the test
// shows how servers are replaced, and not that two versions get along.
func previous(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("git", "-C", root, "cat-file", "-e", versionBefore+"^{commit}").CombinedOutput(); err != nil {
		t.Logf("there is no history here (%v: %s); both versions are the present one", err, strings.TrimSpace(string(out)))
		return binary
	}
	dir := t.TempDir()
	packed := filepath.Join(t.TempDir(), "before.tar")
	if out, err := exec.Command("git", "-C", root, "archive", "-o", packed, versionBefore).CombinedOutput(); err != nil {
		t.Fatalf("take the version before out of the history: %v\n%s", err, out)
	}
	if out, err := exec.Command("tar", "-x", "-f", packed, "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("unpack the version before: %v\n%s", err, out)
	}
	path := filepath.Join(dir, "muster-before")
	build := exec.Command("go", "build", "-o", path, "./cmd/muster")
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the version before: %v\n%s", err, out)
	}
	return path
}

// TestTwoVersions replaces the servers on one PostgreSQL one after the other by
// those of the next version, and back, and forth again, in the middle of load:
// nothing that was accepted is lost, every page leaves, and none twice. People
// work on what they are paged for, with whatever server answers; the auditor of
// the next version takes nothing that the version before wrote for stuck.
func TestTwoVersions(t *testing.T) {
	t.Parallel()
	before := previous(t)
	pager := newPager(t, 2*time.Millisecond)
	database := pgtest.DSN(t)
	const people, each = 90, 5
	config := write(t, t.TempDir(), "shop.yaml", shop(pager.URL, people))

	// Senders try one server and then the other, as senders do.
	var mu sync.Mutex
	var serving []*server
	all := func() []*server {
		mu.Lock()
		defer mu.Unlock()
		return append([]*server(nil), serving...)
	}
	add := func(name, path string, args ...string) *server {
		t.Helper()
		s := launchOf(t, path, nil, name, database, args...)
		if err := s.await(); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		serving = append(serving, s)
		return s
	}
	var accepts []promise
	var lost atomic.Int64
	stop := make(chan struct{})
	var load sync.WaitGroup
	var count atomic.Int64
	for range 3 {
		load.Go(func() {
			for n := count.Add(1); n <= people*each; n = count.Add(1) {
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Millisecond):
				}
				body := fmt.Sprintf(`{"title":"disk %d full","key":"%d","service":"s%d","severity":"critical"}`, n, n, n%people)
				taken := false
				for _, s := range all() {
					if got, err := s.send(ownKey, []byte(body)); err == nil {
						mu.Lock()
						accepts = append(accepts, promise{Event: got.Event, Incident: got.Incident, Body: body})
						mu.Unlock()
						taken = true
						break
					}
				}
				if !taken && len(all()) > 0 {
					lost.Add(1)
				}
			}
		})
	}
	var acted atomic.Int64
	load.Go(func() { // whoever is paged acts, with any server
		for n := 0; ; {
			select {
			case <-stop:
				return
			case <-time.After(30 * time.Millisecond):
			}
			pages, servers := pager.pages(), all()
			if n >= len(pages) || len(servers) == 0 {
				continue
			}
			at, body := "/api/v1/incidents/"+pages[n].incident, any(nil)
			switch n % 4 {
			case 0:
				at += "/acknowledge"
			case 1:
				at += "/resolve"
			case 2:
				at, body = at+"/snooze", map[string]string{"for": "1h"}
			case 3:
				at, body = at+"/notes", map[string]string{"text": "looking"}
			}
			if servers[n/4%len(servers)].post(at, body, nil) == nil {
				acted.Add(1)
			}
			n++
		}
	})
	var instants []time.Time
	remove := func(s *server) {
		t.Helper()
		mu.Lock()
		for i := range serving {
			if serving[i] == s {
				serving = append(serving[:i], serving[i+1:]...)
				break
			}
		}
		mu.Unlock()
		instants = append(instants, time.Now())
		s.stop(t)
	}
	schema := func() int64 {
		t.Helper()
		version, err := store.Schema(t.Context(), database)
		if err != nil {
			t.Fatal(err)
		}
		return version
	}
	pause := func() { time.Sleep(700 * time.Millisecond) }

	a, b := add("old a", before, "--config", config), add("old b", before)
	was := schema()
	pause()
	c := add("new c", binary)
	if now := schema(); now != store.NewestSchema() || before != binary && now != was+1 {
		t.Errorf("the schema was %d and is %d", was, now)
	}
	pause()
	remove(a)
	d := add("new d", binary)
	pause()
	remove(b)
	pause()
	a = add("old a again", before)
	pause()
	remove(c)
	b = add("old b again", before)
	pause()
	remove(d)
	pause()
	e := add("new e", binary) // its auditor looks at once
	pause()
	remove(a)
	remove(b)
	f := add("new f", binary)
	pause()
	close(stop)
	load.Wait()
	for _, s := range []*server{c, d, e, f} {
		if out := s.output.String(); strings.Contains(out, "the auditor mended") || strings.Contains(out, "quarantine") {
			t.Errorf("%s took for stuck what was not", s.name)
		}
	}
	if m := e.metrics(t); m["muster_stuck_found_total"] > 0 {
		t.Errorf("%v findings of the auditor where nothing is stuck", m["muster_stuck_found_total"])
	}

	if len(accepts) < 100 || lost.Load() > 0 {
		t.Errorf("%d events were accepted; %d by none of the servers", len(accepts), lost.Load())
	}
	if acted.Load() < 50 {
		t.Errorf("people acted %d times", acted.Load())
	}
	incidents, err := e.incidents()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	var due []string
	for _, i := range incidents {
		known[i.ID] = true
		due = append(due, i.ID)
	}
	for _, p := range accepts {
		if !known[p.Incident] {
			t.Errorf("incident %s was promised, and there is none", p.Incident)
		}
		var kept struct{ ID string }
		if err := e.get("/api/v1/events/"+p.Event, &kept); err != nil || kept.ID != p.Event {
			t.Fatalf("event %s was answered 202: %v", p.Event, err)
		}
	}
	err = eventually(45*time.Second, func() error {
		if wrong := judge(due, pager.pages(), instants); len(wrong) > 0 {
			return fmt.Errorf("%d of %d incidents: %s", len(wrong), len(due), strings.Join(wrong[:min(5, len(wrong))], "; "))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	pages := pager.pages()
	t.Logf("%d events accepted, %d incidents, %d pages, %d acts, %d servers replaced", len(accepts), len(due), len(pages), acted.Load(), len(instants))
	e.stop(t)
	f.stop(t)
}

// TestSchemaTooNew: a server refuses a schema that is two versions ahead, tells
// what to do and whom it concerns, once; the server that runs goes on paging.
func TestSchemaTooNew(t *testing.T) {
	t.Parallel()
	pager := newPager(t, 0)
	database := pgtest.DSN(t)
	dir := t.TempDir()
	args := []string{"--config", write(t, dir, "shop.yaml", withOperators(pager.URL)), "--contacts-file", filepath.Join(dir, "contacts")}
	running := serve(t, "running", database, args...)
	execute(t, database, fmt.Sprintf(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (%d, true)`, store.NewestSchema()+2))
	for range 2 {
		refused := launch(t, "refused", database, args...)
		select {
		case <-refused.ended:
		case <-time.After(30 * time.Second):
			t.Fatal("it starts on a schema that it does not know")
		}
		if out := refused.output.String(); refused.err == nil || !strings.Contains(out, "muster migrate --down-to") {
			t.Errorf("it ended with %v and said %s", refused.err, out)
		}
	}
	if list := emergencies(pager); len(list) != 1 || !strings.Contains(list[0].title, "does not start") {
		t.Errorf("told %+v", list)
	}
	got, err := running.send(ownKey, []byte(`{"title":"disk full","key":"k","severity":"critical"}`))
	if err != nil {
		t.Fatal(err)
	}
	err = eventually(20*time.Second, func() error {
		for _, p := range pager.pages() {
			if p.incident == got.Incident {
				return nil
			}
		}
		return fmt.Errorf("incident %s is not paged", got.Incident)
	})
	if err != nil {
		t.Error(err)
	}
	running.stop(t)
}

// execute runs a statement on a PostgreSQL.
func execute(t *testing.T, database, statement string) {
	t.Helper()
	db, err := sql.Open("pgx", database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
