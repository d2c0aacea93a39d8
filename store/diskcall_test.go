package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/faultdisk"
	"github.com/musterhq/muster/store"
)

// TestEveryDiskCallFails lets the n-th write, sync or truncation of the disk
// fail, for n = 1 until a round of units needs no more of them, and looks after
// each: what was answered is there and whole, what was refused is not, and the
// next attempt succeeds.
func TestEveryDiskCallFails(t *testing.T) {
	t.Parallel()
	disks := must(faultDisks())(t)
	dir := t.TempDir()
	disk := must(disks.Disk(dir))(t)
	s := must(store.Open(t.Context(), filepath.Join(dir, "muster.db"), slog.New(slog.DiscardHandler)))(t)
	run(t, s)
	write(t, s, func(tx *store.Tx) error { _, err := tx.Ask("PRAGMA wal_autocheckpoint = 60"); return err })
	c := cutter{t: t, random: rand.New(rand.NewPCG(1, 1)), sound: true}
	errDisk := errors.New("the disk has a fault")
	failures := 0
	for n := 1; ; n++ {
		var mu sync.Mutex
		calls, fired := 0, false
		disk.Refuse(func(faultdisk.Step) error {
			mu.Lock()
			defer mu.Unlock()
			if calls++; calls == n {
				fired = true
				return errDisk
			}
			return nil
		})
		var id string
		for _, step := range []struct {
			name string
			do   func() ([]fact, error)
		}{
			{"intake", func() ([]fact, error) {
				var eventID, opened string
				err := s.Write(context.Background(), func(tx *store.Tx) (err error) {
					opened, eventID, err = openWithEvent(tx, fmt.Sprintf("%d-%d", n, failures), 3000)
					return err
				}, store.Events(1))
				id = opened
				return []fact{isOpen(opened), hasEvent(eventID, 3000)}, err
			}},
			{"claim and receipt", func() ([]fact, error) {
				rows, err := s.Outgoing(context.Background(), "o", id)
				if err != nil || len(rows) == 0 {
					return nil, errors.Join(err, fmt.Errorf("%d pages", len(rows)))
				}
				claimed := rows[0]
				claimed.Attempt++
				err = s.Write(context.Background(), func(tx *store.Tx) error {
					if _, err := tx.AdoptSent(claimed, nine); err != nil {
						return err
					}
					_, err := tx.Sent(claimed, nine)
					return err
				})
				return []fact{isSent(claimed)}, err
			}},
			{"acknowledge", func() ([]fact, error) {
				err := s.Write(context.Background(), func(tx *store.Tx) error {
					inc, err := tx.Incident("o", id)
					if err != nil || inc.Status == incident.Acknowledged {
						return err
					}
					change, err := incident.Acknowledge(inc, nine, tester)
					tx.Save(change)
					return err
				})
				return []fact{isAcknowledged(id)}, err
			}},
		} {
			facts, err := step.do()
			if err != nil {
				failures++
				if !errors.Is(err, store.ErrBusy) {
					t.Fatalf("call %d, %s: %v, want ErrBusy", n, step.name, err)
				}
				if facts, err = step.do(); err != nil { // the very next attempt
					t.Fatalf("call %d, %s, once more: %v", n, step.name, err)
				}
			}
			c.facts = append(c.facts, facts...)
		}
		if err := c.check(s); err != nil {
			t.Fatalf("call %d: %v", n, err)
		}
		c.facts = c.facts[max(0, len(c.facts)-12):]
		if !fired {
			t.Logf("%d calls of the disk failed, one after the other; %d units were refused", n-1, failures)
			break
		}
	}
	if failures == 0 {
		t.Error("no unit failed")
	}
}
