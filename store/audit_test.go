package store_test

import (
	"database/sql"
	"fmt"
	"regexp"
	"slices"
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

// testAuditWalks: a walk comes by every open incident and every firing alert of all
// organizations, page by page, and finds what is wrong at the edges of pages too.
func testAuditWalks(t *testing.T, f fixture) {
	const page = 4
	var behind, orphans []string
	for i := range 23 {
		org := fmt.Sprint("o", i%3)
		inc := openIncident(t, f.Store, org, fmt.Sprint("g", i), nine)
		a := firing(fmt.Sprint("k", i), inc.ID)
		a.Org = org
		if i%5 == 0 {
			a.IncidentID = "nobody"
			orphans = append(orphans, org+a.Key)
		}
		write(t, f.Store, func(tx *store.Tx) error { return tx.PutAlert(a) })
		if i%4 == 0 {
			if err := f.Exec(`UPDATE incidents SET seq = seq - 1 WHERE id = $1`, inc.ID); err != nil {
				t.Fatal(err)
			}
			behind = append(behind, inc.ID)
		}
	}
	walk := func(look func(after store.Place) (found []string, end store.Place, err error)) (all []string) {
		var at store.Place
		for pages := 0; ; pages++ {
			found, end, err := look(at)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, found...)
			if at = end; at == (store.Place{}) {
				if pages != 23/page {
					t.Errorf("%d full pages of %d rows for 23 of them", pages, page)
				}
				slices.Sort(all)
				return all
			}
			if pages > 23 {
				t.Fatal("a walk does not end")
			}
		}
	}
	slices.Sort(behind)
	slices.Sort(orphans)
	if got := walk(func(after store.Place) (found []string, end store.Place, err error) {
		list, end, err := f.BehindIncidents(t.Context(), after, page)
		for _, one := range list {
			found = append(found, one.ID)
		}
		return found, end, err
	}); !slices.Equal(got, behind) {
		t.Errorf("behind are %v, want %v", got, behind)
	}
	if got := walk(func(after store.Place) (found []string, end store.Place, err error) {
		list, end, err := f.OrphanAlerts(t.Context(), after, page, 100)
		for _, k := range list {
			found = append(found, k.Org+k.Key)
		}
		return found, end, err
	}); !slices.Equal(got, orphans) {
		t.Errorf("orphans are %v, want %v", got, orphans)
	}
}
