package main

import (
	"context"
	"fmt"

	"github.com/musterhq/muster/store"
)

type migrateCmd struct {
	databaseFlag
	jsonFlag
	DownTo int64 `placeholder:"N" help:"Take the schema down to version N, so that an older Muster can work with it. Stop the servers before."`
}

func (migrateCmd) Help() string {
	return `Without --down-to it says which schema the database has. A server brings it up by itself when it starts, and works with
one that is a version newer than its own; one that is newer still it refuses. On the way down rows stay, and what newer
versions kept in columns and tables of their own is lost: make a backup before.

  muster migrate --down-to 1`
}

func (c migrateCmd) Run(ctx context.Context, a *app) error {
	newest := store.NewestSchema()
	said := struct {
		Schema int64 `json:"schema"` // of the database
		Before int64 `json:"before"` // the command
		Newest int64 `json:"newest"` // that this program makes
	}{Newest: newest}
	var err error
	if c.DownTo != 0 {
		said.Before, err = store.Downgrade(ctx, c.Database, c.DownTo)
		said.Schema = c.DownTo
	} else {
		said.Before, err = store.Schema(ctx, c.Database)
		said.Schema = said.Before
	}
	if err != nil {
		return describe(err)
	}
	if c.JSON {
		return a.printJSON(said)
	}
	if c.DownTo != 0 && said.Before != said.Schema {
		_, err = fmt.Fprintf(a.out, "schema %d taken down to %d\n", said.Before, said.Schema)
		return err
	}
	_, err = fmt.Fprintf(a.out, "The database has schema %d; this program makes %d and works with %d at most.\n", said.Schema, newest, newest+1)
	return err
}
