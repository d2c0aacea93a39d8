package config

import "maps"

// A Doc is one configuration: everything of an organization that people write,
// by slug.
type Doc struct {
	Organization string // slug; "" where no file names one
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
	Gates        map[string]Gate
	Operators    Operators
	Interrupts   Interrupts

	places places // where what was read stands; empty for a Doc that was not parsed
}

func newDoc() Doc {
	d := Doc{places: places{}}
	for _, s := range sections() {
		s.make(&d)
	}
	return d
}

// clone returns a Doc whose maps can be written without changing d. What the
// maps hold is shared.
func (d Doc) clone() Doc {
	d.Users, d.Teams, d.Connections = maps.Clone(d.Users), maps.Clone(d.Teams), maps.Clone(d.Connections)
	d.Integrations, d.Services, d.Schedules = maps.Clone(d.Integrations), maps.Clone(d.Services), maps.Clone(d.Schedules)
	d.Policies, d.Rules, d.Runbooks, d.Logs = maps.Clone(d.Policies), maps.Clone(d.Rules), maps.Clone(d.Runbooks), maps.Clone(d.Logs)
	d.Gates = maps.Clone(d.Gates)
	return d
}
