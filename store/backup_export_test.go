package store

import (
	"context"
	"database/sql"

	"github.com/musterhq/muster/internal/archive"
)

// Tables lists the tables of an open store, as a backup sees them.
func (s *Store) Tables(ctx context.Context) ([]archive.Table, error) {
	return s.dialect.catalog(ctx, s.read)
}

// DB is the pool of readers, past the exported functions.
func (s *Store) DB() *sql.DB { return s.read }
