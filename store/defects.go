package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/musterhq/muster/gate"
)

const (
	gateRunsKept  = 90 * 24 * time.Hour
	selftestsKept = 400 * 24 * time.Hour // longer than any gate may go without one
)

// A GateRun is what a gate reported once; Body is what the engine makes of it.
type GateRun struct {
	ID, Org, Gate, Suite string

	Result string // the sender's id of it: reported twice, it counts once
	At     time.Time
	Body   []byte
}

// AddGateRun keeps what a gate reported, and tells whether it is new.
func (t *Tx) AddGateRun(r GateRun) (bool, error) {
	res, err := t.exec("keep a gate's run", `
		INSERT INTO gate_runs (id, org, gate, result, suite, at, body) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (org, gate, result) DO NOTHING`,
		r.ID, r.Org, r.Gate, r.Result, r.Suite, r.At.UnixMicro(), string(r.Body))
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, wrap("keep a gate's run", err)
}

// PutGateRun writes the body of a run of this transaction again.
func (t *Tx) PutGateRun(r GateRun) error {
	_, err := t.exec("keep a gate's run", `UPDATE gate_runs SET body = $2 WHERE id = $1`, r.ID, string(r.Body))
	return err
}

// GateRunOf returns the run that a result was counted as, or ErrNotFound.
func (s *Store) GateRunOf(ctx context.Context, org, gateSlug, result string) (r GateRun, err error) {
	r = GateRun{Org: org, Gate: gateSlug, Result: result}
	var at int64
	err = s.read.QueryRowContext(ctx, `SELECT id, suite, at, body FROM gate_runs WHERE org = $1 AND gate = $2 AND result = $3`, org, gateSlug, result).Scan(&r.ID, &r.Suite, &at, &r.Body)
	r.At = time.UnixMicro(at).UTC()
	return r, notFound("run of a gate", err)
}

// GateRuns lists what a gate reported, newest first.
func (s *Store) GateRuns(ctx context.Context, org, gateSlug string, limit int) ([]GateRun, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT id, suite, at, body FROM gate_runs WHERE org = $1 AND gate = $2 ORDER BY id DESC LIMIT $3`, org, gateSlug, limit)
	if err != nil {
		return nil, fmt.Errorf("runs of a gate: %w", err)
	}
	defer rows.Close()
	list := []GateRun{}
	for rows.Next() {
		r := GateRun{Org: org, Gate: gateSlug}
		var at int64
		if err := rows.Scan(&r.ID, &r.Suite, &at, &r.Body); err != nil {
			return nil, fmt.Errorf("runs of a gate: %w", err)
		}
		r.At = time.UnixMicro(at).UTC()
		list = append(list, r)
	}
	return list, wrap("runs of a gate", rows.Err())
}

// Defects returns the defects of a suite that a report may change, by
// fingerprint: the open ones, and those that it lists. One whose row cannot be
// read has no more than its id, its fingerprint and its version: the next report
// that shows it makes it anew.
func (t *Tx) Defects(org, gateSlug, suite string, fingerprints []string) (map[string]gate.Defect, error) {
	found := map[string]gate.Defect{}
	row := func(scan func(...any) error) error {
		var id, fingerprint string
		var version int64
		var body []byte
		if err := scan(&id, &fingerprint, &version, &body); err != nil {
			return err
		}
		var d gate.Defect
		if json.Unmarshal(body, &d) != nil {
			d = gate.Defect{}
		}
		d.ID, d.Fingerprint, d.Version = id, fingerprint, version
		found[fingerprint] = d
		return nil
	}
	const columns = `SELECT id, fingerprint, version, body FROM defects `
	list := []question{{"open defects", columns + `WHERE org = $1 AND gate = $2 AND suite = $3 AND state = 'open'`, []any{org, gateSlug, suite}, row}}
	list = append(list, t.b.inLists(fingerprints, "defects", columns+`WHERE suite = $1 AND gate = $2 AND org = $3 AND fingerprint IN (`, row, suite, gateSlug, org)...)
	if err := t.b.c.ask(t.b.ctx, list); err != nil {
		return nil, t.b.fail("defects", err)
	}
	return found, nil
}

// Defect returns one defect as this transaction sees it, or ErrNotFound.
func (t *Tx) Defect(org, defectID string) (d gate.Defect, err error) {
	err = ErrNotFound
	one := question{"defect", `SELECT version, body FROM defects WHERE id = $1 AND org = $2`, []any{defectID, org}, func(scan func(...any) error) error {
		d, err = scanDefect(scan)
		return nil // a row that cannot be read is the unit's trouble
	}}
	if err := t.b.c.ask(t.b.ctx, []question{one}); err != nil {
		return d, t.b.fail("defect", err)
	}
	return d, wrap("defect "+defectID, err)
}

func scanDefect(scan func(...any) error) (d gate.Defect, err error) {
	var version int64
	var body []byte
	if err := scan(&version, &body); err != nil {
		return d, err
	}
	if err := json.Unmarshal(body, &d); err != nil {
		return d, fmt.Errorf("unreadable row: %w", err)
	}
	d.Version = version
	return d, nil
}

// PutDefects writes defects that were read in this transaction, or are new. If
// another replica was faster, the commit fails and the unit looks again.
func (t *Tx) PutDefects(list []gate.Defect, now time.Time) error {
	return inChunks(len(list), func(from, to int) error {
		args := make([]any, 0, 11*(to-from))
		for _, d := range list[from:to] {
			d.Version++
			body, err := json.Marshal(d)
			if err != nil {
				return fmt.Errorf("defect %s: %w", d.ID, err)
			}
			args = append(args, d.ID, d.Org, d.Gate, d.Suite, d.Fingerprint, string(d.State), d.Team, string(d.Class), now.UnixMicro(), d.Version, string(body))
		}
		_, err := t.exec("save defects", t.b.c.rows(`INSERT INTO defects (id, org, gate, suite, fingerprint, state, team, class, changed_at, version, body) VALUES `, to-from, 11, "", `
			ON CONFLICT (id) DO UPDATE SET state = excluded.state, team = excluded.team, class = excluded.class, changed_at = excluded.changed_at, body = excluded.body,
				version = CASE WHEN defects.version = excluded.version - 1 THEN excluded.version END`), args...)
		return err
	})
}

// A DefectFilter selects defects of an organization.
type DefectFilter struct {
	Gate, Team string           // "" for all
	State      gate.DefectState // "" for all
	After      string           // id of the last one of the page before
	Limit      int
}

// ListDefects lists defects, newest first.
func (s *Store) ListDefects(ctx context.Context, org string, f DefectFilter) ([]gate.Defect, error) {
	text, args := `SELECT version, body FROM defects WHERE org = $1`, []any{org}
	for _, c := range []struct{ condition, value string }{
		{` AND gate = $%d`, f.Gate}, {` AND team = $%d`, f.Team}, {` AND state = $%d`, string(f.State)}, {` AND id < $%d`, f.After},
	} {
		if c.value != "" {
			args = append(args, c.value)
			text += fmt.Sprintf(c.condition, len(args))
		}
	}
	args = append(args, f.Limit)
	return s.defects(ctx, text+fmt.Sprintf(` ORDER BY id DESC LIMIT $%d`, len(args)), args...)
}

// MendedDefects lists the defects of a class that were closed, latest first.
func (s *Store) MendedDefects(ctx context.Context, org string, class gate.Class, limit int) ([]gate.Defect, error) {
	return s.defects(ctx, `SELECT version, body FROM defects WHERE org = $1 AND class = $2 AND state = 'closed' ORDER BY changed_at DESC, id DESC LIMIT $3`, org, string(class), limit)
}

// DefectByID returns one defect, or ErrNotFound.
func (s *Store) DefectByID(ctx context.Context, org, defectID string) (gate.Defect, error) {
	list, err := s.defects(ctx, `SELECT version, body FROM defects WHERE org = $1 AND id = $2`, org, defectID)
	if err != nil || len(list) > 0 {
		return append(list, gate.Defect{})[0], err
	}
	return gate.Defect{}, fmt.Errorf("defect %s: %w", defectID, ErrNotFound)
}

// OpenDefects counts the open defects of a gate.
func (s *Store) OpenDefects(ctx context.Context, org, gateSlug string) (n int64, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT count(*) FROM defects WHERE org = $1 AND gate = $2 AND state = 'open'`, org, gateSlug).Scan(&n)
	return n, wrap("count defects", err)
}

func (s *Store) defects(ctx context.Context, text string, args ...any) ([]gate.Defect, error) {
	rows, err := s.read.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("list defects: %w", err)
	}
	defer rows.Close()
	list := []gate.Defect{}
	for rows.Next() {
		d, err := scanDefect(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("list defects: %w", err)
		}
		list = append(list, d)
	}
	return list, wrap("list defects", rows.Err())
}
