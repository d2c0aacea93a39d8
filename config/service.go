package config

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// A Service is what breaks.
type Service struct {
	Name         string
	Team, Policy string                            // slugs
	Urgency      string                            // high, low; "" is that of the alert's severity
	GroupBy      []string                          // labels; alerts that agree in them are one incident
	Labels       map[string]string                 // given to all its alerts that lack them
	Environments map[string]map[string]Environment // by its name, then by kind or slug of a connection
	Ticket       Ticket                            // zero: no tickets
}

// An Environment says where a service lives in one tool, such as the project
// and environment of GitLab. It holds no secrets.
type Environment = Settings

// A Ticket says which tracker gets tickets, and of a service's incidents also
// when.
type Ticket struct {
	Kind       string // a kind of tracker
	Connection string // slug
	On         string // of a service: opened, resolved
	Settings   Settings
	Secrets    []string // names in Settings that are secrets, sorted
}

func readService(n node) Service {
	o := n.object("name", "team", "policy", "urgency", "group_by", "labels", "environments", "ticket")
	s := Service{
		Name:    o.line("name"),
		Team:    o.slug("team"),
		GroupBy: o.lines("group_by"),
		Labels:  o.words("labels"),
	}
	if p, ok := o.need("policy"); ok {
		s.Policy = p.slug()
	}
	if u, ok := o.get("urgency"); ok {
		s.Urgency = u.oneOf("high", "low")
	}
	if e, ok := o.get("environments"); ok {
		s.Environments = readEnvironments(e)
	}
	if t, ok := o.get("ticket"); ok {
		s.Ticket = readTicketOn(t)
	}
	return s
}

func readEnvironments(n node) map[string]map[string]Environment {
	o := n.entries()
	if len(o.order) == 0 {
		return nil
	}
	out := map[string]map[string]Environment{}
	for _, name := range o.order {
		if !isSlug(name) {
			o.keys[name].problem(slugRule, slugged(name))
			continue
		}
		tools := o.vals[name].entries()
		out[name] = map[string]Environment{}
		for _, tool := range tools.order {
			if !isSlug(tool) {
				tools.keys[tool].problem(slugRule, slugged(tool))
				continue
			}
			out[name][tool], _ = tools.vals[tool].entries().settings(Kind{})
		}
	}
	return out
}

// readTicketOn reads a ticket that may say when it is made.
func readTicketOn(n node) Ticket {
	o := n.entries()
	t := readTicket(o, "on")
	if t.Kind == "" {
		return t
	}
	t.On = "opened"
	if on, ok := o.get("on"); ok {
		t.On = on.oneOf("opened", "resolved")
	}
	return t
}

// readTicket reads {jira: jira-cloud, project: OPS}, or the same in more words,
// {kind: jira, connection: jira-cloud, project: OPS}. Other keys than those of
// the tracker are left to the caller.
func readTicket(o object, other ...string) Ticket {
	var t Ticket
	taken := append([]string{"kind", "connection"}, other...)
	var kind Kind
	if k, ok := o.get("kind"); ok && o.r.kinds != nil {
		name, _ := k.scalar()
		if kind, ok = find(o.r.kinds.Trackers, name); !ok {
			k.problem(fmt.Sprintf("there is no kind of tracker %s", shown(name)), o.r.suggest(name, names(o.r.kinds.Trackers)))
			return Ticket{}
		}
		if c, ok := o.need("connection"); ok {
			t.Connection = c.slug()
		}
	} else {
		key, found, ok := o.kindKey("kind of tracker", func(k *Kinds) []Kind { return k.Trackers }, other...)
		if !ok {
			return Ticket{}
		}
		kind, t.Connection, taken = found, o.slug(key), append([]string{key}, other...)
	}
	t.Kind = kind.Name
	t.Settings, t.Secrets = o.settings(kind, taken...)
	return t
}

func writeService(w writer, s Service) *yaml.Node {
	m := mapping()
	put(m, "name", text(s.Name))
	put(m, "team", text(s.Team))
	put(m, "policy", text(s.Policy))
	put(m, "urgency", text(s.Urgency))
	put(m, "group_by", texts(s.GroupBy))
	put(m, "labels", words(s.Labels))
	environments := mapping()
	for _, name := range sortedKeys(s.Environments) {
		tools := mapping()
		for _, tool := range sortedKeys(s.Environments[name]) {
			set := mapping()
			w.putSettings(set, s.Environments[name][tool], nil)
			put(tools, tool, set)
		}
		put(environments, name, tools)
	}
	put(m, "environments", some(environments))
	put(m, "ticket", w.ticket(s.Ticket))
	return m
}

func (w writer) ticket(t Ticket) *yaml.Node {
	if t.Kind == "" {
		return nil
	}
	m := mapping()
	put(m, t.Kind, scalar(t.Connection))
	w.putSettings(m, t.Settings, t.Secrets)
	put(m, "on", text(t.On))
	if w.stored {
		put(m, keyKind, scalar(t.Kind))
	}
	return m
}
