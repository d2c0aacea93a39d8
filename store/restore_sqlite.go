package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	sqlitedriver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/musterhq/muster/internal/archive"
)

// Endings of files beside a SQLite database.
const (
	restoringFile = ".restoring"
	beforeRestore = ".before-restore"
)

// restoreSQLite makes a new file beside the database and puts it in its place
// when it is whole and on disk. Until then it may be lost in a power cut, so
// that nothing is flushed on the way.
func restoreSQLite(ctx context.Context, path string, r *archive.Reader, o RestoreOptions) (err error) {
	old, err := freeSQLite(ctx, path, o.Replace)
	if err != nil {
		return err
	}
	made := path + restoringFile
	if err := os.Remove(made); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(made, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(made) // it has another name if all went well
	defer f.Close()
	if err := fillSQLite(ctx, made, r, o); err != nil {
		return err
	}
	if old != nil { // the server may run as somebody else than who restores
		if s, ok := old.Sys().(*syscall.Stat_t); ok {
			f.Chown(int(s.Uid), int(s.Gid)) // allowed to root alone, who alone needs it
		}
		if err := f.Chmod(old.Mode().Perm()); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if old != nil && old.Size() > 0 && o.Replace {
		if err := os.Rename(path, path+beforeRestore); err != nil {
			return err
		}
	}
	if err := os.Rename(made, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// freeSQLite looks whether a database may be put where a path says: nothing is
// there, or a database without rows, or one that is to be replaced; and nobody
// has it open.
func freeSQLite(ctx context.Context, path string, replace bool) (fs.FileInfo, error) {
	old, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil || old.Size() == 0 {
		return old, err
	}
	db, err := sql.Open("sqlite", "file:"+escaper.Replace(path)+"?_pragma=busy_timeout(0)")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if !replace {
		tables, err := sqlite.catalog(ctx, db)
		if err != nil {
			return nil, fmt.Errorf("database %s: %w", path, err)
		}
		filled, err := filledTable(ctx, db, tables)
		if err != nil {
			return nil, err
		}
		if filled != "" {
			return nil, fmt.Errorf("database %s: %w: its table %s has rows", path, ErrNotEmpty, filled)
		}
	}
	if err := aloneSQLite(ctx, db); errors.Is(err, ErrInUse) || err != nil && !replace {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	return old, nil // a damaged one may be replaced: that is what backups are for
}

// aloneSQLite tells whether others have the file open: to leave the write-ahead
// log is allowed to its only user. That also takes what is in the log into the
// file.
func aloneSQLite(ctx context.Context, db *sql.DB) error {
	var mode string
	err := db.QueryRowContext(ctx, "PRAGMA journal_mode=DELETE").Scan(&mode)
	if e, ok := errors.AsType[*sqlitedriver.Error](err); ok && e.Code()&0xff == sqlite3.SQLITE_BUSY || err == nil && mode != "delete" {
		return fmt.Errorf("%w: stop the server first", ErrInUse)
	}
	return err
}

// loading: nothing is promised of the file before it is whole.
const loading = "_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=locking_mode(EXCLUSIVE)&_pragma=cache_size(-65536)&_pragma=temp_store(FILE)"

func fillSQLite(ctx context.Context, path string, r *archive.Reader, o RestoreOptions) error {
	db, err := sql.Open("sqlite", "file:"+escaper.Replace(path)+"?"+loading)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if err := sqlite.up(ctx, db, r.Header.Schema); err != nil {
		return err
	}
	tables, err := sqlite.catalog(ctx, db)
	if err != nil {
		return err
	}
	if err := sameTables(tables, r.Header.Tables); err != nil {
		return err
	}
	indexes, err := sqlite.takeIndexes(ctx, db)
	if err != nil {
		return err
	}
	if err := loadSQLite(ctx, db, r, o); err != nil {
		return err
	}
	for _, text := range indexes {
		o.Progress("indexes", 0)
		if _, err := db.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("make an index: %w", err)
		}
	}
	if err := sqlite.up(ctx, db, newestSchema()); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, markRestored, markArgs(r.Header, o)...); err != nil {
		return fmt.Errorf("mark the restore: %w", err)
	}
	if _, err := db.ExecContext(ctx, "PRAGMA optimize=0x10002"); err != nil { // as tables that grew are analyzed
		return err
	}
	return db.Close()
}

func loadSQLite(ctx context.Context, db *sql.DB, r *archive.Reader, o RestoreOptions) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	err = copyTables(r, func(t archive.Table, next func() ([]byte, error)) error {
		l := &loader{ctx: ctx, tx: tx, table: t}
		for {
			block, err := next()
			if err != nil || block == nil {
				return errors.Join(err, l.close())
			}
			if err := archive.Rows(block, len(t.Columns), l.row); err != nil {
				return err
			}
			if err := l.flush(); err != nil { // its arguments point into the block
				return err
			}
			o.Progress(t.Name, l.rows)
		}
	})
	if err != nil {
		return err
	}
	return tx.Commit()
}

// A loader inserts rows, many with each statement.
type loader struct {
	ctx   context.Context
	tx    *sql.Tx
	table archive.Table
	args  []any
	rows  int64
	many  *sql.Stmt
}

// loadRows is how many rows one statement inserts.
const loadRows = 50

func (l *loader) row(row [][]byte) error {
	for i, v := range row {
		switch n, ok := archive.ParseInt(v); {
		case v == nil:
			l.args = append(l.args, nil)
		case l.table.Columns[i].Type == archive.Bytes:
			l.args = append(l.args, v)
		case l.table.Columns[i].Type == archive.Text:
			l.args = append(l.args, string(v))
		case ok:
			l.args = append(l.args, n)
		default:
			return fmt.Errorf("row %d: column %s is no integer", l.rows+1, l.table.Columns[i].Name)
		}
	}
	if l.rows++; len(l.args) == loadRows*len(row) {
		return l.flush()
	}
	return nil
}

func (l *loader) flush() (err error) {
	columns := len(l.table.Columns)
	n := len(l.args) / columns
	if n == 0 {
		return nil
	}
	if n == loadRows {
		if l.many == nil {
			if l.many, err = l.tx.PrepareContext(l.ctx, l.insert(n)); err != nil {
				return err
			}
		}
		_, err = l.many.ExecContext(l.ctx, l.args...)
	} else {
		_, err = l.tx.ExecContext(l.ctx, l.insert(n), l.args...)
	}
	l.args = l.args[:0]
	return err
}

func (l *loader) insert(n int) string {
	tuple := `(` + strings.Repeat(`?, `, len(l.table.Columns)-1) + `?)`
	return `INSERT INTO ` + l.table.Name + ` (` + columnList(l.table) + `) VALUES ` + strings.Repeat(tuple+`, `, n-1) + tuple
}

func (l *loader) close() error {
	if l.many == nil {
		return nil
	}
	return l.many.Close()
}

// takeIndexes drops the indexes that statements made, and returns those
// statements: a table is filled faster without.
func (d dialect) takeIndexes(ctx context.Context, db execer) (again []string, err error) {
	text := `SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name`
	if d.name == postgres.name {
		text = `
			SELECT c.relname, pg_get_indexdef(c.oid) FROM pg_class AS c JOIN pg_index AS i ON i.indexrelid = c.oid
			WHERE c.relnamespace = current_schema()::regnamespace AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = c.oid) ORDER BY c.relname`
	}
	rows, err := db.QueryContext(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("list the indexes: %w", err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name, made string
		if err := rows.Scan(&name, &made); err != nil {
			return nil, fmt.Errorf("list the indexes: %w", err)
		}
		names, again = append(names, name), append(again, made)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list the indexes: %w", err)
	}
	rows.Close()
	for _, name := range names {
		if _, err := db.ExecContext(ctx, `DROP INDEX `+name); err != nil {
			return nil, fmt.Errorf("drop index %s: %w", name, err)
		}
	}
	return again, nil
}

type execer interface {
	asker
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func syncFolder(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
