package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Contact is one way to reach somebody, or a room: a kind of channel and
// what that channel calls an address.
type Contact struct {
	Kind, Address string // the address is "" for channels that need none
	Via           string // slug of the connection it goes through; "" lets the engine take the only one
	Secret        bool   // the address is a secret, such as the URL of a webhook
}

// readContact reads {sms: "+34600000001", via: twilio}.
func readContact(n node) Contact {
	o := n.entries()
	key, kind, ok := o.kindKey("kind of channel", func(k *Kinds) []Kind { return k.Channels }, "via")
	if !ok {
		return Contact{}
	}
	o.only(key, "via")
	c := Contact{Kind: key, Via: o.slug("via")}
	c.Address, c.Secret = o.address(key, kind)
	return c
}

func (w writer) contact(c Contact) *yaml.Node {
	if c == (Contact{}) {
		return nil
	}
	m := mapping()
	put(m, c.Kind, w.value(c.Address, c.Secret))
	put(m, "via", text(c.Via))
	w.putSecret(m, c.Secret)
	return m
}

// putSecret says in the stored form that the address is a secret.
func (w writer) putSecret(m *yaml.Node, secret bool) {
	if w.stored && secret {
		put(m, keySecret, scalar("true"))
	}
}

// kindKey finds the key of o that names a kind, such as gitlab in
// {gitlab: https://…, token: …}. Keys in taken are none.
func (o object) kindKey(what string, of func(*Kinds) []Kind, taken ...string) (string, Kind, bool) {
	if o.r.kinds == nil {
		return o.storedKind(taken)
	}
	kinds := of(o.r.kinds)
	var found []Kind
	var keys, rest []string
	for _, key := range o.order {
		if slices.Contains(taken, key) {
			continue
		}
		if k, ok := find(kinds, key); ok {
			found, keys = append(found, k), append(keys, key)
			continue
		}
		rest = append(rest, key)
	}
	if len(found) > 1 { // a field of the one kind may be called like another kind
		var whole []Kind
		for _, k := range found {
			others := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return key == k.Name })
			if !slices.ContainsFunc(others, func(key string) bool { _, ok := k.field(key); return !ok }) {
				whole = append(whole, k)
			}
		}
		if len(whole) == 1 {
			found = whole
		}
	}
	switch {
	case len(found) == 1:
		return found[0].Name, found[0], true
	case len(found) > 1:
		o.problemf("names more than one %s: %s", what, strings.Join(keys, ", "))
	case o.y.Kind == yaml.MappingNode || o.null():
		for _, key := range rest {
			if s := o.r.suggest(key, names(kinds)); s != "" {
				o.keys[key].problem(fmt.Sprintf("is no %s", what), s)
				return "", Kind{}, false
			}
		}
		o.problemf("names no %s; one key must be one of %s", what, strings.Join(names(kinds), ", "))
	}
	return "", Kind{}, false
}

// storedKind is kindKey in the stored form, which names the kind where it
// cannot be seen.
func (o object) storedKind(taken []string) (string, Kind, bool) {
	if n, ok := o.get(keyKind); ok {
		name, ok := n.scalar()
		return name, Kind{Name: name}, ok
	}
	for _, key := range o.order {
		if !slices.Contains(taken, key) && !strings.HasPrefix(key, "$") {
			return key, Kind{Name: key}, true
		}
	}
	o.problemf("names no kind")
	return "", Kind{}, false
}

// address reads the value of the kind's key. Null is no address.
func (o object) address(key string, kind Kind) (address string, secret bool) {
	if n, ok := o.get(keySecret); ok && o.r.kinds == nil {
		s, _ := n.scalar()
		secret = s == "true"
	}
	if kind.Address != nil && kind.Address.Secret {
		secret = true
	}
	n, ok := o.get(key)
	if !ok || n.null() {
		return "", secret
	}
	address, _ = n.scalar()
	why := badText(address)
	switch {
	case address == "":
	case secret:
		why = badSecret(address)
	default:
		why = badLine(address)
	}
	if why != "" {
		n.problem(why, "")
	}
	return address, secret
}
