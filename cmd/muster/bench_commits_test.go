package main

import (
	"database/sql"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/store"
)

// BenchmarkCommits is the bare loop beside BenchmarkIntake: the rows that its
// commits write, into the same tables with the same indexes, of the same sizes
// and as many a commit, by one connection with prepared statements. No HTTP,
// nothing parsed, nothing looked up, nothing decided. One op is a commit.
func BenchmarkCommits(b *testing.B) {
	eachDatabase(b, func(b *testing.B, database string) {
		for _, bm := range []bareCommit{
			{name: "single", events: 8, alerts: 8, incidents: 8, entries: 8},
			{name: "batch64", events: 512, alerts: 512, incidents: 100, entries: 512},
			{name: "storm64", events: 512, alerts: 200, repeats: true},
		} {
			b.Run(bm.name, func(b *testing.B) { bm.run(b, database) })
		}
	})
}

// A bareCommit says what one commit of a load writes, beside its raw events.
type bareCommit struct {
	name      string
	events    int // raw, in one row
	alerts    int // new ones, or with repeats, those that are there
	repeats   bool
	incidents int // whose body changes
	entries   int // of their timelines
}

const (
	bareAlerts    = `INSERT INTO alerts (id, org, integration, dedup_key, status, incident, until, last_at, version, body, newest) VALUES `
	bareRepeat    = ` ON CONFLICT (id) DO UPDATE SET last_at = excluded.last_at, version = excluded.version, body = excluded.body`
	bareIncidents = `INSERT INTO incidents (id, org, number, group_key, status, service, severity, due, opened_at, version, body) VALUES `
	bareChange    = ` ON CONFLICT (id) DO UPDATE SET version = excluded.version, body = excluded.body`
	bareEntries   = `INSERT INTO timeline (incident, seq, org, at, kind, body) VALUES `
	bareSegment   = `INSERT INTO segments (id, org, at, count, body) VALUES ($1, $2, $3, $4, $5)`
)

func (c bareCommit) run(b *testing.B, database string) {
	address := benchDatabase(b, database)
	s, err := store.Open(b.Context(), address, slog.New(slog.DiscardHandler)) // it makes the tables
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	driver, begin := "pgx", "BEGIN"
	if database == "sqlite" {
		driver, begin, address = "sqlite", "BEGIN IMMEDIATE", "file:"+address+"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=wal_autocheckpoint(4000)&_pragma=temp_store(MEMORY)"
	}
	pool, err := sql.Open(driver, address)
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	db, err := pool.Conn(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	w := &bareWriter{b: b, db: db, org: id.New(time.Now()), prepared: map[string]*sql.Stmt{}, random: rand.NewChaCha8([32]byte{5})}
	for i := range max(100, c.incidents) {
		w.incidents = append(w.incidents, fmt.Sprintf("%s-%03d", id.New(time.Now()), i))
	}
	if c.repeats {
		for range c.alerts {
			w.repeated = append(w.repeated, id.New(time.Now()))
		}
	}
	commits := 0
	for b.Loop() {
		w.exec(begin)
		w.commit(c)
		w.exec("COMMIT")
		commits++
	}
	b.ReportMetric(float64(commits*c.events)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(0, "ns/op")
}

type bareWriter struct {
	b         *testing.B
	db        *sql.Conn
	org       string
	n         int64
	incidents []string
	repeated  []string
	prepared  map[string]*sql.Stmt
	random    *rand.ChaCha8
}

func (w *bareWriter) commit(c bareCommit) {
	now := time.Now().UnixMicro()
	alerts := make([][]any, 0, c.alerts)
	for i := range c.alerts {
		w.n++
		alert := id.New(time.Now())
		if c.repeats {
			alert = w.repeated[i]
		}
		alerts = append(alerts, []any{alert, w.org, "storm", fmt.Sprintf("checkout/disk/%s/%x", alert, uint32(w.n)*2654435761), "firing", w.incidents[i%100], nil, now, w.n, bareAlertBody, 1})
	}
	w.insert(bareAlerts, bareRepeat, alerts)
	incidents := make([][]any, 0, c.incidents)
	for i := range c.incidents {
		incidents = append(incidents, []any{w.incidents[i], w.org, i, w.incidents[i], "triggered", "checkout", "critical", now, now, w.n, bareIncidentBody})
	}
	w.insert(bareIncidents, bareChange, incidents)
	entries := make([][]any, 0, c.entries)
	for i := range c.entries {
		w.n++
		entries = append(entries, []any{w.incidents[i%100], w.n, w.org, now, "alert_added", bareEntryBody})
	}
	w.insert(bareEntries, "", entries)
	raw := make([]byte, 60*c.events) // what of a request does not repeat in the next
	w.random.Read(raw)
	w.exec(bareSegment, id.New(time.Now()), w.org, now, c.events, raw)
}

// insert writes rows, 64 a statement.
func (w *bareWriter) insert(text, conflict string, rows [][]any) {
	const most = 64
	for len(rows) > 0 {
		n := min(most, len(rows))
		var values strings.Builder
		var args []any
		for i, row := range rows[:n] {
			if i > 0 {
				values.WriteByte(',')
			}
			values.WriteByte('(')
			for j := range row {
				if j > 0 {
					values.WriteByte(',')
				}
				fmt.Fprintf(&values, "$%d", len(args)+j+1)
			}
			values.WriteByte(')')
			args = append(args, row...)
		}
		w.exec(text+values.String()+conflict, args...)
		rows = rows[n:]
	}
}

// exec runs a statement that was prepared once.
func (w *bareWriter) exec(text string, args ...any) {
	st := w.prepared[text]
	if st == nil {
		var err error
		if st, err = w.db.PrepareContext(w.b.Context(), text); err != nil {
			w.b.Fatal(err)
		}
		w.prepared[text] = st
	}
	if _, err := st.ExecContext(w.b.Context(), args...); err != nil {
		w.b.Fatal(err)
	}
}

// Bodies of the lengths that BenchmarkIntake leaves in its rows.
var (
	bareAlertBody    = `{"padding":"` + strings.Repeat("a", 780) + `"}`
	bareIncidentBody = `{"padding":"` + strings.Repeat("i", 640) + `"}`
	bareEntryBody    = `{"padding":"` + strings.Repeat("e", 130) + `"}`
)
