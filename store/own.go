package store

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// ErrTaken refuses a SQLite file to a second server.
var ErrTaken = errors.New("another process serves this database")

// Own takes a SQLite file for this server alone, until Close or the end of the
// process, however it ends: two would send everything twice, and each would free
// what the other is about to send. A lock file beside it says so to other servers;
// whoever only reads or backs up needs no leave. On PostgreSQL servers share.
func (s *Store) Own() error {
	if s.file == "" {
		return nil
	}
	name := s.file + ".lock"
	lock, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("take the database for this server: %w", err)
	}
	if err := flock(lock); err != nil {
		holder, _ := os.ReadFile(name) // for people; it may be empty
		lock.Close()
		return fmt.Errorf("%w (%s): SQLite is for one server, several share a PostgreSQL", ErrTaken, strings.TrimSpace("process "+string(holder)))
	}
	if err := lock.Truncate(0); err == nil {
		fmt.Fprintln(lock, os.Getpid())
	}
	s.lock = lock
	return nil
}
