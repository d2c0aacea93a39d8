package config

import (
	"fmt"
	"net/netip"

	"go.yaml.in/yaml/v3"
)

// A Connection is a way out: an address and the credentials for it.
type Connection struct {
	Kind, Address string
	Secret        bool // the address is a secret
	Settings      Settings
	Secrets       []string // names in Settings that are secrets, sorted
	Allow         []string // CIDR ranges, forbidden otherwise, that it may connect to
}

func readConnection(n node) Connection {
	o := n.entries()
	key, kind, ok := o.kindKey("kind of connection", func(k *Kinds) []Kind { return k.Connections }, "allow")
	if !ok {
		return Connection{}
	}
	c := Connection{Kind: key}
	c.Address, c.Secret = o.address(key, kind)
	c.Settings, c.Secrets = o.settings(kind, key, "allow")
	if allow, ok := o.get("allow"); ok {
		c.Allow = distinct(allow.list(), node.cidr)
	}
	return c
}

// cidr returns a range of addresses, as written.
func (n node) cidr() string {
	s, ok := n.scalar()
	if !ok {
		return ""
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		hint := ""
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			hint = fmt.Sprintf("%s/%d", a, a.BitLen())
		}
		n.problem(fmt.Sprintf("wants a range of addresses such as 10.1.0.0/16; has %s", shown(s)), hint)
		return ""
	}
	switch {
	case p != p.Masked():
		n.problem(fmt.Sprintf("%s begins inside its own range", shown(s)), p.Masked().String())
	case p.Bits() == 0:
		n.problemf("opens every address there is; name the ranges that the connection needs")
	}
	return s
}

func writeConnection(w writer, c Connection) *yaml.Node {
	m := mapping()
	put(m, c.Kind, w.value(c.Address, c.Secret))
	w.putSettings(m, c.Settings, c.Secrets)
	put(m, "allow", texts(c.Allow))
	if w.stored {
		put(m, keyKind, scalar(c.Kind))
	}
	w.putSecret(m, c.Secret)
	return m
}
