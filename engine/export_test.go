package engine

import (
	"context"

	"github.com/musterhq/muster/event"
)

// TellOperators is tellOperators, for tests.
func (e *Engine) TellOperators(ctx context.Context, org string, ev event.Event) error {
	return e.tellOperators(ctx, org, ev)
}

// Look is one look of the auditor, for tests.
func (e *Engine) Look(ctx context.Context) error { return e.look(ctx) }

// AuditKinds lists what the auditor looks for.
func AuditKinds() []string { return auditKinds() }

// Loops are the names of all loops.
func (e *Engine) Loops() (names []string) {
	for _, l := range e.loops() {
		names = append(names, l.name)
	}
	return names
}
