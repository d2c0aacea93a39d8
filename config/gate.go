package config

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"
)

// A Gate is where the checks of one project in CI report to: what they find
// becomes tickets of the teams that own it.
type Gate struct {
	Service  string            // slug; whose alerts these are; its team owns what nobody else does
	Owners   map[string]string // slugs of teams by name in CODEOWNERS
	Ticket   Ticket            // zero: that of the service
	Alert    string            // severity of the alert of a new defect; "": none
	Selftest time.Duration     // without a good self-test for so long there is an alert; 0: none is expected
}

// Bounds of how often a gate proves itself.
const (
	leastSelftest = time.Hour
	mostSelftest  = 90 * 24 * time.Hour
)

func readGate(n node) Gate {
	o := n.object("service", "owners", "ticket", "alert", "selftest")
	var g Gate
	if s, ok := o.need("service"); ok {
		g.Service = s.slug()
	}
	if owners, ok := o.get("owners"); ok {
		g.Owners = readOwners(owners)
	}
	if t, ok := o.get("ticket"); ok {
		g.Ticket = readTicket(t.entries())
	}
	if a, ok := o.get("alert"); ok {
		g.Alert = a.oneOf("critical", "error", "warning", "info")
	}
	g.Selftest = o.duration("selftest", leastSelftest, mostSelftest)
	return g
}

// readOwners reads teams by the name that CODEOWNERS has for them.
func readOwners(n node) map[string]string {
	o := n.entries()
	if len(o.order) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, name := range o.order {
		if why := badLine(name); why != "" {
			o.keys[name].problem("the name "+why, "")
			continue
		}
		out[name] = o.vals[name].slug()
	}
	return out
}

func writeGate(w writer, g Gate) *yaml.Node {
	m := mapping()
	put(m, "service", text(g.Service))
	put(m, "owners", words(g.Owners))
	put(m, "ticket", w.ticket(g.Ticket))
	put(m, "alert", text(g.Alert))
	put(m, "selftest", duration(g.Selftest))
	return m
}

func (c *checker) gates() {
	for _, slug := range sortedKeys(c.d.Gates) {
		g, path := c.d.Gates[slug], "gates."+slug
		service := exists(c, c.d.Services, "service", g.Service, path+".service")
		for _, name := range sortedKeys(g.Owners) {
			exists(c, c.d.Teams, "team", g.Owners[name], join(path+".owners", name))
		}
		c.ticket(g.Ticket, path+".ticket")
		if service && g.Ticket.Kind == "" && c.d.Services[g.Service].Ticket.Kind == "" {
			c.add(path, fmt.Sprintf("has no ticket, and service %s has none: what the gate finds would get none", g.Service), "")
		}
	}
}
