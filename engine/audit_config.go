package engine

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/detect"
	"github.com/musterhq/muster/incident"
)

// gapsOf is what was found of an organization's policies when they were looked at
// for the week ahead, which is seldom: it changes with the configuration, and
// with the days.
type gapsOf struct {
	setup *setup
	at    time.Time
	found map[string]time.Time // when a policy reaches nobody, first
}

// ahead is how far the auditor looks for gaps.
const ahead = 7 * 24 * time.Hour

// auditConfig looks for policies in use that reach nobody.
func (e *Engine) auditConfig(_ context.Context, l *look) error {
	for _, s := range e.orgs() {
		gaps := e.auditor.gaps[s.org.ID]
		if gaps.setup != s || l.at.Sub(gaps.at) > time.Hour {
			gaps = gapsOf{setup: s, at: l.at, found: map[string]time.Time{}}
			for _, slug := range s.usedPolicies() {
				if at, ok := s.firstGap(slug, l.at, l.at.Add(ahead)); ok {
					gaps.found[slug] = at
				}
			}
			e.auditor.gaps[s.org.ID] = gaps
		}
		for _, slug := range s.usedPolicies() {
			if s.reachesNobody(slug, l.at) {
				l.say(s.org.ID, stuckNobody, slug, "Policy "+slug+" reaches nobody now: an incident of its services would page no one")
				continue
			}
			if at, ok := gaps.found[slug]; ok && at.After(l.at) {
				l.say(s.org.ID, stuckGap, slug, fmt.Sprintf("Policy %s will reach nobody at %s", slug, at.UTC().Format("Mon 02 Jan 15:04 MST")))
			}
		}
	}
	for slug, why := range e.setups.Load().broken {
		l.say("", stuckOrg, slug, fmt.Sprintf("The configuration of organization %s cannot be used: %s", slug, why))
	}
	return nil
}

// usedPolicies are those of services.
func (s *setup) usedPolicies() (slugs []string) {
	for _, service := range s.doc.Services {
		slugs = append(slugs, service.Policy)
	}
	slices.Sort(slugs)
	return slices.Compact(slugs)
}

// reachesNobody tells whether no step of a policy reaches anybody at an instant.
func (s *setup) reachesNobody(slug string, at time.Time) bool {
	for _, step := range s.doc.Policies[slug].Steps {
		for _, target := range step.Notify {
			for _, user := range s.who(target, at) {
				if len(s.reach(user, incident.High)) > 0 {
					return false
				}
			}
		}
	}
	return true
}

// firstGap returns the first instant of a span at which a policy reaches nobody.
// Who is on call changes only where a shift begins or ends.
func (s *setup) firstGap(slug string, from, to time.Time) (time.Time, bool) {
	var changes []time.Time
	for _, step := range s.doc.Policies[slug].Steps {
		for _, target := range step.Notify {
			schedule, ok := strings.CutPrefix(target, "schedule:")
			if !ok {
				continue
			}
			for _, shift := range s.schedules[schedule].Shifts(from, to, s.overrides[schedule]) {
				changes = append(changes, shift.From, shift.To)
			}
		}
	}
	slices.SortFunc(changes, time.Time.Compare)
	for _, at := range changes {
		if at.After(from) && at.Before(to) && s.reachesNobody(slug, at) {
			return at, true
		}
	}
	return time.Time{}, false
}

// silentLeast is the shortest silence that is told of.
const silentLeast = time.Minute

// standsLeast is for how long lines come and time does not move on for a rule
// before it is told of: with the time to the next look it is half a minute.
const standsLeast = 14 * time.Second

// auditRules looks for rules that hear nothing any more, that hear and do not
// move on, and that a defect stopped.
func (e *Engine) auditRules(_ context.Context, l *look) error {
	e.rules.mu.Lock()
	defer e.rules.mu.Unlock()
	for _, s := range e.orgs() {
		w := e.rules.orgs[s.org.ID]
		if w == nil {
			continue
		}
		for slug, why := range w.stopped {
			l.say(s.org.ID, stuckRule, slug, "Rule "+slug+" is stopped: "+why)
		}
		for slug, t := range w.trackers {
			heard := e.rules.heard[s.org.ID+"/"+slug]
			if heard == nil {
				continue
			}
			if heard.cadence.Silent(l.at, silentLeast) {
				usual, _ := heard.cadence.Usual()
				l.say(s.org.ID, stuckSilent, slug, fmt.Sprintf("Rule %s has heard nothing for %s; usually lines come within %s",
					slug, since(l.at, heard.cadence.Heard()), usual.Round(time.Second)))
			}
			if heard.cadence.Heard().Sub(heard.moved) >= standsLeast {
				l.say(s.org.ID, stuckWatermark, slug, fmt.Sprintf("Rule %s hears lines, and none is newer than %s: it judges nothing",
					slug, t.Watermark().UTC().Format(time.RFC3339)))
			}
		}
	}
	return nil
}

// A hearing is what a rule hears of its source.
type hearing struct {
	cadence   detect.Cadence
	watermark time.Time // as it was last seen
	moved     time.Time // when it was seen to move
}

// move notes where a rule's watermark is.
func (h *hearing) move(watermark, at time.Time) {
	if h.moved.IsZero() || !watermark.Equal(h.watermark) {
		h.watermark, h.moved = watermark, at
	}
}

// auditTails looks for log files that are not there. One that is turned over is
// gone for a moment, so it takes two looks.
func (e *Engine) auditTails(_ context.Context, l *look) error {
	for _, f := range e.Tails {
		if _, err := os.Stat(f.Path); err == nil {
			delete(e.auditor.lost, f.Path)
			continue
		}
		if e.auditor.lost[f.Path]++; e.auditor.lost[f.Path] < 2 {
			continue
		}
		org, err := e.Organization(f.Organization)
		if err != nil {
			org = ""
		}
		l.say(org, stuckTail, f.Path, "The log file "+f.Path+" is followed and is not there")
	}
	return nil
}

// auditQuarantine counts what is set aside.
func (e *Engine) auditQuarantine(ctx context.Context, l *look) error {
	rows, incidents, err := e.Store.Quarantined(ctx)
	if err != nil {
		return err
	}
	for org, n := range rows {
		l.say(org, stuckRows, "", fmt.Sprintf("%d messages are in quarantine: they cannot be sent as they are", n))
	}
	for org, n := range incidents {
		l.say(org, stuckIncidents, "", fmt.Sprintf("%d incidents are in quarantine: their rows cannot be read nor mended", n))
	}
	return nil
}
