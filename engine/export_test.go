package engine

import (
	"context"

	"github.com/musterhq/muster/event"
)

// TellOperators is tellOperators, for tests.
func (e *Engine) TellOperators(ctx context.Context, org string, ev event.Event) error {
	return e.tellOperators(ctx, org, ev)
}
