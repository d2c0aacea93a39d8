package store_test

import (
	"database/sql"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/musterhq/muster/store"
)

// testAuditPlans: no look of the auditor reads a whole table. PostgreSQL is asked
// with reading whole tables forbidden, so that it does only where it must.
func testAuditPlans(t *testing.T, f fixture) {
	if f.kind == "memory" {
		return // the same SQL as in a file
	}
	driver, explain := "sqlite", "EXPLAIN QUERY PLAN "
	if f.kind == "postgres" {
		driver, explain = "pgx", "EXPLAIN "
	}
	for i := range 50 {
		openIncident(t, f.Store, "o", fmt.Sprint("g", i), nine)
	}
	db := must(sql.Open(driver, f.address))(t)
	defer db.Close()
	db.SetMaxOpenConns(1)
	if f.kind == "postgres" {
		must(db.Exec(`SET enable_seqscan = off`))(t)
	}
	whole := regexp.MustCompile(`^SCAN (incidents|alerts|outbox|timeline|messages|runs|counters)$|Seq Scan on`)
	for name, text := range store.AuditStatements() {
		rows := must(db.Query(explain + text))(t)
		var plan []string
		for rows.Next() {
			var line string
			var skip any
			into := []any{&line}
			if f.kind != "postgres" {
				into = []any{&skip, &skip, &skip, &line}
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, line)
			if whole.MatchString(line) {
				t.Errorf("%s reads a whole table: %s", name, line)
			}
		}
		rows.Close()
		if len(plan) == 0 {
			t.Errorf("%s has no plan", name)
		}
		t.Logf("%s:\n%s", name, strings.Join(plan, "\n"))
	}
}
