package engine_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/notify"
)

// A trap panics at stations, as often as it is told to.
type trap struct {
	mu     sync.Mutex
	left   map[string]int // panics to come, by station
	passed map[string]int // without a panic
}

func newTrap() *trap { return &trap{left: map[string]int{}, passed: map[string]int{}} }

func (p *trap) at(station string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left[station] > 0 {
		p.left[station]--
		panic("the password is hunter2hunter2")
	}
	p.passed[station]++
}

func (p *trap) set(station string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left[station] = n
}

func (p *trap) seen(station string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed[station]
}

// labelled is a counter of one label value.
func labelled(t *testing.T, r *running, name, value string) float64 {
	t.Helper()
	families, err := r.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == value {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// TestPanicInEachLoop lets every loop panic at its first turn. Each lives on, is counted, logged without what the panic said,
// and told of, once. A new loop must call begins, or it fails here.
func TestPanicInEachLoop(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		p, traps := &probe{}, newTrap()
		first := start(t, address, options{channels: []notify.Kind{p.kind()}})
		first.apply(platform)
		first.end()
		for _, name := range first.Loops() {
			traps.set("turn "+name, 1)
		}
		r := start(t, address, options{channels: []notify.Kind{p.kind()}, at: traps.at})
		r.apply(strings.Replace(platform, "wait: 1h", "wait: 2h", 1) + "teams: {all: {members: [ana]}}\n") // wakes the loop of the configuration
		for _, name := range r.Loops() {
			r.wait(name+" goes on", 30*time.Second, func() bool { return traps.seen("turn "+name) > 0 })
			if n := labelled(t, r, "muster_panics_total", name); n != 1 {
				t.Errorf("%v panics of %s counted, want 1", n, name)
			}
			if n := labelled(t, r, "muster_loop_restarts_total", name); n != 1 {
				t.Errorf("%v restarts of %s counted, want 1", n, name)
			}
		}
		told := func(name string) (n int) {
			for _, inc := range r.incidents() {
				if strings.Contains(inc.Title, "loop "+name+",") {
					n++
				}
			}
			return n
		}
		for _, name := range r.Loops() {
			if name == "operators" { // who would tell?
				continue
			}
			r.wait("the operators are told of "+name, 20*time.Second, func() bool { return told(name) > 0 })
			if n := told(name); n != 1 {
				t.Errorf("the operators were told of %s %d times", name, n)
			}
		}
		if strings.Contains(r.log.String(), "hunter2") {
			t.Error("what the panic said is in the log")
		}
		r.trigger("the-only-key", "after all", "after all")
		r.wait("a page leaves", 20*time.Second, func() bool { return len(p.pages("ana")) > 0 })
	})
}

// TestPanicInCommitter: who waits for the commit that panicked is told so, and
// the next commit goes through.
func TestPanicInCommitter(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		p, traps := &probe{}, newTrap()
		r := start(t, address, options{channels: []notify.Kind{p.kind()}, at: traps.at})
		r.apply(platform)
		from, err := r.SenderByKey("the-only-key")
		if err != nil {
			t.Fatal(err)
		}
		traps.set("staged", 1)
		ev := event.Event{Action: event.Trigger, Key: "k", Title: "t", Severity: event.SeverityCritical}
		for try := 0; ; try++ {
			_, err := r.Intake(t.Context(), from, []event.Event{ev}, []byte("{}"))
			if err == nil {
				break
			}
			if try > 20 || strings.Contains(err.Error(), "hunter2") {
				t.Fatal(err)
			}
			time.Sleep(200 * time.Millisecond)
		}
		r.wait("the page leaves", 20*time.Second, func() bool { return len(p.pages("ana")) == 1 })
		r.wait("the operators are told", 20*time.Second, func() bool { return len(p.pages("olga")) == 1 })
	})
}

// TestPoisonedRule lets one rule panic. It is stopped, shown with the reason and
// told of; the other one counts each line once; applying a configuration
// releases it.
func TestPoisonedRule(t *testing.T) {
	t.Parallel()
	p, traps := &probe{}, newTrap()
	r := start(t, filepath.Join(t.TempDir(), "muster.db"), options{channels: []notify.Kind{p.kind()}, at: traps.at})
	const rules = `
rules:
  bad: {service: shop, ratio: {bad: status >= 500}, above: 1%, window: 10s}
  good: {service: shop, ratio: {bad: status >= 500}, above: 1%, window: 10s}
`
	r.apply(platform + rules)
	traps.set("rule bad", 1)
	line := func(i int) []byte {
		return fmt.Appendf(nil, `{"time":%q,"status":500}`+"\n", time.Now().Add(time.Duration(i-40)*time.Second).UTC().Format(time.RFC3339))
	}
	for i := range 40 {
		r.wait("lines are taken", 10*time.Second, func() bool {
			_, err := r.Logs(t.Context(), r.org, "app", line(i))
			return err == nil
		})
	}
	r.wait("the good rule fires", 10*time.Second, func() bool { return len(p.pages("ana")) > 0 })
	stopped := func() (why string) {
		list, err := r.Rules(r.org)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != 2 {
			t.Fatalf("rules %v", list)
		}
		return list[0].Stopped
	}
	if why := stopped(); !strings.Contains(why, "defect") {
		t.Errorf("the rule is stopped because of %q", why)
	}
	if n := number(t, r.address, `SELECT sum(total) FROM windows WHERE rule = 'good'`); n != 40 {
		t.Errorf("the good rule counted %d lines, want 40", n)
	}
	if err := r.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r.foundStuck("rule_stopped") == 0 {
		t.Error("the auditor does not see it")
	}
	r.apply(platform + rules + "teams: {all: {members: [ana]}}\n")
	r.wait("it runs again", 10*time.Second, func() bool { return stopped() == "" })
}

// TestPoisonedOrganization: an organization whose configuration cannot be read
// keeps no other from starting; its senders are told to come again, and its
// operators' betters are told.
func TestPoisonedOrganization(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		p := &probe{}
		other := strings.NewReplacer("organization: shop\n", "organization: broken\n", "the-only-key", "the-other-key").Replace(platform)
		r := start(t, address, options{channels: []notify.Kind{p.kind()}})
		r.apply(other)
		r.apply(platform)
		r.end()
		sqlOn(t, address, `UPDATE resources SET body = '{' WHERE kind = 'user' AND slug = 'ana' AND org = (SELECT id FROM organizations WHERE slug = 'broken')`)
		r = start(t, address, options{channels: []notify.Kind{p.kind()}})
		var err error
		if r.org, err = r.Organization("shop"); err != nil {
			t.Fatal(err)
		}
		r.trigger("the-only-key", "k", "t")
		r.wait("a page leaves", 10*time.Second, func() bool { return len(p.pages("ana")) == 1 })
		if _, err := r.SenderByKey("the-other-key"); err == nil || !strings.Contains(err.Error(), "not available") {
			t.Errorf("its sender is told %v", err)
		}
		r.wait("the operators are told", 20*time.Second, func() bool {
			if err := r.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
			return len(p.pages("olga")) == 1
		})
	})
}

// TestPoisonAmongMany poisons some of many incidents and messages at random: all
// others go their way, without delay.
func TestPoisonAmongMany(t *testing.T) {
	items := 100 // more would only measure the machine, under the race detector beside others
	if os.Getenv("MUSTER_LONG") != "" {
		items = 10_000
	}
	onBoth(t, func(t *testing.T, address string) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 1))
		p := &probe{}
		r := start(t, address, options{channels: []notify.Kind{p.kind()}})
		wait := max(5, items/200) // seconds in which they are made and poisoned
		r.apply(strings.NewReplacer("{wait: 9h, by: b}", fmt.Sprintf("{wait: %ds, by: b}", wait)).Replace(patient))
		from, err := r.SenderByKey("the-only-key")
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		var ids []string
		for n := 0; n < items; n += 100 {
			var batch []event.Event
			for i := range 100 {
				batch = append(batch, event.Event{Action: event.Trigger, Key: fmt.Sprint(n + i), Title: fmt.Sprint(n + i), Severity: event.SeverityCritical})
			}
			accepted, err := r.Intake(t.Context(), from, batch, []byte("{}"))
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range accepted {
				ids = append(ids, a.Incident)
			}
		}
		db := openSQL(t, address)
		defer db.Close()
		poisons := []string{
			`UPDATE outbox SET body = '{' WHERE incident = $1 AND id LIKE '%/b/%'`,
			`UPDATE outbox SET body = '"a"' WHERE incident = $1 AND id LIKE '%/b/%'`,
			`UPDATE outbox SET kind = 'fax' WHERE incident = $1 AND id LIKE '%/b/%'`,
			`UPDATE incidents SET body = '{', due = 1 WHERE id = $1`,
			`UPDATE incidents SET body = '[]', due = 2 WHERE id = $1`,
			`UPDATE timeline SET body = '{' WHERE incident = $1 AND seq = 1`,
		}
		poisoned := map[string]bool{}
		for _, inc := range ids {
			if random.IntN(10) == 0 {
				poisoned[inc] = true
				if _, err := db.Exec(poisons[random.IntN(len(poisons))], inc); err != nil {
					t.Fatal(err)
				}
			}
		}
		poisonedAfter := time.Since(begun)
		r.wait("all others are paged a second time", 60*time.Second+time.Duration(items/50)*time.Second, func() bool {
			sent := map[string]bool{}
			rows, err := db.Query(`SELECT incident FROM outbox WHERE state = 'sent' AND id LIKE '%/b/%'`)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				var inc string
				if err := rows.Scan(&inc); err != nil {
					t.Fatal(err)
				}
				sent[inc] = true
			}
			for _, inc := range ids {
				if !poisoned[inc] && !sent[inc] {
					return false
				}
			}
			return true
		})
		worst := time.Duration(number(t, address, `SELECT max(done_at - due) FROM outbox WHERE state = 'sent' AND id LIKE '%/b/%'`)) * time.Microsecond
		t.Logf("%d of %d poisoned within %v; the others left within %v of their due time", len(poisoned), len(ids), poisonedAfter.Round(time.Millisecond), worst.Round(time.Millisecond))
		if worst > 30*time.Second {
			t.Errorf("a page left %v after it was due", worst)
		}
		for range 2 {
			if err := r.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := number(t, address, `SELECT count(*) FROM outbox WHERE state = 'pending' AND attempt = 0 AND id LIKE '%/b/%'`); n != 0 {
			t.Errorf("%d poisoned messages wait, and nobody tried", n)
		}
	})
}

// TestReleased: what was quarantined leaves once it is mended and a
// configuration is applied, even if that changes nothing.
func TestReleased(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		p := &probe{}
		r := start(t, address, options{channels: []notify.Kind{p.kind()}})
		r.apply(patient)
		inc := r.trigger("the-only-key", "k", "t").Incident
		r.wait("the first page", 10*time.Second, func() bool { return len(p.pages("ana")) == 1 })
		body, err := json.Marshal("what a newer version wrote")
		if err != nil {
			t.Fatal(err)
		}
		sqlOn(t, address, `ALTER TABLE outbox ADD COLUMN kept TEXT`, `UPDATE outbox SET kept = body, body = '`+string(body)+`' WHERE id LIKE '%/b/%'`)
		look := func() {
			t.Helper()
			if err := r.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		look()
		look()
		if n := number(t, address, `SELECT count(*) FROM outbox WHERE state = 'quarantined'`); n != 1 {
			t.Fatalf("%d in quarantine", n)
		}
		r.wait("the operators are told", 10*time.Second, func() bool { return len(p.pages("olga")) == 1 })
		sqlOn(t, address, `UPDATE outbox SET body = kept, due = 2000000 WHERE id LIKE '%/b/%'`)
		r.apply(patient)
		r.wait("it leaves", 10*time.Second, func() bool { return len(p.pages("ana2")) == 1 })
		look()
		for _, one := range r.incidents() {
			if one.ID != inc && one.Open() {
				t.Errorf("the operators' incident is still open: %s", one.Title)
			}
		}
	})
}
