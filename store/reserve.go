package store

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// reserve is room on the disk of a SQLite file that is kept for the day on which
// the disk is full: a file beside the database, given up then, so that incidents
// still move on, pages leave and receipts are stored, while intake is refused.
type reserve struct {
	path string // "" where there is none: in memory, PostgreSQL
	held bool
}

// reserveBytes is what is kept. A receipt takes some 40 kB of the log, and the
// log is used anew as long as what was in it could be copied into the database.
const reserveBytes = 8 << 20

// spareCheckpoint is after how many pages the log is copied into the database
// while the reserve is used up, and usualCheckpoint else.
const (
	spareCheckpoint = 100
	usualCheckpoint = 4000
)

// fill makes the reserve if there is room for it and for as much again: else
// the disk is full again after the next few signals.
func (r *reserve) fill() error {
	if r.path == "" || r.held {
		return nil
	}
	if d, ok := diskOf(r.path); ok && d.free < 2*reserveBytes {
		if info, err := os.Stat(r.path); err != nil || info.Size() < reserveBytes {
			return fmt.Errorf("%d bytes are free on the disk, want %d", d.free, 2*reserveBytes)
		}
	}
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err = occupy(f, reserveBytes); err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		os.Remove(r.path)
		return err
	}
	r.held = true
	return nil
}

// give gives the reserve up and tells whether there was one.
func (r *reserve) give() bool {
	if r.path == "" || !r.held {
		return false
	}
	r.held = false
	return os.Remove(r.path) == nil
}

// spare gives the reserve up if a transaction failed for lack of room, and tells
// whether it did: then another try may succeed.
func (c *committer) spare(err error) bool {
	if !errors.Is(err, ErrBusy) || reasonOf(err) != Full || !c.s.reserve.give() {
		return false
	}
	c.s.log.Error("the disk of the database is full: no signals are taken in; what was kept free is used for pages and receipts", "bytes", reserveBytes)
	c.s.health.spend(err)
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	c.economize(ctx)
	return true
}

// economize lets the log be used anew as early as possible.
func (c *committer) economize(ctx context.Context) { c.checkpoints(ctx, spareCheckpoint) }

func (c *committer) checkpoints(ctx context.Context, pages int) {
	if c.conn == nil {
		return
	}
	if _, err := c.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", pages)); err != nil {
		c.s.log.Warn("the log of the database grows as usual", "error", err)
	}
}

// refill keeps room again and, once that succeeds, ends the time of need.
func (c *committer) refill() {
	if c.s.reserve.fill() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	c.checkpoints(ctx, usualCheckpoint)
	c.s.health.filled()
}

// parted are the units that page people, and those that take events in.
func parted(batch []*unit) (urgent, intake []*unit) {
	for _, u := range batch {
		if u.weight > 0 {
			intake = append(intake, u)
		} else {
			urgent = append(urgent, u)
		}
	}
	return urgent, intake
}

// occupy makes a file that takes so many bytes of its disk.
func occupy(f *os.File, size int64) error {
	if done, err := allocate(f, size); done {
		return err
	}
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < size; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros, at); err != nil {
			return err
		}
	}
	return nil
}

// disk is what a file system says of itself.
type disk struct {
	free     int64 // bytes that we may take
	readOnly bool
}
