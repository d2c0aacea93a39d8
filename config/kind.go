package config

// A Field is one setting of a kind, as data: it makes the validation here, the
// form in the console, the flags of the command line and the manual page.
type Field struct {
	Name, Label, Help, Default string
	Required, Secret           bool
	Type                       string // text, url, number, duration, bool, map, list; "" is text
}

// Settings are the values of a kind's fields, as written. The entries of a
// field of type map are flattened to "name.key", those of a list to "name.0",
// "name.1". Defaults are not filled in.
type Settings map[string]string

// A Kind is one sort of channel, step, tracker, source or connection. A field
// cannot be called like what stands beside the settings in a file: allow in a
// connection; kind, key, service and group_by in an integration; on, kind and
// connection in a ticket. Nor may its name hold a dot or begin with a dollar
// sign. The Fields of a channel are not read here: a contact is an address and
// nothing else, and the connection has the settings.
type Kind struct {
	Name    string
	Fields  []Field
	Address *Field   // how a contact or a room (channels) or the address of a connection is written; nil is any text, or none
	Via     []string // the kinds of connection that it goes through; none: it needs no connection
}

// Kinds are all kinds that the program has. Config cannot import the packages
// that have them, so cmd gives them as data.
type Kinds struct {
	Channels, Steps, Trackers, Sources []Kind
	Connections                        []Kind
	Environments                       []Kind   // what a service's environment says of itself, by kind of connection; a kind that is not here takes any settings
	Formats                            []string // of log sources; none: any name is taken
}

func find(kinds []Kind, name string) (Kind, bool) {
	for _, k := range kinds {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}

func names(kinds []Kind) []string {
	var out []string
	for _, k := range kinds {
		out = append(out, k.Name)
	}
	return out
}

func (k Kind) field(name string) (Field, bool) {
	for _, f := range k.Fields {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

func (k Kind) fieldNames() []string {
	var out []string
	for _, f := range k.Fields {
		out = append(out, f.Name)
	}
	return out
}
