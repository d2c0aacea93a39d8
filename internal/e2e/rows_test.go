package e2e

import (
	"database/sql"
	varint "encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/klauspost/compress/s2"
	_ "modernc.org/sqlite"
)

// read looks for all that was promised in the database itself, once its server
// is gone. The rows are read as store/events.go says that they are written.
func (g *siege) read(promises []promise) {
	t := g.t
	t.Helper()
	db := open(t, g.database)
	missing := map[string]string{} // keys, by the id of the event
	for _, p := range promises {
		missing[p.Event] = p.Key
	}
	if len(missing) != len(promises) {
		t.Errorf("%d promises name %d events", len(promises), len(missing))
	}
	err := each(db, `SELECT body FROM segments`, func(packed []byte) error {
		data, err := s2.Decode(nil, packed)
		if err != nil {
			return err
		}
		return frames(data, func(id, key string) {
			if want, ok := missing[id]; ok && want == key {
				delete(missing, id)
			}
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	lost(g, "events", missing)

	for _, of := range []struct {
		table string
		id    func(promise) string
	}{
		{"alerts", func(p promise) string { return p.Alert }},
		{"incidents", func(p promise) string { return p.Incident }},
	} {
		missing := map[string]string{}
		for _, p := range promises {
			if id := of.id(p); id != "" {
				missing[id] = p.Event
			}
		}
		if len(missing) == 0 {
			t.Errorf("no %s were promised", of.table)
		}
		if err := each(db, `SELECT id FROM `+of.table, func(id []byte) error { delete(missing, string(id)); return nil }); err != nil {
			t.Fatal(err)
		}
		lost(g, of.table, missing)
	}
}

// open opens the database of a server, to look at it.
func open(t *testing.T, database string) *sql.DB {
	t.Helper()
	driver, address := "sqlite", "file:"+database+"?mode=ro"
	if strings.Contains(database, "://") {
		driver, address = "pgx", database
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func lost(g *siege, what string, missing map[string]string) {
	g.t.Helper()
	told := 0
	for id, of := range missing {
		if told++; told <= 5 {
			g.t.Errorf("%d %s were promised and are not in the database; one is %s (%s)", len(missing), what, id, of)
		}
	}
}

// each calls do with the only column of each row.
func each(db *sql.DB, query string, do func([]byte) error) error {
	rows, err := db.Query(query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var column sql.RawBytes
		if err := rows.Scan(&column); err != nil {
			return err
		}
		if err := do(column); err != nil {
			return err
		}
	}
	return rows.Err()
}

// frames reads the events of a segment.
func frames(data []byte, do func(id, key string)) error {
	next := func(less uint64) (part []byte, err error) {
		n, k := varint.Uvarint(data)
		if n > 0 {
			n -= less
		}
		if k <= 0 || n > uint64(len(data)-k) {
			return nil, errors.New("damaged segment")
		}
		part, data = data[k:k+int(n)], data[k+int(n):]
		return part, nil
	}
	for len(data) > 0 {
		head, err := next(0)
		if err == nil {
			_, err = next(1) // the body
		}
		if err != nil {
			return err
		}
		var e struct {
			ID    string
			Event *struct{ Key string }
		}
		if err := json.Unmarshal(head, &e); err != nil {
			return err
		}
		if e.Event != nil {
			do(e.ID, e.Event.Key)
		}
	}
	return nil
}
