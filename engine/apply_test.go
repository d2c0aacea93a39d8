package engine_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/store"
)

// canaries are secrets of every place that a configuration has for them.
var canaries = map[string]string{
	"TOKEN": "canary-gitlab-token-11", "SLACK": "canary-slack-token-22", "SIGN": "canary-signing-secret-33", "HOOK": "whsec_Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5",
	"PASSWORD": "canary-mail-password-55", "INTAKE": "canary-intake-key-66", "HEADER": "canary-header-77", "URLPATH": "canary-url-path-88",
}

const secretive = `
organization: shop
users:
  ana: {email: ana@shop.example, contacts: {pager: {webhook: ''}}}
connections:
  gitlab: {gitlab: "https://gitlab.shop.example", token: TOKEN}
  chat: {slack: "", token: SLACK, signing_secret: SIGN}
  pager: {webhook: "https://pager.example/page", secret: HOOK}
  mail: {email: "smtp://mail.shop.example", from: muster@shop.example, username: muster, password: PASSWORD}
policies: {p: {steps: [{notify: [user:ana], wait: 5m}]}}
services: {checkout: {policy: p}}
integrations: {in: {kind: muster, key: INTAKE, service: checkout}}
runbooks:
  fix:
    steps: [{http: {url: "https://tool.example/URLPATH", headers: {Authorization: Bearer HEADER}}}]
`

func withCanaries(text string) string {
	for name, value := range canaries {
		text = strings.ReplaceAll(text, name, value)
	}
	return text
}

func leaked(text string) (names []string) {
	for name, value := range canaries {
		if strings.Contains(text, value) {
			names = append(names, name)
		}
	}
	return names
}

// dump is every value of every table, and for SQLite the bytes of its files.
func dump(t *testing.T, address string) string {
	t.Helper()
	var out bytes.Buffer
	db := openSQL(t, address)
	defer db.Close()
	list := `SELECT name FROM sqlite_master WHERE type = 'table'`
	if strings.HasPrefix(address, "postgres") {
		list = `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`
	} else {
		for _, suffix := range []string{"", "-wal"} {
			b, err := os.ReadFile(address + suffix)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			out.Write(b)
		}
	}
	var tables []string
	rows, err := db.Query(list)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil || len(tables) < 15 {
		t.Fatalf("%d tables, %v", len(tables), err)
	}
	for _, table := range tables {
		rows, err := db.Query(`SELECT * FROM ` + table)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			values := make([]sql.RawBytes, len(columns))
			into := make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			for _, v := range values {
				out.Write(v)
				out.WriteByte('\n')
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// TestSecrets plants a secret in every place: none is in the database, in an
// export, in what a diff or an error says, or in the log; and each still does
// its work, also after an export was edited and applied.
func TestSecrets(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		r := start(t, address, options{})
		first := r.apply(withCanaries(secretive))
		if got := dump(t, address); len(leaked(got)) > 0 || !strings.Contains(got, "gitlab.shop.example") {
			t.Fatalf("in the database as they are: %v", leaked(got))
		}
		if _, err := r.SenderByKey(canaries["INTAKE"]); err != nil {
			t.Errorf("the key of the integration: %v", err)
		}

		export, err := r.Export(r.org)
		if err != nil || len(leaked(string(export))) > 0 {
			t.Fatalf("in the export: %v (%v)", leaked(string(export)), err)
		}
		edited := strings.Replace(string(export), "wait: 5m", "wait: 7m", 1)
		if edited == string(export) {
			t.Fatalf("nothing to edit in\n%s", export)
		}
		files := []config.File{{Name: "export.yaml", Body: []byte(edited)}}
		changes, err := r.Diff(t.Context(), "", files)
		if err != nil || len(changes) != 1 || changes[0].Slug != "p" {
			t.Fatalf("the diff of one edit is %+v, %v", changes, err)
		}
		second, err := r.Apply(t.Context(), "", files, tester)
		if err != nil || second.Revision != first.Revision+1 {
			t.Fatalf("applied as revision %d after %d, %v", second.Revision, first.Revision, err)
		}
		if _, err := r.SenderByKey(canaries["INTAKE"]); err != nil {
			t.Errorf("the key of the integration after an export was applied: %v", err)
		}

		// Each secret replaced by another: the diff names places and shows none.
		others := strings.ReplaceAll(withCanaries(secretive), "canary-", "canary-new-")
		changes, err = r.Diff(t.Context(), "", []config.File{{Name: "new.yaml", Body: []byte(others)}})
		if text := fmt.Sprintf("%+v", changes); err != nil || strings.Contains(text, "canary") || len(changes) < 5 {
			t.Errorf("the diff of new secrets: %s, %v", text, err)
		}
		for _, broken := range []string{
			strings.Replace(withCanaries(secretive), "kind: muster", "kind: master", 1),
			withCanaries(secretive) + "\nnonsense: [", withCanaries(secretive) + "\nrules: {x: {service: " + canaries["TOKEN"][:3] + "}}",
			strings.Replace(withCanaries(secretive), "wait: 5m", "wait: soon", 1), strings.Replace(withCanaries(secretive), "token: "+canaries["TOKEN"], "tokn: "+canaries["TOKEN"], 1),
		} {
			_, err := r.Apply(t.Context(), "", []config.File{{Name: "broken.yaml", Body: []byte(broken)}}, tester)
			if err == nil || len(leaked(err.Error())) > 0 {
				t.Errorf("the error %v tells %v", err, leaked(fmt.Sprint(err)))
			}
		}

		r.end() // and it is read back sealed
		r = start(t, address, options{})
		if _, err := r.SenderByKey(canaries["INTAKE"]); err != nil {
			t.Errorf("the key of the integration after a restart: %v", err)
		}
		if got := dump(t, address) + r.log.String(); len(leaked(got)) > 0 {
			t.Errorf("in the database or the log: %v", leaked(got))
		}
	})
}

// TestReferences resolves references at the moment of use, and keeps them as
// they are written.
func TestReferences(t *testing.T) {
	t.Parallel()
	address := filepath.Join(t.TempDir(), "muster.db")
	resolve := func(reference string) (string, error) {
		if reference == "env:INTAKE_KEY" {
			return "the-resolved-key", nil
		}
		return "", fmt.Errorf("%s: not set", reference)
	}
	r := start(t, address, options{resolve: resolve})
	r.apply(strings.Replace(withCanaries(secretive), "key: "+canaries["INTAKE"], "key: env:INTAKE_KEY", 1))
	if _, err := r.SenderByKey("the-resolved-key"); err != nil {
		t.Error(err)
	}
	if got := dump(t, address); strings.Contains(got, "the-resolved-key") || !strings.Contains(got, "env:INTAKE_KEY") {
		t.Error("the reference is not kept as it is written")
	}
}

// TestRunningIncidentKeepsItsPolicy edits a policy in the middle of a climb:
// the climb goes on as it began, and the next incident follows the edit.
func TestRunningIncidentKeepsItsPolicy(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		p := &probe{}
		r := start(t, address, options{channels: []notify.Kind{p.kind()}})
		const before = `
organization: shop
users:
  ana: {contacts: {pager: {probe: ana}}}
  bob: {contacts: {pager: {probe: bob}}}
  chi: {contacts: {pager: {probe: chi}}}
connections: {probe: {probe: ''}}
policies: {p: {steps: [{notify: [user:ana], wait: 1s}, {notify: [user:bob], wait: 1h}]}}
services: {s: {policy: p}}
integrations: {i: {kind: muster, key: the-only-key, service: s}}
`
		first := r.apply(before)
		old := r.trigger("the-only-key", "old", "t").Incident
		second := r.apply(strings.Replace(before, "user:bob], wait: 1h", "user:chi], wait: 1h", 1))
		next := r.trigger("the-only-key", "next", "t").Incident
		r.wait("both climbed", 5*time.Second, func() bool { return len(p.pages("bob"))+len(p.pages("chi")) == 2 })
		if got := p.pages("bob"); len(got) != 1 || got[0].incident != old {
			t.Errorf("bob was paged for %+v, want %s", got, old)
		}
		if got := p.pages("chi"); len(got) != 1 || got[0].incident != next {
			t.Errorf("chi was paged for %+v, want %s", got, next)
		}
		for _, inc := range r.incidents() {
			want := map[string]int64{old: first.Revision, next: second.Revision}[inc.ID]
			if inc.Revision != want {
				t.Errorf("incident #%d is of revision %d, want %d", inc.Number, inc.Revision, want)
			}
		}
	})
}

// TestConcurrentApplies lets twenty applies race, on PostgreSQL on two
// replicas. Those that lose say so; the revisions that were made follow each
// other, and the last of them is in force everywhere.
func TestConcurrentApplies(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		p := &probe{}
		o := options{channels: []notify.Kind{p.kind()}}
		engines := []*running{start(t, address, o)}
		if strings.HasPrefix(address, "postgres") {
			engines = append(engines, start(t, address, o))
		}
		first := engines[0].apply(people(onePager, "ana"))
		for _, r := range engines {
			r.wait("it is in force", 5*time.Second, func() bool { id, err := r.Organization("shop"); r.org = id; return err == nil })
		}
		var mu sync.Mutex
		won, lost := map[int64]string{}, 0
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				title := fmt.Sprintf("Ana %d", i)
				body := strings.Replace(people(onePager, "ana"), "  ana: {contacts", "  ana: {name: "+title+", contacts", 1)
				applied, err := engines[i%len(engines)].Apply(t.Context(), "", []config.File{{Name: "a.yaml", Body: []byte(body)}}, tester)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, store.ErrMoved):
					lost++
				case err != nil:
					t.Error(err)
				case won[applied.Revision] != "":
					t.Errorf("revision %d was made by %q and by %q", applied.Revision, won[applied.Revision], title)
				default:
					won[applied.Revision] = title
				}
			})
		}
		wg.Wait()
		t.Logf("%d applied, %d lost", len(won), lost)
		if lost == 0 {
			t.Error("none lost: they did not race")
		}
		last := first.Revision + int64(len(won))
		for n := first.Revision + 1; n <= last; n++ {
			if won[n] == "" {
				t.Errorf("revision %d is nobody's", n)
			}
		}
		for i, r := range engines {
			r.wait(fmt.Sprintf("engine %d has the last revision in force", i), 5*time.Second, func() bool {
				export, err := r.Export(r.org)
				return err == nil && bytes.Contains(export, []byte("name: "+won[last]+"\n"))
			})
		}
	})
}

// TestVersions: a command given on the sight of an older state is refused, and
// the version that a command returns is that of the row.
func TestVersions(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		p := &probe{}
		r := start(t, address, options{channels: []notify.Kind{p.kind()}})
		r.apply(people(onePager, "ana"))
		id := r.trigger("key-of-ana", "k", "t").Incident
		r.wait("the receipt", 5*time.Second, func() bool { return strings.Contains(r.timeline(id), "notified") })
		seen := r.incidents()[0].Version
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 20 { // two responders, and eighteen more, at once
			wg.Go(func() {
				by := incident.Cause{Actor: incident.Actor(fmt.Sprintf("user:u%d", i)), Origin: "test"}
				got, err := r.Do(t.Context(), r.org, id, engine.Command{Do: "acknowledge", By: by, Version: seen})
				switch {
				case err == nil:
					mu.Lock()
					defer mu.Unlock()
					if won++; got.AckedBy != string(by.Actor) {
						t.Errorf("%s acknowledged, and it says %s", by.Actor, got.AckedBy)
					}
				case !errors.Is(err, engine.ErrStale):
					t.Errorf("error %v, want ErrStale", err)
				}
			})
		}
		wg.Wait()
		if won != 1 || strings.Count(r.timeline(id), "acknowledged user:") != 1 {
			t.Errorf("%d won; the timeline:\n%s", won, r.timeline(id))
		}
		for i := range 5 { // several in one commit
			for range 4 {
				wg.Go(func() {
					if _, err := r.Do(t.Context(), r.org, id, engine.Command{Do: "note", Text: "n", By: tester}); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			got, err := r.Do(t.Context(), r.org, id, engine.Command{Do: "note", Text: fmt.Sprint("last ", i), By: tester})
			if err != nil || got.Version != r.incidents()[0].Version {
				t.Errorf("version %d, %v; the row has %d", got.Version, err, r.incidents()[0].Version)
			}
		}
	})
}

// TestRunLeavesNothing: after Run and Close no goroutine is left, neither of
// the loops nor of the databases' pools, whatever was going on.
func TestRunLeavesNothing(t *testing.T) {
	for _, test := range []struct {
		name    string
		address func(t *testing.T) string
	}{
		{"sqlite", func(t *testing.T) string { return filepath.Join(t.TempDir(), "muster.db") }},
		{"memory", func(t *testing.T) string { return ":memory:" }},
		{"postgres", postgres},
	} {
		t.Run(test.name, func(t *testing.T) { // not in parallel: what others run would count
			address := test.address(t)
			before := goleak.IgnoreCurrent()
			path := filepath.Join(t.TempDir(), "access.ndjson")
			p := &probe{}
			r := start(t, address, options{channels: []notify.Kind{p.kind()}, tails: []engine.TailFile{{Source: "shop", Path: path}}})
			r.apply(watched() + "interrupts: {at_most: unlimited}\nintegrations: {i: {kind: muster, key: the-only-key, service: checkout}}\n")
			appendTo(t, path, lines(time.Now(), 30, 30, "/"))
			for i := range 20 {
				r.trigger("the-only-key", fmt.Sprint("k", i), "t")
			}
			r.wait("pages", 5*time.Second, func() bool { return len(p.pages("ana")) > 10 })
			r.end()
			if err := goleak.Find(before); err != nil {
				t.Error(err)
			}
		})
	}
}
