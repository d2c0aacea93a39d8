package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Replica is one of the processes that share a PostgreSQL. On SQLite there
// are none: one process has the file for itself.
type Replica struct {
	ID        string
	Node      string // name of its machine, for people
	StartedAt time.Time
	SeenAt    time.Time     // when it was last heard of, by the database's clock
	Skew      time.Duration // how far the database's clock is ahead of its own
	Offline   bool          // its sends reach nobody
}

// ErrDeclaredDead refuses work to a replica that another one has declared dead
// and that has not been heard of since.
var ErrDeclaredDead = errors.New("this replica was declared dead")

// Identify names the replica that claims what must leave. Set it before Run.
func (s *Store) Identify(replica string) { s.replica = replica }

// Beat tells the other replicas that this one lives, and returns all replicas,
// itself too, as the database has them, and the database's clock. It goes by a
// connection of its own and waits for no commit: a committer that stands still
// must not make its replica look dead.
func (s *Store) Beat(ctx context.Context, r Replica) (all []Replica, clock time.Time, err error) {
	conn, err := s.beat.Conn(ctx)
	if err != nil {
		return nil, clock, fmt.Errorf("beat: %w", err)
	}
	defer conn.Close()
	_, err = conn.ExecContext(ctx, `
		INSERT INTO replicas (id, node, started_at, seen_at, skew, offline) VALUES ($1, $2, $3, `+databaseClock+`, $4, $5)
		ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, skew = excluded.skew, offline = excluded.offline`,
		r.ID, r.Node, r.StartedAt.UnixMicro(), r.Skew.Microseconds(), flag(r.Offline))
	if err != nil {
		dead(conn) // it may lead to a server that was the primary
		return nil, clock, fmt.Errorf("beat: %w", err)
	}
	rows, err := conn.QueryContext(ctx, `SELECT id, node, started_at, seen_at, skew, offline, `+databaseClock+` FROM replicas ORDER BY id`)
	if err != nil {
		return nil, clock, fmt.Errorf("beat: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var one Replica
		var started, seen, skew, offline, at int64
		if err := rows.Scan(&one.ID, &one.Node, &started, &seen, &skew, &offline, &at); err != nil {
			return nil, clock, fmt.Errorf("beat: %w", err)
		}
		one.StartedAt, one.SeenAt = time.UnixMicro(started).UTC(), time.UnixMicro(seen).UTC()
		one.Skew, one.Offline = time.Duration(skew)*time.Microsecond, offline != 0
		all, clock = append(all, one), time.UnixMicro(at).UTC()
	}
	return all, clock, wrap("beat", rows.Err())
}

// databaseClock is the one place where a database is asked for the time: the
// clocks of replicas are compared with it, and who is dead is told by it alone.
const databaseClock = `(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT`

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// TakeOver declares a replica dead that was last heard of at its SeenAt, and
// makes what it holds due again. It reports false if the replica was heard of
// meanwhile. A runbook's step in flight stays with it until its lease ends: to
// look too early could find what is about to happen.
func (t *Tx) TakeOver(r Replica) (dead bool, err error) {
	res, err := t.exec("declare a replica dead", `DELETE FROM replicas WHERE id = $1 AND seen_at = $2`, r.ID, r.SeenAt.UnixMicro())
	if err != nil {
		return false, err
	}
	if n, _ := res.RowsAffected(); n == 0 {
		return false, nil
	}
	return true, t.letGo(r.ID)
}

// Leave takes a replica that ends off the list, and makes what it still holds
// due again.
func (t *Tx) Leave(replica string) error {
	if _, err := t.exec("take a replica off the list", `DELETE FROM replicas WHERE id = $1`, replica); err != nil {
		return err
	}
	return t.letGo(replica)
}

func (t *Tx) letGo(replica string) error {
	if _, err := t.exec("free what a replica held", `
		UPDATE outbox SET lease_until = 0, holder = '' WHERE state = 'pending' AND holder = $1`, replica); err != nil {
		return err
	}
	if _, err := t.exec("free the runs that a replica held", `
		UPDATE runs SET lease_until = 0, holder = '' WHERE due IS NOT NULL AND holder = $1`, replica); err != nil {
		return err
	}
	t.b.woken.Outbox, t.b.woken.Runs = true, true
	return nil
}

// standing tells what the claims of this transaction depend on: whether this
// replica counts as living, and whether another does that reaches the outside.
// On SQLite there is but one.
func (t *Tx) standing() (living, company bool, err error) {
	if t.b.c.s.replica == "" {
		return true, false, nil
	}
	rows, err := t.b.c.query(t.b.ctx, `
		SELECT count(CASE WHEN r.id = me.id THEN 1 END), count(CASE WHEN r.id <> me.id AND r.offline = 0 AND r.seen_at > me.seen_at - $2 THEN 1 END)
		FROM replicas AS me, replicas AS r WHERE me.id = $1`, t.b.c.s.replica, heard.Microseconds())
	if err != nil {
		return false, false, t.b.fail("standing of this replica", err)
	}
	defer rows.Close()
	var mine, others int64
	for rows.Next() {
		if err := rows.Scan(&mine, &others); err != nil {
			return false, false, t.b.fail("standing of this replica", err)
		}
	}
	if err := rows.Err(); err != nil {
		return false, false, t.b.fail("standing of this replica", err)
	}
	return mine > 0, others > 0, nil
}

// mine is the condition that leaves to other replicas what is theirs: the
// messages of a place where one of them posts just now, and in company what this
// one should avoid. $2 is now and $4 this replica. What is leased is asked for by
// itself, which is few rows of an index: asked for each row that waits,
// PostgreSQL prefers to read the whole outbox.
func (s *Store) mine(company bool) string {
	if s.replica == "" {
		return ""
	}
	condition := `
				AND (incident, place) NOT IN (SELECT other.incident, other.place FROM outbox AS other
					WHERE other.lease_until > 0 AND other.lease_until > $2 AND other.state IN ('pending', 'cancelled')
					AND other.holder <> $4 AND other.holder IN (SELECT id FROM replicas))`
	if company {
		condition += ` AND avoid <> $4`
	}
	return condition
}

// heard is how long ago a replica may have been heard of, before this one was,
// to be left something.
const heard = 3 * time.Second

// FreeTurn ends the connections of committers that hold the turn of all
// replicas and have not said anything for a while: theirs is suspended, or cut
// off. PostgreSQL itself ends those that are idle, but not one that was stopped
// in the middle of a message. It returns how many there were.
func (s *Store) FreeTurn(ctx context.Context, silent time.Duration) (ended int, err error) {
	err = s.beat.QueryRowContext(ctx, `
		SELECT count(pg_terminate_backend(a.pid)) FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
		WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
			AND l.classid = $1 AND l.objid = $2 AND l.objsubid = 1
			AND a.wait_event_type = 'Client' AND (EXTRACT(EPOCH FROM a.state_change) * 1000000)::BIGINT < `+databaseClock+` - $3`,
		int64(turnLock>>32), int64(turnLock&0xffffffff), silent.Microseconds()).Scan(&ended)
	return ended, wrap("free the turn", err)
}
