package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	sqlitedriver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// A statement is to be executed with those of the whole commit, so that
// PostgreSQL is asked once and not ten times.
type statement struct {
	what, text string
	args       []any
	affected   func(rows int64) // is told how many there were; may be nil
}

func (b *batch) exec(what, text string, args ...any) {
	b.statements = append(b.statements, statement{what: what, text: text, args: args})
}

func (b *batch) execTold(affected func(rows int64), what, text string, args ...any) {
	b.statements = append(b.statements, statement{what, text, args, affected})
}

// execAll executes statements one after the other; on PostgreSQL all are sent
// before the first answer is awaited.
func (c *committer) execAll(ctx context.Context, list []statement) error {
	if c.s.dialect.name == postgres.name {
		return c.conn.Raw(func(driver any) error { return pipeline(ctx, driver.(*stdlib.Conn).Conn(), list) })
	}
	for _, st := range list {
		res, err := c.exec(ctx, st.text, st.args...)
		if err != nil {
			return fmt.Errorf("%s: %w", st.what, asMoved(err))
		}
		if st.affected != nil {
			if n, err := res.RowsAffected(); err == nil {
				st.affected(n)
			}
		}
	}
	return nil
}

func pipeline(ctx context.Context, conn *pgx.Conn, list []statement) (err error) {
	if len(list) == 0 {
		return nil
	}
	var queue pgx.Batch
	for _, st := range list {
		queue.Queue(st.text, st.args...)
	}
	results := conn.SendBatch(ctx, &queue)
	defer func() { err = cmp.Or(err, results.Close()) }()
	for _, st := range list {
		tag, err := results.Exec()
		if err != nil {
			return fmt.Errorf("%s: %w", st.what, asMoved(err))
		}
		if st.affected != nil {
			st.affected(tag.RowsAffected())
		}
	}
	return nil
}

// asMoved turns an error into ErrMoved if a version was not the one expected. An
// update sets it to NULL then, which the column refuses: so the statement fails
// as a whole, and nobody has to count its rows.
func asMoved(err error) error {
	moved := false
	if e, ok := errors.AsType[*sqlitedriver.Error](err); ok {
		moved = e.Code() == sqlite3.SQLITE_CONSTRAINT_NOTNULL && strings.Contains(e.Error(), ".version")
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		moved = e.Code == "23502" && e.ColumnName == "version" // not_null_violation
	}
	if moved {
		return fmt.Errorf("%w: %w", ErrMoved, err)
	}
	return err
}

// chunks are the sizes of multi-row statements: few, so that each is prepared
// once and used often, and yet near to any number, so that few are sent.
var chunks = [...]int{64, 48, 32, 24, 16, 12, 8, 7, 6, 5, 4, 3, 2, 1}

// inChunks calls do with ranges of these sizes that cover n.
func inChunks(n int, do func(from, to int) error) error {
	from := 0
	for _, size := range chunks {
		for n-from >= size {
			if err := do(from, from+size); err != nil {
				return err
			}
			from += size
		}
	}
	return nil
}

// inLists calls do with the values of a list, at most 64 at once. What is too
// short for one of four sizes is filled up with its last value, which means
// nothing to the set that it is for.
func inLists(list []string, do func(values []any) error) error {
	for part := range slices.Chunk(list, 64) {
		values := anys(part)
		for _, size := range [...]int{1, 4, 16, 64} {
			if len(values) <= size {
				values = append(values, slices.Repeat(values[len(values)-1:], size-len(values))...)
				break
			}
		}
		if err := do(values); err != nil {
			return err
		}
	}
	return nil
}

// rows returns a statement with n rows of values, made once:
// before, then "($1,$2 extra),($3,$4 extra)", then after.
func (c *committer) rows(before string, n, columns int, extra, after string) string {
	key := textKey{before, n}
	if c.texts[key] == "" {
		var s strings.Builder
		s.WriteString(before)
		for r := range n {
			if r > 0 {
				s.WriteByte(',')
			}
			s.WriteString("(" + c.s.dialect.marks(columns, 1+r*columns) + extra + ")")
		}
		s.WriteString(after)
		c.texts[key] = s.String()
	}
	return c.texts[key]
}

// list returns a statement with a list of n placeholders in it, numbered from
// a number on, made once. No placeholder may come before one of a lower number.
func (c *committer) list(before string, from, n int, after string) string {
	key := textKey{before, n}
	if c.texts[key] == "" {
		c.texts[key] = before + c.s.dialect.marks(n, from) + after
	}
	return c.texts[key]
}

type textKey struct {
	before string
	n      int
}

// marks is "$1,$2,$3" for n placeholders from the given number on.
func marks(n, from int) string {
	var s strings.Builder
	for i := range n {
		if i > 0 {
			s.WriteByte(',')
		}
		fmt.Fprintf(&s, "$%d", from+i)
	}
	return s.String()
}

// marks are n placeholders from the given number on, which must be the next one
// of the statement: to SQLite "$7" is a name, that is looked up among all others
// at each execution, a tenth of the time of a large commit; "?" is a position.
func (d dialect) marks(n, from int) string {
	if d.name == sqlite.name {
		return strings.TrimSuffix(strings.Repeat("?,", n), ",")
	}
	return marks(n, from)
}
