package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/store"
)

// How the auditor looks. What it reads at each look is bounded, whatever the
// database holds: an index of what is stuck, and one page of each walk. A page
// every five seconds is 50,000 rows in 25.
const (
	auditEvery   = 15 * time.Second
	auditStrides = 3                // of the walks, from one look to the next
	auditShare   = 150              // the walks take one part of so many of the time
	auditStale   = time.Minute      // without a completed look the process is not ready
	auditGrace   = 10 * time.Second // for the loops, before what is due counts as stuck
	auditLate    = time.Minute      // before a row of the outbox that nobody sends is told of
	auditMost    = 200              // of one kind, at one look
	auditPage    = 10_500           // rows of one walk, at one stride
	auditFar     = 31 * 24 * time.Hour
)

// The kinds of what may be stuck; docs/running.md says what is done about each.
const (
	stuckIdle        = "incident_idle"        // open, nothing due, no reason
	stuckSettled     = "incident_settled"     // acknowledged or resolved, and yet due
	stuckOverdue     = "incident_overdue"     // due for long
	stuckSnooze      = "snooze_over"          // snoozed past its end
	stuckFar         = "incident_far"         // due later than anything can be
	stuckBehind      = "incident_behind"      // its row is not of its newest entry
	stuckAlert       = "alert_orphan"         // fires, and its incident is resolved or absent
	stuckExpired     = "alert_expired"        // past its expiry, and fires
	stuckRowLate     = "outbox_overdue"       // nobody claims it
	stuckRowMoot     = "outbox_moot"          // a page of an incident that needs nobody
	stuckRowOrphan   = "outbox_orphan"        // of an incident that is not there
	stuckRowLease    = "outbox_lease"         // held for longer than anybody holds a row
	stuckRowKind     = "outbox_kind"          // of a kind that nobody knows
	stuckRowBody     = "outbox_unreadable"    // its body cannot be read
	stuckRowTo       = "outbox_recipient"     // for a user or a connection that is not configured
	stuckRunLate     = "run_overdue"          // nobody claims it
	stuckRunLease    = "run_lease"            // held for longer than anybody holds a run
	stuckRunIdle     = "run_idle"             // open, and nothing due
	stuckRunApproval = "run_approval"         // waits for an approval that expired
	stuckRunOrphan   = "run_orphan"           // of an incident that is not there
	stuckRunBody     = "run_unreadable"       // its body cannot be read
	stuckMessage     = "message_orphan"       // of an incident that is not there
	stuckCounter     = "counter_behind"       // the next incident's number is taken
	stuckNobody      = "policy_nobody"        // a policy in use reaches nobody now
	stuckGap         = "schedule_gap"         // a policy in use will reach nobody within a week
	stuckSilent      = "rule_silent"          // nothing is heard from its source
	stuckWatermark   = "rule_watermark"       // lines come, and time does not move on for it
	stuckRule        = "rule_stopped"         // a defect stopped it
	stuckTail        = "tail_gone"            // the file is not there
	stuckRows        = "outbox_quarantined"   // rows are set aside
	stuckIncidents   = "incident_quarantined" // incidents are set aside
	stuckOrg         = "organization_broken"  // its configuration cannot be used
)

// auditKinds lists them all.
func auditKinds() []string {
	return []string{
		stuckIdle, stuckSettled, stuckOverdue, stuckSnooze, stuckFar, stuckBehind, stuckAlert, stuckExpired,
		stuckRowLate, stuckRowMoot, stuckRowOrphan, stuckRowLease, stuckRowKind, stuckRowBody, stuckRowTo,
		stuckRunLate, stuckRunLease, stuckRunIdle, stuckRunApproval, stuckRunOrphan, stuckRunBody, stuckMessage, stuckCounter,
		stuckNobody, stuckGap, stuckSilent, stuckWatermark, stuckRule, stuckTail, stuckRows, stuckIncidents, stuckOrg,
	}
}

// auditor is what the auditor knows from look to look.
type auditor struct {
	mu     sync.Mutex        // one look at a time
	last   atomic.Int64      // when a look was completed, in microseconds since 1970
	walks  map[string]*walk  // by name
	failed error             // of the last stride
	marks  map[string]string // where what is looked at in parts stands, by name
	late   map[string]bool   // incidents that were overdue at the look before
	told   map[cause]bool    // by this auditor, and not gone
	gaps   map[string]gapsOf // by organization
	lost   map[string]int    // looks at which a tail's file was gone, by path
}

// A walk goes round the rows of a table, a page at each stride.
type walk struct {
	at           store.Place // where it stands
	begun        time.Time   // of this round
	saying, said map[cause]event.Event
	found        map[string]int // since the look before
}

func newAuditor() auditor {
	return auditor{
		walks: map[string]*walk{}, marks: map[string]string{}, late: map[string]bool{}, told: map[cause]bool{}, gaps: map[string]gapsOf{}, lost: map[string]int{},
	}
}

// A look is what one look finds, or one stride of the walks.
type look struct {
	at    time.Time
	found map[string]int
	tell  map[cause]event.Event
	errs  []error
}

func newLook() *look {
	return &look{at: now(), found: map[string]int{}, tell: map[cause]event.Event{}}
}

func (l *look) count(kind string, n int) { l.found[kind] += n }

// say leaves something for the operators of an organization; part names what,
// of those there may be several of.
func (l *look) say(org, kind, part, title string) {
	l.count(kind, 1)
	key := "stuck:" + kind
	if part != "" {
		key += ":" + part
	}
	if len(title) > 500 {
		title = title[:500]
	}
	l.tell[cause{org, key}] = event.Event{
		Action: event.Trigger, Key: key, Title: title, Severity: event.SeverityError, Labels: map[string]string{"kind": kind},
		Until: l.at.Add(2 * time.Hour), // if this process dies, its word must not stand for ever
	}
}

// auditLoop looks for what is stuck, and goes on with the walks meanwhile. These
// take one part of auditShare of the time at most: where a page takes longer, the
// next one waits.
func (e *Engine) auditLoop(ctx context.Context) error {
	pause := e.Pace.Audit / auditStrides
	var credit time.Duration
	for n := 0; ; n++ {
		e.begins("auditor")
		if n%auditStrides == 0 {
			if err := e.look(ctx); err != nil && ctx.Err() == nil {
				e.Log.Error("the auditor's look was not completed", "error", err)
			}
		}
		if credit = min(credit, 0) + pause/auditShare; credit > 0 {
			begun := time.Now()
			if err := e.stride(ctx); err != nil && ctx.Err() == nil {
				e.Log.Error("a walk of the auditor did not go on", "error", err)
			}
			credit -= time.Since(begun)
		}
		if !sleep(ctx, pause) {
			return nil
		}
	}
}

// look looks once at everything that an index answers, and tells of it and of what
// the walks found since the look before.
func (e *Engine) look(ctx context.Context) error {
	a := &e.auditor
	a.mu.Lock()
	defer a.mu.Unlock()
	begun := time.Now()
	l := newLook()
	e.check(ctx, l, // counters first: what is mended may open an incident
		e.auditCounters, e.auditMessages, e.auditIncidents, e.auditAlerts, e.auditOutbox, e.auditRuns, e.auditConfig, e.auditRules, e.auditTails, e.auditQuarantine)
	for _, w := range a.walks {
		for kind, n := range w.found {
			l.found[kind] += n
		}
		clear(w.found)
		maps.Copy(l.tell, w.said)
		maps.Copy(l.tell, w.saying)
	}
	if a.failed != nil {
		l.errs = append(l.errs, a.failed)
	}
	for _, kind := range auditKinds() {
		e.metrics.stuck.WithLabelValues(kind).Set(float64(l.found[kind]))
	}
	e.tellFound(ctx, l)
	e.metrics.auditSeconds.Observe(time.Since(begun).Seconds())
	if err := errors.Join(l.errs...); err != nil {
		return err
	}
	done := now()
	a.last.Store(done.UnixMicro())
	e.metrics.auditLast.Set(float64(done.Unix()))
	return nil
}

// stride goes on with the walks, the checks that no index answers: each looks at one
// page of all rows of a kind. What is found the next look tells. Counters are first:
// an incident may be opened for what is found.
func (e *Engine) stride(ctx context.Context) error {
	e.auditor.mu.Lock()
	defer e.auditor.mu.Unlock()
	var errs []error
	for _, check := range []func(context.Context, *look) error{e.auditCounters, e.walkIncidents, e.walkAlerts} {
		l := newLook()
		e.check(ctx, l, check)
		errs = append(errs, l.errs...)
	}
	e.auditor.failed = errors.Join(errs...)
	return e.auditor.failed
}

// check makes some checks. One that fails keeps no other from looking, and the
// look from being called completed.
func (e *Engine) check(ctx context.Context, l *look, checks ...func(context.Context, *look) error) {
	for _, check := range checks {
		if _, err := guarded(e, "auditor", func() (struct{}, error) { return struct{}{}, check(ctx, l) }); err != nil {
			l.errs = append(l.errs, err)
		}
	}
	for kind, n := range l.found {
		e.metrics.stuckFound.WithLabelValues(kind).Add(float64(n))
	}
}

// tellFound tells the operators of what was found, and that what they were told
// of is gone.
func (e *Engine) tellFound(ctx context.Context, l *look) {
	a := &e.auditor
	for why, ev := range l.tell {
		if err := e.tellOperators(ctx, why.org, ev); err != nil {
			l.errs = append(l.errs, err)
			continue
		}
		a.told[why] = true
	}
	if len(l.errs) > 0 {
		return // who has not looked cannot say that it is gone
	}
	for _, why := range slices.Collect(maps.Keys(a.told)) {
		if _, holds := l.tell[why]; holds {
			continue
		}
		ev := event.Event{Action: event.Resolve, Key: why.key, Title: "it is gone", Severity: event.SeverityInfo}
		if err := e.tellOperators(ctx, why.org, ev); err != nil {
			l.errs = append(l.errs, err)
			continue
		}
		delete(a.told, why)
	}
}

// audited tells whether the auditor completed a look of late.
func (e *Engine) audited() error {
	last := time.UnixMicro(e.auditor.last.Load())
	if d := time.Since(last); d > auditStale {
		return fmt.Errorf("the auditor completed no look since %s", last.UTC().Format(time.RFC3339))
	}
	return nil
}

// found notes one finding that was mended.
func (e *Engine) mended(l *look, kind string, args ...any) {
	l.count(kind, 1)
	e.Log.Warn("the auditor mended what was stuck", append([]any{"kind", kind}, args...)...)
}

// transient tells whether an error says nothing of what was looked at: the
// database has a fault, another was faster, or the engine ends.
func transient(err error) bool {
	return errors.Is(err, store.ErrBusy) || errors.Is(err, store.ErrMoved) || errors.Is(err, store.ErrBeingWritten) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// orgs are the setups in the order of their slugs.
func (e *Engine) orgs() (list []*setup) {
	all := e.setups.Load().bySlug
	for _, slug := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[slug])
	}
	return list
}

// walk takes one stride of a walk. What it says holds until the walk comes by again.
func (e *Engine) walk(l *look, name string, page func(l *look, after store.Place) (end store.Place, err error)) error {
	w := e.auditor.walks[name]
	if w == nil {
		w = &walk{begun: time.Now(), saying: map[cause]event.Event{}, said: map[cause]event.Event{}, found: map[string]int{}}
		e.auditor.walks[name] = w
	}
	l.tell = w.saying
	end, err := page(l, w.at)
	for kind, n := range l.found {
		w.found[kind] += n
	}
	if err != nil {
		return err
	}
	if w.at = end; end == (store.Place{}) {
		w.said, w.saying = w.saying, map[cause]event.Event{}
		e.metrics.auditWalk.WithLabelValues(name).Set(time.Since(w.begun).Seconds())
		w.begun = time.Now()
	}
	return nil
}

// noteMended adds an entry about what was mended to an incident's timeline.
func (e *Engine) noteMended(t *store.Tx, org, incidentID, text string, at time.Time) error {
	s, err := e.setup(org)
	if err != nil {
		return nil // there is nobody whose timeline it would be
	}
	err = e.record(t, s, incidentID, auditCause, incident.Noted, incident.Data{Text: text}, at)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// auditCause is the cause of what the auditor does.
var auditCause = incident.Cause{Actor: incident.System, Origin: "auditor"}
