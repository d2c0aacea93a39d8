package config

import (
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// A User is a person who can be paged.
type User struct {
	Name     string
	Email    string // also the contact named "email", of kind email
	Timezone string // IANA name; "" is UTC
	Contacts map[string]Contact
	Notify   Notify
}

// Notify says by which contacts, in which order, a user is reached. An empty
// list means all contacts at once; Reach has that filled in.
type Notify struct{ High, Low []Reach }

// A Reach is one line of a user's notification rules: after Wait, counted from
// the moment the user is paged, the contact By is used.
type Reach struct {
	Wait time.Duration
	By   string // name of a contact
}

// emailContact is the name, and the kind, of the contact that an email makes.
const emailContact = "email"

// Reachable returns all contacts of the user by name, with the e-mail address.
func (u User) Reachable() map[string]Contact {
	out := maps.Clone(u.Contacts)
	if u.Email != "" {
		if out == nil {
			out = map[string]Contact{}
		}
		out[emailContact] = Contact{Kind: emailContact, Address: u.Email}
	}
	return out
}

// Reach returns the notification rules for an urgency, high or low: those of
// the user, or else all contacts at once, by name.
func (u User) Reach(urgency string) []Reach {
	rules := u.Notify.High
	if urgency == "low" {
		rules = u.Notify.Low
	}
	if len(rules) > 0 {
		return rules
	}
	for _, name := range sortedKeys(u.Reachable()) {
		rules = append(rules, Reach{By: name})
	}
	return rules
}

func readUser(n node) User {
	o := n.object("name", "email", "timezone", "contacts", "notify")
	u := User{Name: o.line("name"), Email: o.line("email"), Timezone: o.zone("timezone")}
	if u.Email != "" && !isEmail(u.Email) {
		o.vals["email"].problemf("wants an e-mail address; has %s", shown(u.Email))
	}
	if c, ok := o.get("contacts"); ok {
		u.Contacts = readContacts(c, u.Email != "")
	}
	if c, ok := o.get("notify"); ok {
		notify := c.object("high", "low")
		known := slices.Sorted(maps.Keys(u.Reachable()))
		u.Notify.High = readReaches(notify, "high", known)
		u.Notify.Low = readReaches(notify, "low", known)
	}
	return u
}

func isEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s
}

func readContacts(n node, email bool) map[string]Contact {
	o := n.entries()
	if len(o.order) == 0 {
		return nil
	}
	out := map[string]Contact{}
	for _, name := range o.order {
		switch {
		case !isSlug(name):
			o.keys[name].problem(slugRule, slugged(name))
		case name == emailContact && email:
			o.keys[name].problemf("is already the name of the contact that the user's email makes; use another")
		default:
			out[name] = readContact(o.vals[name])
		}
	}
	return out
}

func readReaches(notify object, urgency string, known []string) []Reach {
	n, ok := notify.get(urgency)
	if !ok {
		return nil
	}
	items := n.list()
	if len(items) == 0 {
		n.problemf("names no contact; leave it out to use all contacts at once")
	}
	var out []Reach
	for _, item := range items {
		var r Reach
		by, ok := item, true
		if item.y.Kind == yaml.MappingNode {
			o := item.object("wait", "by")
			r.Wait = o.duration("wait", 0, 24*time.Hour)
			by, ok = o.need("by")
		}
		if !ok {
			continue
		}
		if r.By, ok = by.scalar(); !ok {
			continue
		}
		if !slices.Contains(known, r.By) {
			by.problem(fmt.Sprintf("the user has no contact %s", shown(r.By)), by.r.suggest(r.By, known))
		}
		if slices.Contains(out, r) {
			by.problemf("%s stands twice in the list", shown(r.By))
		}
		out = append(out, r)
	}
	return out
}

func writeUser(w writer, u User) *yaml.Node {
	m := mapping()
	put(m, "name", text(u.Name))
	put(m, "email", text(u.Email))
	put(m, "timezone", text(u.Timezone))
	contacts := mapping()
	for _, name := range sortedKeys(u.Contacts) {
		put(contacts, name, w.contact(u.Contacts[name]))
	}
	put(m, "contacts", some(contacts))
	notify := mapping()
	put(notify, "high", writeReaches(u.Notify.High))
	put(notify, "low", writeReaches(u.Notify.Low))
	put(m, "notify", some(notify))
	return m
}

func writeReaches(rules []Reach) *yaml.Node {
	if len(rules) == 0 {
		return nil
	}
	list := sequence()
	for _, r := range rules {
		if r.Wait == 0 {
			list.Content = append(list.Content, scalar(r.By))
			continue
		}
		m := mapping()
		put(m, "wait", duration(r.Wait))
		put(m, "by", scalar(r.By))
		list.Content = append(list.Content, m)
	}
	return list
}
