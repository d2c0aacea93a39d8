package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
)

// restoredBatch is how many incidents are judged anew in one commit.
const restoredBatch = 100

// judgeRestored judges anew, after a restore, what had been due: nobody knows
// what happened since the backup. It comes before every loop; where it is cut
// off, or another replica does the same, it goes on where it was.
func (e *Engine) judgeRestored(ctx context.Context) error {
	r, there, err := e.Store.Unjudged(ctx)
	if err != nil || !there {
		return err
	}
	e.Log.Warn("this database was restored from a backup; what had been due is judged anew", "made", r.MadeAt, "restored", r.At)
	stopped, err := e.stopRestoredRuns(ctx, r)
	if err != nil {
		return fmt.Errorf("after a restore: %w", err)
	}
	open, err := e.judgeRestoredIncidents(ctx, r)
	if err != nil {
		return fmt.Errorf("after a restore: %w", err)
	}
	if err := e.Store.Write(ctx, func(t *store.Tx) error { return t.Judged(now()) }); err != nil {
		return fmt.Errorf("after a restore: %w", err)
	}
	e.Log.Warn("what had been due before the restore was judged anew", "open_incidents", open, "stopped_runs", stopped)
	return nil
}

// stopRestoredRuns ends every run that might do something: what a run that goes
// on now would do may have been done since the backup.
func (e *Engine) stopRestoredRuns(ctx context.Context, r store.Restored) (stopped int, err error) {
	for after := ""; ; {
		rows, err := e.Store.UnendedRuns(ctx, after, restoredBatch)
		if err != nil || len(rows) == 0 {
			return stopped, err
		}
		for _, row := range rows {
			after = row.ID
			err := e.stopRestoredRun(ctx, row, r)
			if errors.Is(err, store.ErrMoved) { // another replica was faster
				continue
			}
			if err != nil {
				return stopped, err
			}
			stopped++
		}
	}
}

func (e *Engine) stopRestoredRun(ctx context.Context, row store.Run, r store.Restored) error {
	s, err := e.setup(row.Org)
	if err != nil {
		return err
	}
	run, err := runOf(row)
	if err != nil {
		return err
	}
	at := now()
	why := "Muster was restored from a backup of " + instantText(r.MadeAt)
	if row.State == planning {
		return e.unplanned(ctx, s, run, row, why, at)
	}
	if run.State == runbook.Verifying {
		return nil // it does nothing any more; its verdict falls as after a crash
	}
	before := run.State
	if run, err = run.Do(runbook.Stop{Reason: why}, at); err != nil {
		return fmt.Errorf("a run that is %s: %w", before, err)
	}
	if i := run.Current(); !run.State.Final() { // a step is in flight: nobody knows what it came to
		run, err = run.Do(runbook.Report{Step: i, Result: runbook.Result{
			Done: true, Outcome: runbook.OutcomeUnknown, Detail: why + " while this step was under way", Data: run.Steps[i].Result.Data,
		}}, at)
		if err != nil {
			return err
		}
	}
	return e.saveEnded(ctx, s, run, at)
}

// judgeRestoredIncidents marks every open incident, and calls the people of each
// once.
func (e *Engine) judgeRestoredIncidents(ctx context.Context, r store.Restored) (open int, err error) {
	for _, s := range e.setups.Load().byID {
		for after := ""; ; {
			list, err := e.Store.Incidents(ctx, s.org.ID, store.IncidentFilter{Open: true, After: after, Limit: restoredBatch})
			if err != nil {
				return open, err
			}
			if len(list) == 0 {
				break
			}
			after = list[len(list)-1].ID
			if err := e.Store.Write(ctx, func(t *store.Tx) error { return e.judgeRestoredSome(t, s, list, r) }); err != nil {
				return open, err
			}
			open += len(list)
		}
	}
	return open, nil
}

func (e *Engine) judgeRestoredSome(t *store.Tx, s *setup, list []incident.Incident, r store.Restored) error {
	at := now()
	for _, listed := range list {
		inc, err := t.Incident(s.org.ID, listed.ID)
		if err != nil {
			return err
		}
		change := incident.Restore(inc, r.MadeAt, r.At, at)
		if len(change.Entries) == 0 { // another replica was faster
			continue
		}
		if err := e.save(t, s, change, at); err != nil {
			return err
		}
		if change.Incident.Status == incident.Acknowledged {
			s.askAgain(t, change.Incident, r, at)
		}
	}
	return nil
}

// askAgain asks whoever had acknowledged an incident whether that holds still:
// they by their first contact, or, if there is none, the team's room.
func (s *setup) askAgain(t *store.Tx, inc incident.Incident, r store.Restored, at time.Time) {
	text := fmt.Sprintf("Muster was restored from a backup of %s. Then %s had acknowledged #%d, %s. Is that still so?",
		instantText(r.MadeAt), name(inc.AckedBy), inc.Number, inc.Title)
	o, ok := s.room(inc.Team)
	if user, person := strings.CutPrefix(inc.AckedBy, "user:"); person {
		if reach := s.reach(user, inc.Urgency); len(reach) > 0 {
			first := reach[0]
			o, ok = outward{Channel: first.Channel, Connection: first.Connection, Address: first.Address}, true
		}
	}
	if !ok {
		return // it stands in the list, marked
	}
	o.Text, o.Name = text, "restored "+instantText(r.At)
	s.send(t, inc, rowRing, o.place(), o, at)
}

func instantText(at time.Time) string { return at.UTC().Format("2006-01-02 15:04 UTC") }
