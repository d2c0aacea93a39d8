package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Operators are those who look after Muster itself. Both parts may be absent.
type Operators struct {
	Service   string   // slug of the service that gets Muster's own alerts; "": they are only logged and counted
	Emergency []string // user:x, who are told without the database
}

func (o Operators) none() bool { return o.Service == "" && len(o.Emergency) == 0 }

func readOperators(n node) Operators {
	o := n.object("service", "emergency")
	op := Operators{Service: o.slug("service")}
	if e, ok := o.get("emergency"); ok {
		op.Emergency = distinct(e.list(), node.person)
	}
	return op
}

// person returns user:x.
func (n node) person() string {
	s, ok := n.scalar()
	if !ok {
		return ""
	}
	kind, slug, _ := strings.Cut(s, ":")
	if kind != "user" || !isSlug(slug) {
		hint := ""
		if isSlug(s) {
			hint = "user:" + s
		} else if isSlug(slug) && n.r.suggest(kind, []string{"user"}) != "" {
			hint = "user:" + slug
		}
		n.problem(fmt.Sprintf("wants user:NAME; has %s", shown(s)), hint)
		return ""
	}
	return s
}

func writeOperators(_ writer, o Operators) *yaml.Node {
	m := mapping()
	put(m, "service", text(o.Service))
	put(m, "emergency", texts(o.Emergency))
	return m
}

func (c *checker) operators() {
	exists(c, c.d.Services, "service", c.d.Operators.Service, "operators.service")
	for i, target := range c.d.Operators.Emergency {
		path := fmt.Sprintf("operators.emergency[%d]", i)
		slug := strings.TrimPrefix(target, "user:")
		if exists(c, c.d.Users, "user", slug, path) && !c.reachable(slug) {
			c.add(path, fmt.Sprintf("user %s cannot be reached by any channel", slug), "")
		}
	}
}
