package store_test

import (
	"database/sql"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

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
