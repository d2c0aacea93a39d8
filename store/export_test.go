package store

import (
	"context"
	"database/sql"
)

// Queued counts the units that wait for the committer.
func (s *Store) Queued() int {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return len(s.queue.urgent) + s.queue.intake.waiting
}

// Exec runs a statement beside the committer, for what no unit would do.
func (s *Store) Exec(text string, args ...any) error {
	_, err := s.read.Exec(text, args...)
	return err
}

// QueryRow reads one value past the exported functions.
func (s *Store) QueryRow(text string, to any, args ...any) error {
	return s.read.QueryRow(text, args...).Scan(to)
}

// Ask returns the one value that a query of the transaction gives.
func (t *Tx) Ask(query string) (value string, err error) {
	err = t.b.c.conn.QueryRowContext(t.b.ctx, query).Scan(&value)
	return value, err
}

// Reader gives one of the readers' connections to a test alone.
func (s *Store) Reader(ctx context.Context) (*sql.Conn, error) { return s.read.Conn(ctx) }

// NextDueText is the statement of NextDue, for tests that ask how it is carried
// out.
const NextDueText = nextDue

// TurnLock is the number of the lock that goes with a turn.
const TurnLock = turnLock

// Forget empties the committer's cache: the next commit asks for everything.
func (t *Tx) Forget() { t.b.c.cache = newCache() }
