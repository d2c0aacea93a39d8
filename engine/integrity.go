package engine

import (
	"context"
	"errors"
	"time"

	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/store"
)

// checkShare is how many times as long as a table took to be read its reader
// rests: reading costs two hundredths of a core at most.
const checkShare = 50

// integrityLoop reads the tables of a SQLite file, one after the other and round
// and round, and tells the operators of damage: what lies in a corner that nobody
// reads would else be found when it is needed.
func (e *Engine) integrityLoop(ctx context.Context) error {
	for {
		e.begins("integrity")
		names, err := e.Store.TableNames(ctx)
		if err != nil && ctx.Err() == nil {
			e.Log.Error("list the tables to be checked", "error", err)
		}
		if len(names) == 0 && !sleep(ctx, time.Hour) { // PostgreSQL looks after its own files
			return nil
		}
		for _, table := range names {
			if !sleep(ctx, e.Pace.Check) {
				return nil
			}
			began := time.Now()
			e.checkTable(ctx, table)
			if !sleep(ctx, checkShare*time.Since(began)) {
				return nil
			}
		}
	}
}

// checkTable reads one table and tells of what is wrong with it, once for two
// rounds and more: the word stands for a day.
func (e *Engine) checkTable(ctx context.Context, table string) {
	err := e.Store.CheckTable(ctx, table)
	switch {
	case errors.Is(err, store.ErrDamaged):
		e.Log.Error("the database is damaged", "table", table, "error", err)
		e.report("", event.Event{
			Action: event.Trigger, Key: "database_damaged", Severity: event.SeverityCritical, Title: "The database file is damaged, in table " + table + " or an index of it: restore the last backup",
			Until: now().Add(24 * time.Hour), Labels: map[string]string{"kind": "database_damaged", "table": table},
		})
	case err != nil && ctx.Err() == nil:
		e.Log.Error("check a table", "table", table, "error", err)
	}
}
