package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/detect"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/oncall"
	"github.com/musterhq/muster/store"
)

// A setup is the configuration of one organization as the loops use it: read
// from the database, compiled, and never changed. A new revision makes a new one.
type setup struct {
	org       store.Organization
	revision  int64
	doc       config.Doc        // secrets that are no references are in it as they are: never shown
	ids       map[string]string // of resources, by kind/slug
	schedules map[string]oncall.Schedule
	overrides map[string][]oncall.Override // by schedule
	rules     map[string]detect.Rule
	keys      map[string]string // integration by SHA-256 of its key
	channels  []notify.Kind
}

// setups are those of all organizations.
type setups struct {
	byID   map[string]*setup
	bySlug map[string]*setup
	left   []string          // slugs of organizations that have no setup, since theirs was never loaded
	broken map[string]string // why the configuration in force of an organization is not the stored one, by slug
}

// setup returns that of an organization's id.
func (e *Engine) setup(org string) (*setup, error) {
	if s := e.setups.Load().byID[org]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("organization %q: %w", org, store.ErrNotFound)
}

// Organization returns the id of an organization's slug; with "" that of the
// only one there is.
func (e *Engine) Organization(slug string) (id string, err error) {
	all := e.setups.Load()
	if slug == "" {
		if len(all.byID) == 1 {
			for id := range all.byID {
				return id, nil
			}
		}
		return "", fmt.Errorf("%w: name an organization: %s", ErrInvalid, strings.Join(slices.Sorted(maps.Keys(all.bySlug)), ", "))
	}
	if s := all.bySlug[slug]; s != nil {
		return s.org.ID, nil
	}
	return "", fmt.Errorf("organization %q: %w", slug, store.ErrNotFound)
}

// configLoop loads the configuration anew when it changed, here or on another
// replica.
func (e *Engine) configLoop(ctx context.Context) error {
	for e.begins("config"); e.rest(ctx, e.reload, time.Time{}); e.begins("config") {
		if err := e.load(ctx); err != nil && ctx.Err() == nil {
			e.Log.Error("load the configuration; the one before stays in force", "error", err)
		}
	}
	return nil
}

// load makes the setups of all organizations. One that does not compile keeps
// the setup it had.
func (e *Engine) load(ctx context.Context) error {
	e.loading.Lock()
	defer e.loading.Unlock()
	orgs, err := e.Store.Organizations(ctx)
	if err != nil {
		return err
	}
	before := e.setups.Load()
	after := &setups{byID: map[string]*setup{}, bySlug: map[string]*setup{}, broken: map[string]string{}}
	for _, org := range orgs {
		s, err := e.loadOne(ctx, org, before.byID[org.ID])
		if err != nil {
			e.Log.Error("configuration of an organization", "organization", org.Slug, "error", err)
			after.broken[org.Slug] = "it cannot be loaded; the log tells why"
			if s = before.byID[org.ID]; s == nil {
				after.left = append(after.left, org.Slug)
				continue // it delays no other
			}
		}
		after.byID[org.ID], after.bySlug[org.Slug] = s, s
	}
	e.setups.Store(after)
	e.keepContacts()
	return nil
}

func (e *Engine) loadOne(ctx context.Context, org store.Organization, before *setup) (*setup, error) {
	overrides, err := e.Store.Overrides(ctx, org.ID, now())
	if err != nil {
		return nil, err
	}
	revision, err := e.Store.Revision(ctx, org.ID)
	if err != nil {
		return nil, err
	}
	var s setup
	if before != nil && before.revision == revision {
		s = *before
	} else {
		resources, revision, err := e.Store.Resources(ctx, org.ID)
		if err != nil {
			return nil, err
		}
		doc, err := config.FromResources(org.Slug, stored(resources))
		if err != nil {
			return nil, err
		}
		if doc, err = e.unseal(org.ID, doc); err != nil {
			return nil, err
		}
		s = setup{org: org, revision: revision, channels: e.Channels}
		if err := s.compile(doc, resources, e.plain); err != nil {
			return nil, err
		}
	}
	s.overrides = map[string][]oncall.Override{}
	for _, o := range overrides {
		s.overrides[o.Schedule] = append(s.overrides[o.Schedule], oncall.Override{ID: o.ID, User: o.User, From: o.From, To: o.To})
	}
	return &s, nil
}

func stored(resources []store.Resource) []config.Resource {
	out := make([]config.Resource, len(resources))
	for i, r := range resources {
		out[i] = config.Resource{Kind: r.Kind, Slug: r.Slug, Body: r.Body}
	}
	return out
}

// compile makes what the loops need of a configuration. A key that cannot be
// resolved leaves its integration without one, and says so.
func (s *setup) compile(doc config.Doc, resources []store.Resource, plain func(value string) (string, error)) error {
	s.doc, s.ids = doc, map[string]string{}
	for _, r := range resources {
		s.ids[r.Kind+"/"+r.Slug] = r.ID
	}
	s.schedules, s.rules, s.keys = map[string]oncall.Schedule{}, map[string]detect.Rule{}, map[string]string{}
	for slug := range doc.Schedules {
		schedule, err := doc.Schedule(slug)
		if err != nil {
			return err
		}
		s.schedules[slug] = schedule
	}
	for slug := range doc.Rules {
		rule, err := doc.DetectRule(slug)
		if err != nil {
			return err
		}
		s.rules[slug] = rule
	}
	for slug, integration := range doc.Integrations {
		if key, err := plain(integration.Key); err == nil && key != "" {
			s.keys[hash(key)] = slug
		}
	}
	return nil
}

// hash is how keys and tokens are kept: the hexadecimal SHA-256. They are
// random and long, so that neither salt nor stretching would add anything.
func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// roster is who stands behind targets, for the heart.
func (s *setup) roster() incident.Roster {
	_, _, limited := s.doc.Interrupts.Limit()
	return incident.Roster{Who: s.who, Reach: s.reach, Budgeted: limited}
}

func (s *setup) who(target string, at time.Time) []string {
	kind, slug, _ := strings.Cut(target, ":")
	switch kind {
	case "user":
		if _, ok := s.doc.Users[slug]; ok {
			return []string{slug}
		}
	case "team":
		return s.doc.Teams[slug].Members
	case "schedule":
		if shift, ok := s.schedules[slug].At(at, s.overrides[slug]); ok {
			return []string{shift.User}
		}
	}
	return nil
}

func (s *setup) reach(user string, u incident.Urgency) []incident.Reach {
	person, ok := s.doc.Users[user]
	if !ok {
		return nil
	}
	contacts := person.Reachable()
	var out []incident.Reach
	for i, rule := range person.Reach(string(u)) {
		contact := contacts[rule.By]
		connection, ok := s.connectionOf(contact)
		if !ok {
			continue
		}
		out = append(out, incident.Reach{
			Rule: i, Wait: rule.Wait, Contact: rule.By, Channel: contact.Kind, Connection: connection, Address: contact.Address,
		})
	}
	return out
}

// connectionOf returns the connection that carries a contact's messages: the
// one it names, else the first of the channel's kind. A channel that needs none
// is carried by "".
func (s *setup) connectionOf(c config.Contact) (slug string, ok bool) {
	kind, ok := s.channel(c.Kind)
	if !ok {
		return "", false
	}
	if c.Via != "" {
		return c.Via, true
	}
	via := kind.Via
	if len(via) == 0 {
		via = []string{kind.Name}
	}
	for _, slug := range slices.Sorted(maps.Keys(s.doc.Connections)) {
		if slices.Contains(via, s.doc.Connections[slug].Kind) {
			return slug, true
		}
	}
	return "", len(kind.Via) == 0
}

func (s *setup) channel(name string) (notify.Kind, bool) {
	i := slices.IndexFunc(s.channels, func(k notify.Kind) bool { return k.Name == name })
	if i < 0 {
		return notify.Kind{}, false
	}
	return s.channels[i], true
}

// service returns the service an event belongs to: the one that its sender
// names, if there is such a one, else the integration's.
func (s *setup) service(named, standard string) string {
	if _, ok := s.doc.Services[named]; ok {
		return named
	}
	return standard
}

func (s *setup) policy(slug string) incident.Policy {
	p := s.doc.Policies[slug]
	policy := incident.Policy{Slug: slug, Repeat: p.Repeat}
	for _, step := range p.Steps {
		policy.Steps = append(policy.Steps, incident.Step{Notify: step.Notify, Wait: step.Wait})
	}
	return policy
}

// teamsOf and shiftsOf tell what a user may decide.
func (s *setup) teamsOf(user string) []string {
	var teams []string
	for _, slug := range slices.Sorted(maps.Keys(s.doc.Teams)) {
		if slices.Contains(s.doc.Teams[slug].Members, user) {
			teams = append(teams, slug)
		}
	}
	return teams
}

func (s *setup) shiftsOf(user string, at time.Time) []string {
	var schedules []string
	for _, slug := range slices.Sorted(maps.Keys(s.schedules)) {
		if shift, ok := s.schedules[slug].At(at, s.overrides[slug]); ok && shift.User == user {
			schedules = append(schedules, slug)
		}
	}
	return schedules
}

// A link is an open way out: what a send or a step needs to use a connection.
type link struct {
	settings   config.Settings // resolved, with the address as "url": it holds secrets
	wire       *wire.Client
	connection string // its slug; "" is the plain network
}

// open resolves the secrets of a connection; "" is the plain network.
func (e *Engine) open(s *setup, slug string) (link, error) {
	c, ok := s.doc.Connections[slug]
	if !ok && slug != "" {
		return link{settings: config.Settings{}, wire: e.Wire}, fmt.Errorf("connection %q: %w: it is not configured any more", slug, wire.ErrRefused)
	}
	l, err := openConnection(slug, c, e.Wire, e.plain)
	if err == nil && slug != "" {
		l.wire = l.wire.Observing(func(c wire.Call) {
			e.metrics.calls.WithLabelValues(s.org.Slug, slug, c.Outcome).Observe(c.Took.Seconds())
		})
	}
	return l, err
}

// openConnection is open, of a connection as it was configured.
func openConnection(slug string, c config.Connection, network *wire.Client, plain func(string) (string, error)) (link, error) {
	l := link{settings: config.Settings{}, wire: network, connection: slug}
	if slug == "" {
		return l, nil
	}
	l.settings = maps.Clone(c.Settings)
	if l.settings == nil {
		l.settings = config.Settings{}
	}
	l.settings["url"] = c.Address
	secrets := slices.Clone(c.Secrets)
	if c.Secret {
		secrets = append(secrets, "url")
	}
	for _, name := range secrets {
		value, err := plain(l.settings[name])
		if err != nil {
			return l, fmt.Errorf("connection %q: %s: %w", slug, name, err)
		}
		l.settings[name] = value
	}
	if len(c.Allow) > 0 {
		var prefixes []netip.Prefix
		for _, text := range c.Allow {
			if p, err := netip.ParsePrefix(text); err == nil {
				prefixes = append(prefixes, p)
			}
		}
		l.wire = network.Allowing(prefixes)
	}
	return l, nil
}
