package engine

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/store"
)

// The kinds of outbox rows besides incident.Page and "update", which the store
// makes itself.
const (
	rowCard       = "card"       // the incident's message in its team's room
	rowRing       = "ring"       // a message that must be noticed, in the thread of the card
	rowTicket     = "ticket"     // open the incident's ticket
	rowTicketEnd  = "ticket_end" // tell the ticket that the incident is over
	rowPostmortem = "postmortem" // write the draft
	rowUpdate     = "update"     // edit a message in place
	rowDefect     = "defect"     // bring a defect's ticket to what is known of the defect
	rowNews       = "news"       // tell a team's room which defects came and went
)

// knownRow tells whether sendOne knows a kind of row. A digest is a page without
// an incident.
func knownRow(kind string) bool {
	switch kind {
	case incident.Page, rowCard, rowRing, rowUpdate, rowTicket, rowTicketEnd, rowPostmortem, rowDefect, rowNews:
		return true
	}
	return false
}

// draftAfter is how long after the end the postmortem is drafted: what leaves
// with the end, such as the ticket, belongs into it.
const draftAfter = 3 * time.Second

// outward is the body of an outbox row that is not a page.
type outward struct {
	Channel    string `json:"channel,omitempty"`
	Connection string `json:"connection,omitempty"`
	Address    string `json:"address,omitempty"`
	Text       string `json:"text,omitempty"`
	Run        string `json:"run,omitempty"`
	Name       string `json:"name,omitempty"` // what a ring is about; part of its key
	Defect     string `json:"defect,omitempty"`
	News       *news  `json:"news,omitempty"`

	At time.Time `json:"at,omitzero"` // when it was first due
}

// save stages a change of an incident with all that follows from it: the card
// in the team's room, the ticket, the postmortem.
func (e *Engine) save(t *store.Tx, s *setup, c incident.Change, at time.Time) error {
	if len(c.Entries) == 0 {
		return nil
	}
	t.Save(c)
	inc := c.Incident
	for _, entry := range c.Entries {
		switch entry.Kind {
		case incident.Opened:
			e.metrics.opened.Inc()
			s.sendCard(t, inc, at)
			s.sendTicket(t, inc, "opened", at)
		case incident.ResolvedEntry:
			e.metrics.resolved.Inc()
			if len(s.doc.Runbooks) > 0 { // those not begun yet have nothing to do any more
				if err := t.HurryRuns(inc.ID, at); err != nil {
					return err
				}
			}
			s.sendTicket(t, inc, "resolved", at)
			s.send(t, inc, rowPostmortem, "muster", outward{}, at.Add(draftAfter))
		}
	}
	return nil
}

// send puts something that is not a page into the outbox; its key names the
// incident, the kind and the place, so it exists once.
func (s *setup) send(t *store.Tx, inc incident.Incident, kind, place string, o outward, at time.Time) {
	o.At = at
	body, _ := json.Marshal(o) // strings and an instant: cannot fail
	key := inc.ID + "/" + kind + "/" + place
	if o.Name != "" {
		key += "/" + o.Run + "/" + o.Name
	}
	t.Send(store.Outgoing{ID: key, Org: inc.Org, Incident: inc.ID, Kind: kind, Destination: store.Destination(inc.Org, o.Connection), Place: place, Due: at, Body: body})
}

// room returns where the team's chat room is, if it has one that can be reached.
func (s *setup) room(team string) (o outward, ok bool) {
	room := s.doc.Teams[team].Room
	if room.Kind == "" {
		return outward{}, false
	}
	connection, ok := s.connectionOf(room)
	return outward{Channel: room.Kind, Connection: connection, Address: room.Address}, ok
}

func (o outward) place() string { return incident.Place(o.Connection, o.Address) }

func (s *setup) sendCard(t *store.Tx, inc incident.Incident, at time.Time) {
	if o, ok := s.room(inc.Team); ok {
		s.send(t, inc, rowCard, o.place(), o, at)
	}
}

// ofGate tells whether the alerts of an incident are a gate's. No integration can
// have a slug like that.
func ofGate(inc incident.Incident) bool { return strings.HasPrefix(inc.GroupKey, "gate:") }

// sendTicket opens or ends the ticket of a service's incidents, whichever is
// due at this moment ("opened" or "resolved").
func (s *setup) sendTicket(t *store.Tx, inc incident.Incident, moment string, at time.Time) {
	ticket := s.doc.Services[inc.Service].Ticket
	if ticket.Kind == "" || ofGate(inc) { // each of its defects has one
		return
	}
	on := ticket.On
	if on == "" {
		on = "opened"
	}
	if on == moment {
		s.send(t, inc, rowTicket, "ticket "+ticket.Connection, outward{Connection: ticket.Connection}, at)
	}
	if moment == "resolved" {
		after := at
		if on == "resolved" {
			after = at.Add(2 * time.Second) // the ticket itself goes first
		}
		s.send(t, inc, rowTicketEnd, "ticket "+ticket.Connection, outward{Connection: ticket.Connection}, after)
	}
}

// record adds an entry that changes no state of its own to an incident.
func (e *Engine) record(t *store.Tx, s *setup, incidentID string, by incident.Cause, kind incident.Kind, data incident.Data, at time.Time) error {
	inc, err := t.Incident(s.org.ID, incidentID)
	if err != nil {
		return err
	}
	return e.save(t, s, incident.Record(inc, at, by, kind, data), at)
}
