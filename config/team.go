package config

import "go.yaml.in/yaml/v3"

// A Team is a group of users, who own services and are paged together.
type Team struct {
	Name    string
	Members []string // slugs of users
	Room    Contact  // its chat room; zero: none
	Ticket  Ticket   // where it wants the tickets of defects that it owns; zero: where the gate says
}

func readTeam(n node) Team {
	o := n.object("name", "members", "room", "ticket")
	t := Team{Name: o.line("name"), Members: o.slugs("members")}
	if room, ok := o.get("room"); ok {
		t.Room = readContact(room)
	}
	if ticket, ok := o.get("ticket"); ok {
		t.Ticket = readTicket(ticket.entries())
	}
	return t
}

func writeTeam(w writer, t Team) *yaml.Node {
	m := mapping()
	put(m, "name", text(t.Name))
	put(m, "members", texts(t.Members))
	put(m, "room", w.contact(t.Room))
	put(m, "ticket", w.ticket(t.Ticket))
	return m
}
