package config

import "time"

// A Doc is one configuration: everything of an organization that people write,
// by slug.
type Doc struct {
	Organization string // slug
	Users        map[string]User
	Teams        map[string]Team
	Connections  map[string]Connection
	Integrations map[string]Integration
	Services     map[string]Service
	Schedules    map[string]Schedule
	Policies     map[string]Policy
	Rules        map[string]Rule
	Runbooks     map[string]Runbook
	Logs         map[string]Log

	places places // where what was read stands; empty for a Doc that was not parsed
}

// A User is a person who can be paged.
type User struct {
	Name     string
	Email    string // also the contact named "email", of kind email
	Timezone string // IANA name; "" is UTC
	Contacts map[string]Contact
	Notify   Notify
}

// A Contact is one way to reach somebody, or a room: a kind of channel and
// what that channel calls an address.
type Contact struct {
	Kind, Address string
	Via           string // slug of the connection it goes through; "" lets the engine choose the only one
	Secret        bool   // the address is a secret, such as the URL of a webhook
}

// Notify says by which contacts, in which order, a user is reached. An empty
// list means all contacts at once.
type Notify struct{ High, Low []Reach }

// A Reach is one line of a user's notification rules: after Wait, counted from
// the moment the user is paged, the contact By is used.
type Reach struct {
	Wait time.Duration
	By   string // name of a contact
}

// A Team is a group of users, who own services and are paged together.
type Team struct {
	Name    string
	Members []string // slugs of users
	Room    Contact  // its chat room; zero: none
}

// A Connection is a way out: an address and the credentials for it.
type Connection struct {
	Kind, Address string
	Secret        bool // the address is a secret
	Settings      Settings
	Secrets       []string // names in Settings that are secret, sorted
	Allow         []string // CIDR ranges that are forbidden otherwise and open to it
}

// An Integration is a way in, with its own key.
type Integration struct {
	Kind     string // a kind of source
	Key      string // secret: the token of its URL
	Service  string // slug; "" leaves it to the label service of the event
	GroupBy  []string
	Settings Settings
	Secrets  []string
}

// A Service is what breaks.
type Service struct {
	Name         string
	Team, Policy string // slugs
	Urgency      string // high, low; "" is that of the alert's severity
	GroupBy      []string
	Labels       map[string]string
	Environments map[string]map[string]Environment // by its name, then by kind or slug of connection
	Ticket       Ticket                            // zero: no tickets
}

// An Environment says where a service lives in one tool, such as the project
// and environment of GitLab. It holds no secrets.
type Environment = Settings

// A Ticket says which tracker gets a ticket for each incident, and when.
type Ticket struct {
	Kind       string // a kind of tracker
	Connection string // slug
	On         string // opened, resolved
	Settings   Settings
	Secrets    []string
}

// A Schedule says who is on call; see the method Schedule of Doc.
type Schedule struct {
	Name     string
	Timezone string // IANA name
	Layers   []Layer
}

// A Layer is one rotation of a schedule.
type Layer struct {
	Users   []string // slugs, in turn
	Days    int      // between handoffs
	Handoff string   // "Mon 09:00", "09:00"; "" is midnight
	Start   string   // date of the first handoff or before it, 2026-03-02; "" is Epoch
	Only    []string // "Mon-Fri 09:00-17:00"; none is always
	From    string   // the layer has nobody before it: "2026-03-02" or "2026-03-02 09:00"
	Until   string   // nor from it on
}

// A Policy is an escalation policy.
type Policy struct {
	Name   string
	Steps  []PolicyStep
	Repeat int // rounds in all, at least 1
}

// A PolicyStep notifies its targets at once and then waits before the next.
type PolicyStep struct {
	Notify []string // schedule:x, user:y, team:z
	Wait   time.Duration
}

// A Rule watches records for too many bad ones; see DetectRule.
type Rule struct {
	Title        string
	Service      string // slug
	Source       string // logs, logs:<slug>
	Ratio        Ratio
	Above        string // a fraction, 0.5% or 0.005
	Window       time.Duration
	MinTotal     int64
	By           []string
	ResolveAfter time.Duration // 0 is the default of detect
	Lateness     time.Duration // 0 is the default of detect
	MaxGroups    int           // 0 is the default of detect
	Severity     string        // critical, error, warning, info
	Runbook      string        // slug; "" is none
}

// A Ratio divides the Bad records by all those of Where; both are conditions
// of detect.
type Ratio struct{ Bad, Where string }

// A Runbook is automation and what proves that it worked.
type Runbook struct {
	Name     string
	Approve  Approve // zero: runs without asking
	Budget   Budget  // zero: that of the engine
	Cooldown time.Duration
	Steps    []Step
	Verify   Verify // zero: nothing is verified
}

// Approve says who must say yes and how long that is waited for.
type Approve struct {
	By     string // team:x, user:y, schedule:z
	Within time.Duration
}

// A Budget is how many runs there may be in how long.
type Budget struct {
	Runs int
	Per  time.Duration
}

// A Step is one step of a runbook.
type Step struct {
	Kind     string // a kind of step, such as gitlab.rollback
	Settings Settings
	Secrets  []string
}

// Verify says which signal must recover, and how soon.
type Verify struct {
	Signal         string // trigger, or rule:<slug>
	RecoversWithin time.Duration
}

// A Log is a log source.
type Log struct {
	Format   string            // a format of collect; "" is auto
	Fields   map[string]string // our name of a field to its name in the log
	Service  string            // slug; "" leaves it to the field service of the record
	Defaults map[string]string // fields of a record that lacks them
}
