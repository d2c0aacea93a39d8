package engine

import (
	"context"
	"errors"

	"github.com/musterhq/muster/event"
)

// TellOperators is tellOperators, for tests.
func (e *Engine) TellOperators(ctx context.Context, org string, ev event.Event) error {
	return e.tellOperators(ctx, org, ev)
}

// Look is one look of the auditor and one stride of its walks, for tests.
func (e *Engine) Look(ctx context.Context) error {
	return errors.Join(e.look(ctx), e.stride(ctx))
}

// LookOnly is one look of the auditor without its walks, for tests.
func (e *Engine) LookOnly(ctx context.Context) error { return e.look(ctx) }

// Stride is one stride of the auditor's walks, for tests.
func (e *Engine) Stride(ctx context.Context) error { return e.stride(ctx) }

// How the auditor walks, for tests.
const (
	AuditEvery   = auditEvery
	AuditStrides = auditStrides
	AuditShare   = auditShare
	AuditPage    = auditPage
)

// AuditKinds lists what the auditor looks for.
func AuditKinds() []string { return auditKinds() }

// Loops are the names of all loops.
func (e *Engine) Loops() (names []string) {
	for _, l := range e.loops() {
		names = append(names, l.name)
	}
	return names
}
