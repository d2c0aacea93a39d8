package engine

import (
	"fmt"
	"strings"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/store"
)

// A group flaps when flapTimes of its incidents began within flapWithin, ended
// by themselves and were as bad as the next one. That one waits flapWait for
// its end before it calls anybody: the first pages have told people, and sixty
// an hour would teach them not to look.
const (
	flapTimes  = 3
	flapWithin = time.Hour
	flapWait   = 5 * time.Minute
)

// called begins the climb of an incident that just opened, or puts it off if
// its group flaps. before is the alert that was there of the same key: a group
// is looked at only if that ended of late, so that a storm of new alerts costs
// nothing.
func (s *setup) called(t *store.Tx, c incident.Change, before incident.Alert, at time.Time) (incident.Change, error) {
	inc := c.Incident
	if before.Status == incident.AlertOver && at.Sub(before.ResolvedAt) < flapWithin {
		earlier, err := t.LatelyResolved(inc.Org, inc.GroupKey, at.Add(-flapWithin), 10*flapTimes)
		if err != nil {
			return c, err
		}
		n := 0
		for _, e := range earlier {
			if !strings.HasPrefix(e.ResolvedBy, "user:") && e.Severity.Rank() <= inc.Severity.Rank() {
				n++
			}
		}
		if n >= flapTimes {
			text := fmt.Sprintf("its group flaps: %d incidents of the last hour ended by themselves; people are called if this one lasts %s", n, config.FormatDuration(flapWait))
			c = c.Then(incident.Record(inc, at, incident.Engine, incident.Noted, incident.Data{Text: text}))
			put, err := incident.Snooze(c.Incident, at.Add(flapWait), at, incident.Engine)
			if err != nil {
				return c, err
			}
			return c.Then(put), nil
		}
	}
	return c.Then(incident.Advance(inc, at, s.roster())), nil // the first page leaves with this commit
}

// worse calls people to an incident that was put off, once it is worse than
// those before it.
func (s *setup) worse(before incident.Incident, c incident.Change, at time.Time) incident.Change {
	putOff := before.Status == incident.Snoozed && before.SnoozedUntil.Equal(before.OpenedAt.Add(flapWait))
	if !putOff || c.Incident.Severity.Rank() >= before.Severity.Rank() {
		return c
	}
	c = c.Then(incident.Retrigger(c.Incident, "a worse alert joined", at, incident.Engine))
	return c.Then(incident.Advance(c.Incident, at, s.roster()))
}
