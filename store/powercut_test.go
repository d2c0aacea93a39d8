package store_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/faultdisk"
	"github.com/musterhq/muster/store"
)

var cutSeed = flag.Uint64("cutseed", 0, "seed of TestPowerCut; 0 is a new one")

// faultDisks is SQLite's way to its files in this test binary.
var faultDisks = sync.OnceValues(faultdisk.Register)

// TestPowerCut lets the power fail while units are written, and opens what a
// disk may then hold: whatever Write had answered is there, the file is whole,
// and the store goes on with it.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	cuts := 30
	if os.Getenv("MUSTER_LONG") != "" {
		cuts = 1000
	}
	seed := *cutSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("go test ./store -run TestPowerCut -cutseed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	c := cutter{t: t, random: random, sound: true}
	for i := range cuts {
		if i%20 == 0 {
			c.begin()
		}
		if said, err := c.round(); err != nil {
			t.Fatalf("cut %d, %s: %v", i, said, err)
		}
	}
	t.Logf("%d cuts, %d of them before the store was open; %d units were answered and are there, %d were not", cuts, c.early, c.answered, c.refused)
	if c.answered < cuts || c.refused == 0 {
		t.Errorf("too little was written to mean anything")
	}
}

// TestPowerCutSees proves that the test above can fail: on a disk that answers
// the syncs of the log without doing them, as if they were not asked for
// (synchronous = NORMAL), something that was answered is lost.
func TestPowerCutSees(t *testing.T) {
	t.Parallel()
	c := cutter{t: t, random: rand.New(rand.NewPCG(1, 0)), sound: false}
	for i := range 100 {
		if i%20 == 0 {
			c.begin()
		}
		if said, err := c.round(); err != nil {
			t.Logf("cut %d, %s: %v", i, said, err)
			return
		}
	}
	t.Error("100 cuts of a disk that does not sync lost nothing")
}

// cutter writes, cuts and looks, round after round on the same database.
type cutter struct {
	t        *testing.T
	random   *rand.Rand
	sound    bool // the disk syncs what it is asked to
	dir      string
	facts    []fact // what was answered
	answered int
	refused  int
	early    int
}

// fact is something that must be so once it was answered.
type fact struct {
	what string
	so   func(*store.Store) error
}

// begin starts with an empty folder.
func (c *cutter) begin() { c.dir, c.facts = c.t.TempDir(), nil }

// round writes until the power fails, and looks at what is left.
func (c *cutter) round() (said string, err error) {
	disks, err := faultDisks()
	if err != nil {
		return "", err
	}
	disk, err := disks.Disk(c.dir)
	if err != nil {
		return "", err
	}
	within := 500
	if c.facts == nil {
		within = 150 // half of a migration's
	}
	disk.CutAfter(1 + c.random.IntN(within))
	if !c.sound {
		disk.Lie("-wal")
	}
	c.write(disk)
	disks.Remove(disk)

	next := c.t.TempDir()
	if said, err = disk.Leave(next, c.random); err != nil {
		return said, err
	}
	c.dir = next
	return said, c.look()
}

// write lets workers write units until the power fails.
func (c *cutter) write(disk *faultdisk.Disk) {
	defer disk.Cut() // if it did not fail by itself
	s, err := store.Open(context.Background(), filepath.Join(c.dir, "muster.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		c.early++
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	var committer sync.WaitGroup
	committer.Go(func() { s.Run(ctx) })
	if c.random.IntN(2) == 0 { // so that the log is copied into the file, and begun anew, within a round
		s.Write(ctx, func(tx *store.Tx) error { tx.Ask("PRAGMA wal_autocheckpoint = 20"); return nil })
	}
	workers := 1 + c.random.IntN(4)
	limit := 1000
	if c.random.IntN(10) == 0 {
		limit = 3 // the power fails while the store is closed, or soon after
	}
	seeds := make([]uint64, workers)
	for i := range seeds {
		seeds[i] = c.random.Uint64()
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seeds[w], 1))
			var last string
			for i := range limit {
				id, facts, err := c.unit(s, random, last, fmt.Sprintf("%x-%d", seeds[w], i))
				mu.Lock()
				if err == nil {
					c.answered++
					c.facts = append(c.facts, facts...)
				} else if c.refused++; disk.Off() {
					mu.Unlock()
					return
				}
				mu.Unlock()
				last = id
			}
		})
	}
	all.Wait()
	cancel()
	committer.Wait()
	s.Close()
}

// unit writes one of what Muster writes. It returns the incident that the next
// one may go on with, and what is so from now on.
func (c *cutter) unit(s *store.Store, random *rand.Rand, last, name string) (id string, facts []fact, err error) {
	if last != "" && random.IntN(3) == 0 { // the page leaves: claimed, sent, written down
		claimed, err := s.Claim(context.Background(), nine.Add(time.Hour), nine.Add(2*time.Hour), 1, 1, nil)
		if err != nil || len(claimed) == 0 {
			return last, nil, err
		}
		err = s.Write(context.Background(), func(tx *store.Tx) error { _, err := tx.Sent(claimed[0], nine); return err })
		return last, []fact{isSent(claimed[0])}, err
	}
	if last != "" && random.IntN(2) == 0 {
		err := s.Write(context.Background(), func(tx *store.Tx) error {
			inc, err := tx.Incident("o", last)
			if err != nil {
				return err
			}
			change, err := incident.Acknowledge(inc, nine, tester)
			tx.Save(change)
			return err
		})
		return "", []fact{isAcknowledged(last)}, err
	}
	size := 1 << random.IntN(15) // bodies of several pages too
	var eventID string
	err = s.Write(context.Background(), func(tx *store.Tx) error {
		var err error
		id, eventID, err = openWithEvent(tx, name, size)
		return err
	}, store.Events(1))
	return id, []fact{isOpen(id), hasEvent(eventID, size)}, err
}

// openWithEvent is an intake of an event that opens an incident and pages.
func openWithEvent(tx *store.Tx, name string, size int) (incidentID, eventID string, err error) {
	o := opening("o", name)
	if o.Number, err = tx.NextNumber("o", "incident"); err != nil {
		return "", "", err
	}
	change := incident.Open(o, nine, tester)
	change = change.Then(incident.Advance(change.Incident, nine, everybody))
	tx.Save(change)
	alert := firing(name, o.ID)
	random := rand.New(rand.NewPCG(uint64(size), 2))
	body := make([]byte, size) // that cannot be compressed
	for i := range body {
		body[i] = byte(random.Uint32())
	}
	alert.FirstEvent = tx.Event("o", nine, store.RawEvent{Integration: "i", Body: body})
	return o.ID, alert.FirstEvent, tx.PutAlert(alert)
}

func isOpen(id string) fact {
	return fact{"incident " + id + " was opened", func(s *store.Store) error {
		entries, err := s.Timeline(context.Background(), "o", id, 0, 100)
		if err != nil {
			return err
		}
		pages, err := s.Outgoing(context.Background(), "o", id)
		if err != nil {
			return err
		}
		if len(entries) < 2 || len(pages) != 2 {
			return fmt.Errorf("it has %d entries and %d pages", len(entries), len(pages))
		}
		_, err = s.Incident(context.Background(), "o", id)
		return err
	}}
}

func hasEvent(id string, size int) fact {
	return fact{"event " + id + " was accepted", func(s *store.Store) error {
		e, err := s.RawEvent(context.Background(), "o", id)
		if err == nil && len(e.Body) != size {
			return fmt.Errorf("its body has %d bytes of %d", len(e.Body), size)
		}
		return err
	}}
}

func isAcknowledged(id string) fact {
	return fact{"incident " + id + " was acknowledged", func(s *store.Store) error {
		inc, err := s.Incident(context.Background(), "o", id)
		if err == nil && inc.Status != incident.Acknowledged {
			return fmt.Errorf("it is %s", inc.Status)
		}
		return err
	}}
}

func isSent(o store.Outgoing) fact {
	return fact{"page " + o.ID + " was sent", func(s *store.Store) error {
		var state string
		if err := s.QueryRow("SELECT state FROM outbox WHERE id = '"+o.ID+"'", &state); err != nil {
			return err
		}
		if state != "sent" && state != "cancelled" {
			return fmt.Errorf("it is %s", state)
		}
		return nil
	}}
}

// look opens what is left the usual way, and writes to it.
func (c *cutter) look() error {
	s, err := store.Open(context.Background(), filepath.Join(c.dir, "muster.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer s.Close()
	if err := c.check(s); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var committer sync.WaitGroup
	committer.Go(func() { s.Run(ctx) })
	defer committer.Wait()
	defer cancel()
	if c.random.IntN(10) > 0 { // else the next round opens what the cut left, as it is
		return nil
	}
	return s.Write(ctx, func(tx *store.Tx) error {
		_, _, err := openWithEvent(tx, fmt.Sprintf("on-%x", c.random.Uint64()), 100)
		return err
	})
}

// check looks for all that was answered, and for halves.
func (c *cutter) check(s *store.Store) error {
	var whole string
	if err := s.QueryRow("PRAGMA integrity_check", &whole); err != nil || whole != "ok" {
		return errors.Join(err, fmt.Errorf("integrity_check says %q", whole))
	}
	for _, f := range c.facts {
		if err := f.so(s); err != nil {
			return fmt.Errorf("%s: %w", f.what, err)
		}
	}
	for what, halves := range map[string]string{
		"incidents without a timeline":  `SELECT count(*) FROM incidents WHERE NOT EXISTS (SELECT 1 FROM timeline WHERE incident = incidents.id)`,
		"timelines without an incident": `SELECT count(*) FROM timeline WHERE NOT EXISTS (SELECT 1 FROM incidents WHERE id = timeline.incident)`,
		"pages without an incident":     `SELECT count(*) FROM outbox WHERE NOT EXISTS (SELECT 1 FROM incidents WHERE id = outbox.incident)`,
		"alerts without an incident":    `SELECT count(*) FROM alerts WHERE NOT EXISTS (SELECT 1 FROM incidents WHERE id = alerts.incident)`,
		"incidents without pages":       `SELECT count(*) FROM incidents WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE incident = incidents.id)`,
	} {
		var n int
		if err := s.QueryRow(halves, &n); err != nil || n > 0 {
			return errors.Join(err, fmt.Errorf("%d %s", n, what))
		}
	}
	return nil
}
