package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/musterhq/muster/internal/archive"
	"github.com/musterhq/muster/internal/id"
)

// Errors of a restore that callers tell apart.
var (
	ErrNotEmpty = errors.New("the database is not empty") // and was not to be replaced
	ErrInUse    = errors.New("the database is in use")    // by a server, or another program
)

// RestoreOptions say how a restore is done.
type RestoreOptions struct {
	Now      time.Time // for the mark that a restore leaves, see Restores
	Replace  bool      // what the database holds now
	Progress func(table string, rows int64)
	Log      *slog.Logger
}

// Restore puts an archive into an empty database: all of it, or nothing. The
// archive is read twice: at first to check it, and only then is anything
// written. With Replace, what a SQLite file held stays beside it as
// FILE.before-restore; what PostgreSQL held is gone.
//
// It writes the rows as they were, and one more into the table restores: the
// engine that starts next judges anew what was due in the meantime.
func Restore(ctx context.Context, address string, from io.ReadSeeker, o RestoreOptions) (archive.Summary, error) {
	sum, err := archive.Verify(from, nil)
	if err != nil {
		return sum, err
	}
	if newest := newestSchema(); sum.Header.Schema > newest {
		return sum, fmt.Errorf("%w: the backup has schema %d, this program knows %d: restore it with the program that made it (%s), or a newer one",
			ErrSchema, sum.Header.Schema, newest, sum.Header.Program)
	}
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return sum, err
	}
	r, err := archive.NewReader(from)
	if err != nil {
		return sum, err
	}
	if o.Progress == nil {
		o.Progress = func(string, int64) {}
	}
	if isPostgres(address) {
		return sum, restorePostgres(ctx, address, r, o)
	}
	path, err := sqlitePath(address)
	if err != nil {
		return sum, err
	}
	return sum, restoreSQLite(ctx, path, r, o)
}

// sameTables tells in which an archive and the schema that it says it has
// differ. The order of columns may.
func sameTables(have, want []archive.Table) error {
	byName := map[string]archive.Table{}
	for _, t := range have {
		byName[t.Name] = t
	}
	for _, t := range want {
		if !sameColumns(byName[t.Name].Columns, t.Columns) {
			return fmt.Errorf("table %s of the backup is not that of schema as this program makes it", t.Name)
		}
		delete(byName, t.Name)
	}
	for name := range byName {
		return fmt.Errorf("the backup has no table %s", name)
	}
	return nil
}

func sameColumns(a, b []archive.Column) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(c archive.Column) bool { return !slices.Contains(b, c) })
}

// copyTables gives the blocks of each table to load.
func copyTables(r *archive.Reader, load func(t archive.Table, next func() ([]byte, error)) error) error {
	for {
		t, more, err := r.NextTable()
		if err != nil || !more {
			return err
		}
		if err := load(t, r.NextBlock); err != nil {
			return fmt.Errorf("restore of table %s: %w", t.Name, err)
		}
	}
}

// markRestored is the statement that leaves the mark of a restore.
const markRestored = `INSERT INTO restores (id, made_at, restored_at, judged_at) VALUES ($1, $2, $3, NULL)`

func markArgs(h archive.Header, o RestoreOptions) []any {
	return []any{id.New(o.Now), h.MadeAt.UnixMicro(), o.Now.UnixMicro()}
}
