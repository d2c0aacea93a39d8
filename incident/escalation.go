package incident

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Roster tells who stands behind a target and how a user is reached. It is
// made by the engine from the configuration and holds no clock.
type Roster struct {
	// Who returns the users behind "user:x", "team:x" or "schedule:x" at an instant.
	Who func(target string, at time.Time) []string
	// Reach returns how a user is notified at an urgency, in the order of the user's rules.
	Reach func(user string, u Urgency) []Reach
	// Budgeted tells that a Budget says how often a user may be interrupted.
	Budgeted bool
}

// A Reach is one notification rule of a user with its contact method.
type Reach struct {
	Rule       int           // position in the user's rules
	Wait       time.Duration // after the step was due
	Contact    string        // name of the contact method
	Channel    string        // kind of channel
	Connection string        // slug of the connection that carries it
	Address    string
}

// A Notification is one page to one contact method of one user. Its Key is
// fixed before it is sent, and the same for every attempt.
type Notification struct {
	Key        string    `json:"key"`
	Incident   string    `json:"incident"`
	Climb      int       `json:"climb"`
	Round      int       `json:"round"`
	Step       int       `json:"step"`
	User       string    `json:"user"`
	Contact    string    `json:"contact"`
	Rule       int       `json:"rule"`
	Kind       string    `json:"kind"`
	Channel    string    `json:"channel"`
	Connection string    `json:"connection"`
	Address    string    `json:"address"`
	NotBefore  time.Time `json:"not_before"`
	Budgeted   bool      `json:"budgeted,omitempty"` // judged with the user's other pages when it is due
}

// Place names where an incident's message stands: a connection, and the
// address behind it, if there is one.
func Place(connection, address string) string {
	return strings.TrimSpace(connection + " " + address)
}

// Page is the Kind of a notification that calls a person to an incident.
const Page = "page"

// Advance moves an incident up to now and decides the pages that must go out.
// One call climbs one step at most: after an outage of the server, people get
// one page and not a burst of old ones. Steps nobody stands behind are passed
// over at once, within the same call, so that they cost nobody the wait.
func Advance(inc Incident, now time.Time, who Roster) Change {
	c := Change{Incident: inc}
	if inc.Due.IsZero() || now.Before(inc.Due) {
		return c
	}
	switch inc.Status {
	case Snoozed:
		c = Retrigger(inc, "the snooze ended", now, Engine)
	case Triggered:
	default:
		return c
	}
	c.climb(now, who)
	return c
}

// climb notifies the next step behind which somebody stands. It passes over at
// most one whole round, so that a policy that reaches nobody ends.
func (c *Change) climb(now time.Time, who Roster) {
	for range len(c.Incident.Policy.Steps) + 1 {
		inc := c.Incident
		policy := inc.Policy
		if len(policy.Steps) == 0 || inc.atTop() {
			break
		}
		if inc.Step >= len(policy.Steps) { // this round is over
			inc.Round, inc.Step = inc.Round+1, 0
		}
		step := policy.Steps[inc.Step]
		users, pages := inc.pages(step, now, who)

		next := Data{Climb: inc.Climb, Round: inc.Round, Step: inc.Step + 1, Targets: step.Notify, Users: users, Due: now.Add(step.Wait)}
		if len(pages) == 0 {
			next.Due = now
			next.Text = "nobody stands behind this step"
		}
		c.add(now, Engine, Escalated, next)
		if len(pages) > 0 {
			c.Pages = append(c.Pages, pages...)
			return
		}
	}
	text := "nobody came"
	if len(c.Incident.Policy.Steps) == 0 {
		text = "the policy has no steps"
	}
	c.add(now, Engine, Exhausted, Data{Text: text})
}

// pages returns the users behind a step, sorted and once each, and their
// notifications.
func (i Incident) pages(step Step, now time.Time, who Roster) (reached []string, pages []Notification) {
	var users []string
	for _, target := range step.Notify {
		users = append(users, who.Who(target, now)...)
	}
	slices.Sort(users)
	for _, user := range slices.Compact(users) {
		reach := who.Reach(user, i.Urgency)
		if len(reach) > 0 {
			reached = append(reached, user)
		}
		for _, r := range reach {
			pages = append(pages, Notification{
				Key:      fmt.Sprintf("%s/%d/%d/%d/%s/%s/%d/%s", i.ID, i.Climb, i.Round, i.Step, user, r.Contact, r.Rule, Page),
				Incident: i.ID, Climb: i.Climb, Round: i.Round, Step: i.Step,
				User: user, Contact: r.Contact, Rule: r.Rule, Kind: Page,
				Channel: r.Channel, Connection: r.Connection, Address: r.Address,
				NotBefore: instant(now.Add(r.Wait)), Budgeted: who.Budgeted,
			})
		}
	}
	return reached, pages
}
