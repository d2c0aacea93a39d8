package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	sqlitedriver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// durable asks the database whether a commit is on disk when it says so, since
// that is what a 2xx promises. It refuses a PostgreSQL that answers a COMMIT
// before its log is written, and a SQLite file whose file system cannot have
// the write-ahead log; it warns of a server that never flushes.
func (s *Store) durable(ctx context.Context) error {
	settings := []struct{ ask, good, bad string }{
		{"PRAGMA journal_mode", "wal", "refused"},
		{"PRAGMA synchronous", "2", "refused"},
	}
	if s.dialect.name == postgres.name {
		settings = []struct{ ask, good, bad string }{
			{"SHOW synchronous_commit", "", "refused"}, // all but off flush here before they answer
			{"SHOW fsync", "on", "logged"},
			{"SHOW full_page_writes", "on", "logged"},
		}
	} else if s.read == s.write {
		return nil // in memory: there is nothing to be durable
	}
	for _, q := range settings {
		var got string
		if err := s.write.QueryRowContext(ctx, q.ask).Scan(&got); err != nil {
			return fmt.Errorf("%s: %w", q.ask, err)
		}
		switch {
		case got == q.good, q.good == "" && got != "off":
		case q.bad == "refused":
			return fmt.Errorf("%s says %q: an accepted signal could be lost in a power cut", q.ask, got)
		default:
			s.log.Error("the database may lose accepted signals in a power cut", "setting", q.ask, "value", got)
		}
	}
	return nil
}

// unavailable tells whether an error means that the database cannot write for
// now, whatever is written: the disk is full or gone, it is read-only, locked,
// or shutting down. A lost connection is no such error: the next try makes
// another.
func unavailable(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	if e, ok := errors.AsType[*sqlitedriver.Error](err); ok {
		return slices.Contains([]int{
			sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
			sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB,
		}, e.Code()&0xff)
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		// Appendix A of PostgreSQL's manual: insufficient resources, operator
		// intervention, system error; a transaction that may only read; a lock that
		// was not given in time.
		return slices.Contains([]string{"53", "57", "58"}, e.Code[:min(2, len(e.Code))]) || e.Code == "25006" || e.Code == "55P03"
	}
	return false
}
