package config

import "go.yaml.in/yaml/v3"

// A Team is a group of users, who own services and are paged together.
type Team struct {
	Name    string
	Members []string // slugs of users
	Room    Contact  // its chat room; zero: none
}

func readTeam(n node) Team {
	o := n.object("name", "members", "room")
	t := Team{Name: o.line("name"), Members: o.slugs("members")}
	if room, ok := o.get("room"); ok {
		t.Room = readContact(room)
	}
	return t
}

func writeTeam(w writer, t Team) *yaml.Node {
	m := mapping()
	put(m, "name", text(t.Name))
	put(m, "members", texts(t.Members))
	put(m, "room", w.contact(t.Room))
	return m
}
