package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
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

// Statements that are carried out at each turn of the couriers, for tests that
// ask how.
const (
	NextDueText         = nextDue
	DueDestinationsText = dueDestinations
	InterruptsText      = recentInterrupts
)

// ClaimText is the statement that claims the rows of a destination.
func (s *Store) ClaimText(destination string, since, now time.Time) (string, []any) {
	return s.claimText(now, now.Add(time.Minute), 8, 8, []dueAt{{destination, since.UnixMicro()}}, nil, false)
}

// TurnLock is the number of the lock that goes with a turn.
const TurnLock = turnLock

// Forget empties the committer's cache: the next commit asks for everything.
func (t *Tx) Forget() { t.b.c.cache = newCache() }

// AuditStatements are the auditor's looks, with literals for their arguments.
func AuditStatements() map[string]string {
	fill := func(text string, args ...string) string {
		for i := len(args); i > 0; i-- {
			text = strings.ReplaceAll(text, fmt.Sprintf("$%d", i), args[i-1])
		}
		return text
	}
	return map[string]string{
		"idle": fill(auditIdle, "10"), "settled": fill(auditSettled, "10"), "overdue": fill(auditOverdue, "1", "10"), "far": fill(auditFar, "9000000000000000", "10"),
		"behind": fill(auditBehind, "'o'", "''", "10"), "behind, its end": fill(auditBehindEnd, "'o'", "''", "9"),
		"orphans": fill(auditOrphans, "'o'", "''", "10", "5"), "orphans, their end": fill(auditOrphansEnd, "'o'", "''", "9"), "an orphan": fill(auditAlert, "'x'"),
		"messages": fill(auditMessages, "''", "'z'", "10"), "messages, their end": fill(auditMessagesEnd, "''", "10"),
		"destinations": fill(auditNextPlace, "''"), "pending": fill(auditPending, "'d'", "10"), "runs": fill(auditRuns, "''", "10"), "counter": fill(auditCounter, "'o'"),
		"rows in quarantine": auditQuarantinedRows, "incidents in quarantine": auditQuarantinedIncidents,
	}
}

// AlertsPlan and RunsPlan tell which index SQLite takes for these lists.
func (s *Store) AlertsPlan(ctx context.Context, org string, f AlertFilter) (string, error) {
	text, args := f.query(org)
	return s.plan(ctx, text, args...)
}

func (s *Store) RunsPlan(ctx context.Context, org, incident string) (string, error) {
	return s.plan(ctx, runsOfIncident, org, incident)
}

func (s *Store) plan(ctx context.Context, text string, args ...any) (plan string, err error) {
	var id, parent, unused int
	err = s.read.QueryRowContext(ctx, "EXPLAIN QUERY PLAN "+text, args...).Scan(&id, &parent, &unused, &plan)
	return plan, err
}
