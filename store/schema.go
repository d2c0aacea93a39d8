package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
)

// ErrSchema is that of a database whose schema this program cannot work with.
var ErrSchema = errors.New("the schema of the database does not fit this program")

// newestSchema is the number of the newest migration that this program knows.
func newestSchema() (newest int64) {
	entries, err := migrations.ReadDir("migrations")
	if err != nil {
		return 0 // they are part of the program
	}
	for _, e := range entries {
		number, _, _ := strings.Cut(e.Name(), "_")
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			newest = max(newest, n)
		}
	}
	return newest
}

// migrator makes migrations on a database.
func (d dialect) migrator(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	p, err := goose.NewProvider(d.goose, db, files, goose.WithDisableGlobalRegistry(true))
	return p, wrap("read migrations", err)
}

// up brings the schema up to a version.
func (d dialect) up(ctx context.Context, db *sql.DB, version int64) error {
	p, err := d.migrator(db)
	if err != nil {
		return err
	}
	_, err = p.UpTo(ctx, version)
	return wrap("migrate the database", err)
}

// down takes the schema down to a version; what newer ones kept in columns of
// their own is lost.
func (d dialect) down(ctx context.Context, db *sql.DB, version int64) error {
	p, err := d.migrator(db)
	if err != nil {
		return err
	}
	_, err = p.DownTo(ctx, version)
	return wrap("take the schema down", err)
}

// fits tells whether this program can work with a schema. Migrations only add
// what the version before does not need, so that during an upgrade servers of
// two versions that follow each other share one database; of what is two
// versions ahead, nobody has promised that.
func fits(schema, newest int64) error {
	if schema > newest+1 {
		return fmt.Errorf("%w: it has schema %d, this program is of schema %d and works with %d at most: start a newer Muster, or take the schema down with the newer one, all servers stopped: muster migrate --down-to %d",
			ErrSchema, schema, newest, newest+1, newest)
	}
	return nil
}

// Schema returns the version of a database's schema; 0 for an empty one. It
// changes nothing.
func Schema(ctx context.Context, address string) (version int64, err error) {
	err = offline(ctx, address, func(d dialect, db *sql.DB) error {
		version, err = d.schemaVersion(ctx, db)
		return err
	})
	return version, err
}

// NewestSchema is the version of the schema that this program makes.
func NewestSchema() int64 { return newestSchema() }

// Downgrade takes the schema of a database that no server uses down to a
// version, so that an older program can work with it, and returns what it was.
// Rows stay; what the newer version kept in columns and tables of its own is
// lost.
func Downgrade(ctx context.Context, address string, to int64) (from int64, err error) {
	err = offline(ctx, address, func(d dialect, db *sql.DB) error {
		if from, err = d.schemaVersion(ctx, db); err != nil {
			return err
		}
		newest := newestSchema()
		switch {
		case to < 1 || to > newest:
			return fmt.Errorf("%w: this program knows the schemas 1 to %d", ErrSchema, newest)
		case from > newest:
			return fmt.Errorf("%w: the database has schema %d, this program knows %d: the program that made it can take it down", ErrSchema, from, newest)
		case from < to:
			return fmt.Errorf("%w: the database has schema %d: there is nothing to take down", ErrSchema, from)
		}
		if d.name == postgres.name {
			err = alonePostgres(ctx, db)
		} else {
			err = aloneSQLite(ctx, db)
		}
		if err != nil {
			return err
		}
		return d.down(ctx, db, to)
	})
	return from, err
}

// offline opens a database for a command that needs no server.
func offline(ctx context.Context, address string, do func(d dialect, db *sql.DB) error) error {
	d, driver, dsn := postgres, "pgx", ""
	if isPostgres(address) {
		dsn = named(address)
	} else {
		path, err := sqlitePath(address)
		if err != nil {
			return err
		}
		if _, err := os.Stat(path); err != nil {
			return err // else SQLite would make one
		}
		d, driver, dsn = sqlite, "sqlite", "file:"+escaper.Replace(path)+"?_txlock=immediate&_pragma=busy_timeout(2000)&_pragma=synchronous(FULL)"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer db.Close()
	if d.name == sqlite.name {
		db.SetMaxOpenConns(1)
	}
	return do(d, db)
}
