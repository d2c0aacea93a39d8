package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/store"
)

// TestDurability: a PostgreSQL that answers a COMMIT before it is on disk is
// refused, and one that never flushes is complained of.
func TestDurability(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"on", "local", "off"} {
		s, err := store.Open(t.Context(), pgtest.DSN(t)+"&synchronous_commit="+level, slog.New(slog.DiscardHandler))
		if err == nil {
			s.Close()
		}
		if refused := err != nil && strings.Contains(err.Error(), `SHOW synchronous_commit says "off"`); refused != (level == "off") || (err != nil) != refused {
			t.Errorf("synchronous_commit = %s: %v", level, err)
		}
	}

	cluster := must(pgtest.Start())(t)
	t.Cleanup(func() { cluster.Stop() })
	address := cluster.NewDatabase(t)
	s := must(store.Open(t.Context(), address, slog.New(slog.DiscardHandler)))(t)
	if err := s.Ping(t.Context()); err != nil || s.Dialect() != "postgres" {
		t.Errorf("dialect %s, %v", s.Dialect(), err)
	}
	if err := s.Exec("ALTER SYSTEM SET fsync = off"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := cluster.Restart("fast"); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s, err := store.Open(t.Context(), address, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "fsync") {
		t.Errorf("the log says %q, want an error about fsync", log.String())
	}
}

// TestSQLiteIsDurable asks the connection that writes, inside of a unit.
func TestSQLiteIsDurable(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "it's 100% mine?#.db"))
	for ask, want := range map[string]string{"PRAGMA journal_mode": "wal", "PRAGMA synchronous": "2", "PRAGMA foreign_keys": "1"} {
		write(t, s, func(tx *store.Tx) error {
			if got, err := tx.Ask(ask); got != want || err != nil {
				t.Errorf("%s: %q, %v; want %q", ask, got, err, want)
			}
			return nil
		})
	}
}

// TestOpenRefuses: what is no database is refused, and no password is shown.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"mysql://root:hunter2@localhost/x",
		"postgres://muster:hunter2@127.0.0.1:1/x?connect_timeout=1",
		"postgres://muster:hunter2@127.0.0.1:port/x",
		"postgresql://muster:hunter2@/x?host=/nowhere&sslmode=odd",
		filepath.Join(t.TempDir(), "no", "such", "folder.db"),
	} {
		s, err := store.Open(t.Context(), address, slog.New(slog.DiscardHandler))
		if err == nil {
			s.Close()
			t.Errorf("%s was opened", address)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

// TestRestart: a unit after a crash of PostgreSQL is written on a new
// connection; nothing that was answered is lost, and the committer lives.
func TestRestart(t *testing.T) {
	t.Parallel()
	cluster := must(pgtest.Start())(t)
	t.Cleanup(func() { cluster.Stop() })
	s := open(t, cluster.NewDatabase(t))
	for i, mode := range []string{"immediate", "fast"} {
		openIncident(t, s, "o", "before"+mode, nine)
		if err := cluster.Restart(mode); err != nil {
			t.Fatal(err)
		}
		write(t, s, func(tx *store.Tx) error { return oneOfEach(tx, "after"+mode) })
		var list []incident.Incident
		var err error
		for range 9 { // each of the readers' connections may find out for itself
			if list, err = s.Incidents(t.Context(), "o", store.IncidentFilter{Limit: 10}); err == nil {
				break
			}
		}
		if err != nil || len(list) != 2*(i+1) {
			t.Errorf("after the restart %q there are %d incidents (%v), want %d", mode, len(list), err, 2*(i+1))
		}
	}
}

// TestDiskFull: while the disk is full every unit is told at once that the
// database is not available; when there is room again, the next one is written.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "muster.db"))
	openIncident(t, s, "o", "before", nine)
	pages := func(n string) {
		t.Helper()
		write(t, s, func(tx *store.Tx) error { _, err := tx.Ask("PRAGMA max_page_count = " + n); return err })
	}
	pages("1") // SQLite takes what the file has
	var units []func(*store.Tx) error
	ran := 0
	for i := range 64 {
		units = append(units, func(tx *store.Tx) error {
			ran++
			return tx.PutTail("o", "s", fmt.Sprint(i), bytes.Repeat([]byte("x"), 100_000))
		})
	}
	for i, err := range together(t, s, units...) {
		if !errors.Is(err, store.ErrBusy) || !strings.Contains(err.Error(), "full") {
			t.Fatalf("unit %d: error %v, want ErrBusy that says why", i, err)
		}
	}
	if ran > 2*len(units) {
		t.Errorf("units ran %d times, want once at most, and once more when the reserve is given up", ran)
	}
	pages("1000000")
	write(t, s, units[0])
	if n := len(must(s.Incidents(t.Context(), "o", store.IncidentFilter{Limit: 9}))(t)); n != 1 {
		t.Errorf("%d incidents, want the one from before", n)
	}
}
