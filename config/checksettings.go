package config

import "fmt"

// checkSettings returns what is wrong with all addresses and settings, by the
// fields of their kinds. A kind of "" was told of when it was read.
func (d Doc) checkSettings(kinds Kinds) Errors {
	var out Errors
	kindAt := func(list []Kind, what, name, path string) (Kind, bool) {
		k, ok := find(list, name)
		if !ok && name != "" {
			out = append(out, d.places.at(path, fmt.Sprintf("there is no %s %s", what, shown(name)), suggest(name, names(list))))
		}
		return k, ok
	}
	contact := func(c Contact, path string) {
		if k, ok := kindAt(kinds.Channels, "kind of channel", c.Kind, path); ok {
			out = append(out, k.checkAddress(d.places, join(path, c.Kind), c.Address)...)
		}
	}
	ticket := func(t Ticket, path string, other ...string) {
		if k, ok := kindAt(kinds.Trackers, "kind of tracker", t.Kind, path); ok {
			out = append(out, k.check(d.places, path, t.Settings, false, nil, append([]string{"kind", "connection"}, other...)...)...)
		}
	}
	for _, slug := range sortedKeys(d.Users) {
		contacts := d.Users[slug].Contacts
		for _, name := range sortedKeys(contacts) {
			contact(contacts[name], join("users."+slug+".contacts", name))
		}
	}
	for _, slug := range sortedKeys(d.Teams) {
		contact(d.Teams[slug].Room, "teams."+slug+".room")
		ticket(d.Teams[slug].Ticket, "teams."+slug+".ticket")
	}
	for _, slug := range sortedKeys(d.Connections) {
		c, path := d.Connections[slug], "connections."+slug
		if k, ok := kindAt(kinds.Connections, "kind of connection", c.Kind, path); ok {
			out = append(out, k.checkAddress(d.places, join(path, c.Kind), c.Address)...)
			out = append(out, k.check(d.places, path, c.Settings, false, nil, "allow")...)
		}
	}
	for _, slug := range sortedKeys(d.Integrations) {
		i, path := d.Integrations[slug], "integrations."+slug
		if k, ok := kindAt(kinds.Sources, "kind of source", i.Kind, path+".kind"); ok {
			out = append(out, k.check(d.places, path, i.Settings, false, nil, integrationKeys...)...)
		}
	}
	for _, slug := range sortedKeys(d.Services) {
		ticket(d.Services[slug].Ticket, "services."+slug+".ticket", "on")
		out = append(out, d.checkEnvironments(kinds, slug)...)
	}
	for _, slug := range sortedKeys(d.Runbooks) {
		for i, step := range d.Runbooks[slug].Steps {
			path := fmt.Sprintf("runbooks.%s.steps[%d]", slug, i)
			if k, ok := kindAt(kinds.Steps, "kind of step", step.Kind, path); ok {
				given := d.environmentSettings(step.Settings["environment"])
				out = append(out, k.check(d.places, join(path, step.Kind), step.Settings, true, given)...)
			}
		}
	}
	for _, slug := range sortedKeys(d.Gates) {
		ticket(d.Gates[slug].Ticket, "gates."+slug+".ticket")
	}
	return out
}

// checkEnvironments checks the settings of a service's environments where
// Kinds say what they are.
func (d Doc) checkEnvironments(kinds Kinds, service string) Errors {
	var out Errors
	environments := d.Services[service].Environments
	for _, name := range sortedKeys(environments) {
		for _, tool := range sortedKeys(environments[name]) {
			kind := tool
			if c, ok := d.Connections[tool]; ok {
				kind = c.Kind
			}
			if k, ok := find(kinds.Environments, kind); ok {
				path := join(join("services."+service+".environments", name), tool)
				out = append(out, k.check(d.places, path, environments[name][tool], false, nil)...)
			}
		}
	}
	return out
}

// environmentSettings returns all settings that any service gives for an
// environment of that name. Check then looks at the services one by one.
func (d Doc) environmentSettings(name string) Settings {
	out := Settings{}
	for _, s := range d.Services {
		for _, set := range s.Environments[name] {
			for k, v := range set {
				out[k] = v
			}
		}
	}
	return out
}
