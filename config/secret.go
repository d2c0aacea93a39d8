package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// MapSecrets returns a Doc in which f has replaced every secret, which is how
// secrets are sealed before they are stored, opened after, and how references
// are resolved. place names the secret by resource and setting, such as
// connections/gitlab/token; it never changes, and so can be the associated
// data of a seal. The first error of f ends it.
func (d Doc) MapSecrets(f func(place, value string) (string, error)) (Doc, error) {
	return d.mapSecrets(func(place, _, value string) (string, error) { return f(place, value) })
}

// mapSecrets is MapSecrets; beside tells f what the secret is shown to.
func (d Doc) mapSecrets(f func(place, beside, value string) (string, error)) (Doc, error) {
	d = d.clone()
	m := mapper{f: f}
	for _, slug := range sortedKeys(d.Users) {
		u := d.Users[slug]
		u.Contacts = maps.Clone(u.Contacts)
		for _, name := range sortedKeys(u.Contacts) {
			u.Contacts[name] = m.contact(u.Contacts[name], "users/"+slug+"/contacts/"+name)
		}
		d.Users[slug] = u
	}
	for _, slug := range sortedKeys(d.Teams) {
		t := d.Teams[slug]
		t.Room = m.contact(t.Room, "teams/"+slug+"/room")
		t.Ticket = m.ticket(t.Ticket, "teams/"+slug+"/ticket")
		d.Teams[slug] = t
	}
	for _, slug := range sortedKeys(d.Connections) {
		c := d.Connections[slug]
		beside := c.Kind
		if c.Secret {
			c.Address = m.value(c.Address, "connections/"+slug, beside)
		} else {
			beside += " " + c.Address
		}
		for _, name := range sortedKeys(c.Settings) { // a proxy, a second URL
			if v := c.Settings[name]; strings.Contains(v, "://") && !slices.Contains(c.Secrets, name) {
				beside += " " + v
			}
		}
		c.Settings = m.settings(c.Settings, c.Secrets, "connections/"+slug, beside)
		d.Connections[slug] = c
	}
	for _, slug := range sortedKeys(d.Integrations) {
		i := d.Integrations[slug]
		i.Key = m.value(i.Key, "integrations/"+slug+"/key", "")
		i.Settings = m.settings(i.Settings, i.Secrets, "integrations/"+slug, i.Kind)
		d.Integrations[slug] = i
	}
	for _, slug := range sortedKeys(d.Services) {
		s := d.Services[slug]
		s.Ticket = m.ticket(s.Ticket, "services/"+slug+"/ticket")
		d.Services[slug] = s
	}
	for _, slug := range sortedKeys(d.Gates) {
		g := d.Gates[slug]
		g.Ticket = m.ticket(g.Ticket, "gates/"+slug+"/ticket")
		d.Gates[slug] = g
	}
	for _, slug := range sortedKeys(d.Runbooks) {
		r := d.Runbooks[slug]
		r.Steps = slices.Clone(r.Steps)
		for i, s := range r.Steps {
			place := fmt.Sprintf("runbooks/%s/steps/%d", slug, i)
			r.Steps[i].Settings = m.settings(s.Settings, s.Secrets, place, s.beside())
		}
		d.Runbooks[slug] = r
	}
	if m.err != nil {
		return Doc{}, m.err
	}
	return d, nil
}

// beside is the step without its secrets: where it sends them is among the
// other settings, and only the kind of step knows which.
func (s Step) beside() string {
	out := s.Kind
	for _, name := range sortedKeys(s.Settings) {
		if !slices.Contains(s.Secrets, name) {
			out += fmt.Sprintf(" %q=%q", name, s.Settings[name])
		}
	}
	return out
}

// A mapper replaces secrets until there is an error.
type mapper struct {
	f   func(place, beside, value string) (string, error)
	err error
}

func (m *mapper) value(value, place, beside string) string {
	if m.err != nil || value == "" {
		return value
	}
	out, err := m.f(place, beside, value)
	if err != nil {
		m.err = fmt.Errorf("%s: %w", place, err)
	}
	return out
}

func (m *mapper) contact(c Contact, place string) Contact {
	if c.Secret {
		c.Address = m.value(c.Address, place, c.Kind+" "+c.Via)
	}
	return c
}

func (m *mapper) ticket(t Ticket, place string) Ticket {
	t.Settings = m.settings(t.Settings, t.Secrets, place, t.Kind+" "+t.Connection)
	return t
}

func (m *mapper) settings(set Settings, secrets []string, place, beside string) Settings {
	if len(secrets) == 0 {
		return set
	}
	set = maps.Clone(set)
	for _, name := range secrets {
		set[name] = m.value(set[name], place+"/"+name, beside)
	}
	return set
}

// KeepSecrets returns d with every Masked secret replaced by the one that old
// has at the same place, so that an export can be edited and applied. Where
// old has none the error names the place. So it does where the secret would
// now go elsewhere: to another address of a connection, with other settings of
// a step. Who may edit the configuration may not thereby read its secrets.
func (d Doc) KeepSecrets(old Doc) (Doc, error) {
	type secret struct{ beside, value string }
	had := map[string]secret{}
	_, err := old.mapSecrets(func(place, beside, value string) (string, error) {
		had[place] = secret{beside, value}
		return value, nil
	})
	if err != nil {
		return Doc{}, err
	}
	return d.mapSecrets(func(place, beside, value string) (string, error) {
		if value != Masked {
			return value, nil
		}
		kept, ok := had[place]
		switch {
		case !ok || kept.value == Masked:
			return "", fmt.Errorf("the secret is written as %s, and there is none yet to keep", Masked)
		case kept.beside != beside:
			return "", fmt.Errorf("the secret is written as %s, but it would now go elsewhere: write it anew, or as env:NAME", Masked)
		}
		return kept.value, nil
	})
}
