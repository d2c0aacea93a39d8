package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/musterhq/muster/internal/archive"
)

// BackupOptions say how a backup is made.
type BackupOptions struct {
	Program  string    // its version, for the header
	Now      time.Time // for the header
	Progress func(table string, rows int64)
}

// Backup writes all rows of a database as an archive: those of one instant,
// while servers write to it. It takes no lock that a writer waits for: on SQLite
// it reads a snapshot of the write-ahead log, which grows meanwhile; on
// PostgreSQL it is one transaction, REPEATABLE READ. It migrates nothing.
// Secrets stay sealed in it, and the key is not part of a database.
func Backup(ctx context.Context, address string, to io.Writer, o BackupOptions) (archive.Summary, error) {
	if isPostgres(address) {
		return backupPostgres(ctx, address, to, o)
	}
	path, err := sqlitePath(address)
	if err != nil {
		return archive.Summary{}, err
	}
	return backupSQLite(ctx, path, to, o)
}

func isPostgres(address string) bool {
	return strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://")
}

// sqlitePath is the path of a SQLite file that commands without a server work on.
func sqlitePath(address string) (string, error) {
	if address == ":memory:" {
		return "", errors.New("database :memory: belongs to the process that opened it")
	}
	if strings.Contains(address, "://") {
		return "", fmt.Errorf("database %q: want postgres://… or a file path", scheme(address))
	}
	return address, nil
}

func (d dialect) begin(ctx context.Context, from asker, to io.Writer, o BackupOptions) (*export, error) {
	version, err := d.schemaVersion(ctx, from)
	if err != nil {
		return nil, err
	}
	if version == 0 {
		return nil, errors.New("the database is none of Muster's: it has no schema")
	}
	tables, err := d.catalog(ctx, from)
	if err != nil {
		return nil, err
	}
	h := archive.Header{Schema: version, Database: d.name, Program: o.Program, MadeAt: o.Now.UTC(), Tables: tables}
	w, err := archive.NewWriter(to, h)
	if err != nil {
		return nil, err
	}
	return &export{Writer: w, tables: tables, keys: map[string]bool{}, progress: o.Progress}, nil
}

// An export is an archive that is written.
type export struct {
	*archive.Writer
	tables   []archive.Table
	table    string
	rows     int64
	keys     map[string]bool
	progress func(table string, rows int64)
}

// sealedBy finds the id of the key that a secret is sealed with, see package seal.
var sealedBy = regexp.MustCompile(`\b([0-9a-f]{8}):[A-Za-z0-9_-]{16}:[A-Za-z0-9_-]{22,}`)

func (e *export) row(tuple []byte) error {
	if e.table == "resources" { // the one table that has secrets
		for _, found := range sealedBy.FindAllSubmatch(tuple, -1) {
			e.keys[string(found[1])] = true
		}
	}
	e.rows++
	if e.progress != nil && e.rows%10000 == 0 {
		e.progress(e.table, e.rows)
	}
	return e.Row(tuple)
}

func (e *export) end() (archive.Summary, error) { return e.Close(slices.Sorted(maps.Keys(e.keys))) }

func backupSQLite(ctx context.Context, path string, to io.Writer, o BackupOptions) (archive.Summary, error) {
	if _, err := os.Stat(path); err != nil {
		return archive.Summary{}, err // else SQLite would make one
	}
	db, err := sql.Open("sqlite", "file:"+escaper.Replace(path)+"?_pragma=busy_timeout(10000)&_pragma=query_only(ON)")
	if err != nil {
		return archive.Summary{}, err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return archive.Summary{}, fmt.Errorf("open database: %w", err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil { // the snapshot begins with the first read
		return archive.Summary{}, fmt.Errorf("backup: %w", err)
	}
	defer conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	if err := checkAll(ctx, conn, path); err != nil { // a damaged one could be read with rows left out
		return archive.Summary{}, err
	}
	e, err := sqlite.begin(ctx, conn, to, o)
	if err != nil {
		return archive.Summary{}, err
	}
	for _, t := range e.tables {
		if err := e.readSQLite(ctx, conn, t); err != nil {
			return archive.Summary{}, fmt.Errorf("backup of table %s: %w", t.Name, err)
		}
	}
	return e.end()
}

// readSQLite writes the rows of a table. A value of another type than its
// column's, which SQLite would let pass, ends the backup: it could not be
// restored.
func (e *export) readSQLite(ctx context.Context, conn *sql.Conn, t archive.Table) error {
	e.table, e.rows = t.Name, 0
	rows, err := conn.QueryContext(ctx, `SELECT `+columnList(t)+` FROM `+t.Name)
	if err != nil {
		return err
	}
	defer rows.Close()
	values, into := make([]any, len(t.Columns)), make([]any, len(t.Columns))
	for i := range values {
		into[i] = &values[i]
	}
	var tuple []byte
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		tuple = archive.AppendTuple(tuple[:0], len(values))
		for i, v := range values {
			var ok bool
			if tuple, ok = appendValue(tuple, t.Columns[i].Type, v); !ok {
				return fmt.Errorf("row %d: column %s holds a %T", e.rows+1, t.Columns[i].Name, v)
			}
		}
		if err := e.row(tuple); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return e.EndTable()
}

func appendValue(dst []byte, kind archive.Type, v any) ([]byte, bool) {
	switch v := v.(type) {
	case nil:
		return archive.AppendNull(dst), true
	case int64:
		return archive.AppendInt(dst, v), kind == archive.Int
	case string:
		return archive.AppendBytes(dst, v), kind != archive.Int
	case []byte:
		return archive.AppendBytes(dst, v), kind != archive.Int
	}
	return dst, false
}

func backupPostgres(ctx context.Context, address string, to io.Writer, o BackupOptions) (archive.Summary, error) {
	var sum archive.Summary
	err := withPostgres(ctx, address, func(db *sql.DB, conn *sql.Conn, raw *pgx.Conn) error {
		if _, err := conn.ExecContext(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
			return err
		}
		defer conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		e, err := postgres.begin(ctx, conn, to, o)
		if err != nil {
			return err
		}
		for _, t := range e.tables {
			e.table, e.rows = t.Name, 0
			copied := &copyReader{row: e.row}
			_, err := raw.PgConn().CopyTo(ctx, copied, `COPY `+t.Name+` (`+columnList(t)+`) TO STDOUT (FORMAT binary)`)
			if err == nil && !copied.ended {
				err = errors.New("the copy has no end")
			}
			if err == nil {
				err = e.EndTable()
			}
			if err != nil {
				return fmt.Errorf("backup of table %s: %w", t.Name, err)
			}
		}
		sum, err = e.end()
		return err
	})
	return sum, err
}

// withPostgres gives one connection to a function, as both drivers have it.
func withPostgres(ctx context.Context, address string, do func(db *sql.DB, conn *sql.Conn, raw *pgx.Conn) error) error {
	db, err := sql.Open("pgx", named(address))
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer conn.Close()
	var raw *pgx.Conn
	err = conn.Raw(func(driver any) error {
		raw = driver.(interface{ Conn() *pgx.Conn }).Conn()
		return nil
	})
	if err != nil {
		return err
	}
	return do(db, conn, raw)
}

// copyReader cuts what COPY … TO STDOUT (FORMAT binary) sends into rows.
type copyReader struct {
	row   func(tuple []byte) error
	begun bool // the head was read
	ended bool
	rest  []byte // what is no whole row yet
}

const copySignature = "PGCOPY\n\xff\r\n\x00"

func (c *copyReader) Write(b []byte) (int, error) {
	data := b
	if len(c.rest) > 0 {
		c.rest = append(c.rest, b...)
		data = c.rest
	}
	if !c.begun {
		if len(data) < 19 {
			c.rest = append(c.rest[:0], data...)
			return len(b), nil
		}
		more := int(binary.BigEndian.Uint32(data[15:]))
		if string(data[:11]) != copySignature || more != 0 {
			return 0, errors.New("the server's COPY has another form")
		}
		c.begun, data = true, data[19:]
	}
	for {
		size, last := tupleSize(data)
		switch {
		case last:
			c.ended, c.rest = true, nil
			return len(b), nil
		case size == 0:
			c.rest = append(c.rest[:0], data...)
			return len(b), nil
		}
		if err := c.row(data[:size]); err != nil {
			return 0, err
		}
		data = data[size:]
	}
}

// tupleSize is the size of the row that data begins with: 0 if not all of it is
// there. Last says that the end of the copy is.
func tupleSize(data []byte) (size int, last bool) {
	if len(data) < 2 {
		return 0, false
	}
	columns := int16(binary.BigEndian.Uint16(data))
	if columns < 0 {
		return 2, true
	}
	size = 2
	for range columns {
		if len(data) < size+4 {
			return 0, false
		}
		n := int(int32(binary.BigEndian.Uint32(data[size:])))
		if size += 4 + max(0, n); len(data) < size {
			return 0, false
		}
	}
	return size, false
}
