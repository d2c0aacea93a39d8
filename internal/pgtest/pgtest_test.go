package pgtest_test

import (
	"bufio"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/pgtest"
)

// childEnv makes this test binary start a cluster, tell its URL, and wait to
// be killed.
const childEnv = "PGTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	c, err := pgtest.Start()
	if err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Stdout.WriteString(c.URL() + "\n")
	select {}
}

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func value(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	var v string
	if err := db.QueryRow(query).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// folder returns the folder that a cluster's URL leads to.
func folder(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil || u.Query().Get("host") == "" {
		t.Fatalf("%q names no folder (%v)", dsn, err)
	}
	return u.Query().Get("host")
}

func gone(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

func TestServerIsAsInProduction(t *testing.T) {
	db := open(t, pgtest.DSN(t))
	got := map[string]string{}
	for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes", "listen_addresses", "server_encoding", "TimeZone"} {
		got[name] = value(t, db, "SHOW "+name)
	}
	got["collation"] = value(t, db, "SELECT datcollate FROM pg_database WHERE datname = current_database()")
	want := map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
		"listen_addresses": "", "server_encoding": "UTF8", "TimeZone": "UTC", "collation": "C",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestDatabasesAreFreshAndDropped(t *testing.T) {
	const count = "SELECT count(*) FROM pg_database WHERE datname = '"
	admin := open(t, pgtest.DSN(t))
	var names []string
	t.Run("use", func(t *testing.T) {
		for range 2 {
			db := open(t, pgtest.DSN(t))
			if _, err := db.Exec("CREATE TABLE page (id TEXT)"); err != nil {
				t.Fatal(err) // the second would fail on the first one's table
			}
			names = append(names, value(t, db, "SELECT current_database()"))
		}
		for _, name := range names {
			if n := value(t, admin, count+name+"'"); n != "1" {
				t.Errorf("%s databases %s in use, want 1", n, name)
			}
		}
	})
	for _, name := range names {
		if n := value(t, admin, count+name+"'"); n != "0" {
			t.Errorf("%s databases %s after the test, want 0", n, name)
		}
	}
}

func TestRestartAndStop(t *testing.T) {
	c, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	defer func() {
		if !stopped {
			c.Stop()
		}
	}()
	t.Run("restart", func(t *testing.T) {
		dsn := c.NewDatabase(t)
		db := open(t, dsn)
		if _, err := db.Exec("CREATE TABLE page (mode TEXT)"); err != nil {
			t.Fatal(err)
		}
		started := value(t, db, "SELECT pg_postmaster_start_time()::text")
		for _, mode := range []string{"fast", "immediate"} {
			if _, err := db.Exec("INSERT INTO page VALUES ($1)", mode); err != nil {
				t.Fatal(err)
			}
			if err := c.Restart(mode); err != nil {
				t.Fatal(err)
			}
			db = open(t, dsn) // the old connection died with the server
			again := value(t, db, "SELECT pg_postmaster_start_time()::text")
			if again == started {
				t.Errorf("%s: the server did not restart", mode)
			}
			started = again
		}
		if got := value(t, db, "SELECT string_agg(mode, ' ' ORDER BY mode) FROM page"); got != "fast immediate" {
			t.Errorf("after two restarts the table holds %q", got)
		}
		if err := c.Restart("gently"); err == nil || !strings.Contains(err.Error(), "gently") {
			t.Errorf("error %v, want one that names the mode", err)
		}
	})
	dir := folder(t, c.URL())
	stopped = true
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if !gone(dir) {
		t.Errorf("%s is still there", dir)
	}
}

// Whoever kills a test must not be left with a server and a folder.
func TestNothingIsLeftOfAKilledProcess(t *testing.T) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childEnv+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	dsn := strings.TrimSpace(line)
	dir := folder(t, dsn)
	value(t, open(t, dsn), "SELECT 'alive'")
	pid, err := os.ReadFile(dir + "/data/postmaster.pid")
	if err != nil {
		t.Fatal(err)
	}

	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.Wait() // "signal: killed"

	deadline := time.Now().Add(20 * time.Second)
	for !gone(dir) {
		if time.Now().After(deadline) {
			t.Fatalf("%s is still there", dir)
		}
		time.Sleep(20 * time.Millisecond)
	}
	number, _, _ := strings.Cut(string(pid), "\n")
	if cmdline, _ := os.ReadFile("/proc/" + number + "/cmdline"); strings.Contains(string(cmdline), "postgres") {
		t.Errorf("server %s still runs: %q", number, cmdline)
	}
}

func BenchmarkNewDatabase(b *testing.B) {
	for b.Loop() {
		pgtest.DSN(b)
	}
}
