package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
)

// An Organization is a tenant.
type Organization struct{ ID, Slug string }

// Organizations lists all tenants, by slug.
func (s *Store) Organizations(ctx context.Context) ([]Organization, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT id, slug FROM organizations ORDER BY slug`)
	if err != nil {
		return nil, fmt.Errorf("organizations: %w", err)
	}
	defer rows.Close()
	var list []Organization
	for rows.Next() {
		var o Organization
		if err := rows.Scan(&o.ID, &o.Slug); err != nil {
			return nil, fmt.Errorf("organizations: %w", err)
		}
		list = append(list, o)
	}
	return list, rows.Err()
}

// EnsureOrganization returns the organization of a slug, made if there is none.
func (t *Tx) EnsureOrganization(slug, newID string, now time.Time) (Organization, error) {
	if _, err := t.exec("add organization", `INSERT INTO organizations (id, slug, created_at) VALUES ($1, $2, $3) ON CONFLICT (slug) DO NOTHING`, newID, slug, now.UnixMicro()); err != nil {
		return Organization{}, err
	}
	o := Organization{Slug: slug}
	rows, err := t.b.c.query(t.b.ctx, `SELECT id FROM organizations WHERE slug = $1`, slug)
	if err != nil {
		return o, t.b.fail("organization", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&o.ID); err != nil {
			return o, t.b.fail("organization", err)
		}
	}
	return o, wrap("organization", rows.Err())
}

// A Resource is one configured thing: a user, a schedule, a rule …
type Resource struct {
	Kind, Slug, ID string
	Revision       int64
	Body           json.RawMessage
}

// Resources returns the configuration of an organization and its revision, of
// one instant: it is one statement.
func (s *Store) Resources(ctx context.Context, org string) (list []Resource, revision int64, err error) {
	rows, err := s.read.QueryContext(ctx, `
		SELECT newest.number, r.kind, r.slug, r.id, r.revision, r.body
		FROM (SELECT COALESCE(max(number), 0) AS number FROM revisions WHERE org = $1) AS newest
		LEFT JOIN resources AS r ON r.org = $1 ORDER BY r.kind, r.slug`, org)
	if err != nil {
		return nil, 0, fmt.Errorf("resources: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var kind, slug, id sql.NullString // NULL: there is no resource
		var changed sql.NullInt64
		var body []byte
		if err := rows.Scan(&revision, &kind, &slug, &id, &changed, &body); err != nil {
			return nil, 0, fmt.Errorf("resources: %w", err)
		}
		if kind.Valid {
			list = append(list, Resource{Kind: kind.String, Slug: slug.String, ID: id.String, Revision: changed.Int64, Body: body})
		}
	}
	return list, revision, wrap("resources", rows.Err())
}

// Revision returns the number of the newest revision of an organization's
// configuration; 0 if there is none.
func (s *Store) Revision(ctx context.Context, org string) (int64, error) {
	var number sql.NullInt64
	err := s.read.QueryRowContext(ctx, `SELECT max(number) FROM revisions WHERE org = $1`, org).Scan(&number)
	return number.Int64, wrap("revision", err)
}

// PutRevision makes the revision after the given one, with all resources, or
// returns ErrMoved if another was made meanwhile. It keeps the body as applied.
func (t *Tx) PutRevision(org string, after int64, now time.Time, actor, body string, resources []Resource) (int64, error) {
	res, err := t.exec("add a revision", `
		INSERT INTO revisions (org, number, at, actor, body)
		SELECT $1, $2, $3, $4, $5 WHERE COALESCE((SELECT max(number) FROM revisions WHERE org = $1), 0) = $6
		ON CONFLICT (org, number) DO NOTHING`, org, after+1, now.UnixMicro(), actor, body, after)
	if err != nil {
		return 0, err
	}
	if n, _ := res.RowsAffected(); n == 0 {
		return 0, fmt.Errorf("revision %d: %w", after+1, ErrMoved)
	}
	if _, err := t.exec("replace resources", `DELETE FROM resources WHERE org = $1`, org); err != nil {
		return 0, err
	}
	for _, r := range resources {
		if _, err := t.exec("add "+r.Kind+" "+r.Slug, `INSERT INTO resources (org, kind, slug, id, revision, body) VALUES ($1, $2, $3, $4, $5, $6)`,
			org, r.Kind, r.Slug, r.ID, r.Revision, string(r.Body)); err != nil {
			return 0, err
		}
	}
	t.b.woken.Config = true
	return after + 1, nil
}

// An Override replaces who a schedule has on call from an instant to another.
type Override struct {
	ID, Org, Schedule, User, Actor string

	From, To, CreatedAt time.Time
}

// AddOverride keeps an override.
func (t *Tx) AddOverride(o Override) error {
	_, err := t.exec("add an override", `INSERT INTO overrides (id, org, schedule, person, from_at, to_at, actor, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		o.ID, o.Org, o.Schedule, o.User, o.From.UnixMicro(), o.To.UnixMicro(), o.Actor, o.CreatedAt.UnixMicro())
	t.b.woken.Config = true
	return err
}

// DropOverride removes an override, or returns ErrNotFound.
func (t *Tx) DropOverride(org, overrideID string) error {
	res, err := t.exec("drop an override", `DELETE FROM overrides WHERE org = $1 AND id = $2`, org, overrideID)
	if err != nil {
		return err
	}
	if n, _ := res.RowsAffected(); n == 0 {
		return fmt.Errorf("override %s: %w", overrideID, ErrNotFound)
	}
	t.b.woken.Config = true
	return nil
}

// Overrides lists the overrides of an organization that end after an instant,
// in the order they were made.
func (s *Store) Overrides(ctx context.Context, org string, since time.Time) ([]Override, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT id, schedule, person, from_at, to_at, actor, created_at FROM overrides WHERE org = $1 AND to_at > $2 ORDER BY id`, org, since.UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("overrides: %w", err)
	}
	defer rows.Close()
	list := []Override{}
	for rows.Next() {
		o := Override{Org: org}
		var from, to, created int64
		if err := rows.Scan(&o.ID, &o.Schedule, &o.User, &from, &to, &o.Actor, &created); err != nil {
			return nil, fmt.Errorf("overrides: %w", err)
		}
		o.From, o.To, o.CreatedAt = time.UnixMicro(from).UTC(), time.UnixMicro(to).UTC(), time.UnixMicro(created).UTC()
		list = append(list, o)
	}
	return list, rows.Err()
}

// A Token lets a program or a person in. Only the SHA-256 of it is kept.
type Token struct {
	ID, Org, Name, Role, Hash string

	CreatedAt, RevokedAt time.Time
}

// AddToken keeps a token; one with the same hash is kept as it is.
func (t *Tx) AddToken(k Token) error {
	_, err := t.exec("add a token", `INSERT INTO tokens (id, org, name, role, hash, created_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (hash) DO NOTHING`,
		k.ID, k.Org, k.Name, k.Role, k.Hash, k.CreatedAt.UnixMicro())
	return err
}

// RevokeToken ends a token, or returns ErrNotFound.
func (t *Tx) RevokeToken(org, tokenID string, now time.Time) error {
	res, err := t.exec("revoke a token", `UPDATE tokens SET revoked_at = $3 WHERE org = $1 AND id = $2 AND revoked_at IS NULL`, org, tokenID, now.UnixMicro())
	if err != nil {
		return err
	}
	if n, _ := res.RowsAffected(); n == 0 {
		return fmt.Errorf("token %s: %w", tokenID, ErrNotFound)
	}
	return nil
}

// TokenByHash returns a token that is not revoked, or ErrNotFound.
func (s *Store) TokenByHash(ctx context.Context, hash string) (Token, error) {
	k := Token{Hash: hash}
	var created int64
	err := s.read.QueryRowContext(ctx, `SELECT id, org, name, role, created_at FROM tokens WHERE hash = $1 AND revoked_at IS NULL`, hash).Scan(&k.ID, &k.Org, &k.Name, &k.Role, &created)
	k.CreatedAt = time.UnixMicro(created).UTC()
	return k, notFound("token", err)
}

// Tokens lists the tokens of an organization that are not revoked.
func (s *Store) Tokens(ctx context.Context, org string) ([]Token, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT id, org, name, role, created_at FROM tokens WHERE org = $1 AND revoked_at IS NULL ORDER BY id`, org)
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	defer rows.Close()
	list := []Token{}
	for rows.Next() {
		var k Token
		var created int64
		if err := rows.Scan(&k.ID, &k.Org, &k.Name, &k.Role, &created); err != nil {
			return nil, fmt.Errorf("tokens: %w", err)
		}
		k.CreatedAt = time.UnixMicro(created).UTC()
		list = append(list, k)
	}
	return list, rows.Err()
}

// An Answer is what was answered to a request with an Idempotency-Key.
type Answer struct {
	Status int
	Body   string
}

// Answered returns what was answered to a key before, or ErrNotFound.
func (s *Store) Answered(ctx context.Context, org, key string) (Answer, error) {
	var a Answer
	err := s.read.QueryRowContext(ctx, `SELECT status, body FROM idempotency WHERE org = $1 AND id = $2`, org, key).Scan(&a.Status, &a.Body)
	return a, notFound("idempotency key", err)
}

// PutAnswer keeps what was answered to a key; a Status of 0 stands for an answer
// that is not known yet, and is replaced by one that is.
func (t *Tx) PutAnswer(org, key string, now time.Time, a Answer) error {
	_, err := t.exec("keep an answer", `INSERT INTO idempotency (org, id, at, status, body) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (org, id) DO UPDATE SET at = excluded.at, status = excluded.status, body = excluded.body WHERE idempotency.status = 0`, org, key, now.UnixMicro(), a.Status, a.Body)
	return err
}

// DropAnswer forgets that a key was used, if no answer to it is known.
func (t *Tx) DropAnswer(org, key string) error {
	_, err := t.exec("drop an answer", `DELETE FROM idempotency WHERE org = $1 AND id = $2 AND status = 0`, org, key)
	return err
}

// A Complaint is something that an integration sent and that was refused or odd.
type Complaint struct {
	ID, Org, Integration, Kind, Detail string // Kind is "refused" or "warning"

	At   time.Time
	Body []byte // the start of what was sent
}

// AddComplaint keeps a complaint.
func (t *Tx) AddComplaint(c Complaint) error {
	_, err := t.exec("keep a complaint", `INSERT INTO complaints (id, org, integration, at, kind, detail, body) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		c.ID, c.Org, c.Integration, c.At.UnixMicro(), c.Kind, c.Detail, append([]byte{}, c.Body...)) // never NULL
	return err
}

// Complaints lists the newest complaints about an integration; "" means all.
func (s *Store) Complaints(ctx context.Context, org, integration string, limit int) ([]Complaint, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT id, integration, at, kind, detail, body FROM complaints WHERE org = $1 AND ($2 = '' OR integration = $2) ORDER BY id DESC LIMIT $3`, org, integration, limit)
	if err != nil {
		return nil, fmt.Errorf("complaints: %w", err)
	}
	defer rows.Close()
	list := []Complaint{}
	for rows.Next() {
		c := Complaint{Org: org}
		var at int64
		if err := rows.Scan(&c.ID, &c.Integration, &at, &c.Kind, &c.Detail, &c.Body); err != nil {
			return nil, fmt.Errorf("complaints: %w", err)
		}
		c.At = time.UnixMicro(at).UTC()
		list = append(list, c)
	}
	return list, rows.Err()
}
