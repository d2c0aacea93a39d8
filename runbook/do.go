package runbook

import (
	"fmt"
	"slices"
	"time"
)

// Do returns the run moved by the command, or the run as it was and an error
// that wraps ErrMove and says why it cannot be. It changes nothing that the
// given run holds.
func (r Run) Do(c Command, now time.Time) (Run, error) {
	next := r
	next.Steps = slices.Clone(r.Steps)
	var err error
	switch c := c.(type) {
	case Propose:
		next, err = next.propose(now)
	case Approve:
		next, err = next.approve(c, now)
	case Reject:
		next, err = next.reject(c, now)
	case Expire:
		next, err = next.expire(now)
	case Refuse:
		next, err = next.refuse(c)
	case Stop:
		next, err = next.stop(c)
	case Begin:
		next, err = next.begin(c, now)
	case Report:
		next, err = next.report(c, now)
	case Postpone:
		next, err = next.postpone(c, now)
	case Judged:
		next, err = next.judged(c, now)
	default:
		err = notPossible("%T is not a command of a run", c)
	}
	if err != nil {
		return r, fmt.Errorf("run %s: %w", r.ID, err)
	}
	next.UpdatedAt = now
	if next.State.Final() {
		next.Due = time.Time{}
	}
	return next, nil
}

func (r Run) propose(now time.Time) (Run, error) {
	if r.State != Planned {
		return r, notPossible("it is %s and was proposed before", r.State)
	}
	r.Approval.AskedAt = now
	r.Approval.ExpiresAt = now.Add(r.Approval.within())
	if len(r.Approval.By) == 0 {
		r.State, r.Due = Approved, now
		r.Approval.State, r.Approval.Hash = ApprovalNotNeeded, r.Hash
		return r, nil
	}
	r.State, r.Due = AwaitingApproval, r.Approval.ExpiresAt
	r.Approval.State = ApprovalWanted
	return r, nil
}

func (r Run) approve(c Approve, now time.Time) (Run, error) {
	a := &r.Approval
	switch {
	case r.State == Planned:
		return r, notPossible("nobody was asked for an approval yet")
	case r.State == Refused:
		return r, notPossible("it was refused: %s", r.Reason)
	case a.State != ApprovalWanted:
		return r, notPossible("%s", a.decided())
	case !now.Before(a.ExpiresAt):
		return r, notPossible("the approval expired at %s", clock(a.ExpiresAt))
	case c.Hash != r.Hash:
		return r, notPossible("the plan changed: the approval is for %s, and the plan is %s", short(c.Hash), short(r.Hash))
	case !a.mayDecide(c.By):
		return r, notPossible("%s may not approve it; %s may", named(c.By), oneOf(a.By))
	case !a.Self && r.Trigger.By != "" && c.By.User == r.Trigger.By:
		return r, notPossible("%s asked for the run, and another person must approve it", c.By.User)
	}
	a.State, a.Hash = ApprovalGiven, c.Hash
	a.DecidedBy, a.DecidedAt = c.By.User, now
	a.ExpiresAt = now.Add(a.within()) // a yes does not hold for ever either
	r.State, r.Due = Approved, now
	return r, nil
}

func (r Run) reject(c Reject, now time.Time) (Run, error) {
	a := &r.Approval
	switch {
	case r.State != AwaitingApproval && r.State != Approved:
		return r, notPossible("it is %s: a run is rejected before its first step, and stopped after", r.State)
	case !a.mayDecide(c.By) && (c.By.User == "" || c.By.User != r.Trigger.By):
		return r, notPossible("%s may not reject it; %s may", named(c.By), oneOf(a.By))
	}
	r.State = Rejected
	r.Reason = "rejected by " + c.By.User
	if c.Reason != "" {
		r.Reason += ": " + c.Reason
	}
	a.State, a.DecidedBy, a.DecidedAt, a.Reason = ApprovalRejected, c.By.User, now, c.Reason
	return r, nil
}

// stale says that a run stands between two steps for so long, after an outage
// of ours, that the approval no longer fits the world.
func (r Run) stale(now time.Time) bool {
	return r.State == Running && !r.Steps[r.Current()].InFlight() && !now.Before(r.Due.Add(DefaultLimit))
}

func (r Run) expire(now time.Time) (Run, error) {
	switch {
	case r.stale(now):
		return r.end(Unknown, fmt.Sprintf("step %d of %d was due at %s and not begun", r.Current()+1, len(r.Steps), clock(r.Due))), nil
	case r.State == Running:
		return r, notPossible("it is running, and nothing is overdue")
	case r.State != AwaitingApproval && r.State != Approved:
		return r, notPossible("it is %s: there is nothing to expire", r.State)
	case now.Before(r.Approval.ExpiresAt):
		return r, notPossible("the approval holds until %s", clock(r.Approval.ExpiresAt))
	}
	r.Reason = "nobody approved it until " + clock(r.Approval.ExpiresAt)
	if r.State == Approved {
		r.Reason = "it was not begun until " + clock(r.Approval.ExpiresAt)
	}
	r.State, r.Approval.State = Expired, ApprovalExpired
	return r, nil
}

func (r Run) refuse(c Refuse) (Run, error) {
	switch r.State {
	case Planned, AwaitingApproval, Approved:
		r.State, r.Reason = Refused, c.Reason
		return r, nil
	}
	return r, notPossible("it is %s, and can be refused only before its first step", r.State)
}

func (r Run) stop(c Stop) (Run, error) {
	why := "stopped"
	if c.By != "" {
		why += " by " + c.By
	}
	if c.Reason != "" {
		why += ": " + c.Reason
	}
	switch r.State {
	case Planned, AwaitingApproval, Approved:
		r.State, r.Reason = Refused, why
		return r, nil
	case Running:
		if r.Halt == "" {
			r.Halt = why
		}
		if !r.Steps[r.Current()].InFlight() {
			return r.end(Unknown, r.Halt), nil
		}
		return r, nil // what is in flight is followed to its end
	}
	return r, notPossible("it is %s: there is no step left to stop", r.State)
}

func (r Run) begin(c Begin, now time.Time) (Run, error) {
	i := r.Current()
	switch {
	case r.State != Approved && r.State != Running:
		if r.State == AwaitingApproval {
			return r, notPossible("it is not approved")
		}
		return r, notPossible("it is %s", r.State)
	case c.Hash != r.Hash || c.Hash != r.Approval.Hash:
		return r, notPossible("the plan changed: approved is %s, and about to run is %s", short(r.Approval.Hash), short(c.Hash))
	case r.State == Approved && !now.Before(r.Approval.ExpiresAt):
		return r, notPossible("the approval expired at %s", clock(r.Approval.ExpiresAt))
	case c.Step != i:
		return r, notPossible("step %d is not the next one, step %d is", c.Step+1, i+1)
	case r.Steps[i].InFlight():
		return r, notPossible("step %d was begun at %s already", i+1, clock(r.Steps[i].StartedAt))
	case r.stale(now):
		return r, notPossible("step %d was due at %s: too long ago to begin it now", i+1, clock(r.Due))
	}
	s := &r.Steps[i]
	s.StartedAt = now
	if s.Tries == 0 {
		s.BegunAt = now
	}
	s.Tries++
	r.State, r.Approval.State, r.Due = Running, ApprovalUsed, now.Add(ApplyWithin)
	return r, nil
}

// flying finds the step that a report is about.
func (r Run) flying(step int) (*StepRun, error) {
	i := r.Current()
	switch {
	case r.State != Running:
		return nil, notPossible("it is %s: no step is running", r.State)
	case step != i:
		return nil, notPossible("step %d is not the one that runs, step %d is", step+1, i+1)
	case !r.Steps[i].InFlight():
		return nil, notPossible("step %d was not begun", i+1)
	}
	return &r.Steps[i], nil
}

func (r Run) report(c Report, now time.Time) (Run, error) {
	s, err := r.flying(c.Step)
	if err != nil {
		return r, err
	}
	got := c.Result
	switch got.Outcome {
	case OutcomeDone, OutcomeRefused, OutcomeFailed, OutcomeUnknown:
		if !got.Done {
			return r, notPossible("step %d is not done, but came to %q", c.Step+1, got.Outcome)
		}
	case "":
		if got.Done {
			return r, notPossible("step %d is done, but came to nothing", c.Step+1)
		}
	default:
		return r, notPossible("step %d: there is no outcome %q", c.Step+1, got.Outcome)
	}
	if limit := s.limit(); !got.Done && !now.Before(limit) {
		got.Done, got.Outcome = true, OutcomeUnknown
		got.Detail = fmt.Sprintf("gave up after %v: %s", now.Sub(s.BegunAt).Round(time.Second), got.Detail)
	}
	s.Result = got
	if !got.Done {
		again := got.Again
		if again <= 0 {
			again = lookEvery
		}
		r.Due = now.Add(max(again, time.Second))
		if r.Due.After(s.limit()) {
			r.Due = s.limit()
		}
		return r, nil
	}

	s.EndedAt = now
	switch {
	case got.Outcome != OutcomeDone:
		return r.end(Unknown, r.stepReason(c.Step, got.Outcome, got.Detail)), nil
	case c.Step+1 < len(r.Steps) && r.Halt != "":
		return r.end(Unknown, r.Halt), nil
	case c.Step+1 < len(r.Steps):
		r.Due = now
		return r, nil
	}
	r.DoneAt = now
	if r.Verify.RecoversWithin <= 0 {
		return r.end(Unknown, "every step is done, and nothing was to be verified"), nil
	}
	r.State, r.Due = Verifying, now.Add(lookEvery)
	return r, nil
}

func (r Run) postpone(c Postpone, now time.Time) (Run, error) {
	s, err := r.flying(c.Step)
	if err != nil {
		return r, err
	}
	if s.Result.stored() {
		return r, notPossible("step %d has a result and may have changed something", c.Step+1)
	}
	after := max(c.After, lookEvery)
	switch due := now.Add(after); {
	case r.Halt != "":
		s.EndedAt = now
		s.Result = Result{Done: true, Outcome: OutcomeRefused, Detail: c.Reason}
		return r.end(Unknown, r.Halt), nil
	case s.Tries >= maxTries, !due.Before(s.limit()):
		s.EndedAt = now
		s.Result = Result{Done: true, Outcome: OutcomeFailed, Detail: fmt.Sprintf("tried %d times, nothing was changed: %s", s.Tries, c.Reason)}
		return r.end(Unknown, r.stepReason(c.Step, OutcomeFailed, s.Result.Detail)), nil
	default:
		s.StartedAt, r.Due = time.Time{}, due
		r.Reason = fmt.Sprintf("step %d is tried again: %s", c.Step+1, c.Reason)
		return r, nil
	}
}

func (r Run) judged(c Judged, now time.Time) (Run, error) {
	if r.State != Verifying {
		return r, notPossible("it is %s: there is nothing to judge", r.State)
	}
	if !c.Done {
		r.Reason, r.Due = c.Reason, now.Add(lookEvery)
		if d := r.Deadline(); d.After(now) && d.Before(r.Due) {
			r.Due = d
		}
		return r, nil
	}
	switch c.Verdict {
	case Recovered, Unchanged, Worse, Unknown:
		return r.end(c.Verdict, c.Reason), nil
	}
	return r, notPossible("there is no verdict %q", c.Verdict)
}

func (r Run) end(v Verdict, reason string) Run {
	r.State, r.Verdict, r.Reason = Ended, v, reason
	return r
}

func (r Run) stepReason(i int, outcome, detail string) string {
	text := fmt.Sprintf("step %d of %d, %s: %s", i+1, len(r.Steps), r.Steps[i].Plan.Step, outcome)
	if detail != "" {
		text += ": " + detail
	}
	return text
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// short shows enough of a hash to tell two apart.
func short(hash string) string { return fmt.Sprintf("%.12q", hash) }

func named(p Person) string {
	if p.User == "" {
		return "nobody"
	}
	return p.User
}

func oneOf(who []string) string {
	if len(who) == 0 {
		return "nobody"
	}
	return fmt.Sprint(who)
}
