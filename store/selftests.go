package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/musterhq/muster/gate"
)

// A Selftest is a self-test that a gate reported.
type Selftest struct {
	ID, Org, Gate string

	Result string // the sender's id of it: reported twice, it counts once
	At     time.Time
	Body   gate.Selftest
}

// AddSelftest keeps a self-test, and tells whether it is new.
func (t *Tx) AddSelftest(s Selftest) (bool, error) {
	body, err := json.Marshal(s.Body)
	if err != nil {
		return false, fmt.Errorf("keep a self-test: %w", err)
	}
	good := 0
	if s.Body.Good {
		good = 1
	}
	res, err := t.exec("keep a self-test", `
		INSERT INTO selftests (id, org, gate, result, good, at, body) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (org, gate, result) DO NOTHING`,
		s.ID, s.Org, s.Gate, s.Result, good, s.At.UnixMicro(), string(body))
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, wrap("keep a self-test", err)
}

// LastGoodSelftest returns when a gate last passed a self-test, as this
// transaction sees it; the zero instant if it is not known.
func (t *Tx) LastGoodSelftest(org, gateSlug string) (last time.Time, err error) {
	one := question{"self-test", `SELECT at FROM selftests WHERE org = $1 AND gate = $2 AND good = 1 ORDER BY at DESC LIMIT 1`, []any{org, gateSlug}, func(scan func(...any) error) error {
		var at int64
		if err := scan(&at); err != nil {
			return err
		}
		last = time.UnixMicro(at).UTC()
		return nil
	}}
	if err := t.b.c.ask(t.b.ctx, []question{one}); err != nil {
		return last, t.b.fail("self-test", err)
	}
	return last, nil
}

// Selftests lists the self-tests of a gate, newest first.
func (s *Store) Selftests(ctx context.Context, org, gateSlug string, limit int) ([]Selftest, error) {
	return s.selftests(ctx, org, gateSlug, `SELECT id, at, body FROM selftests WHERE org = $1 AND gate = $2 ORDER BY id DESC LIMIT $3`, org, gateSlug, limit)
}

// GoodSelftest returns the last self-test that a gate passed, if it is known.
func (s *Store) GoodSelftest(ctx context.Context, org, gateSlug string) (t Selftest, known bool, err error) {
	list, err := s.selftests(ctx, org, gateSlug, `SELECT id, at, body FROM selftests WHERE org = $1 AND gate = $2 AND good = 1 ORDER BY at DESC LIMIT 1`, org, gateSlug)
	if err != nil || len(list) == 0 {
		return t, false, err
	}
	return list[0], true, nil
}

func (s *Store) selftests(ctx context.Context, org, gateSlug, text string, args ...any) ([]Selftest, error) {
	rows, err := s.read.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("self-tests: %w", err)
	}
	defer rows.Close()
	list := []Selftest{}
	for rows.Next() {
		one := Selftest{Org: org, Gate: gateSlug}
		var at int64
		var body []byte
		if err := rows.Scan(&one.ID, &at, &body); err != nil {
			return nil, fmt.Errorf("self-tests: %w", err)
		}
		if err := json.Unmarshal(body, &one.Body); err != nil {
			return nil, fmt.Errorf("self-tests: unreadable row: %w", err)
		}
		one.At = time.UnixMicro(at).UTC()
		list = append(list, one)
	}
	return list, wrap("self-tests", rows.Err())
}
