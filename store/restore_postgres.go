package store

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/musterhq/muster/internal/archive"
)

// restorePostgres fills the tables in one transaction: a crash leaves what was
// there. A server that starts meanwhile waits for its end, as for a migration.
func restorePostgres(ctx context.Context, address string, r *archive.Reader, o RestoreOptions) error {
	return withPostgres(ctx, address, func(db *sql.DB, conn *sql.Conn, raw *pgx.Conn) error {
		if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, migrationKey); err != nil {
			return fmt.Errorf("wait for migrations: %w", err)
		}
		defer conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, migrationKey)
		if err := freePostgres(ctx, db, r.Header.Schema, o.Replace); err != nil {
			return err
		}
		tables, err := postgres.catalog(ctx, conn)
		if err != nil {
			return err
		}
		if err := sameTables(tables, r.Header.Tables); err != nil {
			return err
		}
		if err := fillPostgres(ctx, conn, raw, r, o); err != nil {
			return err
		}
		if err := postgres.up(ctx, db, newestSchema()); err != nil {
			return err
		}
		if _, err := conn.ExecContext(ctx, markRestored, markArgs(r.Header, o)...); err != nil {
			return fmt.Errorf("mark the restore: %w", err)
		}
		_, err = conn.ExecContext(ctx, "ANALYZE") // else the first lists read whole tables
		return err
	})
}

// freePostgres looks whether the database may be filled, and gives it the schema
// of the backup. Rows that are to be replaced stay until all of it is loaded.
func freePostgres(ctx context.Context, db *sql.DB, schema int64, replace bool) error {
	tables, err := postgres.catalog(ctx, db)
	if err != nil {
		return err
	}
	filled, err := filledTable(ctx, db, tables)
	if err != nil {
		return err
	}
	if filled != "" && !replace {
		return fmt.Errorf("%w: its table %s has rows", ErrNotEmpty, filled)
	}
	if err := alonePostgres(ctx, db); err != nil {
		return err
	}
	version, err := postgres.schemaVersion(ctx, db)
	if err != nil {
		return err
	}
	if newest := newestSchema(); version > newest {
		return fmt.Errorf("%w: the database has schema %d, this program knows %d: empty it first (drop and create the database)", ErrSchema, version, newest)
	}
	if version > schema {
		return postgres.down(ctx, db, schema)
	}
	return postgres.up(ctx, db, schema)
}

// alonePostgres tells whether others than this program are connected to the
// database. To see what they are, one must be their owner or a superuser; that
// they are there, everybody sees.
func alonePostgres(ctx context.Context, db *sql.DB) error {
	for look := 1; ; look++ {
		var others int
		var names sql.NullString
		err := db.QueryRowContext(ctx, `
			SELECT count(*), string_agg(DISTINCT coalesce(nullif(application_name, ''), usename), ', ') FROM pg_stat_activity
			WHERE datname = current_database() AND backend_type = 'client backend' AND coalesce(application_name, '') <> '`+offlineName+`'`).Scan(&others, &names)
		if err != nil {
			return fmt.Errorf("who uses the database: %w", err)
		}
		if others == 0 {
			return nil
		}
		if look == 10 {
			return fmt.Errorf("%w: %d connections (%s): stop the servers first", ErrInUse, others, names.String)
		}
		select { // PostgreSQL takes a moment to see that a server which has just ended is gone
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// offlineName is how this program's own connections are told from others'.
const offlineName = "muster-offline"

func fillPostgres(ctx context.Context, conn *sql.Conn, raw *pgx.Conn, r *archive.Reader, o RestoreOptions) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, t := range r.Header.Tables {
		if _, err := tx.ExecContext(ctx, `TRUNCATE `+t.Name); err != nil {
			return err
		}
	}
	indexes, err := postgres.takeIndexes(ctx, tx)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `SET LOCAL maintenance_work_mem = '256MB'`); err != nil {
		return err
	}
	err = copyTables(r, func(t archive.Table, next func() ([]byte, error)) error {
		in := &copyWriter{next: next, told: func(rows int64) { o.Progress(t.Name, rows) }}
		in.head = append(in.head, copySignature...)
		in.head = append(in.head, 0, 0, 0, 0, 0, 0, 0, 0)
		in.columns = len(t.Columns)
		_, err := raw.PgConn().CopyFrom(ctx, in, `COPY `+t.Name+` (`+columnList(t)+`) FROM STDIN (FORMAT binary)`)
		return err
	})
	if err != nil {
		return err
	}
	for _, text := range indexes {
		o.Progress("indexes", 0)
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("make an index: %w", err)
		}
	}
	return tx.Commit()
}

// copyWriter is what COPY … FROM STDIN (FORMAT binary) reads: the blocks of a
// table as they are, between a head and an end.
type copyWriter struct {
	next    func() ([]byte, error)
	told    func(rows int64)
	columns int
	rows    int64
	head    []byte
	block   bytes.Reader
	ended   bool
}

func (c *copyWriter) Read(into []byte) (int, error) {
	if len(c.head) > 0 {
		n := copy(into, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	for c.block.Len() == 0 {
		if c.ended {
			return 0, io.EOF
		}
		block, err := c.next()
		if err != nil {
			return 0, err
		}
		if block == nil {
			c.ended, block = true, []byte{0xff, 0xff}
		} else {
			archive.Rows(block, c.columns, func([][]byte) error { c.rows++; return nil }) // the reader has checked it
			c.told(c.rows)
		}
		c.block.Reset(block)
	}
	return c.block.Read(into)
}

// named gives an address the name that its connections have on the server.
func named(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address // whoever opens it says what is wrong with it
	}
	query := u.Query()
	query.Set("application_name", offlineName)
	u.RawQuery = query.Encode()
	return u.String()
}
