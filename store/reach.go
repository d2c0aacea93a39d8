package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	sqlitedriver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// reachWithin is how long a PostgreSQL may take to answer at all.
const reachWithin = 5 * time.Second

// Reach tells whether a PostgreSQL answers; of a file, Open tells soon enough.
func Reach(ctx context.Context, address string) error {
	if !isPostgres(address) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reachWithin)
	defer cancel()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return wrap("open database", err)
	}
	return wrap("open database", conn.Close(ctx))
}

// WorthWaiting tells whether an error of Reach or Open may go by itself: the
// database does not answer, has no room, or somebody holds it. A wrong password,
// a folder that is not there, or a schema that does not fit stay as they are.
func WorthWaiting(err error) bool {
	if errors.Is(err, ErrSchema) || errors.Is(err, ErrDamaged) || errors.Is(err, context.Canceled) {
		return false
	}
	if e, ok := errors.AsType[*sqlitedriver.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR:
			return true
		}
		return false
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code[:min(2, len(e.Code))] {
		case "08", "53", "57", "58": // connection, resources, an operator or a start under way, system
			return true
		}
		return e.Code == "25006" // it may only be read, for now
	}
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	return connecting || errors.Is(err, context.DeadlineExceeded)
}

// Reason says in a word, as Health does, why a database could not be opened.
func Reason(err error) string { return reasonOf(err) }
