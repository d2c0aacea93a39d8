package config

import (
	"fmt"
	"slices"
	"strings"
)

// Check returns an Errors with everything in d that refers to what is not
// there, or that could not work: users who are paged and cannot be reached,
// channels without the connection that they go through, steps that lack a
// setting. It also checks the settings against kinds, for a Doc that was not
// parsed with them.
func (d Doc) Check(kinds Kinds) error {
	c := &checker{d: d, kinds: kinds, unconnected: map[string]bool{}}
	c.problems = d.checkSettings(kinds)
	c.users()
	c.teams()
	c.integrations()
	c.services()
	c.schedules()
	c.policies()
	c.rules()
	c.runbooks()
	c.logs()
	c.gates()
	c.operators()
	return c.problems.sorted()
}

// A checker collects the problems of one Check.
type checker struct {
	d           Doc
	kinds       Kinds
	problems    Errors
	unconnected map[string]bool // channels whose missing connection has been told
}

func (c *checker) add(path, detail, suggestion string) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, c.d.places.at(path, detail, suggestion))
	}
}

// exists complains about a slug that m does not have; "" is none.
func exists[T any](c *checker, m map[string]T, what, slug, path string) bool {
	if slug == "" {
		return false
	}
	if _, ok := m[slug]; ok {
		return true
	}
	near := ""
	if len(c.problems) < 100 {
		near = suggest(slug, sortedKeys(m))
	}
	c.add(path, fmt.Sprintf("there is no %s %s", what, slug), near)
	return false
}

func (c *checker) users() {
	for _, slug := range sortedKeys(c.d.Users) {
		u := c.d.Users[slug]
		for _, name := range sortedKeys(u.Contacts) {
			c.contact(u.Contacts[name], join("users."+slug+".contacts", name))
		}
	}
}

func (c *checker) teams() {
	for _, slug := range sortedKeys(c.d.Teams) {
		t, path := c.d.Teams[slug], "teams."+slug
		for i, user := range t.Members {
			exists(c, c.d.Users, "user", user, fmt.Sprintf("%s.members[%d]", path, i))
		}
		c.contact(t.Room, path+".room")
		c.ticket(t.Ticket, path+".ticket")
	}
}

// contact checks the connection that a contact or a room goes through.
func (c *checker) contact(contact Contact, path string) {
	kind, ok := find(c.kinds.Channels, contact.Kind)
	if !ok {
		return // checkSettings has told it
	}
	c.via(kind, "channel", contact.Via, path, path+".via")
}

// via checks that there is one connection for a kind of channel or step:
// the named one, or else the only one of the right kind.
func (c *checker) via(kind Kind, what, named, path, viaPath string) {
	if named != "" {
		if !exists(c, c.d.Connections, "connection", named, viaPath) {
			return
		}
		if got := c.d.Connections[named].Kind; len(kind.Via) > 0 && !slices.Contains(kind.Via, got) {
			c.add(viaPath, fmt.Sprintf("is a connection of kind %s; %s goes through %s", got, kind.Name, strings.Join(kind.Via, " or ")), "")
		}
		return
	}
	if len(kind.Via) == 0 {
		return
	}
	switch found := c.d.connectionsOf(kind.Via); {
	case len(found) == 0 && !c.unconnected[kind.Name]:
		c.unconnected[kind.Name] = true // once is enough: the cure is one connection
		c.add(path, fmt.Sprintf("the %s %s goes through a connection of kind %s, and there is none", what, kind.Name, strings.Join(kind.Via, " or ")), "")
	case len(found) > 1 && what == "channel":
		c.add(path, fmt.Sprintf("there are several connections for %s: %s; say which with via", kind.Name, strings.Join(found, ", ")), "")
	}
}

// connectionsOf returns the slugs of the connections of some kinds.
func (d Doc) connectionsOf(kinds []string) []string {
	var out []string
	for _, slug := range sortedKeys(d.Connections) {
		if slices.Contains(kinds, d.Connections[slug].Kind) {
			out = append(out, slug)
		}
	}
	return out
}

func (c *checker) integrations() {
	for _, slug := range sortedKeys(c.d.Integrations) {
		exists(c, c.d.Services, "service", c.d.Integrations[slug].Service, "integrations."+slug+".service")
	}
}

func (c *checker) services() {
	for _, slug := range sortedKeys(c.d.Services) {
		s, path := c.d.Services[slug], "services."+slug
		exists(c, c.d.Teams, "team", s.Team, path+".team")
		exists(c, c.d.Policies, "policy", s.Policy, path+".policy")
		for _, name := range sortedKeys(s.Environments) {
			for _, tool := range sortedKeys(s.Environments[name]) {
				c.tool(tool, join(join(path+".environments", name), tool))
			}
		}
		c.ticket(s.Ticket, path+".ticket")
	}
}

// ticket checks the connection of a tracker.
func (c *checker) ticket(t Ticket, path string) {
	if t.Kind == "" {
		return
	}
	at := join(path, t.Kind)
	if t.Connection == "" {
		c.add(at, "wants the name of a connection", "")
		return
	}
	kind, _ := find(c.kinds.Trackers, t.Kind)
	c.via(kind, "tracker", t.Connection, at, at)
}

// tool checks the key of an environment: a connection, or the kind of one.
func (c *checker) tool(tool, path string) {
	if _, ok := c.d.Connections[tool]; ok {
		return
	}
	switch found := c.d.connectionsOf([]string{tool}); {
	case len(found) > 1:
		c.add(path, fmt.Sprintf("there are several connections of kind %s: %s; name one of them here", tool, strings.Join(found, ", ")), "")
	case len(found) == 0:
		c.add(path, fmt.Sprintf("there is no connection %s, nor one of that kind", tool), suggest(tool, sortedKeys(c.d.Connections)))
	}
}

func (c *checker) schedules() {
	for _, slug := range sortedKeys(c.d.Schedules) {
		for i, l := range c.d.Schedules[slug].Layers {
			for j, user := range l.Users {
				exists(c, c.d.Users, "user", user, fmt.Sprintf("schedules.%s.layers[%d].users[%d]", slug, i, j))
			}
		}
	}
}

func (c *checker) policies() {
	told := map[string]bool{}
	for _, slug := range sortedKeys(c.d.Policies) {
		for i, step := range c.d.Policies[slug].Steps {
			for j, target := range step.Notify {
				for _, user := range c.target(target, fmt.Sprintf("policies.%s.steps[%d].notify[%d]", slug, i, j)) {
					if told[user] || c.reachable(user) {
						continue
					}
					told[user] = true
					c.add("users."+user, fmt.Sprintf("cannot be reached by any channel, but policy %s pages %s", slug, user), "")
				}
			}
		}
	}
}

// target checks schedule:x, user:y or team:z and returns the users who may
// stand behind it.
func (c *checker) target(target, path string) []string {
	kind, slug, _ := strings.Cut(target, ":")
	var users []string
	switch kind {
	case "user":
		if exists(c, c.d.Users, "user", slug, path) {
			users = []string{slug}
		}
	case "team":
		if exists(c, c.d.Teams, "team", slug, path) {
			if users = c.d.Teams[slug].Members; len(users) == 0 {
				c.add(path, fmt.Sprintf("reaches nobody: team %s has no members", slug), "")
			}
		}
	case "schedule":
		if exists(c, c.d.Schedules, "schedule", slug, path) {
			for _, l := range c.d.Schedules[slug].Layers {
				users = append(users, l.Users...)
			}
		}
	}
	return users
}

// reachable tells whether any contact of a user has a channel to go through. A
// user who does not exist has been told of already.
func (c *checker) reachable(user string) bool {
	u, ok := c.d.Users[user]
	if !ok {
		return true
	}
	for _, contact := range u.Reachable() {
		kind, ok := find(c.kinds.Channels, contact.Kind)
		if ok && (contact.Via != "" || len(kind.Via) == 0 || len(c.d.connectionsOf(kind.Via)) > 0) {
			return true
		}
	}
	return false
}

func (c *checker) rules() {
	for _, slug := range sortedKeys(c.d.Rules) {
		r, path := c.d.Rules[slug], "rules."+slug
		service := exists(c, c.d.Services, "service", r.Service, path+".service")
		if name, ok := strings.CutPrefix(r.Source, "logs:"); ok {
			exists(c, c.d.Logs, "log source", name, path+".source")
		}
		if exists(c, c.d.Runbooks, "runbook", r.Runbook, path+".runbook") && service {
			c.fits(r.Service, c.d.Runbooks[r.Runbook], path+".runbook")
		}
	}
}

// fits checks that a service has the environments that a runbook's steps act
// on, with the settings that the steps leave to them.
func (c *checker) fits(service string, r Runbook, path string) {
	for _, step := range r.Steps {
		kind, ok := find(c.kinds.Steps, step.Kind)
		name := step.Settings["environment"]
		if _, acts := kind.field("environment"); !ok || !acts || len(kind.Via) == 0 || name == "" || strings.Contains(name, "{{") {
			continue
		}
		_, given, ok := c.d.Environment(service, name, kind.Via)
		if !ok {
			c.add(path, fmt.Sprintf("step %s acts on environment %s, which service %s does not have for %s",
				step.Kind, name, service, strings.Join(kind.Via, " or ")), suggest(name, sortedKeys(c.d.Services[service].Environments)))
			continue
		}
		for _, f := range kind.Fields {
			if f.Required && !step.Settings.has(f.Name) && !given.has(f.Name) {
				c.add(path, fmt.Sprintf("step %s wants %s, which neither the step nor environment %s of service %s gives",
					step.Kind, f.Name, name, service), "")
			}
		}
	}
}

// Environment returns where a service lives in a tool: the slug of the
// connection, which has one of the given kinds, and the settings.
func (d Doc) Environment(service, name string, kinds []string) (connection string, set Environment, ok bool) {
	tools := d.Services[service].Environments[name]
	for _, tool := range sortedKeys(tools) {
		if c, ok := d.Connections[tool]; ok && slices.Contains(kinds, c.Kind) {
			return tool, tools[tool], true
		}
	}
	for _, tool := range sortedKeys(tools) {
		if _, taken := d.Connections[tool]; taken || !slices.Contains(kinds, tool) {
			continue
		}
		if found := d.connectionsOf([]string{tool}); len(found) == 1 {
			return found[0], tools[tool], true
		}
	}
	return "", nil, false
}

func (c *checker) runbooks() {
	for _, slug := range sortedKeys(c.d.Runbooks) {
		r, path := c.d.Runbooks[slug], "runbooks."+slug
		if r.Approve.By != "" {
			c.target(r.Approve.By, path+".approve.by")
		}
		if rule, ok := strings.CutPrefix(r.Verify.Signal, "rule:"); ok {
			exists(c, c.d.Rules, "rule", rule, path+".verify.signal")
		}
		for i, step := range r.Steps {
			if kind, ok := find(c.kinds.Steps, step.Kind); ok {
				at := join(fmt.Sprintf("%s.steps[%d]", path, i), step.Kind)
				c.via(kind, "step", step.Settings["connection"], at, at+".connection")
			}
		}
	}
}

func (c *checker) logs() {
	for _, slug := range sortedKeys(c.d.Logs) {
		exists(c, c.d.Services, "service", c.d.Logs[slug].Service, "logs."+slug+".service")
	}
}
