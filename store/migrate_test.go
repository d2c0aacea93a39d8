package store_test

import (
	"database/sql"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/store"
)

// testMigrations: the schema can be taken down and put up again, and is the
// same then.
func testMigrations(t *testing.T, f fixture) {
	if f.kind == "memory" {
		return // the same SQL as in a file, and one connection
	}
	driver, dialect, catalogue := "sqlite", goose.DialectSQLite3, `SELECT coalesce(group_concat(name, ' '), '') FROM (SELECT name FROM sqlite_master WHERE name NOT LIKE '%goose%' AND name NOT LIKE 'sqlite_%' ORDER BY name)`
	if f.kind == "postgres" {
		driver, dialect, catalogue = "pgx", goose.DialectPostgres, `SELECT coalesce(string_agg(relname, ' ' ORDER BY relname), '') FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'public' AND relname NOT LIKE '%goose%'`
	}
	db := must(sql.Open(driver, f.address))(t)
	defer db.Close()
	relations := func() (names string) {
		t.Helper()
		if err := db.QueryRow(catalogue).Scan(&names); err != nil {
			t.Fatal(err)
		}
		return names
	}
	before := relations()
	if !strings.Contains(before, "incidents_open") {
		t.Fatalf("relations %q", before)
	}
	files := must(fs.Sub(os.DirFS("."), "migrations"))(t)
	p := must(goose.NewProvider(dialect, db, files, goose.WithDisableGlobalRegistry(true)))(t)
	if _, err := p.DownTo(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if names := relations(); names != "" {
		t.Errorf("the way down leaves %q", names)
	}
	if _, err := p.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, relations()); diff != "" {
		t.Errorf("down and up again (-before +after):\n%s", diff)
	}
	again := open(t, f.address) // nothing to do
	openIncident(t, again, "o", "g", nine)
}

// TestReplicasStartTogether: several programs that open an empty database at
// once all find the schema.
func TestReplicasStartTogether(t *testing.T) {
	t.Parallel()
	address := pgtest.DSN(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			s, err := store.Open(t.Context(), address, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if err := s.Ping(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := s.Organizations(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestMigrateUnderLoad: servers of the version before commit while a newer one
// brings the schema up. Their commits wait for it, and none fails; a reader that
// holds what the migration needs, and needs what it holds, is got over.
func TestMigrateUnderLoad(t *testing.T) {
	t.Parallel()
	address := pgtest.DSN(t)
	s := must(store.Open(t.Context(), address, slog.New(slog.DiscardHandler)))(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	must(store.Downgrade(t.Context(), address, 1))(t)

	db := must(sql.Open("pgx", address))(t)
	defer db.Close()
	var load sync.WaitGroup
	var commits atomic.Int64
	stop := make(chan struct{})
	commit := func() error {
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		defer tx.Rollback()
		for _, text := range []string{ // in the order of a commit, which is not that of the migration
			fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, store.TurnLock), `UPDATE incidents SET version = version`, `SELECT pg_sleep(0.02)`,
			`UPDATE outbox SET attempt = attempt`, `UPDATE runs SET attempt = attempt`,
		} {
			if _, err := tx.Exec(text); err != nil {
				return err
			}
		}
		return tx.Commit()
	}
	for range 2 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := commit(); err != nil {
					t.Errorf("a commit failed: %v", err)
				}
				commits.Add(1)
			}
		})
	}
	more := func() {
		for until := commits.Load() + 20; commits.Load() < until; {
			time.Sleep(time.Millisecond)
		}
	}
	reader := must(db.Begin())(t)
	defer reader.Rollback()
	must(reader.Exec(`SELECT count(*) FROM incidents`))(t)
	more()
	load.Go(func() { // the reader goes on once the migration waits for it
		waits := false
		for end := time.Now().Add(20 * time.Second); !waits && time.Now().Before(end); time.Sleep(time.Millisecond) {
			if err := db.QueryRow(`SELECT count(*) > 0 FROM pg_locks WHERE relation = 'incidents'::regclass AND mode = 'AccessExclusiveLock' AND NOT granted`).Scan(&waits); err != nil {
				t.Error(err)
			}
		}
		if !waits {
			t.Error("the migration never waited for the reader")
		}
		reader.Exec(`SELECT count(*) FROM outbox`) // PostgreSQL chooses which of the two gives way
		reader.Rollback()
	})
	newer, err := store.Open(t.Context(), address, slog.New(slog.DiscardHandler))
	if err == nil {
		defer newer.Close()
		more()
	}
	close(stop)
	load.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if schema := must(store.Schema(t.Context(), address))(t); schema != store.NewestSchema() {
		t.Errorf("the schema is %d", schema)
	}
}
