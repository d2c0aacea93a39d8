package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/musterhq/muster/store"
)

// unsure are claims that may have been committed though the loop was told that
// they failed: of a COMMIT whose answer is lost nobody knows. What they hold
// would wait for the end of its lease with nobody at work on it.
type unsure struct{ leases []time.Time } // when they end; that names a claim

// note keeps a claim that failed.
func (u *unsure) note(until time.Time, err error) {
	if errors.Is(err, store.ErrBusy) {
		u.leases = append(u.leases, until)
	}
}

// free makes what such claims hold due again, once the database takes it.
func (u *unsure) free(ctx context.Context, s *store.Store, at time.Time) {
	u.leases = slices.DeleteFunc(u.leases, func(until time.Time) bool { return until.Before(at) })
	if len(u.leases) == 0 {
		return
	}
	err := s.Write(ctx, func(t *store.Tx) error {
		for _, until := range u.leases {
			if err := t.Unclaim(until); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		u.leases = nil
	}
}
