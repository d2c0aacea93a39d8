package store_test

import (
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/store"
)

// told is what a store told of its health, as "reason" or "ok".
type told struct {
	mu   sync.Mutex
	list []string
}

func (h *told) hear(s store.Health) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.OK {
		s.Reason = "ok"
	}
	h.list = append(h.list, s.Reason)
}

func (h *told) heard() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.list...)
}

// eventually waits, for long enough for a loaded machine.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for range 1200 {
		if so() {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("not within 30 s: %s", what)
}

// TestHealth: without any unit to write, the committer finds that the database
// takes nothing, why, and that it takes writes again; intake is refused
// meanwhile without a try.
func TestHealth(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct {
		name, address, reason string
		stop                  func(*testing.T, *store.Store) (mend func())
	}{
		{"sqlite", filepath.Join(t.TempDir(), "muster.db"), store.Locked, lockFile},
		{"postgres", pgtest.DSN(t), store.ReadOnly, readOnly},
	} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			s, err := store.Open(t.Context(), kind.address, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			var h told
			s.OnHealth(func() time.Time { return nine }, h.hear)
			run(t, s)
			eventually(t, "well at first", func() bool { return s.Health() == store.Health{OK: true, Since: nine} })
			mend := kind.stop(t, s)
			eventually(t, "found out", func() bool { return !s.Health().OK })
			if err := s.Write(t.Context(), func(tx *store.Tx) error { return oneOfEach(tx, "x") }); !errors.Is(err, store.ErrBusy) {
				t.Errorf("a unit ended with %v, want ErrBusy", err)
			}
			ran := false
			err = s.Write(t.Context(), func(*store.Tx) error { ran = true; return nil }, store.Events(1))
			var u *store.Unavailable
			if !errors.As(err, &u) || u.Reason != kind.reason || !errors.Is(err, store.ErrBusy) || ran {
				t.Errorf("intake ended with %v (ran: %t), want that it is %s, without a try", err, ran, kind.reason)
			}
			mend()
			eventually(t, "well again by itself", func() bool { return s.Health().OK })
			write(t, s, func(tx *store.Tx) error { return oneOfEach(tx, "y") }, store.Events(1))
			if diff := cmp.Diff([]string{kind.reason, "ok"}, h.heard()); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// lockFile holds the write lock of a SQLite file from another connection.
func lockFile(t *testing.T, s *store.Store) (mend func()) {
	write(t, s, func(tx *store.Tx) error { _, err := tx.Ask("PRAGMA busy_timeout = 20"); return err })
	conn, err := s.Reader(t.Context())
	if err == nil {
		_, err = conn.ExecContext(t.Context(), "BEGIN EXCLUSIVE")
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
			t.Error(err)
		}
		conn.Close()
	}
}

// readOnly makes a database of PostgreSQL one that only takes what asks to write;
// nothing of Muster does.
func readOnly(t *testing.T, s *store.Store) (mend func()) {
	set := func(value string) {
		var name string
		err := s.QueryRow("SELECT current_database()", &name)
		if err == nil {
			err = s.Exec(`BEGIN READ WRITE; ALTER DATABASE "` + name + `" SET default_transaction_read_only = ` + value + `; COMMIT;
				SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '` + name + `' AND pid <> pg_backend_pid()`)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	set("on")
	return func() { set("off") }
}
