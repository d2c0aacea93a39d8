package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/archive"
	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/store"
)

// newAddress returns where a database of a kind can be made.
func newAddress(t testing.TB, kind string) string {
	if kind == "postgres" {
		return pgtest.DSN(t)
	}
	return filepath.Join(t.TempDir(), "restored.db")
}

// backup makes a backup of a database in memory.
func backup(t testing.TB, address string) ([]byte, archive.Summary) {
	t.Helper()
	var b bytes.Buffer
	sum, err := store.Backup(t.Context(), address, &b, store.BackupOptions{Program: "test", Now: nine})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), sum
}

// testBackup: what is restored is what there was, row by row and table by
// table, whatever the rows hold, into both kinds of database.
func testBackup(t *testing.T, f fixture) {
	if f.kind == "memory" {
		if _, err := store.Backup(t.Context(), f.address, &bytes.Buffer{}, store.BackupOptions{}); err == nil {
			t.Error("a database in the memory of another is backed up")
		}
		return
	}
	random := rand.New(rand.NewPCG(15, 1))
	tables := must(f.Tables(t.Context()))(t)
	if len(tables) < 20 {
		t.Fatalf("%d tables", len(tables))
	}
	for _, table := range tables {
		fill(t, f.DB(), table, random, 60)
	}
	want := dump(t, f.Store)
	made, sum := backup(t, f.address)
	if sum.Header.Database != f.Dialect() || sum.Header.Schema != store.NewestSchema() || !sum.Header.MadeAt.Equal(nine) || sum.Size != int64(len(made)) {
		t.Errorf("summary %+v, %d bytes", sum, len(made))
	}
	for _, kind := range []string{"file", "postgres"} {
		address := newAddress(t, kind)
		restored := must(store.Restore(t.Context(), address, bytes.NewReader(made), store.RestoreOptions{Now: nine.Add(time.Hour)}))(t)
		if diff := cmp.Diff(sum, restored); diff != "" {
			t.Errorf("%s: summary (-made +restored):\n%s", kind, diff)
		}
		s := open(t, address)
		if n := must(s.Tables(t.Context()))(t); len(n) != len(tables) {
			t.Errorf("%s: %d tables, want %d", kind, len(n), len(tables))
		}
		got := dump(t, s)
		if n := len(got["restores"]); n != len(want["restores"])+1 {
			t.Errorf("%s: %d marks of a restore", kind, n)
		}
		got["restores"] = slices.DeleteFunc(got["restores"], func(row string) bool { return !slices.Contains(want["restores"], row) })
		for _, table := range tables {
			if diff := cmp.Diff(want[table.Name], got[table.Name]); diff != "" {
				t.Errorf("%s: table %s (-was +restored):\n%s", kind, table.Name, diff)
			}
		}
		if diff := cmp.Diff(indexes(t, f.Store), indexes(t, s)); f.Dialect() == s.Dialect() && diff != "" {
			t.Errorf("%s: indexes (-was +restored):\n%s", kind, diff)
		}
		// It is a database like any other: the same comes out of it again.
		if kind == f.kind {
			again, _ := backup(t, address)
			if n := must(archive.Verify(bytes.NewReader(again), nil))(t); n.Rows != sum.Rows+1 {
				t.Errorf("%s: a backup of what was restored has %d rows, want %d", kind, n.Rows, sum.Rows+1)
			}
		}
	}
}

// fill inserts rows of anything into a table.
func fill(t testing.TB, db *sql.DB, table archive.Table, random *rand.Rand, rows int) {
	t.Helper()
	var names, marks []string
	for i, c := range table.Columns {
		names, marks = append(names, c.Name), append(marks, fmt.Sprintf("$%d", i+1))
	}
	insert := fmt.Sprintf(`INSERT INTO %s (%s) VALUES (%s) ON CONFLICT DO NOTHING`, table.Name, strings.Join(names, ", "), strings.Join(marks, ", "))
	filled := 0
	for range rows {
		args := make([]any, len(table.Columns))
		for i, c := range table.Columns {
			args[i] = anything(random, c)
		}
		if _, err := db.Exec(insert, args...); err == nil {
			filled++
		}
	}
	if filled < rows/4 {
		t.Fatalf("table %s took %d of %d rows", table.Name, filled, rows)
	}
}

// anything is a value of a type, the odd ones often.
func anything(random *rand.Rand, column archive.Column) any {
	const runes = "aÿ\u0001\n\t'\"\\;%🔥\u202e\ufffd{}"
	n := random.IntN(40)
	switch random.IntN(200) {
	case 0:
		if column.Type == archive.Int { // SQLite would let even a key be NULL, if it is a text
			return nil
		}
	case 1:
		if column.Name == "body" { // no index of PostgreSQL could hold it
			n = 900_000
		}
	}
	switch column.Type {
	case archive.Int:
		return random.Int64() >> random.IntN(64) * int64(1-2*random.IntN(2))
	case archive.Bytes:
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	all, text := []rune(runes), make([]rune, n)
	for i := range text {
		text[i] = all[random.IntN(len(all))]
	}
	return string(text)
}

// dump returns all rows of all tables, each as a text, sorted.
func dump(t testing.TB, s *store.Store) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, table := range must(s.Tables(t.Context()))(t) {
		var names []string
		for _, c := range table.Columns {
			names = append(names, c.Name)
		}
		rows := must(s.DB().Query(`SELECT ` + strings.Join(names, ", ") + ` FROM ` + table.Name))(t)
		for rows.Next() {
			values := make([]any, len(names))
			into := make([]any, len(names))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			for i, v := range values {
				if b, ok := v.([]byte); ok && len(b) == 0 {
					values[i] = []byte{} // SQLite's driver has no bytes as nil
				}
			}
			all[table.Name] = append(all[table.Name], fmt.Sprintf("%#v", values))
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
		slices.Sort(all[table.Name])
	}
	return all
}

// indexes lists the names of all indexes.
func indexes(t testing.TB, s *store.Store) (names string) {
	t.Helper()
	text := `SELECT group_concat(name, ' ') FROM (SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name)`
	if s.Dialect() == "postgres" {
		text = `SELECT string_agg(indexname, ' ' ORDER BY indexname) FROM pg_indexes WHERE schemaname = current_schema()`
	}
	if err := s.QueryRow(text, &names); err != nil {
		t.Fatal(err)
	}
	return names
}

// testRestoreRefuses: what is there stays there, and what is in use is not
// touched, unless it is to be replaced.
func testRestoreRefuses(t *testing.T, f fixture) {
	if f.kind == "memory" {
		return
	}
	openIncident(t, f.Store, "o", "before", nine)
	made, _ := backup(t, f.address)

	address := newAddress(t, f.kind)
	ctx, cancel := context.WithCancel(context.Background())
	s := must(store.Open(t.Context(), address, discard))(t)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	restore := func(replace bool) error {
		_, err := store.Restore(t.Context(), address, bytes.NewReader(made), store.RestoreOptions{Now: nine, Replace: replace})
		return err
	}
	isError(t, restore(false), store.ErrInUse)
	openIncident(t, s, "o", "after", nine)
	isError(t, restore(false), store.ErrNotEmpty)
	isError(t, restore(true), store.ErrInUse)
	cancel()
	if err := errors.Join(<-ended, s.Close()); err != nil {
		t.Fatal(err)
	}
	isError(t, restore(false), store.ErrNotEmpty)
	damaged := slices.Clone(made)
	damaged[len(damaged)/2] ^= 1
	if _, err := store.Restore(t.Context(), address, bytes.NewReader(damaged), store.RestoreOptions{Now: nine, Replace: true}); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("a damaged one: %v", err)
	}
	titles := func(address string) (titles string) {
		s := must(store.Open(t.Context(), address, discard))(t)
		defer s.Close()
		for _, row := range dump(t, s)["incidents"] {
			titles += map[bool]string{true: "before ", false: "after "}[strings.Contains(row, "before")]
		}
		return titles
	}
	if got := titles(address); got != "after " {
		t.Fatalf("after refusals it holds %q", got)
	}
	if err := restore(true); err != nil {
		t.Fatal(err)
	}
	if got := titles(address); got != "before " {
		t.Errorf("it holds %q", got)
	}
	if f.kind == "file" {
		if got := titles(address + ".before-restore"); got != "after " {
			t.Errorf("what was there is kept as %q", got)
		}
		if left := must(filepath.Glob(address + ".restoring*"))(t); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	}
	if err := restore(false); !errors.Is(err, store.ErrNotEmpty) {
		t.Errorf("over what was restored: %v", err)
	}
}

// testBackupUnderLoad: a backup is of one instant, whatever is committed while
// it is made: no incident without its timeline, no number twice, and everything
// that was committed before.
func testBackupUnderLoad(t *testing.T, f fixture) {
	if f.kind == "memory" {
		return
	}
	for i := range 50 {
		openIncident(t, f.Store, "o", fmt.Sprint("early ", i), nine)
	}
	stop, ended := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { ended <- n }()
		for {
			select {
			case <-stop:
				return
			default:
				openIncident(t, f.Store, "o", fmt.Sprint("late ", n), nine)
				n++
			}
		}
	}()
	for range 5 {
		made, _ := backup(t, f.address)
		address := newAddress(t, "file")
		must(store.Restore(t.Context(), address, bytes.NewReader(made), store.RestoreOptions{Now: nine}))(t)
		s := open(t, address)
		var incidents, entries, highest int
		for text, to := range map[string]*int{
			`SELECT count(*) FROM incidents`:                   &incidents,
			`SELECT count(DISTINCT incident) FROM timeline`:    &entries,
			`SELECT value FROM counters WHERE name='incident'`: &highest,
		} {
			if err := s.QueryRow(text, to); err != nil {
				t.Fatal(err)
			}
		}
		if incidents < 50 || entries != incidents || highest != incidents {
			t.Errorf("%d incidents, %d with a timeline, numbers up to %d", incidents, entries, highest)
		}
	}
	close(stop)
	if n := <-ended; n < 5 {
		t.Errorf("%d incidents were opened while five backups were made", n)
	}
}

// TestRestoreOlderSchema: a backup of the version before is restored and
// brought up to date; one of a newer version is refused.
func TestRestoreOlderSchema(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"file", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			address := newAddress(t, kind)
			s := must(store.Open(t.Context(), address, discard))(t)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := store.Downgrade(t.Context(), address, 1); err != nil {
				t.Fatal(err)
			}
			made, sum := backup(t, address)
			if sum.Header.Schema != 1 {
				t.Fatalf("schema %d", sum.Header.Schema)
			}
			to := newAddress(t, kind)
			must(store.Restore(t.Context(), to, bytes.NewReader(made), store.RestoreOptions{Now: nine}))(t)
			if got := must(store.Schema(t.Context(), to))(t); got != store.NewestSchema() {
				t.Errorf("restored with schema %d", got)
			}

			h := sum.Header
			h.Schema = store.NewestSchema() + 1
			var newer bytes.Buffer
			w := must(archive.NewWriter(&newer, h))(t)
			for range h.Tables {
				if err := w.EndTable(); err != nil {
					t.Fatal(err)
				}
			}
			must(w.Close(nil))(t)
			_, err := store.Restore(t.Context(), newAddress(t, kind), bytes.NewReader(newer.Bytes()), store.RestoreOptions{Now: nine})
			isError(t, err, store.ErrSchema)
		})
	}
}

// TestRestoreKeepsMode: the file that takes the place of another has its mode.
func TestRestoreKeepsMode(t *testing.T) {
	t.Parallel()
	from, to := newAddress(t, "file"), newAddress(t, "file")
	s := must(store.Open(t.Context(), from, discard))(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	made, _ := backup(t, from)
	if err := os.WriteFile(to, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	must(store.Restore(t.Context(), to, bytes.NewReader(made), store.RestoreOptions{Now: nine}))(t)
	if mode := must(os.Stat(to))(t).Mode().Perm(); mode != 0o640 {
		t.Errorf("mode %04o", mode)
	}
}
