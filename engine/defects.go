package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/gate"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/store"
)

const (
	mostTickets  = 50  // new ones that one report opens: a first run on an old program must not flood a tracker
	mostReported = 200 // defects that an answer names
)

// Reported tells what became of a gate's report.
type Reported struct {
	ID       string           `json:"id"` // of the run
	Gate     string           `json:"gate"`
	Suite    string           `json:"suite"`
	At       time.Time        `json:"at"`
	Judged   time.Time        `json:"judged_at"`
	Verdict  string           `json:"verdict"`
	Reason   string           `json:"reason"`
	Complete bool             `json:"complete"`
	From     gate.Source      `json:"from"`
	Findings int              `json:"findings"`
	New      int              `json:"new"`      // defects that nobody had known
	Returned int              `json:"returned"` // that were closed, and are back
	Known    int              `json:"known"`    // that were open before
	Closed   int              `json:"closed"`   // that are gone by this run
	Waiting  int              `json:"waiting"`  // that get their ticket with a later report, since too many were new at once
	Defects  []ReportedDefect `json:"defects"`
	Repeated bool             `json:"repeated"` // it was reported before, and nothing was done this time
}

// A ReportedDefect is a defect that a report opened, showed again or closed.
type ReportedDefect struct {
	ID          string           `json:"id"`
	Fingerprint string           `json:"fingerprint"`
	State       gate.DefectState `json:"state"`
	Change      string           `json:"change"` // new, returned, known, closed, mended
	Team        string           `json:"team,omitempty"`
	Ticket      string           `json:"ticket,omitempty"` // its address, once there is one
}

// The changes of a defect by a report.
const (
	defectNew      = "new"
	defectReturned = "returned"
	defectKnown    = "known"
	defectClosed   = "closed"
	defectMended   = "mended" // it was closed and stays so: this run knows less than the one that closed it
)

// Report takes in what a gate reports. When it returns without an error, the
// defects and all that follows from them are on disk: tickets to be opened,
// commented, closed and opened again, news for the teams' rooms, alerts.
func (e *Engine) Report(ctx context.Context, org, gateSlug string, r gate.Result) (Reported, error) {
	s, g, err := e.gateOf(org, gateSlug)
	if err != nil {
		return Reported{}, err
	}
	if err := r.Check(); err != nil {
		return Reported{}, err
	}
	r = r.Cut()
	var done Reported
	repeated := false
	err = e.Store.Write(ctx, func(t *store.Tx) (err error) {
		rep := &report{e: e, t: t, s: s, g: g, slug: gateSlug, result: r, at: now()}
		done, repeated, err = rep.take()
		return err
	}, store.Events(max(1, len(r.Findings))))
	if err != nil {
		return Reported{}, fmt.Errorf("report of gate %s: %w", gateSlug, err)
	}
	if repeated {
		return e.reportedBefore(ctx, org, gateSlug, r.ID)
	}
	e.metrics.reports.WithLabelValues(r.Verdict).Inc()
	return done, nil
}

// gateOf returns a gate of an organization.
func (e *Engine) gateOf(org, slug string) (*setup, config.Gate, error) {
	s, err := e.setup(org)
	if err != nil {
		return nil, config.Gate{}, err
	}
	g, ok := s.doc.Gates[slug]
	if !ok {
		return nil, g, fmt.Errorf("gate %q: %w", slug, store.ErrNotFound)
	}
	return s, g, nil
}

// reportedBefore is what was answered to a result before, with the tickets as
// they are now: so a pipeline can ask for their addresses.
func (e *Engine) reportedBefore(ctx context.Context, org, gateSlug, result string) (Reported, error) {
	run, err := e.Store.GateRunOf(ctx, org, gateSlug, result)
	if err != nil {
		return Reported{}, err
	}
	var r Reported
	if err := json.Unmarshal(run.Body, &r); err != nil {
		return r, fmt.Errorf("run of gate %s: %w", gateSlug, err)
	}
	r.Repeated = true
	for i := range r.Defects {
		d, err := e.Store.DefectByID(ctx, org, r.Defects[i].ID)
		if err != nil {
			return r, err
		}
		r.Defects[i].Ticket = d.Ticket.URL
	}
	return r, nil
}

// A report is one result while it is taken in.
type report struct {
	e      *Engine
	t      *store.Tx
	s      *setup
	g      config.Gate
	slug   string
	result gate.Result
	at     time.Time // now
	judged time.Time // by the clock of CI, and not after now

	done    Reported
	tickets int
	changed []gate.Defect
	begun   []gate.Defect // of which an alert begins
	ended   []gate.Defect // that are gone by this run
	news    map[string]*news
}

func (r *report) take() (done Reported, repeated bool, err error) {
	res := r.result
	r.judged = judgedAt(res.At, r.at)
	r.done = Reported{
		ID: id.New(r.at), Gate: r.slug, Suite: res.Suite, At: r.at, Judged: r.judged, Verdict: res.Verdict, Reason: res.Reason, Complete: res.Complete,
		From: res.Source, Findings: len(res.Findings), Defects: []ReportedDefect{},
	}
	r.news = map[string]*news{}
	run := store.GateRun{ID: r.done.ID, Org: r.s.org.ID, Gate: r.slug, Suite: res.Suite, Result: cmp.Or(res.ID, r.done.ID), At: r.at, Body: []byte("{}")}
	if fresh, err := r.t.AddGateRun(run); err != nil || !fresh {
		return done, !fresh, err
	}
	if err := r.fold(); err != nil {
		return done, false, err
	}
	if err := r.t.PutDefects(r.changed, r.at); err != nil {
		return done, false, err
	}
	if err := r.alert(); err != nil {
		return done, false, err
	}
	r.sendNews()
	run.Body, err = json.Marshal(r.done)
	if err != nil {
		return done, false, err
	}
	return r.done, false, r.t.PutGateRun(run)
}

// judgedAt is when something was judged, by a clock that may be wrong.
func judgedAt(at, now time.Time) time.Time {
	if at.IsZero() || at.After(now) {
		return now
	}
	return at.UTC().Truncate(time.Microsecond)
}

// fold goes through the findings, each fingerprint once, and then through what
// was open and is not among them.
func (r *report) fold() error {
	prints := make([]string, 0, len(r.result.Findings))
	for _, f := range r.result.Findings {
		prints = append(prints, f.Fingerprint)
	}
	slices.Sort(prints)
	known, err := r.t.Defects(r.s.org.ID, r.slug, r.result.Suite, slices.Compact(prints))
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, f := range r.result.Findings {
		if !seen[f.Fingerprint] {
			seen[f.Fingerprint] = true
			r.see(known[f.Fingerprint], f)
		}
	}
	for _, fingerprint := range slices.Sorted(maps.Keys(known)) {
		d, closed := known[fingerprint].Miss(r.result, r.judged)
		if !closed || seen[fingerprint] {
			continue
		}
		if !d.Asked.IsZero() {
			r.keepTicket(d)
		}
		r.ended = append(r.ended, d)
		r.add(d, defectClosed)
	}
	return nil
}

// see takes in a finding; d is the zero Defect if it was not known.
func (r *report) see(d gate.Defect, f gate.ResultFinding) {
	before := d.State
	if before == "" {
		if !f.Opens() {
			return // the baseline lets it pass, or nobody wants a ticket of it
		}
		d.ID, d.Org, d.Gate, d.Suite, d.Fingerprint = cmp.Or(d.ID, id.New(r.at)), r.s.org.ID, r.slug, r.result.Suite, f.Fingerprint
	}
	d, anew := d.See(r.result, f, r.judged)
	d.Team = r.s.ownerOf(r.g, d.Owner)
	switch {
	case d.State != gate.DefectOpen || !f.Opens():
	case d.Asked.IsZero():
		if r.tickets == mostTickets {
			r.done.Waiting++
			break
		}
		r.tickets++
		d.Asked = r.at
		r.keepTicket(d)
		r.begun = append(r.begun, d)
	case anew:
		d.Asked = r.at
		r.keepTicket(d)
		r.begun = append(r.begun, d)
	case d.Retell(f, r.at):
		d.Asked = r.at
		r.keepTicket(d)
	case d.Ticket.Error != "": // it may be allowed by now
		r.keepTicket(d)
	}
	change := defectKnown
	switch {
	case anew && before == "":
		change = defectNew
	case anew:
		change = defectReturned
	case d.State == gate.DefectClosed:
		change = defectMended
	}
	r.add(d, change)
}

// add keeps a changed defect, and what is told of it.
func (r *report) add(d gate.Defect, change string) {
	r.changed = append(r.changed, d)
	switch change {
	case defectNew:
		r.done.New++
	case defectReturned:
		r.done.Returned++
	case defectKnown:
		r.done.Known++
	case defectClosed:
		r.done.Closed++
	}
	if len(r.done.Defects) < mostReported {
		r.done.Defects = append(r.done.Defects, ReportedDefect{ID: d.ID, Fingerprint: d.Fingerprint, State: d.State, Change: change, Team: d.Team, Ticket: d.Ticket.URL})
	}
	r.tell(d, change)
}

// keepTicket lets the defect's ticket be brought to what is known of it now.
func (r *report) keepTicket(d gate.Defect) {
	r.t.Renew(defectRow(r.s, d, r.at))
}

// ownerOf returns the team that owns a defect: that of the first of its owners
// who is one, else that of the gate's service.
func (s *setup) ownerOf(g config.Gate, owners string) string {
	for name := range strings.FieldsSeq(owners) {
		if team := g.Owners[name]; team != "" {
			return team
		}
		last := name[strings.LastIndexByte(name, '/')+1:]
		if _, ok := s.doc.Teams[strings.TrimPrefix(last, "@")]; ok {
			return strings.TrimPrefix(last, "@")
		}
	}
	return s.doc.Services[g.Service].Team
}

// alert opens an alert for each defect that is new or has returned, all of one
// report in one incident, and ends those of defects that are gone.
func (r *report) alert() error {
	var keys []string
	for _, d := range slices.Concat(r.ended, r.begun) {
		keys = append(keys, alertKey(d))
	}
	if err := r.t.ReadAlerts(r.s.org.ID, "gate:"+r.slug, keys); err != nil {
		return err
	}
	for _, d := range r.ended {
		ev := event.Event{Action: event.Resolve, Key: alertKey(d), Title: line(d.Title(), event.MaxTitle), Severity: event.SeverityInfo}
		if err := r.e.takeGate(r.t, r.s, r.slug, ev, "", r.at); err != nil {
			return err
		}
	}
	if r.g.Alert == "" {
		return nil
	}
	title := ""
	if n := len(r.begun); n == 1 {
		title = fmt.Sprintf("Gate %s: %s", r.slug, line(r.begun[0].Title(), 500))
	} else if n > 1 {
		title = fmt.Sprintf("Gate %s found %d defects, first %s", r.slug, n, line(r.begun[0].Title(), 500))
	}
	for _, d := range r.begun {
		ev := event.Event{
			Action: event.Trigger, Key: alertKey(d), Group: r.done.ID, Title: line(d.Title(), event.MaxTitle), Severity: event.Severity(r.g.Alert), Service: r.g.Service,
			Class: string(d.Class), Labels: map[string]string{"gate": r.slug, "suite": d.Suite, "class": string(d.Class), "team": d.Team},
		}
		if err := r.e.takeGate(r.t, r.s, r.slug, ev, title, r.at); err != nil {
			return err
		}
	}
	return nil
}

// takeGate takes an event of a gate the way of any other. A resolve of what does
// not fire is dropped.
func (e *Engine) takeGate(t *store.Tx, s *setup, slug string, ev event.Event, title string, at time.Time) error {
	integration := "gate:" + slug
	if ev.Action == event.Resolve {
		before, err := t.Alert(store.AlertKey{Org: s.org.ID, Integration: integration, Key: ev.Key})
		if err != nil || before.Status != incident.Firing {
			return err
		}
	}
	ev.Source = "gate " + slug
	body := ev.AppendJSON(nil)
	eventID := t.Event(s.org.ID, at, store.RawEvent{Integration: integration, Kind: "gate", ReceivedAt: at, Event: body, Body: body})
	_, err := e.take(t, s, origin{
		integration: integration, service: s.doc.Gates[slug].Service, title: title, urgency: incident.Low,
		cause: incident.Cause{Actor: incident.Actor(integration), Origin: "gate"},
	}, ev, eventID, at)
	return err
}

// alertKey names the alert of a defect among those of its gate.
func alertKey(d gate.Defect) string {
	if key := d.Suite + "/" + d.Fingerprint; len(key) <= event.MaxKey {
		return key
	}
	return "sha256:" + hash(d.Suite+"\x00"+d.Fingerprint)
}
