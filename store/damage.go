package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	sqlitedriver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrDamaged marks a SQLite database whose files are not what was written.
var ErrDamaged = errors.New("it is damaged")

// damaged says of a damaged file what to do.
func damaged(path, how string) error {
	return fmt.Errorf("database %s: %w: %s. Nothing is served from it. Keep a copy of it with its -wal and -shm, then restore the last backup (muster restore FILE --database %s --replace); docs/running.md, \"A damaged file\", says more",
		path, ErrDamaged, how, path)
}

// asDamaged makes an error of SQLite that tells of damage one that says what to do.
func asDamaged(path string, err error) error {
	e, ok := errors.AsType[*sqlitedriver.Error](err)
	if !ok || errors.Is(err, ErrDamaged) {
		return err
	}
	if code := e.Code() & 0xff; code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB {
		return damaged(path, err.Error())
	}
	return err
}

// whole looks at the files of a SQLite database before they are opened, and
// refuses those that lost something that had been synced. It reads the log alone,
// and of the file no more than its size. Deep says that the file is shorter than
// what was committed makes it, which a full check must explain.
func whole(path string, log *slog.Logger) (deep bool, err error) {
	var how string
	for range 2 { // a writer at work may be half done, once
		var l walLook
		if l, err = lookAtLog(path); err != nil {
			return false, err
		}
		if l.absent {
			log.Warn("the write-ahead log is gone, and its index tells of commits in it that the file may lack", "file", path+"-wal")
		}
		if how = l.damage(); how == "" {
			part, err := partOfPage(path)
			if err != nil || !part {
				return l.missing, err
			}
			if l.frames > 0 { // what was being copied into the file, perhaps
				return true, nil
			}
			how = "ends within a page"
			continue
		}
		how = fmt.Sprintf("its log %s-wal %s", filepath.Base(path), how)
	}
	return false, damaged(path, how)
}

// checkAll reads all of the database, as SQLite's quick_check does.
func checkAll(ctx context.Context, from asker, path string) error {
	return checked(ctx, from, path, "PRAGMA quick_check(3)")
}

// checkRoots reads the first row of each table.
func (s *Store) checkRoots(ctx context.Context) error {
	tables, err := s.dialect.catalog(ctx, s.write)
	if err != nil {
		return err
	}
	for _, t := range tables {
		var n int
		if err := s.write.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT * FROM `+t.Name+` LIMIT 1)`).Scan(&n); err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	return nil
}

// TableNames are the tables that CheckTable can check: none on
// PostgreSQL, which looks after its own files, and in memory.
func (s *Store) TableNames(ctx context.Context) (names []string, err error) {
	if s.file == "" {
		return nil, nil
	}
	rows, err := s.read.QueryContext(ctx, `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`)
	if err != nil {
		return nil, asDamaged(s.file, err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// CheckTable reads all of a table and its indexes, and returns ErrDamaged with
// what is wrong with them. It holds up no writer.
func (s *Store) CheckTable(ctx context.Context, table string) error {
	return checked(ctx, s.read, s.file, "PRAGMA integrity_check('"+table+"')")
}

func checked(ctx context.Context, from asker, path, check string) error {
	rows, err := from.QueryContext(ctx, check)
	if err != nil {
		return asDamaged(path, err)
	}
	defer rows.Close()
	var wrong []string
	for rows.Next() {
		var line sql.NullString
		if err := rows.Scan(&line); err != nil {
			return err
		}
		if line.String != "ok" && len(wrong) < 3 {
			wrong = append(wrong, line.String)
		}
	}
	if err := rows.Err(); err != nil {
		return asDamaged(path, err)
	}
	if len(wrong) > 0 {
		return damaged(path, strings.Join(wrong, "; "))
	}
	return nil
}

// partOfPage tells whether a file of a database ends within a page, though no
// transaction of before there was a log is to be taken back.
func partOfPage(path string) (bool, error) {
	size, err := fileSize(path)
	if err != nil || size == 0 {
		return false, err
	}
	if journal, err := fileSize(path + "-journal"); err != nil || journal > 0 {
		return false, err
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var head [18]byte
	if _, err := io.ReadFull(f, head[:]); err != nil {
		return false, nil // SQLite will say that it is no database
	}
	page := int64(binary.BigEndian.Uint16(head[16:]))
	if page == 1 { // 65536 has no room
		page = 1 << 16
	}
	return page > 0 && size%page != 0, nil
}

// fileSize is 0 for a file that is not there.
func fileSize(path string) (int64, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
