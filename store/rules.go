package store

import (
	"context"
	"fmt"
	"time"
)

// A WindowCount is what a rule counted in one second of event time.
type WindowCount struct {
	Series     string
	Second     int64 // the second's end, in seconds since 1970 UTC
	Bad, Total int64
}

// PutWindows keeps counts of a rule; each replaces what was kept of its second.
func (t *Tx) PutWindows(org, rule string, counts []WindowCount) error {
	// PostgreSQL refuses a statement that writes a row twice.
	type second struct {
		series string
		at     int64
	}
	last := make(map[second]int, len(counts))
	for i, w := range counts {
		last[second{w.Series, w.Second}] = i
	}
	if len(last) < len(counts) {
		once := make([]WindowCount, 0, len(last))
		for i, w := range counts {
			if last[second{w.Series, w.Second}] == i {
				once = append(once, w)
			}
		}
		counts = once
	}
	return inChunks(len(counts), func(from, to int) error {
		args := make([]any, 0, 6*(to-from))
		for _, w := range counts[from:to] {
			args = append(args, org, rule, w.Series, w.Second, w.Bad, w.Total)
		}
		_, err := t.exec("keep window counts", t.b.c.rows(`
			INSERT INTO windows (org, rule, series, second, bad, total) VALUES `, to-from, 6, "", `
			ON CONFLICT (org, rule, series, second) DO UPDATE SET bad = excluded.bad, total = excluded.total`), args...)
		return err
	})
}

// Windows returns the counts of a rule in the seconds (from, to], of one series
// or of all of them (series is ignored), by second and series.
func (s *Store) Windows(ctx context.Context, org, rule, series string, all bool, from, to time.Time) ([]WindowCount, error) {
	text, args := `SELECT series, second, bad, total FROM windows WHERE org = $1 AND rule = $2 AND second > $3 AND second <= $4`, []any{org, rule, from.Unix(), to.Unix()}
	if !all {
		text, args = text+` AND series = $5`, append(args, series)
	}
	rows, err := s.read.QueryContext(ctx, text+` ORDER BY second, series`, args...)
	if err != nil {
		return nil, fmt.Errorf("windows of %s: %w", rule, err)
	}
	defer rows.Close()
	list := []WindowCount{}
	for rows.Next() {
		var w WindowCount
		if err := rows.Scan(&w.Series, &w.Second, &w.Bad, &w.Total); err != nil {
			return nil, fmt.Errorf("windows of %s: %w", rule, err)
		}
		list = append(list, w)
	}
	return list, rows.Err()
}

// PutRuleState keeps a rule's state: watermark, series, episodes.
func (t *Tx) PutRuleState(org, rule string, at time.Time, body []byte) error {
	_, err := t.exec("keep a rule's state", `
		INSERT INTO rule_states (org, rule, at, body) VALUES ($1, $2, $3, $4)
		ON CONFLICT (org, rule) DO UPDATE SET at = excluded.at, body = excluded.body`, org, rule, at.UnixMicro(), string(body))
	return err
}

// RuleState returns what PutRuleState kept, or ErrNotFound.
func (s *Store) RuleState(ctx context.Context, org, rule string) (body []byte, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT body FROM rule_states WHERE org = $1 AND rule = $2`, org, rule).Scan(&body)
	return body, notFound("state of rule "+rule, err)
}

// RuleStates returns what PutRuleState kept of all rules of an organization.
func (s *Store) RuleStates(ctx context.Context, org string) (bodies map[string][]byte, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT rule, body FROM rule_states WHERE org = $1`, org)
	if err != nil {
		return nil, fmt.Errorf("states of rules: %w", err)
	}
	defer rows.Close()
	bodies = map[string][]byte{}
	for rows.Next() {
		var rule string
		var body []byte
		if err := rows.Scan(&rule, &body); err != nil {
			return nil, fmt.Errorf("states of rules: %w", err)
		}
		bodies[rule] = body
	}
	return bodies, wrap("states of rules", rows.Err())
}

// DropRule forgets a rule's state, and its counts of the seconds after an
// instant: they speak of a question that nobody asks any more. Earlier counts
// stay, for charts.
func (t *Tx) DropRule(org, rule string, after time.Time) error {
	if _, err := t.exec("drop a rule's state", `DELETE FROM rule_states WHERE org = $1 AND rule = $2`, org, rule); err != nil {
		return err
	}
	_, err := t.exec("drop window counts", `DELETE FROM windows WHERE org = $1 AND rule = $2 AND second > $3`, org, rule, after.Unix())
	return err
}

// PutTail keeps how far a log file was read.
func (t *Tx) PutTail(org, source, path string, body []byte) error {
	_, err := t.exec("keep a tail's position", `
		INSERT INTO tails (org, source, path, body) VALUES ($1, $2, $3, $4)
		ON CONFLICT (org, source, path) DO UPDATE SET body = excluded.body`, org, source, path, string(body))
	return err
}

// Tail returns what PutTail kept, or ErrNotFound.
func (s *Store) Tail(ctx context.Context, org, source, path string) (body []byte, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT body FROM tails WHERE org = $1 AND source = $2 AND path = $3`, org, source, path).Scan(&body)
	return body, notFound("position in "+path, err)
}
