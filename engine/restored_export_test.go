package engine

import (
	"github.com/musterhq/muster/runbook"
	"github.com/musterhq/muster/store"
)

// RowOf is rowOf, for tests.
func RowOf(r runbook.Run) (store.Run, error) { return rowOf(r) }
