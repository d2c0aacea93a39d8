package store_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/store"
)

// nine is when the tests begin.
var nine = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// A fixture is a database with one store on it whose committer runs.
type fixture struct {
	*store.Store
	kind    string // "file", "memory" or "postgres"
	address string
}

// kinds are the databases that every test of the suite runs on.
var kinds = []struct {
	name    string
	address func(testing.TB) string
}{
	{"file", func(t testing.TB) string { return filepath.Join(t.TempDir(), "muster.db") }},
	{"memory", func(testing.TB) string { return ":memory:" }},
	{"postgres", func(t testing.TB) string { return pgtest.DSN(t) }},
}

// TestStore runs the suite on each kind of database.
func TestStore(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			for _, test := range suite {
				t.Run(test.name, func(t *testing.T) {
					t.Parallel() // most of the time is PostgreSQL's, making databases
					address := kind.address(t)
					test.run(t, fixture{open(t, address), kind.name, address})
				})
			}
		})
	}
}

// suite is every test that must pass on every kind of database; the functions
// stand in the files of their subjects.
var suite = []struct {
	name string
	run  func(*testing.T, fixture)
}{
	{"outbox: what is due next is found by an index", testNextDueByIndex},
	{"outbox: a claim does not walk over what is due no more", testClaimAfterFlood},
	{"units: all or nothing, each alone", testUnits},
	{"units: of one commit see each other", testUnitsSeeEachOther},
	{"units: a statement that fails", testBrokenStatement},
	{"units: numbers", testNumbers},
	{"units: intake never starves", testIntakeNeverStarves},
	{"units: organizations take turns", testTurns},
	{"units: what is told after a commit", testWoken},
	{"alerts: newest and history", testAlertHistory},
	{"alerts: of an incident", testFiringAlerts},
	{"alerts: lists", testAlertLists},
	{"alerts: read ahead with their groups", testJoining},
	{"incidents: one open of a group", testOneOpenIncident},
	{"incidents: another of the group in one commit", testReopenInOneCommit},
	{"incidents: saved once for each version", testMoved},
	{"incidents: a storm is one entry", testJoined},
	{"incidents: a storm of many units is one entry", testJoinedUnits},
	{"incidents: lists, due, postmortem", testIncidentLists},
	{"outbox: a stop drops pages", testStop},
	{"outbox: claims", testClaim},
	{"outbox: destinations", testClaimDestinations},
	{"outbox: outcomes", testOutcomes},
	{"outbox: the next contact method", testNextContact},
	{"outbox: one row of a destination that is probed", testNarrow},
	{"outbox: pages take another way", testDetour},
	{"outbox: edits that fail", testPatientEdits},
	{"outbox: messages are edited", testRefresh},
	{"outbox: messages that stand still", testStandStill},
	{"outbox: leases of the dead", testEndLeases},
	{"outbox: the state machine", testNotificationMachine},
	{"events: by id", testEvents},
	{"events: many", testManyEvents},
	{"rules: windows, states, tails", testRules},
	{"rules: all states, a dropped rule", testDropRule},
	{"configuration: revisions", testRevisions},
	{"configuration: overrides, tokens, answers, complaints", testSmallRows},
	{"runs: claim, save, hold", testRuns},
	{"runs: those before", testPastRuns},
	{"defects: one of each fingerprint", testDefects},
	{"defects: runs and self-tests", testGateRuns},
	{"outbox: rows that are renewed", testRenew},
	{"prune: each kind", testPrune},
	{"prune: not what is needed", testPruneKeeps},
	{"migrations: up, down, up", testMigrations},
	{"backup: restored, it is the same", testBackup},
	{"backup: under load", testBackupUnderLoad},
	{"restore: refusals", testRestoreRefuses},
	{"audit: by index alone", testAuditPlans},
	{"audit: walks", testAuditWalks},
	{"hostile text", testHostileText},
}

var discard = slog.New(slog.DiscardHandler)

// open opens a database and runs its committer until the test ends.
func open(t testing.TB, address string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), address, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	return s
}

// run runs the committer until the test ends, and closes the store after it.
func run(t testing.TB, s *store.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the committer ended with %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

// write runs one unit that must succeed.
func write(t testing.TB, s *store.Store, unit func(*store.Tx) error, opts ...store.WriteOption) {
	t.Helper()
	if err := s.Write(t.Context(), unit, opts...); err != nil {
		t.Fatal(err)
	}
}

// must returns v, or fails the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// together runs units in one commit and returns their errors: the committer is
// held by another until all of them wait.
func together(t testing.TB, s *store.Store, units ...func(*store.Tx) error) []error {
	t.Helper()
	before, _ := s.Stats()
	errs := togetherWith(t, s, units, make([][]store.WriteOption, len(units)))
	if after, _ := s.Stats(); after != before+2 && errors.Join(errs...) == nil {
		t.Fatalf("%d commits, want that which held the committer and one", after-before)
	}
	return errs
}

// togetherWith is together of units with options of their own.
func togetherWith(t testing.TB, s *store.Store, units []func(*store.Tx) error, options [][]store.WriteOption) []error {
	t.Helper()
	entered, release := make(chan struct{}), make(chan struct{})
	errs := make([]error, len(units))
	var wg sync.WaitGroup
	var once sync.Once
	wg.Go(func() {
		if err := s.Write(t.Context(), func(*store.Tx) error {
			once.Do(func() { close(entered) })
			<-release
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
	<-entered
	for i, unit := range units { // one after the other, so that they run in this order
		wg.Go(func() { errs[i] = s.Write(t.Context(), unit, options[i]...) })
		for s.Queued() <= i {
			time.Sleep(time.Millisecond)
		}
	}
	close(release)
	wg.Wait()
	return errs
}

// isError fails the test unless err is of a kind.
func isError(t testing.TB, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("error %v, want %v", err, kind)
	}
}

// twoSteps pages ana at once and bob five minutes later.
var twoSteps = incident.Policy{Slug: "p", Steps: []incident.Step{
	{Notify: []string{"user:ana"}, Wait: 5 * time.Minute},
	{Notify: []string{"user:bob"}, Wait: 10 * time.Minute},
}}

// everybody has Slack at once and the phone a minute later.
var everybody = incident.Roster{
	Who: func(target string, _ time.Time) []string { return []string{target[len("user:"):]} },
	Reach: func(user string, _ incident.Urgency) []incident.Reach {
		return []incident.Reach{
			{Rule: 0, Contact: "slack", Channel: "slack", Connection: "slack", Address: user},
			{Rule: 1, Contact: "phone", Channel: "sms", Connection: "sms", Address: user, Wait: time.Minute},
		}
	},
}

var tester = incident.Cause{Actor: "user:test", Origin: "test"}

// opening returns what opens an incident of a group, with an id of its own.
func opening(org, group string) incident.Opening {
	return incident.Opening{ID: id.New(nine), Org: org, GroupKey: group, Title: group, Severity: incident.Critical, Policy: twoSteps}
}

// openIncident opens an incident and returns it as it is stored.
func openIncident(t testing.TB, s *store.Store, org, group string, now time.Time) incident.Incident {
	t.Helper()
	o := opening(org, group)
	write(t, s, func(tx *store.Tx) (err error) {
		if o.Number, err = tx.NextNumber(org, "incident"); err != nil {
			return err
		}
		tx.Save(incident.Open(o, now, tester))
		return nil
	})
	return must(s.Incident(t.Context(), org, o.ID))(t)
}

// change reads an incident, changes it and saves it, in one unit.
func change(t testing.TB, s *store.Store, org, incidentID string, f func(incident.Incident) (incident.Change, error)) incident.Incident {
	t.Helper()
	write(t, s, func(tx *store.Tx) error {
		inc, err := tx.Incident(org, incidentID)
		if err != nil {
			return err
		}
		c, err := f(inc)
		if err != nil {
			return err
		}
		tx.Save(c)
		return nil
	})
	return must(s.Incident(t.Context(), org, incidentID))(t)
}

// advance climbs one step of an incident.
func advance(t testing.TB, s *store.Store, org, incidentID string, now time.Time) incident.Incident {
	t.Helper()
	return change(t, s, org, incidentID, func(inc incident.Incident) (incident.Change, error) {
		return incident.Advance(inc, now, everybody), nil
	})
}
