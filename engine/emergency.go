package engine

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/store"
)

const (
	emergencyAfter  = 5 * time.Second  // a database that is restarted is no emergency, and well for so long is well
	emergencyMore   = 2 * time.Minute  // between two messages about events that were refused since; doubled each time
	emergencyHourly = 12               // messages for one person in an hour, at most
	emergencyTitles = 5                // of refused events in a message
	emergencyGiveUp = 10 * time.Minute // after the end of an outage, who could not be told of it
)

// A Contact is somebody who is told without the database, with all it takes to
// reach them.
type Contact struct {
	Organization string `json:"organization"` // slug
	User         string `json:"user"`
	Ways         []Way  `json:"ways"` // the first that takes the message ends it
}

// A Way is a contact method and the connection that carries it. Secrets in it
// are as the configuration has them: plain, or references.
type Way struct {
	Channel    string            `json:"channel"`
	Address    string            `json:"address"`
	Connection string            `json:"connection"` // slug
	Settings   config.Connection `json:"settings"`
}

// An Emergency tells people that Muster cannot store what it is told, by a path
// that needs no database: directly, with what is in memory. Each of them is told
// once of an outage, once more when it is over, and now and then how many events
// were refused since.
type Emergency struct {
	Wire     *wire.Client
	Channels []notify.Kind
	Resolve  func(reference string) (string, error)
	Log      *slog.Logger
	Node     string // name of this replica
	Contacts func() []Contact
	After    time.Duration // how long it lasts, and is over, before anybody is told; 0: five seconds

	mu      sync.Mutex
	wake    waker
	now     *outage
	sending sync.WaitGroup
	spent   map[string][]time.Time // by person: when they were sent something
}

// An outage is one of the database, and what became of telling it.
type outage struct {
	since, ended time.Time
	reason       string
	refused      int      // events
	newest       []string // titles of the refused, the newest last
	people       map[string]*telltale
}

// knownOver tells whether anybody was told, or is being told, that it is over.
func (o *outage) knownOver() bool {
	for _, p := range o.people {
		if p.over || p.busy && !o.ended.IsZero() {
			return true
		}
	}
	return false
}

// telltale is what one person was told of an outage.
type telltale struct {
	contact  Contact
	down     bool // was told that it is so
	over     bool // was told that it is over
	refused  int  // that they know of
	messages int
	busy     bool      // something is on its way
	after    time.Time // when the next attempt or message may go
	fails    int
}

// newEmergency makes that of an engine.
func newEmergency(e *Engine) *Emergency {
	return &Emergency{Wire: e.Wire, Channels: e.Channels, Resolve: e.Resolve, Log: e.Log, Node: e.Node, Contacts: e.contacts, wake: newWaker()}
}

// Refused counts events that were not taken in because of the outage; titles are
// those of triggers. It may be called when there is none.
func (m *Emergency) Refused(n int, titles ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now == nil {
		m.now = &outage{people: map[string]*telltale{}} // its begin comes with the next look
	}
	m.now.refused += n
	m.now.newest = append(m.now.newest, titles...)
	m.now.newest = slices.Clone(m.now.newest[max(0, len(m.now.newest)-emergencyTitles):])
	m.nudge()
}

// nudge has Run look. The lock is held.
func (m *Emergency) nudge() {
	if m.wake.c != nil {
		m.wake.now()
	}
}

// Run looks after outages until ctx is over: state tells how the database is.
func (m *Emergency) Run(ctx context.Context, state func() store.Health) error {
	defer m.sending.Wait()
	m.mu.Lock()
	if m.wake.c == nil {
		m.wake = newWaker()
	}
	wake := m.wake
	m.mu.Unlock()
	for {
		going := m.look(ctx, state(), now())
		if going { // something may become due
			if !sleep(ctx, min(500*time.Millisecond, cmp.Or(m.After, emergencyAfter))) {
				return nil
			}
			continue
		}
		select {
		case <-wake.c:
		case <-ctx.Done():
			return nil
		}
	}
}

// look tells whom there is something to tell, and whether there is an outage.
func (m *Emergency) look(ctx context.Context, h store.Health, at time.Time) (going bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.now
	switch {
	case o == nil && h.OK:
		return false
	case o == nil:
		o = &outage{people: map[string]*telltale{}}
		m.now = o
	}
	switch {
	case !h.OK:
		if o.knownOver() { // to whom it was over, this is another one
			o = &outage{people: map[string]*telltale{}, since: at}
			m.now = o
		}
		if o.since.IsZero() {
			o.since = cmp.Or(h.Since, at)
		}
		o.reason, o.ended = h.Reason, time.Time{}
	case o.since.IsZero(): // events were refused, and nobody says that the database is to blame
		m.now = nil
		return false
	case o.ended.IsZero():
		o.ended = at
	}
	if !o.ended.IsZero() {
		return m.finish(ctx, o, at)
	}
	if at.Sub(o.since) < cmp.Or(m.After, emergencyAfter) {
		return true
	}
	for _, c := range m.Contacts() {
		key := c.Organization + "/" + c.User
		p := o.people[key]
		if p == nil {
			p = &telltale{}
			o.people[key] = p
		}
		p.contact = c
		switch {
		case p.busy || at.Before(p.after):
		case !p.down:
			m.send(ctx, o, p, "down", at)
		case o.refused > p.refused:
			m.send(ctx, o, p, "more", at)
		}
	}
	return true
}

// finish tells those who know of an outage that it is over, and forgets it when
// all of them know.
func (m *Emergency) finish(ctx context.Context, o *outage, at time.Time) (going bool) {
	if at.Sub(o.ended) < cmp.Or(m.After, emergencyAfter) {
		return true
	}
	for _, p := range o.people {
		if p.down && !p.over && at.Sub(o.ended) < emergencyGiveUp {
			going = true
			if !p.busy && (p.fails == 0 || !at.Before(p.after)) {
				m.send(ctx, o, p, "over", at)
			}
		}
		going = going || p.busy
	}
	if !going {
		m.now = nil
	}
	return going
}

// send begins to tell somebody something. The lock is held.
func (m *Emergency) send(ctx context.Context, o *outage, p *telltale, what string, at time.Time) {
	key := p.contact.Organization + "/" + p.contact.User
	if m.spent == nil {
		m.spent = map[string][]time.Time{}
	}
	m.spent[key] = slices.DeleteFunc(m.spent[key], func(t time.Time) bool { return at.Sub(t) > time.Hour })
	if len(m.spent[key]) >= emergencyHourly && what != "over" {
		m.Log.Error("emergency: too many messages within an hour; this one is not sent", "organization", p.contact.Organization, "user", p.contact.User, "message", what)
		p.after = at.Add(time.Minute)
		return
	}
	message, refused, contact := m.message(o, p, what, at), o.refused, p.contact // which may change meanwhile
	p.busy = true
	m.sending.Go(func() {
		err := m.reach(ctx, contact, message)
		m.mu.Lock()
		defer m.mu.Unlock()
		p.busy = false
		if err != nil {
			p.fails++
			p.after = now().Add(min(time.Minute, 5*time.Second<<min(p.fails-1, 4)))
			m.Log.Error("emergency: could not tell", "organization", contact.Organization, "user", contact.User, "message", what, "error", err)
			return
		}
		m.Log.Warn("emergency: told", "organization", contact.Organization, "user", contact.User, "message", what)
		m.spent[key] = append(m.spent[key], now())
		p.fails, p.refused = 0, refused
		p.after = now().Add(min(time.Hour, emergencyMore<<min(p.messages, 5)))
		p.messages++
		if p.down = true; what == "over" {
			p.over = true
		}
	})
}

// Tell tells everybody something at once, and returns how many took it. It takes
// as long as the slowest of them, at most the time of one message a way.
func (m *Emergency) Tell(ctx context.Context, title, text string) (told int) {
	at := now()
	var all sync.WaitGroup
	var took atomic.Int64
	for _, c := range m.Contacts() {
		all.Go(func() {
			name := fmt.Sprintf("emergency/%s/%d", m.Node, at.UnixMicro())
			err := m.reach(ctx, c, notify.Message{
				Key: name + "/" + c.Organization + "/" + c.User, Kind: notify.Page, IncidentID: name, Organization: c.Organization, Service: "muster",
				Status: string(incident.Triggered), Severity: string(incident.Critical), Title: title, Text: text,
				Facts: []notify.Fact{{Name: "Server", Value: cmp.Or(m.Node, "a server")}},
			})
			if err != nil {
				m.Log.Error("emergency: could not tell", "organization", c.Organization, "user", c.User, "error", err)
				return
			}
			took.Add(1)
		})
	}
	all.Wait()
	return int(took.Load())
}

// reach sends a message by the first way of a person that takes it.
func (m *Emergency) reach(ctx context.Context, c Contact, message notify.Message) error {
	err := fmt.Errorf("user %s has no contact that can be used", c.User)
	for _, way := range c.Ways {
		i := slices.IndexFunc(m.Channels, func(k notify.Kind) bool { return k.Name == way.Channel })
		if i < 0 {
			continue
		}
		var l link
		if l, err = openConnection(way.Connection, way.Settings, m.Wire, m.plain); err != nil {
			continue
		}
		sendCtx, cancel := context.WithTimeout(ctx, sendLimit)
		message.Now = now()
		_, err = m.Channels[i].Send(sendCtx, l.wire, l.settings, way.Address, message)
		cancel()
		if err == nil {
			return nil
		}
		m.Log.Warn("emergency: one way failed", "user", c.User, "channel", way.Channel, "connection", way.Connection, "error", err)
	}
	return err
}

func (m *Emergency) plain(value string) (string, error) {
	if !config.IsReference(value) {
		return value, nil
	}
	if m.Resolve == nil {
		return "", fmt.Errorf("%s: references are not resolved here", value)
	}
	return m.Resolve(value)
}

// message says how things stand. Titles of events are hostile; the channels
// treat all texts so.
func (m *Emergency) message(o *outage, p *telltale, what string, at time.Time) notify.Message {
	node := cmp.Or(m.Node, "a server")
	since := o.since.UTC().Format("15:04:05 UTC")
	msg := notify.Message{
		Key:  fmt.Sprintf("emergency/%s/%d/%s/%s/%s", m.Node, o.since.UnixMicro(), p.contact.Organization, p.contact.User, what),
		Kind: notify.Page, IncidentID: fmt.Sprintf("emergency/%s/%d", m.Node, o.since.UnixMicro()),
		Organization: p.contact.Organization, Service: "muster", Status: string(incident.Triggered), Severity: string(incident.Critical),
		Title: "Muster's database takes nothing since " + since + " (" + o.reason + ")",
		Text: "Events are refused with 503 and their senders must repeat them. Pages that come due wait until it is back. " +
			"This message needs no database, and cannot be acknowledged.",
		Facts:  []notify.Fact{{Name: "Server", Value: node}, {Name: "Reason", Value: o.reason}},
		Repeat: p.fails,
	}
	switch what {
	case "more":
		msg.Key += fmt.Sprint("-", p.messages)
		msg.Title = fmt.Sprintf("Muster's database takes nothing since %s: %d more events refused", since, o.refused-p.refused)
	case "over":
		msg.Kind, msg.Status = notify.Note, string(incident.Resolved)
		msg.Title = fmt.Sprintf("Muster's database is back after %v", o.ended.Sub(o.since).Round(time.Second))
		msg.Text = "What was due meanwhile is judged anew and sent now. What was refused comes when its sender repeats it."
	}
	if o.refused > 0 {
		msg.Facts = append(msg.Facts, notify.Fact{Name: "Events refused", Value: fmt.Sprint(o.refused)})
		for i := range o.newest {
			msg.Facts = append(msg.Facts, notify.Fact{Name: "Refused", Value: oneLine(o.newest[len(o.newest)-1-i])})
		}
	}
	return msg
}

// oneLine makes of a title one short line that can be printed.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 120 {
		s = string(r[:119]) + "…"
	}
	return s
}

// contacts are those who are told of an emergency, of all organizations, as the
// configuration in memory has them.
func (e *Engine) contacts() []Contact {
	var all []Contact
	setups := e.setups.Load().bySlug
	for _, slug := range slices.Sorted(maps.Keys(setups)) {
		s := setups[slug]
		for _, target := range s.doc.Operators.Emergency {
			user := strings.TrimPrefix(target, "user:")
			c := Contact{Organization: slug, User: user}
			for _, r := range s.reach(user, incident.High) {
				c.Ways = append(c.Ways, Way{Channel: r.Channel, Address: r.Address, Connection: r.Connection, Settings: s.doc.Connections[r.Connection]})
			}
			all = append(all, c)
		}
	}
	return all
}
