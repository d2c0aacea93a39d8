package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // to hold what the server wants

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/faultdisk"
	"github.com/musterhq/muster/internal/pgtest"
)

// faultDisks is SQLite's way to its files in this test binary.
var faultDisks = sync.OnceValues(faultdisk.Register)

// A faulty is a real server over HTTP on a database that a test harms, and all
// the pagers that it can reach.
type faulty struct {
	t      *testing.T
	s      *server
	log    *bytes.Buffer
	pagers *httptest.Server

	mu       sync.Mutex
	pages    []string // "person title", as they came
	keys     map[string]int
	accepted map[string]bool
}

// faultyConfig pages ana at once and again by her phone after six seconds, and bob after nine.
const faultyConfig = `
organization: shop
interrupts: {at_most: unlimited}
users:
  ana:
    contacts: {pager: {webhook: '', via: ana}, phone: {webhook: '', via: phone}}
    notify: {high: [pager, {wait: 6s, by: phone}]}
  bob: {contacts: {pager: {webhook: '', via: bob}}}
connections:
  ana: {webhook: "PAGERS/ana"}
  phone: {webhook: "PAGERS/phone"}
  bob: {webhook: "PAGERS/bob"}
policies:
  p: {steps: [{notify: [user:ana], wait: 9s}, {notify: [user:bob], wait: 1h}]}
services:
  checkout: {policy: p}
integrations:
  own: {kind: muster, key: own-key-0123456789, service: checkout}
`

func newFaulty(t *testing.T, database string) *faulty {
	t.Helper()
	f := &faulty{t: t, log: &bytes.Buffer{}, keys: map[string]int{}, accepted: map[string]bool{}}
	f.pagers = httptest.NewServer(http.HandlerFunc(f.page))
	t.Cleanup(f.pagers.Close)
	f.s = testServer(t, func(o *serveOptions) {
		o.Database, o.Allow = database, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		o.Config = []config.File{{Name: "shop.yaml", Body: []byte(strings.ReplaceAll(faultyConfig, "PAGERS", f.pagers.URL))}}
		o.Log = slog.New(slog.NewTextHandler(&locked{w: f.log}, nil))
	})
	t.Cleanup(func() {
		if err := f.s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			lines := strings.Split(f.log.String(), "\n")
			t.Logf("the server logged:\n%s", strings.Join(lines[max(0, len(lines)-15):], "\n"))
		}
	})
	return f
}

// locked lets several write to one writer.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (f *faulty) page(_ http.ResponseWriter, r *http.Request) {
	var m struct {
		Type string `json:"type"`
		Data struct {
			Key      string `json:"key"`
			Incident struct{ Title string }
		} `json:"data"`
	}
	body, _ := io.ReadAll(r.Body)
	json.Unmarshal(body, &m)
	if !strings.HasSuffix(m.Type, "page") {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pages = append(f.pages, strings.TrimPrefix(r.URL.Path, "/")+" "+m.Data.Incident.Title)
	f.keys[r.Header.Get("Webhook-Id")]++
}

// paged waits for a page.
func (f *faulty) paged(who, title string, within time.Duration) {
	f.t.Helper()
	f.eventually(who+" is paged for "+title, within, func() bool { return f.times(who, title) > 0 })
}

func (f *faulty) times(who, title string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.pages {
		if p == who+" "+title {
			n++
		}
	}
	return n
}

func (f *faulty) eventually(what string, within time.Duration, so func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(within); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("not within %v: %s; paged were %q", within, what, f.pages)
		}
	}
}

// post sends an event, and notes if it was accepted.
func (f *faulty) post(key string, size int) (int, http.Header, string) {
	f.t.Helper()
	noise := make([]byte, size*3/4)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	event, _ := json.Marshal(map[string]any{"key": key, "title": key, "severity": "critical", "details": map[string][]byte{"noise": noise}})
	status, header, body := f.ask("POST", "/intake/events", "own-key-0123456789", string(event))
	if status == http.StatusAccepted {
		f.mu.Lock()
		f.accepted[key] = true
		f.mu.Unlock()
	}
	return status, header, body
}

func (f *faulty) ask(method, path, token, body string) (int, http.Header, string) {
	f.t.Helper()
	r, err := http.NewRequest(method, f.s.URL+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if method == "POST" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(got)
}

func (f *faulty) ready() bool {
	status, _, _ := f.ask("GET", "/readyz", "", "")
	return status == http.StatusOK
}

// refused checks the answer to an event while the database takes nothing.
func (f *faulty) refused(status int, header http.Header, body string, want int, says string) {
	f.t.Helper()
	var p struct {
		Status int
		Detail string
	}
	err := json.Unmarshal([]byte(body), &p)
	if err != nil || status != want || p.Status != want || header.Get("Retry-After") == "" || header.Get("Content-Type") != "application/problem+json" || !strings.Contains(p.Detail, says) {
		f.t.Errorf("answered %d, Retry-After %q, %s; want a problem with %d, Retry-After and %q (%v)", status, header.Get("Retry-After"), body, want, says, err)
	}
}

// whole checks that each event that was accepted opened an incident, and that
// none that was refused left anything; and that no page left twice.
func (f *faulty) whole(known ...string) {
	f.t.Helper()
	for _, key := range known {
		f.accepted[key] = true
	}
	_, _, body := f.ask("GET", "/api/v1/incidents?limit=200", testAdmin, "")
	var list struct {
		Incidents []struct {
			ID, Title string
			Number    int
		}
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Incidents) == 0 {
		f.t.Fatalf("%v: %s", err, body)
	}
	seen := map[string]bool{}
	for _, inc := range list.Incidents {
		if !f.accepted[inc.Title] || seen[inc.Title] {
			f.t.Errorf("incident #%d, %q, was refused or is there twice", inc.Number, inc.Title)
		}
		seen[inc.Title] = true
		if _, _, line := f.ask("GET", "/api/v1/incidents/"+inc.ID+"/timeline", testAdmin, ""); strings.Count(line, `"seq"`) < 3 {
			f.t.Errorf("incident #%d has half a timeline: %s", inc.Number, line)
		}
	}
	for key := range f.accepted {
		if !seen[key] {
			f.t.Errorf("%q was accepted and opened no incident", key)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, n := range f.keys {
		if n > 1 {
			f.t.Errorf("page %s left %d times", key, n)
		}
	}
}

// TestDiskFullOverHTTP fills the disk under a server: intake is refused with
// 507, while incidents still move on, people are paged and can acknowledge. When
// there is room again, all is as before, without a restart.
func TestDiskFullOverHTTP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=48m"); err != nil {
		t.Skipf("not here: a file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	f := newFaulty(t, filepath.Join(dir, "muster.db"))
	if status, _, body := f.post("before", 100); status != http.StatusAccepted {
		t.Fatalf("%d %s", status, body)
	}
	f.paged("ana", "before", 20*time.Second)

	filler := filepath.Join(dir, "filler")
	fill(t, dir, filler, 300_000)
	status, header, body := 0, http.Header(nil), ""
	for i := 0; i < 200 && status < 300; i++ {
		status, header, body = f.post(fmt.Sprint("flood", i), 100_000)
	}
	f.refused(status, header, body, http.StatusInsufficientStorage, "full")
	status, header, body = f.post("refused", 100)
	f.refused(status, header, body, http.StatusInsufficientStorage, "full")
	if f.ready() {
		t.Error("/readyz is green while the disk is full")
	}
	f.paged("phone", "before", 40*time.Second)
	f.paged("bob", "before", 40*time.Second)
	f.eventually("the receipts are stored", 20*time.Second, func() bool {
		_, _, line := f.ask("GET", "/api/v1/incidents/1/timeline", testAdmin, "")
		return strings.Count(line, `"notified"`) >= 3
	})
	if status, _, body := f.ask("POST", "/api/v1/incidents/1/acknowledge", testAdmin, "{}"); status != http.StatusOK {
		t.Errorf("acknowledge: %d %s", status, body)
	}
	if f.ready() {
		t.Error("/readyz is green while the disk is full")
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	f.eventually("ready again", 20*time.Second, f.ready)
	if status, _, body := f.post("after", 100); status != http.StatusAccepted {
		t.Errorf("after: %d %s", status, body)
	}
	f.paged("ana", "after", 20*time.Second)
	f.whole()
}

// fill leaves so many bytes free on the disk of a folder.
func fill(t *testing.T, dir, filler string, leave int64) {
	t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filler, make([]byte, int64(s.Bavail)*int64(s.Bsize)-leave), 0o600); err != nil {
		t.Fatal(err)
	}
}

// faultyDisk returns a disk that fails as it is told, and the folder that is on it.
func faultyDisk(t *testing.T) (disk *faultdisk.Disk, dir string) {
	t.Helper()
	dir = t.TempDir()
	disks, err := faultDisks()
	if err != nil {
		t.Fatal(err)
	}
	if disk, err = disks.Disk(dir); err != nil {
		t.Fatal(err)
	}
	return disk, dir
}

// TestReadOnlyDisk: the disk takes nothing any more, as file systems do after a
// fault. What is due leaves all the same, once; intake is refused.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	disk, dir := faultyDisk(t)
	f := newFaulty(t, filepath.Join(dir, "muster.db"))
	f.blind(func() (mend func()) {
		disk.Refuse(func(faultdisk.Step) error { return faultdisk.ErrReadOnly })
		return func() { disk.Refuse(nil) }
	}, "read", 8*time.Second)
}

// TestSlowDisk: a disk on which each sync takes a quarter of a second only makes
// everything slower.
func TestSlowDisk(t *testing.T) {
	t.Parallel()
	disk, dir := faultyDisk(t)
	f := newFaulty(t, filepath.Join(dir, "muster.db"))
	disk.SlowSync(250 * time.Millisecond)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 2 {
				if status, _, body := f.post(fmt.Sprintf("slow-%d-%d", i, j), 100); status != http.StatusAccepted {
					t.Errorf("%d %s", status, body)
				}
			}
		})
	}
	all.Wait()
	if !f.ready() {
		t.Error("/readyz is red though the database takes what is written")
	}
	f.paged("bob", "slow-0-0", 60*time.Second)
	f.whole()
}

// TestLockedFile: another process holds the file. Events wait, or are refused;
// what is due leaves, once.
func TestLockedFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "muster.db")
	f := newFaulty(t, path)
	f.blind(func() (mend func()) { return hold(t, "sqlite", "file:"+path, "BEGIN EXCLUSIVE") }, "holds", lockFor())
}

// TestLockedTables: another session of PostgreSQL holds the tables.
func TestLockedTables(t *testing.T) {
	t.Parallel()
	address := pgtest.DSN(t)
	f := newFaulty(t, address)
	f.blind(func() (mend func()) {
		return hold(t, "pgx", address, "BEGIN; LOCK TABLE incidents, outbox, alerts, timeline IN EXCLUSIVE MODE")
	}, "holds", lockFor())
}

// TestReadOnlyPostgres: the server fell back to reading only, as a standby or
// one whose disk is nearly full does.
func TestReadOnlyPostgres(t *testing.T) {
	t.Parallel()
	address := pgtest.DSN(t)
	f := newFaulty(t, address)
	f.blind(func() (mend func()) {
		db, err := sql.Open("pgx", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		set := func(value string) {
			var name string
			err := db.QueryRow("SELECT current_database()").Scan(&name)
			if err == nil {
				_, err = db.Exec(`BEGIN READ WRITE; ALTER DATABASE "` + name + `" SET default_transaction_read_only = ` + value + `; COMMIT;
					SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '` + name + `' AND pid <> pg_backend_pid()`)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		set("on")
		return func() { set("off") }
	}, "read", 8*time.Second)
}

// lockFor is how long others hold the database: longer than anyone waits for it.
func lockFor() time.Duration {
	if os.Getenv("MUSTER_LONG") != "" {
		return 20 * time.Second
	}
	return 13 * time.Second
}

// hold takes a lock until it is told to let go.
func hold(t *testing.T, driver, dsn, statement string) (release func()) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	conn, err := db.Conn(t.Context())
	for range 100 { // the server may be at it
		if _, err = conn.ExecContext(t.Context(), statement); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
			t.Error(err)
		}
		conn.Close()
	}
}

// blind harms the database for a while, in which a page of before comes due:
// it leaves then. Events are accepted or refused in clear words; the escalation
// that came due meanwhile goes on as soon as it can.
func (f *faulty) blind(harm func() (mend func()), says string, spell time.Duration) {
	t := f.t
	t.Helper()
	if status, _, body := f.post("before", 100); status != http.StatusAccepted {
		t.Fatalf("%d %s", status, body)
	}
	f.paged("ana", "before", 20*time.Second)
	f.eventually("its receipt is stored", 20*time.Second, func() bool {
		_, _, line := f.ask("GET", "/api/v1/incidents/1/timeline", testAdmin, "")
		return strings.Contains(line, `"notified"`)
	})
	mend := harm()
	harmed := time.Now()

	var all sync.WaitGroup
	refused := 0
	var unclear []error
	var unknown []string // refused, and perhaps written all the same
	var mu sync.Mutex
	for i := range 4 {
		all.Go(func() {
			for n := 0; time.Since(harmed) < spell; n++ {
				key := fmt.Sprintf("during-%d-%d", i, n)
				status, header, body := f.post(key, 100)
				mu.Lock()
				if status != http.StatusAccepted {
					refused++
					if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || !strings.Contains(body, `"detail"`) {
						unclear = append(unclear, fmt.Errorf("%d %s", status, body))
					} else if !strings.Contains(body, says) && refused > 8 {
						unclear = append(unclear, fmt.Errorf("it does not say %q: %s", says, body))
					}
				}
				mu.Unlock()
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	red := false
	for time.Since(harmed) < spell {
		red = red || !f.ready()
		time.Sleep(100 * time.Millisecond)
	}
	if f.times("phone", "before") != 1 {
		t.Errorf("the page that came due while nothing could be written left %d times, want once", f.times("phone", "before"))
	}
	mend()
	mended := time.Now()
	all.Wait()
	if err := errors.Join(unclear...); err != nil {
		t.Error(err)
	}
	if !red || refused == 0 {
		t.Errorf("/readyz was red: %t; %d events were refused", red, refused)
	}
	f.eventually("ready again", 20*time.Second, f.ready)
	f.paged("bob", "before", 20*time.Second)
	t.Logf("ready and climbing %v after it was over; %d events refused", time.Since(mended).Round(10*time.Millisecond), refused)
	if status, _, body := f.post("after", 100); status != http.StatusAccepted {
		t.Errorf("after: %d %s", status, body)
	}
	f.paged("ana", "after", 20*time.Second)
	f.eventually("the receipt of the page that left meanwhile is stored", 20*time.Second, func() bool {
		_, _, line := f.ask("GET", "/api/v1/incidents/1/timeline", testAdmin, "")
		return strings.Count(line, `"notified"`) >= 3 && strings.Contains(line, "while the database took nothing")
	})
	f.whole(unknown...)
}
