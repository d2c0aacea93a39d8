package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// A Restored is a backup that was put into this database.
type Restored struct {
	MadeAt time.Time // what was committed after that is lost
	At     time.Time // when it was restored
}

// Unjudged returns the newest restore after which nobody has judged anew what
// had been due; false if there is none.
func (s *Store) Unjudged(ctx context.Context) (Restored, bool, error) {
	var made, at int64
	err := s.read.QueryRowContext(ctx, `SELECT made_at, restored_at FROM restores WHERE judged_at IS NULL ORDER BY restored_at DESC LIMIT 1`).Scan(&made, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return Restored{}, false, nil
	}
	return Restored{time.UnixMicro(made).UTC(), time.UnixMicro(at).UTC()}, err == nil, wrap("restores", err)
}

// Judged stores that what was due after the restores until now has been judged
// anew, and ends all leases of the time before.
func (t *Tx) Judged(now time.Time) error {
	if _, err := t.exec("mark a restore as judged", `UPDATE restores SET judged_at = $1 WHERE judged_at IS NULL`, now.UnixMicro()); err != nil {
		return err
	}
	return t.EndLeases()
}

// UnendedRuns lists runs that have not ended, by id after the given one.
func (s *Store) UnendedRuns(ctx context.Context, after string, limit int) ([]Run, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT `+runColumns+` FROM runs WHERE ended_at IS NULL AND id > $1 ORDER BY id LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("runs that have not ended: %w", err)
	}
	defer rows.Close()
	var list []Run
	for rows.Next() {
		r, err := scanRun(rows)
		if err != nil {
			return nil, fmt.Errorf("runs that have not ended: %w", err)
		}
		list = append(list, r)
	}
	return list, rows.Err()
}
