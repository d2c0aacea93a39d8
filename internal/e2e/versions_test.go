package e2e

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/store"
)

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
