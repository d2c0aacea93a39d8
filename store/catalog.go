package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/musterhq/muster/internal/archive"
)

// versionTable is where goose keeps which migrations were made. It is no data:
// a restore makes the schema by the same migrations.
const versionTable = "goose_db_version"

// asker is what a query can be asked of: a pool, a connection, a transaction.
type asker interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// catalog lists all tables with their columns, by name, as the database itself
// has them: a table that a later migration adds is in a backup without further
// ado.
func (d dialect) catalog(ctx context.Context, from asker) ([]archive.Table, error) {
	text := `
		SELECT m.name, c.name, c.type FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\' AND m.name <> '` + versionTable + `' ORDER BY m.name, c.cid`
	if d.name == postgres.name {
		text = `
			SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
			WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
				AND c.relname <> '` + versionTable + `' ORDER BY c.relname COLLATE "C", a.attnum`
	}
	rows, err := from.QueryContext(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	defer rows.Close()
	var tables []archive.Table
	for rows.Next() {
		var table, column, kind string
		if err := rows.Scan(&table, &column, &kind); err != nil {
			return nil, fmt.Errorf("list the tables: %w", err)
		}
		t, ok := typeOf(kind)
		if !ok {
			return nil, fmt.Errorf("table %s: column %s has type %q, which no backup can hold", table, column, kind)
		}
		if len(tables) == 0 || tables[len(tables)-1].Name != table {
			tables = append(tables, archive.Table{Name: table})
		}
		last := &tables[len(tables)-1]
		last.Columns = append(last.Columns, archive.Column{Name: column, Type: t})
	}
	return tables, rows.Err()
}

// typeOf tells what a column holds from the name of its type. The schema uses
// three on purpose.
func typeOf(kind string) (archive.Type, bool) {
	switch strings.ToLower(kind) {
	case "bigint":
		return archive.Int, true
	case "text":
		return archive.Text, true
	case "bytea":
		return archive.Bytes, true
	}
	return "", false
}

// schemaVersion is the number of the newest migration that a database has had; 0
// for an empty one.
func (d dialect) schemaVersion(ctx context.Context, from asker) (int64, error) {
	there := `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '` + versionTable + `'`
	if d.name == postgres.name {
		there = `SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = '` + versionTable + `'`
	}
	var n, version int64
	if err := from.QueryRowContext(ctx, there).Scan(&n); err != nil {
		return 0, fmt.Errorf("version of the schema: %w", err)
	}
	if n == 0 {
		return 0, nil
	}
	err := from.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM `+versionTable+` WHERE is_applied`).Scan(&version)
	return version, wrap("version of the schema", err)
}

// columnList is "a, b, c" of a table.
func columnList(t archive.Table) string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

// filledTable names a table that has rows; "" if none has.
func filledTable(ctx context.Context, from asker, tables []archive.Table) (filled string, err error) {
	for _, t := range tables {
		var one int
		err := from.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM `+t.Name+` LIMIT 1) AS one`).Scan(&one)
		if err != nil {
			return "", fmt.Errorf("table %s: %w", t.Name, err)
		}
		if one > 0 {
			return t.Name, nil
		}
	}
	return "", nil
}
