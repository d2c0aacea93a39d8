package config

import (
	"fmt"
	"maps"
	"slices"
)

// MapSecrets returns a Doc in which f has replaced every secret, which is how
// secrets are sealed before they are stored, opened after, and how references
// are resolved. place names the secret by resource and setting, such as
// connections/gitlab/token; it never changes, and so can be the associated
// data of a seal. The first error of f ends it.
func (d Doc) MapSecrets(f func(place, value string) (string, error)) (Doc, error) {
	d = d.clone()
	m := mapper{f: f}
	for slug, u := range d.Users {
		u.Contacts = maps.Clone(u.Contacts)
		for name, c := range u.Contacts {
			u.Contacts[name] = m.contact(c, "users/"+slug+"/contacts/"+name)
		}
		d.Users[slug] = u
	}
	for slug, t := range d.Teams {
		t.Room = m.contact(t.Room, "teams/"+slug+"/room")
		d.Teams[slug] = t
	}
	for slug, c := range d.Connections {
		if c.Secret {
			c.Address = m.value(c.Address, "connections/"+slug)
		}
		c.Settings = m.settings(c.Settings, c.Secrets, "connections/"+slug)
		d.Connections[slug] = c
	}
	for slug, i := range d.Integrations {
		i.Key = m.value(i.Key, "integrations/"+slug+"/key")
		i.Settings = m.settings(i.Settings, i.Secrets, "integrations/"+slug)
		d.Integrations[slug] = i
	}
	for slug, s := range d.Services {
		s.Ticket.Settings = m.settings(s.Ticket.Settings, s.Ticket.Secrets, "services/"+slug+"/ticket")
		d.Services[slug] = s
	}
	for slug, r := range d.Runbooks {
		r.Steps = slices.Clone(r.Steps)
		for i, s := range r.Steps {
			r.Steps[i].Settings = m.settings(s.Settings, s.Secrets, fmt.Sprintf("runbooks/%s/steps/%d", slug, i))
		}
		d.Runbooks[slug] = r
	}
	if m.err != nil {
		return Doc{}, m.err
	}
	return d, nil
}

// A mapper replaces secrets until there is an error.
type mapper struct {
	f   func(place, value string) (string, error)
	err error
}

func (m *mapper) value(value, place string) string {
	if m.err != nil || value == "" {
		return value
	}
	out, err := m.f(place, value)
	if err != nil {
		m.err = fmt.Errorf("%s: %w", place, err)
	}
	return out
}

func (m *mapper) contact(c Contact, place string) Contact {
	if c.Secret {
		c.Address = m.value(c.Address, place)
	}
	return c
}

func (m *mapper) settings(set Settings, secrets []string, place string) Settings {
	if len(secrets) == 0 {
		return set
	}
	set = maps.Clone(set)
	for _, name := range secrets {
		set[name] = m.value(set[name], place+"/"+name)
	}
	return set
}

// KeepSecrets returns d with every Masked secret replaced by the one that old
// has at the same place, so that an export can be edited and applied. Where
// old has none, the error names the place.
func (d Doc) KeepSecrets(old Doc) (Doc, error) {
	had := map[string]string{}
	_, err := old.MapSecrets(func(place, value string) (string, error) {
		had[place] = value
		return value, nil
	})
	if err != nil {
		return Doc{}, err
	}
	return d.MapSecrets(func(place, value string) (string, error) {
		if value != Masked {
			return value, nil
		}
		kept, ok := had[place]
		if !ok || kept == Masked {
			return "", fmt.Errorf("the secret is %s, and there is none yet to keep", Masked)
		}
		return kept, nil
	})
}
