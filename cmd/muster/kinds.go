package main

import (
	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/ticket"
)

// kinds are all kinds of things that a configuration may name.
func kinds() config.Kinds { return engine.KindsOf(notify.Kinds, runbook.Steps, ticket.Trackers) }
