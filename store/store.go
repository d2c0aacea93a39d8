// Package store is all the SQL of Muster: one schema and one set of statements
// for SQLite and PostgreSQL. It knows rows, transactions and leases; it decides
// nothing about incidents and never asks what time it is.
//
// Everything that is written goes through one committer (Run), which takes what
// is queued, at most batchEvents events, and commits it as one transaction: so
// that one fsync serves many requests. Write returns when its unit is durable.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the PostgreSQL driver
	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the SQLite driver

	"github.com/musterhq/muster/incident"
)

// Errors that callers tell apart.
var (
	ErrNotFound = errors.New("not found")
	ErrMoved    = errors.New("changed meanwhile") // someone saved it after it was read
	ErrExists   = errors.New("exists already")
	ErrBusy     = errors.New("the database is not available") // worth another try later
	ErrWritten  = errors.New("written before")                // by an earlier try, whose answer was lost
)

//go:embed migrations/*.sql
var migrations embed.FS

// A Store is an open database.
type Store struct {
	write   *sql.DB // one connection on SQLite, which allows one writer
	read    *sql.DB
	beat    *sql.DB // of PostgreSQL: what must not wait for a commit or a report
	dialect dialect
	log     *slog.Logger
	replica string      // who claims; "" on SQLite
	sole    atomic.Bool // this process has the right to send without a claim
	file    string      // of SQLite, if it is one
	lock    *os.File

	queue   *queue
	health  *health
	reserve reserve
	wake    func(Woken)
	panics  func(p any, stack []byte)
	still   func(incident.Status) []string
	budget  func(org string) (b incident.Budget, limited bool)
	at      func(station string)
	commits atomic.Int64
	units   atomic.Int64
}

// Woken says which loops have something new to do after a commit; Incidents,
// that an incident is due, or an alert expires, at another time than before.
type Woken struct{ Outbox, Incidents, Runs, Config bool }

// dialect holds the few fragments in which the databases differ.
type dialect struct {
	name   string // "sqlite" or "postgres"
	driver string
	goose  goose.Dialect
}

var sqlite = dialect{name: "sqlite", driver: "sqlite", goose: goose.DialectSQLite3}

var postgres = dialect{name: "postgres", driver: "pgx", goose: goose.DialectPostgres}

// Open opens a database and brings its schema up to date. The address is
// "postgres://…", a path of a SQLite file, or ":memory:". The caller runs Run,
// without which nothing is written, and closes the store after it.
func Open(ctx context.Context, address string, log *slog.Logger) (*Store, error) {
	s := &Store{log: log, queue: newQueue(), health: newHealth(), wake: func(Woken) {}, still: func(incident.Status) []string { return nil }, budget: func(string) (b incident.Budget, limited bool) { return }, at: func(string) {}}
	var err error
	deep := false
	switch {
	case strings.HasPrefix(address, "postgres://"), strings.HasPrefix(address, "postgresql://"):
		err = s.openPostgres(address)
	case address == ":memory:":
		s.dialect = sqlite
		if s.write, err = sql.Open("sqlite", "file::memory:?"+sqlitePragmas); err == nil {
			s.write.SetMaxOpenConns(1)
			s.read = s.write
		}
	case strings.Contains(address, "://"):
		return nil, fmt.Errorf("database %q: want :memory:, postgres://… or a file path", scheme(address))
	default:
		if deep, err = whole(address, log); err == nil {
			err = s.openSQLite(address)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := s.begin(ctx, deep); err != nil {
		s.Close()
		return nil, asDamaged(s.file, err)
	}
	return s, nil
}

// begin looks whether the database can be worked with, and brings its schema up
// to date. Deep means that all of a SQLite file is to be read before.
func (s *Store) begin(ctx context.Context, deep bool) error {
	if err := s.durable(ctx); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	if deep {
		s.log.Warn("the database is shorter than its log says; all of it is read before anything is served", "file", s.file)
		if err := checkAll(ctx, s.write, s.file); err != nil {
			return err
		}
	}
	if err := s.migrate(ctx); err != nil || s.file == "" {
		return err
	}
	return s.checkRoots(ctx)
}

// sqlitePragmas: FULL, because 202 promises "on disk"; temp_store in memory,
// because a multi-row insert under a unique index journals there.
const sqlitePragmas = "_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
	"&_pragma=temp_store(MEMORY)&_pragma=cache_size(-16000)&_pragma=wal_autocheckpoint(4000)&_pragma=foreign_keys(ON)"

func (s *Store) openSQLite(path string) error {
	s.dialect, s.file, s.reserve.path = sqlite, path, path+"-reserve"
	dsn := "file:" + escaper.Replace(path) + "?" + sqlitePragmas
	var err error
	if s.write, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if s.read, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	keepOpen(s.read, 4)
	return nil
}

var escaper = strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23")

func (s *Store) openPostgres(address string) error {
	s.dialect = postgres
	d, err := newDoor(address)
	if err != nil {
		return err
	}
	s.write, s.read = sql.OpenDB(d), sql.OpenDB(d)
	s.write.SetMaxOpenConns(2)
	keepOpen(s.read, 8)
	if d, err = newDoor(address); err != nil { // its own: this replica must not be silent because others knock
		return err
	}
	s.beat = sql.OpenDB(d)
	s.beat.SetMaxOpenConns(1)
	return nil
}

// keepOpen sets how many readers there are at most. Those that a burst opened
// stay for the next one: a new connection costs a process on PostgreSQL and the
// schema on SQLite, and every statement is to be prepared anew.
func keepOpen(db *sql.DB, most int) {
	db.SetMaxOpenConns(most)
	db.SetMaxIdleConns(most)
	db.SetConnMaxIdleTime(5 * time.Minute)
}

func scheme(address string) string {
	before, _, _ := strings.Cut(address, "://")
	return before + "://…"
}

// migrate brings the schema up to date, or refuses one that is too new. One that
// is a version ahead is worked with as it is: servers of the next version run
// already, or an upgrade was taken back.
func (s *Store) migrate(ctx context.Context) error {
	if s.dialect.name == postgres.name {
		// Replicas that start together migrate one after the other.
		unlock, err := s.advisory(ctx, migrationKey)
		if err != nil {
			return err
		}
		defer unlock()
	}
	schema, err := s.dialect.schemaVersion(ctx, s.write)
	if err != nil {
		return err
	}
	newest := newestSchema()
	if err := fits(schema, newest); err != nil {
		return err
	}
	if schema > newest {
		s.log.Warn("the database has the schema of the next version: this server works with it, and should be upgraded soon", "schema", schema, "own", newest)
		return nil
	}
	// Servers of the version before may be at work: their commits wait, and a
	// reader that holds what the migration needs, and needs what it holds, makes
	// one of the two try again.
	if s.dialect.name == postgres.name && schema < newest {
		unlock, err := s.advisory(ctx, turnLock)
		if err != nil {
			return err
		}
		defer unlock()
	}
	for try := 1; ; try++ {
		err := s.dialect.up(ctx, s.write, newest)
		if err == nil {
			return s.shape(ctx)
		}
		if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != deadlock || try == migrateTries {
			return err
		}
		s.log.Warn("the migration met a reader, and is tried again", "try", try)
	}
}

// shape tells PostgreSQL how tables lie on its pages, where that is not so yet.
// Alerts and incidents are written anew again and again: with room beside each
// row for its next version, no index is touched and the dead version goes with
// the page's next reader; without it, each commit of a storm makes the table, and
// six indexes, longer. Segments are compressed by us.
func (s *Store) shape(ctx context.Context) error {
	if s.dialect.name != postgres.name {
		return nil
	}
	var shaped bool
	err := s.write.QueryRowContext(ctx, `SELECT 'fillfactor=50' = ANY(reloptions) IS TRUE FROM pg_class WHERE oid = 'alerts'::regclass`).Scan(&shaped)
	if err == nil && !shaped {
		_, err = s.write.ExecContext(ctx, `
			ALTER TABLE incidents SET (fillfactor = 50);
			ALTER TABLE segments ALTER COLUMN body SET STORAGE EXTERNAL;
			ALTER TABLE alerts SET (fillfactor = 50)`, pgx.QueryExecModeSimpleProtocol)
	}
	return wrap("shape the tables", err)
}

// deadlock is PostgreSQL's code of one.
const deadlock = "40P01"

// migrateTries bounds how often a migration that deadlocked is tried.
const migrateTries = 10

// migrationKey names PostgreSQL's advisory lock of this program's migrations: "muster".
const migrationKey = 0x6d7573746572

// advisory takes an advisory lock of PostgreSQL on a connection of its own.
func (s *Store) advisory(ctx context.Context, key int64) (unlock func(), err error) {
	conn, err := s.read.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, key); err != nil {
		conn.Close()
		return nil, fmt.Errorf("wait for migrations: %w", err)
	}
	return func() {
		conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, key)
		conn.Close()
	}, nil
}

// OnCommit sets what is told after each commit which loops have work. Set it
// before Run.
func (s *Store) OnCommit(wake func(Woken)) { s.wake = wake }

// StandStill sets which channels' messages stay as they are while their incident
// has a status, whatever else of it changes: no edit of them is put into the
// outbox, only to be dropped there. Set it before Run.
func (s *Store) StandStill(channels func(incident.Status) []string) { s.still = channels }

// Interrupts sets what says how often a person of an organization may be
// interrupted; limited is false where there is no limit. Set it before Run.
func (s *Store) Interrupts(budget func(org string) (b incident.Budget, limited bool)) {
	s.budget = budget
}

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.read.PingContext(ctx) }

// Dialect is "sqlite" or "postgres".
func (s *Store) Dialect() string { return s.dialect.name }

// Stats counts the commits and the units that they held.
func (s *Store) Stats() (commits, units int64) { return s.commits.Load(), s.units.Load() }

// Close closes the database. Units still queued fail with ErrBusy.
func (s *Store) Close() error {
	s.queue.close()
	var errs []error
	if s.read != nil && s.read != s.write {
		errs = append(errs, s.read.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	if s.beat != nil {
		errs = append(errs, s.beat.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
		s.lock = nil
	}
	return errors.Join(errs...)
}

// micros is how an instant is stored; the zero instant is NULL.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// instant is the inverse of micros.
func instant(us sql.NullInt64) time.Time {
	if !us.Valid {
		return time.Time{}
	}
	return time.UnixMicro(us.Int64).UTC()
}
